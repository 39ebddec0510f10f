# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with the same numbers; unchanged ledger, unchanged files."""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
import sqlite3
import typing as t
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import backup, ledger, words
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import Database
from ansible_collections.airgap.azure_ai.plugins.modules import usage_report
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document

FILES = ["commitments.csv", "report.csv", "report.html", "report.json", "report.prom", "report.rules.yml"]


@pytest.fixture
def params(tmp_path: Path) -> dict[str, t.Any]:
    append(Database(str(tmp_path / "ledger.db")), document("1", {"all": {"M": 12345}, "2026-01": {"M": 12345}}))
    plan = {"resource": "r0", "meters": ["*"], "units": "90000", "start": "2026-01-01", "end": "2099-12-31"}
    return {
        "url": str(tmp_path / "ledger.db"),
        "dest": str(tmp_path / "report"),
        "site": None,
        "releases": [],
        "commitments": [plan],
        "textfile": None,
        "verify": "auto",
        "verify_days": 7,
    }


def run(params: dict[str, t.Any], dry: bool = False) -> bool:
    files = usage_report.contents(params, False)[1]
    diff = usage_report.changes(files)
    if diff and not dry:
        usage_report.write(params["dest"], files)
    return bool(diff)


def test_written_once(params: dict[str, t.Any]) -> None:
    assert run(params, dry=True) is True
    assert not Path(params["dest"]).exists()
    assert run(params) is True
    assert run(params) is False
    assert run(params, dry=True) is False
    append(Database(params["url"]), document("2", {"all": {"M": 12346}}, "2026-03-11T00:00:00Z"))
    assert run(params, dry=True) is True
    assert run(params) is True


def test_the_same_numbers_in_all_files(params: dict[str, t.Any]) -> None:
    run(params)
    folder = Path(params["dest"])
    assert sorted(item.name for item in folder.iterdir()) == FILES
    found = json.loads((folder / "report.json").read_text())
    assert found["rows"][0]["units"] == ["12345", "12345"]
    assert ",12345,12345" in (folder / "report.csv").read_text()
    assert "r0,*,2026-01-01,2099-12-31,90000,12345,12345,0,77655,77655" in (folder / "commitments.csv").read_text()
    assert "12\u202f345" in (folder / "report.html").read_text()
    assert "77\u202f655" in (folder / "report.html").read_text()
    metrics = (folder / "report.prom").read_text()
    assert 'azure_ai_usage_units{site="plant-7",service="speech_to_text",resource="r0",meter="M",bound="low"} 12345\n' in metrics
    assert re.search(r"azure_ai_commitment_granted_units\{.*\} 90000\n", metrics)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=12), st.integers(0, 10**15), min_size=1, max_size=5))
def test_formats_agree_whatever_a_container_calls_its_meters(tmp_path_factory: pytest.TempPathFactory, values: dict[str, int]) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    append(Database(str(folder / "l.db")), document("1", {"all": values, "2026-01": values}))
    params = {"url": str(folder / "l.db"), "dest": str(folder / "out"), "site": None, "releases": [], "commitments": [], "textfile": None}
    params.update(verify="all", verify_days=7)
    found, files = usage_report.contents(params, False)
    named = {Path(path).name: data.decode() for path, data in files.items()}
    assert {row["meter"]: int(row["units"][0]) for row in found["totals"]} == values
    rows = csv.DictReader(io.StringIO(named["report.csv"], newline=""))
    assert sorted(int(row["units_low"]) for row in rows if row["month"] == "all") == sorted(values.values())
    shown = [words.number(str(value)) for value in values.values()]
    assert all(f">{number}</td>" in named["report.html"] for number in shown)
    assert sorted(int(value) for value in re.findall(r'usage_units\{.*bound="low"\} (\d+)\n', named["report.prom"])) == sorted(values.values())


def test_one_damaged_file_is_written_again(params: dict[str, t.Any]) -> None:
    run(params)
    (Path(params["dest"]) / "report.csv").write_text("x")
    assert [Path(change["after_header"]).name for change in usage_report.changes(usage_report.contents(params, False)[1])] == ["report.csv"]
    assert run(params) is True
    assert run(params) is False


def test_a_diff_shows_tables_and_of_others_the_size_only(params: dict[str, t.Any]) -> None:
    diff = {Path(change["after_header"]).name: change for change in usage_report.changes(usage_report.contents(params, False)[1])}
    assert sorted(diff) == FILES
    assert "12345" in diff["report.csv"]["after"]
    assert diff["report.csv"]["before"] == ""
    assert re.fullmatch(r"\d+ bytes\n", diff["report.json"]["after"])


def test_metrics_go_to_the_collector_as_well(params: dict[str, t.Any], tmp_path: Path) -> None:
    target = tmp_path / "azure_ai.prom"
    run({**params, "textfile": str(target)})
    assert target.read_bytes() == (Path(params["dest"]) / "report.prom").read_bytes()
    assert target.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".prom"] == ["azure_ai.prom"]
    with pytest.raises(InputError, match=r"does not end in \.prom"):
        usage_report.contents({**params, "textfile": "/x/azure_ai.txt"}, False)


def test_the_result_says_why_there_are_no_charts(params: dict[str, t.Any]) -> None:
    found, _files = usage_report.contents(params, False)
    assert "Matplotlib is not installed" in usage_report.told(found, None, False)
    assert "Matplotlib" not in usage_report.told(found, False, False)
    assert "Matplotlib" not in usage_report.told(found, None, True)


def told_of(params: dict[str, t.Any]) -> dict[str, t.Any]:
    return json.loads((Path(params["dest"]) / "report.json").read_text())["chain"]


def alter(params: dict[str, t.Any], *statements: str) -> None:
    """Somebody who owns the file: what may not be done is done with the triggers gone, which are put back."""
    connection = sqlite3.connect(params["url"])
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _text in triggers:
        connection.execute(f'DROP TRIGGER "{name}"')
    for text in (*statements, *[text for _name, text in triggers]):
        connection.execute(text)
    connection.commit()
    connection.close()


def on(monkeypatch: pytest.MonkeyPatch, day: str) -> None:
    monkeypatch.setattr(usage_report, "today", lambda: datetime.date.fromisoformat(day))


def test_every_row_is_walked_each_seven_days_and_new_ones_always(params: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    walks = []
    walk = ledger.verify
    monkeypatch.setattr(ledger, "verify", lambda *given: walks.append(1) or walk(*given))
    for day, walked in (("01", "01"), ("02", "01"), ("07", "01"), ("08", "08"), ("09", "08"), ("05", "05")):
        on(monkeypatch, f"2026-03-{day}")
        append(Database(params["url"]), document(day, {"all": {"M": 20000 + int(day)}, "2026-01": None}, f"2026-03-{day}T00:00:00Z"))
        before = len(walks)
        assert run(params) is True
        found = told_of(params)
        assert found["walked"]["on"] == f"2026-03-{walked}"
        assert (found["walked"]["rows"] == sum(head["seq"] for head in found["heads"]["plant-7"].values())) == (len(walks) > before)
        assert run(params) is False  # the same day, the same file
        assert found["verified"] and found["anchor"] == found["heads"]
        assert f"all walked on {int(walked)}\u00a0Mar\u00a02026" in (Path(params["dest"]) / "report.html").read_text()
    assert len(walks) == 3


@pytest.mark.parametrize(("verify", "walked"), [("all", "2026-06-01"), ("auto", "2026-06-01"), ("new", "2026-03-01")])
def test_on_request_every_row_or_none(params: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch, verify: str, walked: str) -> None:
    on(monkeypatch, "2026-03-01")
    run(params)
    on(monkeypatch, "2026-06-01")
    run({**params, "verify": verify})
    assert told_of(params)["walked"]["on"] == walked


def test_a_chain_written_anew_stays_told_until_somebody_explains_it(params: dict[str, t.Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "2026-03-01")
    run(params)
    identity = told_of(params)["ledgers"]["plant-7"]
    params["url"] = str(tmp_path / "anew.db")
    append(Database(params["url"]), document("1", {"all": {"M": 11111}, "2026-01": {"M": 11111}}))
    alter(params, f"UPDATE ledgers SET id = '{identity}'")
    for day in ("01", "02", "20", "21"):
        on(monkeypatch, f"2026-03-{day}")
        run(params)
        assert "site plant-7, readings row 2: not the row that the last report named" in told_of(params)["problems"]
    (Path(params["dest"]) / "report.json").unlink()
    run(params)
    assert told_of(params)["verified"]


def test_an_old_row_is_found_by_the_next_whole_walk_and_told_from_then_on(params: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "2026-03-01")
    run(params)
    alter(params, "UPDATE readings SET quantity = '9' WHERE seq = 1")
    for day, verified in (("02", True), ("08", False), ("09", False)):
        on(monkeypatch, f"2026-03-{day}")
        run(params)
        assert told_of(params)["verified"] is verified
    alter(params, "UPDATE readings SET quantity = '12345' WHERE seq = 1")
    run(params)
    assert told_of(params)["verified"]


def test_a_restored_ledger_is_not_held_against_the_former_one(params: dict[str, t.Any], tmp_path: Path) -> None:
    backup.copy(params["url"], str(tmp_path / "backup.db"))
    append(Database(params["url"]), document("2", {"all": {"M": 12346}}, "2026-03-11T00:00:00Z"))
    run(params)
    params["url"] = str(tmp_path / "backup.db")
    run(params)
    assert told_of(params)["verified"] is False  # nobody said that it was put back
    with Database(params["url"]).write() as connection:
        ledger.open_ledger(connection, "plant-7", "restored")
    run(params)
    assert told_of(params)["verified"] is True
