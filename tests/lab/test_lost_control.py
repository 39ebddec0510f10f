# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's control node is lost: rebuilt from a backup, and from media and a receipt alone, with what differs told and no unit lost or counted twice."""

from __future__ import annotations

import json
import re
import typing as t

import pytest

from tests.lab import outcome, overlay, road
from tests.lab.shell import inside

BACKUPS, MEDIUM, CARRIED, PASSWORD, KEPT = (f"/home/{road.USER}/{name}" for name in ("backups", "medium", "carried", "backup-password", "inventories"))


def lose() -> None:
    """Everything that the control folder held is gone; what lay elsewhere stays, such as the inventories."""
    inside(road.CONTROL, "sh", "-c", f"rm -rf {KEPT} && cp -a {road.HOME}/{overlay.FOLDER} {KEPT}")
    inside(road.CONTROL, "rm", "-rf", road.HOME)
    inside(road.CONTROL, "install", "-d", "-o", road.USER, "-g", road.USER, "-m", "0750", road.HOME)


def put_inventories_back() -> None:
    """What a site keeps of its inventory elsewhere, over what init made."""
    inside(road.CONTROL, "cp", "-a", f"{KEPT}/.", f"{road.HOME}/{overlay.FOLDER}/")


def restore(*argv: str, **values: t.Any) -> str:
    """Run the playbook as somebody who has no inventory yet; what it printed."""
    given = {"azure_ai_site": road.SITE, **{f"restore_{name}": value for name, value in values.items()}}
    return road.playbook(road.CONTROL, "restore", "-e", json.dumps(given), *argv, log="lost-restore")


def lost_rows(told: str) -> dict[str, tuple[int, int]]:
    """Table to the first and last row that a restore says are at headquarters only."""
    found = re.findall(r"(looks|readings): rows (\d+) to (\d+) are at headquarters only; this ledger goes on behind them", " ".join(told.split()))
    return {table: (int(first), int(last)) for table, first, last in found}


def exchange(log: str) -> str:
    """Export, carry, import; what headquarters printed."""
    road.playbook(road.CONTROL, "usage_export", log=f"lost-export-{log}")
    road.carry_export()
    return road.playbook(road.BUILDER, "usage_import", log=f"lost-import-{log}")


def whole(log: str) -> None:
    """Harvest, report, hand on: site and headquarters both know what the record files hold."""
    road.harvest(log=f"lost-harvest-{log}")
    road.report(log=f"lost-report-{log}")
    exchange(log)
    # A new ledger has never read what another test left running and declares no more; rollouts name such containers.
    there = outcome.running() & {(row["host"], row["container"]) for row in outcome.report()["coverage"]}
    counted = {key: value for key, value in outcome.metered().items() if key[:2] in there}
    assert {host for host, *_rest in counted} == set(overlay.PUBLISHED)
    for report in (outcome.report(), outcome.headquarters()):
        assert report["chain"]["verified"] and report["chain"]["problems"] == []
        assert {key: value for key, value in outcome.reported(report).items() if key in counted} == counted


@pytest.fixture(scope="module")
def ends(walked: dict[str, str]) -> dict[str, int]:
    """A backup, then use that headquarters hears of, then use that nobody does; table to its last row at headquarters."""
    inside(road.CONTROL, "install", "-d", "-o", road.USER, BACKUPS)
    inside(road.CONTROL, "sh", "-c", f"echo a-password-of-this-test | install -o {road.USER} -m 0600 /dev/stdin {PASSWORD}")
    road.playbook(road.CONTROL, "backup", "-e", json.dumps({"backup_dest": BACKUPS, "backup_vault_password_file": PASSWORD}), log="lost-backup")
    road.traffic(2)
    road.harvest(log="lost-harvest-exported")
    exchange("before")
    road.traffic(3)
    road.harvest(log="lost-harvest-unknown")
    inside(road.CONTROL, "cp", "-a", f"{road.HOME}/outbox", MEDIUM)
    for name in ("receipt.json", "receipt.json.sig"):
        road.hand_over(road.BUILDER, f"{road.HOME}/outbox/{road.SITE}/{name}", road.CONTROL, f"{CARRIED}/{name}")
    receipt = json.loads(road.read(road.CONTROL, f"{CARRIED}/receipt.json"))
    lose()
    return {table: head["seq"] for table, head in receipt["heads"].items()}


def test_from_a_backup(ends: dict[str, int]) -> None:
    archive = inside(road.CONTROL, "sh", "-c", f"ls {BACKUPS}/*.tar*").split()[-1]
    given = {"archive": archive, "vault_password_file": PASSWORD, "receipt": f"{CARRIED}/receipt.json", "compare": [MEDIUM]}
    preview = restore("--check", **given)
    assert inside(road.CONTROL, "ls", "-A", road.HOME) == ""
    told = restore(**given)
    lost = lost_rows(told)
    assert lost == lost_rows(preview) and {table: last for table, (_first, last) in lost.items()} == {name: ends[name] for name in ("looks", "readings")}
    assert re.search(rf"knew looks up to row {ends['looks']}, this ledger ends at {lost['looks'][0] - 1}", " ".join(told.split()))
    road.init_side("site")
    put_inventories_back()
    whole("backup")


def test_from_media_and_a_receipt_alone(ends: dict[str, int]) -> None:
    lose()
    road.init()
    put_inventories_back()
    road.bundle(log="lost-bundle")
    path, _size = road.carry()
    assert "no such file, and headquarters has usage of this site" in " ".join(road.receive(log="lost-receive").split())
    receipt = f"{road.HOME}/store/received/{path.rpartition('/')[2]}/receipt.json"
    known = json.loads(road.read(road.CONTROL, receipt))["heads"]
    assert known["looks"]["seq"] > ends["looks"], "headquarters has heard of the node that was rebuilt from the backup"
    told = restore(receipt=receipt)
    assert lost_rows(told) == {name: (1, known[name]["seq"]) for name in ("looks", "readings")}
    assert road.changes(restore(receipt=receipt)) == {"localhost": 0}
    whole("media")
    assert set(overlay.PUBLISHED) == {row["host"] for row in outcome.report()["coverage"]}
