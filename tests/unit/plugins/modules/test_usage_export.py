# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module: options, the release's license dates from the store, one line for every refusal."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.airgap.azure_ai.plugins.modules import usage_export
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.exchange_kit import Keys, Site

Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path / "site", Keys(tmp_path, "site@plant-7"))
    made.harvest(5)
    return made


def options(made: Site, **more: t.Any) -> dict[str, t.Any]:
    return {"url": made.url, "site": made.name, "dest": str(made.outbox), "signing_key": str(made.keys.make("site@plant-7")), **more}


def test_check_then_make_then_nothing(site: Site, run: Run) -> None:
    dry = run(usage_export.main, check=True, **options(site))
    assert (dry["changed"], site.outbox.exists()) == (True, False)
    done = run(usage_export.main, **options(site))
    assert (done["changed"], done["diff"]["after"].splitlines()) == (True, done["lines"])
    assert {name: done[name] for name in dry if name not in ("msg", "invocation")} == {name: dry[name] for name in dry if name not in ("msg", "invocation")}
    again = run(usage_export.main, **options(site))
    assert (again["changed"], again["path"]) == (False, done["path"])


def test_license_ends_come_from_the_store(site: Site, run: Run, tmp_path: Path) -> None:
    release = {"id": "rel1", "tag": "4.9", "resource": "speech-dc0", "expires": "2026-12-31", "license": "sha256:secret"}
    (tmp_path / "holdings.json").write_text(json.dumps({"releases": [release]}))
    done = run(usage_export.main, **options(site, store=str(tmp_path)))
    state = json.loads((Path(done["path"]) / "state.json").read_text())
    named = {"host": "h1", "container": "stt", "service": "speech_to_text", "tag": "4.9", "release": "rel1", "resource": "speech-dc0", "expires": "2026-12-31"}
    assert state["releases"] == [named]
    assert state["formats"]["usage_export"] == 1


def test_findings_leave_with_the_state(site: Site, run: Run) -> None:
    site.harvest(2)
    state = json.loads((Path(run(usage_export.main, **options(site))["path"]) / "state.json").read_text())
    assert {row["kind"] for row in state["findings"]} == {"decrease"}
    counted = json.loads((Path(run(usage_export.main, **options(site, detail="site"))["path"]) / "state.json").read_text())
    assert sum(row["count"] for row in counted["findings"]) == len(state["findings"])


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"site": "Plant 7"}, "site 'Plant 7': not a DNS label"),
        ({"url": "/nowhere/ledger.db"}, "ledger /nowhere/ledger.db: no such file"),
        ({"signing_key": "/nowhere/key"}, "key /nowhere/key"),
        ({"store": "/nowhere"}, "/nowhere/holdings.json: no such file"),
        ({"state": {"addresses": []}}, "state: addresses may not leave the site"),
        ({"since": 9}, "since 9: no export of this number"),
        ({"site": "plant-8"}, "holds no row of this site"),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_refusals_are_one_line(site: Site, run: Run, more: dict[str, t.Any], says: str, check: bool) -> None:
    done = run(usage_export.main, check=check, **options(site, **more))
    assert done["failed"] and says in done["msg"] and "\n" not in done["msg"]
    assert not site.outbox.exists()


def test_the_version_is_the_collection_s() -> None:
    galaxy = yaml.safe_load((Path(__file__).parents[4] / "galaxy.yml").read_text())
    assert galaxy["version"] == usage_export.COLLECTION
