# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings: spellings that are one, what a container offline never gets."""

from __future__ import annotations

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import settings


@pytest.mark.parametrize("name", ["ApiKey", "apikey", "APIKEY", "Billing", "DownloadLicense", "HTTP_PROXY", "https_proxy", "no_proxy"])
def test_keys_billing_and_proxies_are_refused(name: str) -> None:
    assert "does not belong to a container that runs offline" in str(settings.fault(name, "x"))
    assert settings.merge({name: "x"}, {"A": "1"}) == {"A": "1"}


@pytest.mark.parametrize("name", ["Eula", "EULA", "Mounts:License", "mounts__output"])
def test_what_the_collection_makes_is_refused(name: str) -> None:
    assert "is made by the collection" in str(settings.fault(name, "x"))


@pytest.mark.parametrize(("name", "value"), [("A=B", "x"), ("", "x"), (" A", "x"), (1, "x"), ("A", ["x"]), ("A", None), ("A", "a\0b")])
def test_what_no_environment_carries_is_refused(name: object, value: object) -> None:
    assert settings.fault(name, value)


@pytest.mark.parametrize(("value", "text"), [(8, "8"), (True, "true"), (1.5, "1.5"), ("x", "x")])
def test_values_become_text(value: object, text: str) -> None:
    assert settings.fault("DECODER_MAX_COUNT", value) is None
    assert settings.text(value) == text


def test_later_layers_win_under_any_spelling_and_keep_their_place() -> None:
    assert settings.merge({"Logging:Level": "a", "B": "1"}, {"LOGGING__LEVEL": "b"}) == {"Logging:Level": "b", "B": "1"}
