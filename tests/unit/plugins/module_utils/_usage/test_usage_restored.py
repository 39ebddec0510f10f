# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ledger that was put back goes on: as a new one that names the old, behind what headquarters has, and headquarters takes what it exports."""

from __future__ import annotations

import json
import sqlite3
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, receipt, recheck, restored, schema
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.exchange_kit import Headquarters, Keys, Site, copied, statuses

NOW = "2026-04-01T00:00:00Z"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path, "site@plant-7", "hq@headquarters")


@pytest.fixture
def hq(tmp_path: Path, keys: Keys) -> Headquarters:
    return Headquarters(tmp_path / "hq", keys)


@pytest.fixture
def site(tmp_path: Path, keys: Keys, hq: Headquarters) -> Site:
    """Two harvests, backed up as old.db, one more, all of it at headquarters."""
    made = Site(tmp_path / "site", keys)
    made.harvest(5)
    made.harvest(7)
    copied(made.url, str(tmp_path / "old.db"))
    made.harvest(9)
    made.export()
    hq.take(made.outbox)
    return made


def rebuilt(tmp_path: Path, keys: Keys, backup: bool) -> Site:
    made = Site(tmp_path / "rebuilt", keys)
    made._harvests = 10
    if backup:
        copied(str(tmp_path / "old.db"), made.url)
    return made


def known(hq: Headquarters) -> receipt.Receipt:
    return receipt.read(str(hq.receipt()), "plant-7", Trust(str(hq.keys.signers)))


def begin(made: Site, found: receipt.Receipt | None) -> tuple[str, list[str]]:
    with made.database.write() as connection:
        return restored.begin(connection, "plant-7", "restored", found, NOW)


def problems(database: schema.Database) -> list[str]:
    with database.read() as connection:
        return ledger.verify(connection)


@pytest.mark.parametrize("backup", [True, False])
def test_it_goes_on_behind_what_headquarters_has(tmp_path: Path, keys: Keys, site: Site, hq: Headquarters, backup: bool) -> None:
    made = rebuilt(tmp_path, keys, backup)
    _opened, words = begin(made, known(hq))
    first = {"looks": 5, "readings": 5} if backup else {"looks": 1, "readings": 1}
    assert words == [f"{name}: rows {first[name]} to 6 are at headquarters only; this ledger goes on behind them" for name in ("looks", "readings")]
    made.harvest(11)
    assert problems(made.database) == []
    with made.database.read() as connection:
        assert ledger.heads(connection)["plant-7"]["looks"]["seq"] == 8
    made.export()
    assert statuses(hq.take(made.outbox))[-1][2] == "imported"
    assert problems(hq.database) == []
    with made.database.read() as ours, hq.database.read() as theirs:
        assert ledger.heads(ours)["plant-7"] == ledger.heads(theirs)["plant-7"]


def test_without_a_receipt_the_ledger_names_its_predecessor(tmp_path: Path, keys: Keys, site: Site) -> None:
    made = rebuilt(tmp_path, keys, True)
    opened, words = begin(made, None)
    assert words == []
    with made.database.read() as connection, site.database.read() as before:
        now = ledger.current(connection, "plant-7")
        then = ledger.current(before, "plant-7")
    assert now is not None and then is not None
    assert (now["id"], now["predecessor"], now["number"]) == (opened, then["id"], 2) and opened != then["id"]


def test_without_a_receipt_what_was_lost_is_a_fork_that_headquarters_names(tmp_path: Path, keys: Keys, site: Site, hq: Headquarters) -> None:
    made = rebuilt(tmp_path, keys, True)
    begin(made, None)
    made.harvest(11)
    made.export()
    assert statuses(hq.take(made.outbox))[-1][2] in ("fork", "ledger")


def test_nobody_fills_the_gap_of_lost_rows_afterwards(tmp_path: Path, keys: Keys, site: Site, hq: Headquarters) -> None:
    made = rebuilt(tmp_path, keys, True)
    begin(made, known(hq))
    made.harvest(11)
    with made.database.read() as connection:
        last = dict(connection.exec_driver_sql("SELECT * FROM looks WHERE seq < 6 ORDER BY seq DESC LIMIT 1").mappings().one())
    values = {**last, "seq": last["seq"] + 1, "prev": last["hash"], "hash": "1" * 64}
    with pytest.raises(Exception, match="not the next row"), made.database.write() as connection:
        connection.exec_driver_sql(f"INSERT INTO looks ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})", tuple(values.values()))


def test_a_row_that_an_owner_puts_where_rows_are_lost_is_named(tmp_path: Path, keys: Keys, site: Site, hq: Headquarters) -> None:
    """Whoever drops the triggers can chain it to the row before; no append of this ledger left it there."""
    made = rebuilt(tmp_path, keys, True)
    begin(made, known(hq))
    made.harvest(11)
    with made.database.read() as connection:
        assert ledger.verify(connection) == []
        last = dict(connection.exec_driver_sql("SELECT * FROM looks WHERE seq < 6 ORDER BY seq DESC LIMIT 1").mappings().one())
    values = {**last, "seq": last["seq"] + 1, "prev": last["hash"]}
    values["hash"] = ledger.row_hash("looks", schema.LOOKS, values)
    with sqlite3.connect(str(made.database.path)) as raw:
        raw.execute("DROP TRIGGER looks_next")
        raw.execute(f"INSERT INTO looks ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})", tuple(values.values()))
    raw.close()
    with made.database.read() as connection:
        problem = f"site plant-7, looks row {values['seq']}: no append left it here, so it was put where rows are lost"
        assert ledger.verify(connection) == [problem]
        assert recheck.verify(connection, {"plant-7": {"looks": {"seq": last["seq"], "hash": last["hash"]}}}) == [problem]


def test_a_jump_that_no_ledger_names_is_still_refused_and_found(tmp_path: Path, keys: Keys, site: Site, hq: Headquarters) -> None:
    made = rebuilt(tmp_path, keys, True)
    begin(made, known(hq))
    made.harvest(11)
    with made.database.read() as connection:
        row = dict(connection.exec_driver_sql("SELECT * FROM looks ORDER BY seq DESC LIMIT 1").mappings().one())
    for seq, prev in ((row["seq"] + 2, row["hash"]), (7, "1" * 64), (20, row["prev"])):
        values = {**row, "seq": seq, "prev": prev}
        names = ", ".join(values)
        with pytest.raises(Exception, match="not the next row"), made.database.write() as connection:
            connection.exec_driver_sql(f"INSERT INTO looks ({names}) VALUES ({', '.join('?' * len(values))})", tuple(values.values()))


def test_what_lies_on_media_tells_what_is_missing(tmp_path: Path, keys: Keys, site: Site, hq: Headquarters) -> None:
    made = rebuilt(tmp_path, keys, True)
    with made.database.write() as connection:
        words = restored.differences(connection, "plant-7", [str(site.outbox), str(hq.outbox)])
        assert restored.differences(connection, "other", [str(site.outbox)]) == []
    assert len(words) == 4
    assert all("up to row 6, this ledger ends at 4" in line for line in words)
    with site.database.read() as connection:
        assert restored.differences(connection, "plant-7", [str(site.outbox)]) == []


HEADS = [
    {"looks": {"seq": -(10**19), "hash": "0" * 64}},
    {"looks": {"seq": 10**19, "hash": "0" * 64}},
    {"looks": {"seq": "6", "hash": "0" * 64}},
    {"looks": {"seq": 1}},
    {"sqlite_master": {"seq": 1, "hash": "0" * 64}},
    {"looks": 5},
]


@pytest.mark.parametrize("heads", HEADS)
def test_what_lies_on_media_and_is_no_receipt_is_told(tmp_path: Path, site: Site, hq: Headquarters, heads: dict[str, t.Any]) -> None:
    """Nobody vouches for what is found there."""
    document = json.loads(hq.receipt().read_text())
    (tmp_path / "found").mkdir()
    path = tmp_path / "found" / "receipt.json"
    path.write_text(json.dumps({**document, "heads": heads}))
    with site.database.read() as connection:
        assert restored.differences(connection, "plant-7", [str(path.parent)]) == [f"{path}: cannot be read"]


def test_another_history_is_named(tmp_path: Path, keys: Keys, site: Site) -> None:
    other = Site(tmp_path / "other", keys)
    for value in (1, 2, 3):
        other.harvest(value)
    with other.database.read() as connection:
        words = restored.differences(connection, "plant-7", [str(site.outbox)])
    assert len(words) == 2 and all("not the same history" in line for line in words)


def test_a_folder_that_is_not_empty_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    assert restored.occupied(str(tmp_path), True, True) is None, "empty folders are no harm"
    (tmp_path / "keys" / "signing").write_text("x")
    assert restored.occupied(str(tmp_path), True, False) is None
    assert restored.occupied(str(tmp_path), True, True) == str(tmp_path / "keys")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "holdings.json").write_text("{}")
    assert restored.occupied(str(tmp_path), True, False) == str(tmp_path / "store" / "holdings.json")
    assert restored.occupied(str(tmp_path), False, True) is None, "a ledger alone leaves the store where it is"
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "ledger.db").write_text("")
    assert restored.occupied(str(tmp_path), False, True) == str(tmp_path / "ledger" / "ledger.db")


def test_files_come_to_their_places_and_secrets_only_with_their_password(tmp_path: Path) -> None:
    entries: list[dict[str, t.Any]] = [
        {"name": "ledger/ledger.db", "mode": "0640"},
        {"name": "keys/a.vault", "mode": "0600", "secret": True},
        {"name": "outbox/w", "mode": "0755"},
    ]
    for name, unseal in (("closed", None), ("open", lambda data: data.upper())):
        work = tmp_path / f"work-{name}"
        for entry in entries:
            (work / entry["name"]).parent.mkdir(parents=True, exist_ok=True)
            (work / entry["name"]).write_text("data")
        left = restored.place(str(work), str(tmp_path / name), {"files": entries}, unseal)
        assert left == ([] if unseal else ["keys/a.vault"])
    assert (tmp_path / "open" / "keys" / "a").read_text() == "DATA" and (tmp_path / "closed" / "keys" / "a.vault").read_text() == "data"
    assert (tmp_path / "open" / "outbox" / "w").stat().st_mode & 0o777 == 0o640


def test_a_receipt_of_another_ledger_is_refused(tmp_path: Path, keys: Keys, site: Site, hq: Headquarters) -> None:
    found = known(hq)
    wrong = found._replace(document={**found.document, "heads": {"looks": {"seq": 2, "hash": "1" * 64}}})
    with pytest.raises(IntegrityError, match="has another one"):
        begin(rebuilt(tmp_path, keys, True), wrong)
