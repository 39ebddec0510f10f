# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.modules import package_info
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


def test_a_host_is_told_as_what_it_has(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "os-release").write_text('ID=debian\nVERSION_ID="12"\n')
    monkeypatch.setattr(package_info, "OS_RELEASE", str(tmp_path / "os-release"))
    found = kit.run_module(package_info, capsys)
    assert found["os"] == "debian-12" and found["arch"] and found["packages"]["dpkg"] and not found["changed"]
    assert set(found) <= {"os", "arch", "packages", "changed", "invocation"}, "nothing of the host else"


def test_a_host_without_dpkg_has_none(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = kit.run_module(package_info, capsys)
    assert (found["arch"], found["packages"]) == ("", {}) and not found.get("failed")


def test_a_dpkg_that_fails_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dpkg-query").write_text("#!/bin/sh\necho damaged >&2\nexit 2\n")
    (tmp_path / "dpkg-query").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = kit.run_module(package_info, capsys)
    assert found["failed"] and "damaged" in found["msg"] and "\n" not in found["msg"]
