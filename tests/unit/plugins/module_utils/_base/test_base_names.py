# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import is_dns_label, local_image, local_url, published_url


def test_a_local_image_is_named_after_its_manifest() -> None:
    assert local_image("speech_to_text", "sha256:" + "0123456789abcdef" * 4) == "azure-ai.invalid/speech_to_text:0123456789abcdef"


def test_a_tag_is_no_manifest() -> None:
    with pytest.raises(InputError, match="digest 'latest'"):
        local_image("speech_to_text", "latest")


@pytest.mark.parametrize("text", ["a", "stt-en", "0", "a" * 63, "a--b"])
def test_labels(text: str) -> None:
    assert is_dns_label(text)


@pytest.mark.parametrize("text", ["", "-a", "a-", "A", "a_b", "a.b", "a" * 64, "a\n", "../a", "ü", None, 5, ["a"]])
def test_everything_else_is_no_label(text: object) -> None:
    assert not is_dns_label(text)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:5001"),
        ("", "http://127.0.0.1:5001"),
        ("10.0.0.1", "http://10.0.0.1:5001"),
        ("::", "http://[::1]:5001"),
        ("fd00::1", "http://[fd00::1]:5001"),
    ],
)
def test_a_host_reaches_what_it_publishes(address: str, url: str) -> None:
    assert local_url(address, 5001) == url


@pytest.mark.parametrize(
    ("published", "port", "url"),
    [
        ([["::", 5001, 5000], ["0.0.0.0", 5001, 5000]], 5000, "http://127.0.0.1:5001"),
        ([["::", 5001, 5000]], None, "http://[::1]:5001"),
        ([["10.0.0.1", 7, 9], ["10.0.0.1", 8, 5000]], 5000, "http://10.0.0.1:8"),
        ([["10.0.0.1", 7, 9]], 5000, None),
        ([], None, None),
    ],
)
def test_where_a_container_is_reached_now(published: list[list[t.Any]], port: int | None, url: str | None) -> None:
    assert published_url(published, port) == url
