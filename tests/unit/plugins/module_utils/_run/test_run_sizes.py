# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes as people write them."""

from __future__ import annotations

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import sizes


@pytest.mark.parametrize(
    ("text", "size"), [("8g", 8 * 1024**3), ("512m", 512 * 1024**2), ("1.5G", 1536 * 1024**2), ("1GiB", 1024**3), ("7", 7), (7, 7), (" 2k ", 2048)]
)
def test_memory(text: object, size: int) -> None:
    assert sizes.memory(text) == size


@pytest.mark.parametrize("text", ["", "g", "-1g", "8 x", 0, -1, True, None, 1.5, "0g"])
def test_memory_that_is_none(text: object) -> None:
    with pytest.raises(InputError, match="write it like 8g"):
        sizes.memory(text)


@pytest.mark.parametrize(("text", "number"), [(8, 8), ("8", 8), (8.0, 8), ("1.5", 1.5)])
def test_cpus(text: object, number: float) -> None:
    assert sizes.cpus(text) == number
    assert type(sizes.cpus(text)) is type(number)


@pytest.mark.parametrize("text", [0, -1, "x", None, True, [], float("nan"), float("inf")])
def test_cpus_that_are_none(text: object) -> None:
    with pytest.raises(InputError, match="write it like 8"):
        sizes.cpus(text)


@pytest.mark.parametrize(("size", "text"), [(8 * 1024**3, "8g"), (1536 * 1024**2, "1.5g")])
def test_gib(size: int, text: str) -> None:
    assert sizes.gib(size) == text
