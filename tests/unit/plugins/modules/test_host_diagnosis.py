# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_diagnosis writes where it is told, for the login user, over nothing."""

from __future__ import annotations

import tarfile
import typing as t
from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.modules import host_diagnosis

Run = t.Callable[..., dict[str, t.Any]]


def test_a_bare_host(run: Run, tmp_path: Path) -> None:
    options = {"root": str(tmp_path / "root"), "docker_socket": str(tmp_path / "none"), "told": {"warnings": ["a warning"]}}
    done = run(host_diagnosis.main, **options, target=str(tmp_path / "d.tar.gz"))
    assert done["changed"] is False and done["summary"]["warnings"] == ["a warning"]
    with tarfile.open(tmp_path / "d.tar.gz") as tar:
        assert tar.getnames()[-1] == "summary.txt"
    assert (tmp_path / "d.tar.gz").stat().st_mode & 0o777 == 0o600
    again = run(host_diagnosis.main, **options, target=str(tmp_path / "d.tar.gz"))
    assert again["failed"] and "File exists" in again["msg"]


def test_without_the_action_plugin_it_says_so(run: Run) -> None:
    assert "leave it to the action plugin" in run(host_diagnosis.main)["msg"]
