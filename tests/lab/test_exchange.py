# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage crosses outwards, its receipt comes back in the next bundle: what headquarters knows is what the site knows."""

from __future__ import annotations

import json

import pytest

from tests.lab import outcome, road, settings
from tests.lab.settings import Json
from tests.lab.shell import inside, run

FORGED = "/home/ops/forged"


def rows(report: Json) -> list[tuple[str, ...]]:
    """What was used, from a report."""
    return sorted((row["host"], row["container"], row["meter"], row["month"], *row["quantity"]) for row in report["rows"])


@pytest.fixture(scope="module")
def exchanged(walked: dict[str, str]) -> dict[str, str]:
    """One export carried to headquarters and imported there; name of the step to what it printed."""
    road.harvest(log="exchange-harvest")
    outputs = {"preview": road.playbook(road.CONTROL, "usage_export", "--check", log="exchange-preview")}
    assert exports() == [], "a preview writes nothing"
    outputs["export"] = road.playbook(road.CONTROL, "usage_export", log="exchange-export")
    road.carry_export()
    outputs["import"] = road.playbook(road.BUILDER, "usage_import", log="exchange-import")
    return outputs


def exports() -> list[str]:
    """Names of the export folders in the site's outbox."""
    return [name for name in inside(road.CONTROL, "ls", f"{road.HOME}/outbox").split() if name.startswith(f"usage-{road.SITE}-")]


def test_headquarters_knows_what_the_site_knows(exchanged: dict[str, str]) -> None:
    road.report(log="exchange-site-report")
    used = rows(outcome.report())
    assert used and rows(outcome.headquarters()) == used


def test_exporting_and_importing_again_changes_nothing(exchanged: dict[str, str]) -> None:
    assert road.changes(road.playbook(road.CONTROL, "usage_export", log="exchange-export-again"))["localhost"] == 0
    assert road.changes(road.playbook(road.BUILDER, "usage_import", log="exchange-import-again"))["localhost"] == 0


def test_an_altered_export_is_refused_and_nothing_of_it_is_kept(exchanged: dict[str, str]) -> None:
    before = rows(outcome.headquarters())
    name = exports()[-1]
    inside(road.BUILDER, "sh", "-c", f"rm -rf {FORGED} && install -d -o ops {FORGED} && cp -r {road.HOME}/inbox/{name} {FORGED}/ && chown -R ops {FORGED}")
    inside(road.BUILDER, "sed", "-i", 's/"quantity":"/&9/', f"{FORGED}/{name}/readings.jsonl")
    with pytest.raises(road.Refused) as caught:
        road.playbook(road.BUILDER, "usage_import", "-e", json.dumps({"usage_import_src": [FORGED]}), log="exchange-forged")
    assert "readings.jsonl" in caught.value.output and "Traceback" not in caught.value.output
    assert rows(outcome.headquarters()) == before
    inside(road.BUILDER, "rm", "-rf", FORGED)


def test_the_receipt_comes_back_in_the_next_bundle(exchanged: dict[str, str]) -> None:
    road.bundle(log="exchange-bundle")
    road.carry()
    received = road.receive(log="exchange-receive")
    assert "receipt" in received
    done = road.playbook(road.CONTROL, "usage_export", log="exchange-acknowledged")
    assert "acknowledged" in done
    road.traffic(3)
    road.harvest(log="exchange-more")
    road.playbook(road.CONTROL, "usage_export", log="exchange-second")
    manifest = json.loads(road.read(road.CONTROL, f"{road.HOME}/outbox/{exports()[-1]}/export.json"))
    whole = json.loads(run(["docker", "exec", road.BUILDER, "sh", "-c", f"cat {road.HOME}/inbox/usage-{road.SITE}-*/export.json | head -c 100000"]).stdout)
    assert manifest["number"] == whole["number"] + 1, "only what came since the receipt travels"
    road.carry_export()
    road.playbook(road.BUILDER, "usage_import", log="exchange-import-second")
    road.report(log="exchange-site-report-2")
    assert rows(outcome.headquarters()) == rows(outcome.report())


def test_what_leaves_the_site_names_no_address_and_no_secret(exchanged: dict[str, str]) -> None:
    folder = f"{road.HOME}/outbox/{exports()[-1]}"
    words = ["SIMULATED-LICENSE-CANARY", "SIMULATED-KEY-CANARY", "PRIVATE KEY", settings.host("text-1").address, settings.host("speech-1").address]
    found = run(["docker", "exec", road.CONTROL, "grep", "-rlF", *(part for word in words for part in ("-e", word)), folder], check=False)
    assert (found.returncode, found.stdout) == (1, b"")
