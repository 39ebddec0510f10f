# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports at the site: what they begin with, why one is made, what lies in the folder, what an interruption leaves."""

from __future__ import annotations

import json
import shutil
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import export, wire
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.exchange_kit import Headquarters, Keys, Site


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path, "site@plant-7", "hq@headquarters")


@pytest.fixture
def site(tmp_path: Path, keys: Keys) -> Site:
    made = Site(tmp_path / "site", keys)
    made.harvest(5)
    return made


def plan(site: Site, detail: str = "host", since: t.Optional[int] = None) -> export.Plan:
    with site.database.write() as connection:
        return export.plan(connection, site.name, detail, since)


def acknowledge(site: Site, tmp_path: Path) -> None:
    hq = Headquarters(tmp_path / "hq", site.keys)
    hq.take(site.outbox)
    assert site.receive(hq.receipt(), hq.receipt().with_suffix(".json.sig"))["changed"]


def test_it_begins_behind_the_last_receipt(site: Site, tmp_path: Path) -> None:
    assert (plan(site).number, plan(site).since, plan(site).spans["looks"]["from"]) == (1, 0, 1)
    site.export()
    site.harvest(6)
    assert (plan(site).number, plan(site).since, plan(site).spans["looks"]["from"]) == (2, 0, 1)
    site.export()
    acknowledge(site, tmp_path)
    site.harvest(7)
    made = plan(site)
    assert (made.number, made.since) == (3, 2)
    assert made.spans["looks"] == {**made.spans["looks"], "from": 5, "to": 6}
    assert made.spans["adjustments"] == {"from": 1, "to": 0, "before": "0" * 64, "after": "0" * 64}


def test_a_receipt_counts_for_its_own_detail_only(site: Site, tmp_path: Path) -> None:
    site.export(detail="site")
    acknowledge(site, tmp_path)
    assert (plan(site, "site").since, plan(site, "host").since) == (1, 0)


def test_since_goes_back_to_an_export_that_was_made(site: Site, tmp_path: Path) -> None:
    site.export()
    site.harvest(6)
    site.export()
    acknowledge(site, tmp_path)
    site.harvest(7)
    assert [plan(site, since=number).spans["looks"]["from"] for number in (0, 1, 2)] == [1, 3, 5]
    with pytest.raises(InputError, match="no export of this number and detail host"):
        plan(site, since=9)
    with pytest.raises(InputError, match="detail site"):
        plan(site, "site", since=1)


def test_a_site_without_rows_is_named(site: Site) -> None:
    with pytest.raises(MissingError, match="ledger of site plant-8: holds no row"), site.database.write() as connection:
        export.plan(connection, "plant-8", "host")


def test_why_an_export_is_made(site: Site, tmp_path: Path, keys: Keys) -> None:
    assert site.export()["msg"].endswith(": nothing was exported yet")
    assert not site.export()["changed"]
    site.harvest(5)  # the value is not new, but somebody looked
    assert site.export()["msg"].endswith(": 2 rows are new since export 1")
    assert site.export(detail="site")["msg"].endswith(": export 2 has detail host")
    assert site.export()["msg"].endswith("has detail site")
    folder = Path(site.export()["path"])
    with (folder / "looks.jsonl").open("a") as stream:
        stream.write("{}")
    assert "is not as it was written" in site.export()["msg"]
    keys.make("another")
    assert "not signed by" in site.export(signing_key=str(tmp_path / "another"))["msg"]
    assert "not signed by" in site.export()["msg"]
    assert site.export(state={"findings": []})["msg"].endswith("holds all that is not acknowledged")
    shutil.rmtree(site.outbox)
    assert site.export()["msg"].endswith("is gone and was not acknowledged")
    release = {"host": "h1", "container": "stt", "service": "s", "release": "r", "expires": "2026-12-31"}
    assert site.export(state={"releases": [release]})["msg"].endswith("the site's state has changed")


def test_what_was_acknowledged_may_go(site: Site, tmp_path: Path) -> None:
    site.export()
    acknowledge(site, tmp_path)
    assert (site.export()["msg"], site.export()["path"]) == ("export 1 was acknowledged and nothing is new", None)
    shutil.rmtree(site.outbox)
    assert not site.export()["changed"]


def test_since_is_done_once(site: Site, tmp_path: Path) -> None:
    site.export()
    acknowledge(site, tmp_path)
    site.harvest(6)
    assert site.export()["since"] == 1
    assert (site.export(since=0)["since"], site.export(since=0)["changed"]) == (0, False)


def test_the_folder_holds_what_the_manifest_lists_and_older_folders_go(site: Site) -> None:
    first = Path(site.export()["path"])
    (site.outbox / "wants.json").write_text("{}")
    (site.outbox / "usage-plant-70-1").mkdir()
    site.harvest(6)
    done = site.export()
    assert done["removed"] == [first.name]
    assert sorted(path.name for path in site.outbox.iterdir()) == ["usage-plant-7-2", "usage-plant-70-1", "wants.json"]
    folder = Path(done["path"])
    names = ["adjustments.jsonl", "export.json", "export.json.sig", "looks.jsonl", "readings.jsonl", "state.json"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert done["bytes"] == sum((folder / name).stat().st_size for name in names if not name.startswith("export"))
    assert wire.load_manifest((folder / wire.NAME).read_bytes(), "it")["id"] == done["id"]


def test_check_mode_tells_the_same_and_leaves_nothing(site: Site) -> None:
    dry = site.export(keep=False)
    assert not site.outbox.exists()
    done = site.export()
    assert {**dry, "msg": ""} == {**done, "msg": ""}
    assert dry["lines"][1].startswith("looks.jsonl: 2 rows, 1 to 2, ")
    assert "names of hosts and containers" in dry["lines"][-1]


def test_with_detail_site_no_host_container_source_or_url_leaves(site: Site) -> None:
    site.harvest(3, host="secret-host", name="secret-stt", source="secret-source")
    site.adjust(host="secret-host", container="secret-stt", reason="secret reason", kind="dead_host")
    for path in Path(site.export(detail="site")["path"]).iterdir():
        text = path.read_text()
        assert [word for word in ("secret", "127.0.0.1", '"h1"', '"stt"', '"s1"', '"x1"', "://") if word in text] == [], path.name


def test_statements_are_the_sums_with_adjustments_apart(site: Site) -> None:
    site.harvest(7, host="h2", source="s2")
    site.adjust(quantity="-1.5", kind="test_traffic")
    site.adjust(quantity="4", month="2025-12", kind="opening_balance")
    lines = (Path(site.export(detail="site")["path"]) / wire.STATEMENTS).read_text().splitlines()
    rows = {row["month"]: (row["quantity_low"], row["units_high"], row["adjusted"]) for row in map(json.loads, lines)}
    assert rows == {"2025-12": ("0", "0", "4"), "2026-01": ("12", "12", "-1.5"), "all": ("12", "12", "0")}


@pytest.mark.parametrize("step", ["seal", "record", "publish"])
def test_an_interruption_costs_a_number_at_most(site: Site, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(export, step, stop)
        site.export()
    assert not site.outbox.exists() or list(site.outbox.iterdir()) == []
    done = site.export()
    assert done["number"] == (2 if step == "publish" else 1), "a number that may have been seen is never given twice"
    assert not site.export()["changed"]


def test_rows_from_before_ledgers_had_ids_get_one(site: Site) -> None:
    with site.database.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER ledgers_no_delete")
        connection.exec_driver_sql("DELETE FROM ledgers")
        assert export.plan(connection, site.name, "host").ledgers[0]["reason"] == "first export"
