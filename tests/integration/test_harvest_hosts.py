# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The harvest playbook and hosts that are never asked: a declaration that is refused, a pattern that nobody matches. Neither is `all was read`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.faults import ALL, Endpoint, report

HOST = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False}
DECLARED = {"name": "text", "service": "sentiment", "tag": "3.0-en", "resource": "language-dc0"}


@pytest.fixture
def folder(tmp_path: Path) -> t.Iterator[Path]:
    """A control folder with two hosts; nobody could say what the second one runs."""
    with Endpoint({ALL: report(7)}) as server:
        hosts = {
            "good": {**HOST, "azure_ai_containers": [{**DECLARED, "port": server.server_address[1]}]},
            "odd": {**HOST, "azure_ai_containers": [{**DECLARED, "service": "no_such_service"}]},
        }
        common = {"azure_ai_home": str(tmp_path / "home"), "azure_ai_root": str(tmp_path / "root"), "azure_ai_site": "plant-7"}
        common.update(harvest_months=1, harvest_retries=0)
        (tmp_path / "home").mkdir()
        (tmp_path / "hosts.json").write_text(json.dumps({"azure_ai_hosts": {"hosts": hosts}, "all": {"vars": common}}))
        yield tmp_path


def harvest(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = ["ansible-playbook", "-i", str(folder / "hosts.json"), "airgap.azure_ai.harvest", *more]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, check=False)


def status(folder: Path) -> dict[str, t.Any]:
    return t.cast(dict[str, t.Any], json.loads((folder / "home/ledger/harvest-status.json").read_text()))


@pytest.mark.parametrize("evidence", [(), ("-e", "harvest_evidence=none")], ids=["with evidence", "without"])
def test_a_host_that_could_not_be_asked_is_missing_and_named(folder: Path, evidence: tuple[str, ...]) -> None:
    done = harvest(folder, *evidence)
    assert done.returncode == 2
    assert (status(folder)["outcome"], status(folder)["missing"]) == ("some_missing", 1)
    assert "odd: not asked: " in done.stdout
    assert "good" in done.stdout and "Traceback" not in done.stdout + done.stderr


def test_who_is_asked_alone_is_judged_alone(folder: Path) -> None:
    assert harvest(folder, "--limit", "good,localhost").returncode == 0
    assert (status(folder)["outcome"], status(folder)["missing"]) == ("all_read", 0)


def test_a_pattern_that_nobody_matches_is_a_failure(folder: Path) -> None:
    done = harvest(folder, "-e", "harvest_hosts=azure_ai_hots")
    assert done.returncode != 0 and "no host in azure_ai_hots" in done.stdout
    assert not (folder / "home/ledger/harvest-status.json").exists()
