# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""container_ready: its paths are put together, a license is only asked for where there is one, a failure is one line."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import ready
from ansible_collections.airgap.azure_ai.plugins.modules import container_ready

URL = "http://127.0.0.1:5001"
Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked for; a look at the license fails."""
    seen: list[str] = []

    def check(url: str) -> None:
        seen.append(url)
        raise RemoteError(url, "it answers 200 and its apiStatus is Invalid")

    monkeypatch.setattr(ready, "wait", lambda url, seconds: seen.append(f"{url} {seconds}") or 3)
    monkeypatch.setattr(ready, "check", check)
    return seen


@pytest.mark.parametrize("check", [False, True])
def test_a_service_without_a_license(run: Run, asked: list[str], check: bool) -> None:
    said = run(container_ready.main, check=check, url=URL, seconds=7)
    assert (said["changed"], said["looks"], said["msg"], asked) == (False, 3, "ready", [f"{URL}/ready 7"])


def test_a_license_that_does_not_serve(run: Run, asked: list[str]) -> None:
    said = run(container_ready.main, url=URL, ready="/here", status="/status")
    assert (said["failed"], said["msg"]) == (True, f"{URL}/status: it answers 200 and its apiStatus is Invalid")
    assert asked == [f"{URL}/here 300", f"{URL}/status"]
