# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The harvest playbook where hosts were never asked: they are named and counted, their containers are in the ledger, and a harvest of nobody says why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import schema
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.faults import ALL, Endpoint, report
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import rows

KIND = {"service": "sentiment", "tag": "3.0-en", "resource": "language-dc0"}


class Site:
    """A control folder, and hosts that are this machine under other names: ``h1`` has a container that answers."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.good = {"azure_ai_containers": [{"name": "up", "port": port, **KIND}]}

    def harvest(self, hosts: dict[str, dict[str, t.Any]], *more: str, exits: int = 0) -> str:
        common = {"azure_ai_home": str(self.folder / "home"), "azure_ai_root": str(self.folder / "root"), "azure_ai_site": "plant-7"}
        common.update(harvest_months=2, harvest_retries=0, ansible_connection="local", ansible_python_interpreter=sys.executable, ansible_become=False)
        (self.folder / "hosts.json").write_text(json.dumps({"azure_ai_hosts": {"hosts": hosts}, "all": {"vars": common, "hosts": {"other": {}}}}))
        command = ["ansible-playbook", "-i", str(self.folder / "hosts.json"), "airgap.azure_ai.harvest", *more]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, check=False)
        assert done.returncode == exits, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def status(self) -> dict[str, t.Any]:
        return t.cast(dict[str, t.Any], json.loads((self.folder / "home/ledger/harvest-status.json").read_text()))

    def looks(self) -> set[tuple[t.Any, ...]]:
        ledger = schema.Database(str(self.folder / "home/ledger/ledger.db"))
        return {tuple(row) for row in rows(ledger, "looks", "host", "container", "outcome", "scope")}


@pytest.fixture
def site(tmp_path: Path) -> t.Iterator[Site]:
    with Endpoint({ALL: report(7)}) as server:
        yield Site(tmp_path, server.server_address[1])


@pytest.mark.parametrize("evidence", [(), ("-e", "harvest_evidence=none")], ids=["with evidence", "without"])
def test_a_host_whose_declaration_is_refused_is_missing_and_named(site: Site, evidence: tuple[str, ...]) -> None:
    wrong = {"azure_ai_containers": [{"name": "bad", "port": 5001, **KIND, "service": "sentimental"}]}
    said = site.harvest({"h1": site.good, "h2": wrong}, *evidence, exits=2)
    assert "'sentimental' is unknown" in said.split("h2: not asked: ")[1] and "Traceback" not in said
    assert (site.status["outcome"], site.status["missing"], site.status["evidence_missing"]) == ("some_missing", 1, 0)
    assert {row[:3] for row in site.looks() if row[3] == "all"} == {("h1", "up", "usage")}
    site.harvest({"h1": site.good, "h2": wrong}, "--limit", "h1,localhost", *evidence)
    assert (site.status["outcome"], site.status["missing"]) == ("all_read", 0), "a host outside of the limit is not missing"


def test_containers_of_a_host_that_left_nothing_are_in_the_ledger(site: Site) -> None:
    lost = {"azure_ai_containers": [{"name": "lost", "port": 5001, **KIND}], "harvest_endpoints": "http://h2:5000"}
    said = site.harvest({"h1": site.good, "h2": lost}, exits=2)
    assert "h2: not asked: " in said
    assert (site.status["outcome"], site.status["missing"]) == ("some_missing", 1)
    found = {row for row in site.looks() if row[0] == "h2"}
    assert {row[:3] for row in found} == {("h2", "lost", "no_answer")} and len(found) == 3, "all time and both months"


@pytest.mark.parametrize("more", [(), ("-e", "harvest_evidence=none")])
def test_a_harvest_of_nobody_fails_in_words(site: Site, more: tuple[str, ...]) -> None:
    said = site.harvest({}, *more, exits=2)
    assert "plant-7: no host in azure_ai_hosts, so nobody was asked" in said
    said = site.harvest({"h1": site.good}, "--limit", "other,localhost", *more, exits=2)
    assert "no host in azure_ai_hosts within the limit other,localhost, so nobody was asked" in said


def test_answers_of_long_ago_go_and_are_told(site: Site) -> None:
    site.harvest({"h1": site.good}, "-e", "harvest_evidence=none")
    old = site.folder / "home/ledger/done/old"
    old.mkdir()
    os.utime(old, (0, 0))
    told = "done: {} the answers of 1 harvests, the last of them old"
    assert told.format("would remove") in site.harvest({"h1": site.good}, "-e", "harvest_evidence=none", "--check") and old.is_dir()
    assert told.format("removed") not in site.harvest({"h1": site.good}, "-e", "harvest_evidence=none", "-e", "harvest_done_keep_months=0")
    assert told.format("removed") in site.harvest({"h1": site.good}, "-e", "harvest_evidence=none")
    assert not old.exists() and len(list(old.parent.iterdir())) == 3
