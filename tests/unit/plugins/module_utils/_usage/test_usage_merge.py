# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merging at headquarters: whatever is lost, repeated or reordered, the same ledger or a named gap; never a silent difference."""

from __future__ import annotations

import json
import shutil
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import sign_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, schema, summary, wire
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.exchange_kit import Headquarters, Keys, Result, Site, copied, statuses

GOLDEN = Path(__file__).parent / "golden"
Rows = dict[str, list[tuple[t.Any, ...]]]


@pytest.fixture(name="world")
def make_world(tmp_path: Path) -> tuple[Site, Headquarters, Path]:
    keys = Keys(tmp_path, "site@plant-7", "site@plant-8", "hq@headquarters")
    return Site(tmp_path / "site", keys), Headquarters(tmp_path / "hq", keys), tmp_path / "media"


World = tuple[Site, Headquarters, Path]


def held(database: schema.Database, site: str = "plant-7") -> Rows:
    """Every row of a site's chains."""
    with database.read() as connection:
        found = {name: connection.exec_driver_sql(f"SELECT * FROM {name} WHERE site = '{site}' ORDER BY seq").all() for name in wire.CHAINS}
        assert ledger.verify(connection) == []
        return {name: [tuple(row) for row in rows] for name, rows in found.items()}


def sign_again(folder: Path, site: Site, **more: t.Any) -> None:
    """Let the site sign an export that was changed, with digests and id that fit."""
    manifest = {**json.loads((folder / wire.NAME).read_text()), **more}
    for entry in manifest["files"]:
        data = (folder / entry["name"]).read_bytes()
        entry.update(size=len(data), digest=str(Digest.of(data)))
    (folder / wire.NAME).write_bytes(pretty({**manifest, "id": wire.identity(manifest)}))
    sign_file(str(folder / wire.NAME), str(site.keys.make(f"site@{site.name}")), wire.NAMESPACE)


def test_rows_arrive_as_the_site_wrote_them(world: World) -> None:
    site, hq, media = world
    site.harvest(5)
    site.harvest(9)
    site.adjust()
    site.carry(media)
    done = hq.take(media)
    assert (done["changed"], done["problems"], statuses(done)) == (True, [], [("plant-7", 1, "imported")])
    assert done["exports"][0]["rows"] == {"looks": 4, "readings": 4, "adjustments": 1}
    assert held(hq.database) == held(site.database)
    with hq.database.read() as connection, site.database.read() as other:
        assert summary.accounts(connection) == summary.accounts(other)
        assert json.loads(connection.exec_driver_sql("SELECT state FROM states").scalar())["site"] == "plant-7"
        assert connection.exec_driver_sql("SELECT id FROM ledgers").scalar() == other.exec_driver_sql("SELECT id FROM ledgers").scalar()
        assert connection.exec_driver_sql("SELECT looks_to FROM appends").scalar() == 4
    again = hq.take(media)
    assert (again["changed"], statuses(again)) == (False, [("plant-7", 1, "known")])


def test_the_golden_exports_are_merged_for_ever(tmp_path: Path) -> None:
    hq = Headquarters(tmp_path, Keys(tmp_path, "hq@headquarters"))
    done = hq.take(GOLDEN, allowed_signers=str(GOLDEN / "allowed_signers"))
    assert statuses(done) == [("plant-7", 1, "imported"), ("plant-7", 2, "imported")]
    assert len(held(hq.database)["readings"]) == 4
    with hq.database.read() as connection:
        assert connection.exec_driver_sql("SELECT adjusted FROM statements WHERE month = '2026-03'").scalar() == "-12.5"


def test_check_mode_tells_the_same_and_leaves_nothing(world: World) -> None:
    site, hq, media = world
    site.harvest(5)
    site.carry(media)
    dry = hq.take(media, keep=False)
    assert not Path(hq.url).exists() and not hq.outbox.exists()
    assert hq.take(media) == dry
    site.harvest(6)
    site.carry(media)
    before = held(hq.database)
    assert statuses(hq.take(media, keep=False))[-1] == ("plant-7", 2, "imported")
    assert held(hq.database) == before


class Road:
    """A site and headquarters with media in between; what headquarters forgets is kept as copies of its database."""

    def __init__(self, folder: Path) -> None:
        keys = Keys(folder, "site@plant-7", "hq@headquarters")
        self.site, self.hq, self.folder = Site(folder / "site", keys), Headquarters(folder / "hq", keys), folder
        self.media: list[Path] = []
        self.copies: list[Path] = []
        self.value = 0

    def harvest(self, number: int) -> None:
        self.value += number % 3
        self.site.harvest(self.value)

    def export(self, _number: int) -> None:
        if self.value:
            made = self.site.export()
            if made["path"]:
                self.media.append(Path(shutil.copytree(made["path"], self.folder / f"media-{len(self.media)}")))

    def adjust(self, number: int) -> None:
        self.site.adjust(quantity=str(number), kind="opening_balance")

    def deliver(self, number: int) -> None:
        """One medium, or two in whatever order they lie."""
        if self.media:
            chosen = {self.media[number % len(self.media)], self.media[number // 7 % len(self.media)]}
            found = {status for _site, _number, status in statuses(self.hq.take(*chosen))}
            assert found <= {"imported", "known", "older", "gap"}
            assert "gap" not in found or self.copies, "only a headquarters that forgot can miss rows"

    def receipt(self, _number: int) -> None:
        if self.hq.receipt().exists():
            assert self.site.receive(self.hq.receipt())["problems"] == []

    def copy(self, _number: int) -> None:
        if Path(self.hq.url).exists():
            self.copies.append(self.folder / f"copy-{len(self.copies)}.db")
            copied(self.hq.url, str(self.copies[-1]))

    def forget(self, number: int) -> None:
        """Headquarters goes back to an earlier copy of its ledger."""
        if self.copies:
            self.hq.url = str(self.copies[number % len(self.copies)])

    def settle(self) -> Result:
        """The last export arrives; where headquarters names a gap, the site goes back as far as it says."""
        done = self.hq.take(Path(self.site.carry(self.folder / "last")))
        for problem in done["problems"]:
            again = int(problem.rpartition("usage_export_since=")[2])
            done = self.hq.take(Path(self.site.carry(self.folder / "again", since=again)))
        return done


STEPS = ("harvest", "export", "deliver", "receipt", "adjust", "copy", "forget")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from((*STEPS[:4], *STEPS)), st.integers(0, 48)), max_size=25))
def test_lost_repeated_reordered_and_forgotten_exports_end_in_the_same_ledger(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        road = Road(Path(folder))
        road.harvest(1)
        for name, number in steps:
            getattr(road, name)(number)
        road.harvest(1)
        assert road.settle()["problems"] == []
        assert held(road.hq.database) == held(road.site.database)
        assert road.hq.take(road.folder / "last")["changed"] is False or not road.copies


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(4)), st.lists(st.integers(0, 3), max_size=3))
def test_any_order_of_media_gives_the_same_ledger(order: list[int], repeated: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        road = Road(Path(folder))
        for number in range(1, 5):
            road.harvest(number)
            road.export(number)
        for number in (*order, *repeated):
            assert road.hq.take(road.media[number])["problems"] == []
        assert held(road.hq.database) == held(road.site.database)
        with road.hq.database.read() as connection:
            assert connection.exec_driver_sql("SELECT max(number) FROM states").scalar() == 4


def test_a_replay_brings_nothing_and_is_told(world: World) -> None:
    site, hq, media = world
    site.harvest(5)
    first = site.carry(media)
    site.harvest(6)
    hq.take(site.carry(media))
    done = hq.take(first)
    assert (done["changed"], done["problems"], done["lines"]) == (
        False,
        [],
        ["export 1 of plant-7: older than export 2, which was imported before; nothing new in it"],
    )


def test_a_gap_is_named_with_the_way_out(world: World) -> None:
    site, hq, media = world
    site.harvest(5)
    hq.take(site.carry(media))
    site.receive(hq.receipt())
    hq.url += ".new"
    site.harvest(6)
    done = hq.take(site.carry(media / "later"))
    assert done["problems"] == [
        "export 2 of plant-7: looks rows 1 to 2 are missing; have the site export again with usage_export_since=0",
    ]
    assert (done["changed"], done["receipts"], done["exports"][0]["status"]) == (False, [], "gap")
    assert hq.take(media)["problems"] == [], "together with the first medium nothing is missing"
    assert held(hq.database) == held(site.database)


def test_a_fork_names_both_heads_and_leaves_the_site_as_it_was(world: World) -> None:
    site, hq, media = world
    site.harvest(5)
    copied(site.url, site.url + ".copy")
    site.harvest(6)
    hq.take(site.carry(media))
    before = held(hq.database)
    twin = Site(site.folder / "twin", site.keys)
    shutil.copy(site.url + ".copy", twin.url)
    twin.harvest(3, host="h9", source="s9")
    twin.export()
    twin.harvest(4, host="h9", source="s9")
    done = hq.take(twin.carry(media / "twin"))
    assert done["exports"][0]["status"] == "fork"
    heads = [rows["looks"][-1][-1][:16] for rows in (before, held(twin.database))]
    assert "fork at looks row 3" in done["problems"][0] and all(head in done["problems"][0] for head in heads)
    assert (held(hq.database), done["receipts"]) == (before, [])


def test_two_exports_of_one_number_are_a_fork(world: World) -> None:
    site, hq, media = world
    site.harvest(5)
    first = site.carry(media)
    hq.take(first)
    sign_again(first, site, collection="1.0.1")
    assert "another export of this number was imported before" in hq.take(first)["problems"][0]


def test_an_export_from_the_future_names_both_clocks(world: World) -> None:
    site, hq, media = world
    site.harvest(5)
    folder = site.carry(media)
    sign_again(folder, site, created="2090-01-01T00:00:00Z")
    done = hq.take(folder)
    assert done["exports"][0]["status"] == "future"
    assert "made at 2090-01-01T00:00:00Z, this machine's clock says 20" in done["problems"][0]
    assert hq.take(folder, clock_tolerance=2**31)["problems"] == []
    sign_again(folder, site, created="2026-02-31T00:00:00Z", number=2)
    assert "no such moment" in hq.take(folder)["problems"][0]


def restored(site: Site, reason: str = "restored") -> None:
    with site.database.write() as connection:
        ledger.open_ledger(connection, site.name, reason)


def test_a_restored_ledger_that_names_its_predecessor_is_its_successor(world: World) -> None:
    site, hq, media = world
    site.harvest(5)
    old = site.carry(media)
    hq.take(old)
    copied(site.url, site.url + ".copy")
    restored(site)
    restored(site, "once more")
    site.harvest(6)
    assert hq.take(site.carry(media))["problems"] == []
    assert held(hq.database) == held(site.database)
    with hq.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ledgers").scalar() == 3
    assert site.receive(hq.receipt())["problems"] == []
    still = Site(site.folder / "still", site.keys)
    shutil.copy(site.url + ".copy", still.url)
    still.harvest(6)
    still.export()
    still.harvest(7)
    done = hq.take(still.carry(media / "still"))
    assert done["exports"][0]["status"] == "ledger" and "has succeeded" in done["problems"][0]


def test_a_ledger_that_names_nobody_is_refused_in_words(world: World) -> None:
    site, hq, media = world
    site.harvest(5)
    hq.take(site.carry(media))
    before = held(hq.database)
    other = Site(site.folder / "other", site.keys)
    for value in range(3):
        other.harvest(value)
        other.export()
    done = hq.take(other.carry(media / "other"))
    assert done["exports"][0]["status"] == "ledger"
    assert "headquarters knows ledger" in done["problems"][0] and "the new one does not name it" in done["problems"][0]
    assert held(hq.database) == before


def test_a_successor_goes_on_behind_the_last_number(world: World) -> None:
    site, hq, media = world
    site.harvest(5)
    copied(site.url, site.url + ".copy")
    hq.take(site.carry(media))
    shutil.copy(site.url + ".copy", site.url + ".old")
    site.url += ".old"
    restored(site)
    site.outbox = site.folder / "outbox2"
    done = hq.take(site.carry(media / "restored"))
    assert "take the last receipt in at the site" in done["problems"][0]
    assert site.receive(hq.receipt())["changed"]
    site.harvest(6)
    assert hq.take(site.carry(media / "restored"))["problems"] == []


def test_one_bad_site_never_stops_the_others(world: World) -> None:
    site, hq, media = world
    other = Site(media.parent / "other", site.keys, "plant-8")
    site.harvest(5)
    other.harvest(6)
    bad, good = site.carry(media / "a"), other.carry(media / "b")
    (bad / "Thumbs.db").touch()
    (good / "Thumbs.db").touch()
    (bad / "looks.jsonl").write_text("")
    done = hq.take(media)
    assert sorted(statuses(done)) == [("", 0, "refused"), ("plant-8", 1, "imported")]
    assert (done["sites"], done["receipts"], len(done["problems"])) == (["plant-8"], [str(hq.receipt("plant-8"))], 1)
    assert done["lines"][-1].endswith("(not part of it: Thumbs.db)")


def test_after_an_altered_row_nothing_of_the_site_is_written(world: World) -> None:
    site, hq, media = world
    site.harvest(5)
    site.carry(media)
    site.harvest(6)
    second = site.carry(media)
    rows = (second / "readings.jsonl").read_bytes()
    (second / "readings.jsonl").write_bytes(rows.replace(b'"quantity":"6"', b'"quantity":"5"', 1))
    sign_again(second, site)
    done = hq.take(media)
    assert [status for _site, _number, status in statuses(done)] == ["held", "refused"]
    assert "readings row 3: its content does not match its hash" in done["problems"][0]
    with pytest.raises(MissingError, match="holds no ledger"):
        held(hq.database)


def test_an_adjustment_that_nobody_known_signed_is_refused(world: World) -> None:
    site, hq, media = world
    site.harvest(5)
    stranger = Keys(media.parent / "site", "site@plant-7")
    site.adjust(allowed_signers=str(stranger.signers), signing_key=str(stranger.make("site@plant-7")))
    done = hq.take(site.carry(media))
    assert "adjustment of plant-7 entered" in done["problems"][0] and "does not know" in done["problems"][0]
    with pytest.raises(MissingError, match="holds no ledger"):
        held(hq.database)


def test_statements_are_kept_and_heads_must_go_on(world: World) -> None:
    site, hq, media = world
    site.harvest(5)
    assert hq.take(site.carry(media, detail="site"))["problems"] == []
    site.receive(hq.receipt())
    copied(site.url, site.url + ".copy")
    site.harvest(6)
    assert hq.take(site.carry(media, detail="site"))["problems"] == []
    with hq.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT number, month, quantity_high FROM statements ORDER BY number, month").all()
        assert rows == [(1, "2026-01", "5"), (1, "all", "5"), (2, "2026-01", "6"), (2, "all", "6")]
        assert connection.exec_driver_sql("SELECT count(*) FROM readings").scalar() == 0
    hq.url += ".new"
    assert "were never accounted for; have the site export again with usage_export_since=0" in hq.take(media / "usage-plant-7-2")["problems"][0]
    assert hq.take(media)["problems"] == []
    twin = Site(site.folder / "twin", site.keys)
    shutil.copy(site.url + ".copy", twin.url)
    twin.harvest(7)
    twin.export(detail="site")
    twin.export(detail="host")
    done = hq.take(twin.carry(media / "twin", detail="site"))
    assert done["exports"][0]["status"] == "fork"


def test_a_site_may_change_the_detail_and_back(world: World) -> None:
    site, hq, media = world
    for value, detail in enumerate(("host", "site", "host", "site"), 1):
        site.harvest(value)
        assert hq.take(site.carry(media, detail=detail))["problems"] == []
        assert site.receive(hq.receipt())["problems"] == []
    rows = held(hq.database)
    assert (len(rows["looks"]), len(held(site.database)["looks"])) == (6, 8)
    site.harvest(9)
    assert hq.take(site.carry(media))["problems"] == []
    assert held(hq.database) == held(site.database)
