# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module: spool in, ledger out, files moved; check mode touches nothing; a second run changes nothing."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import intake, rules, schema, spool, summary
from ansible_collections.airgap.azure_ai.plugins.modules import ledger
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import document, rows


@pytest.fixture
def params(tmp_path: Path) -> dict[str, t.Any]:
    home = tmp_path / "ledger"
    given = {name: option.get("default") for name, option in ledger.argument_spec().items()}
    return {**given, "url": str(home / "ledger.db"), "site": "plant-7", "spool": str(home / "spool"), "closed": str(home / "closed")}


def put(params: dict[str, t.Any], made: dict[str, t.Any]) -> None:
    folder = Path(params["spool"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / spool.file_name(made["harvest"], made["host"])).write_text(json.dumps(made))


def test_append_archive_and_again(params: dict[str, t.Any]) -> None:
    put(params, document("x", {"all": {"M": 1}, "2026-01": "no_answer"}))
    done = ledger.append(params, keep=True)
    assert (done["changed"], done["looks"], done["readings"], done["new"]) == (True, 2, 1, 1)
    assert done["lines"] == ["h1 stt: no_answer, because (2026-01)"]
    assert done["heads"]["readings"]["seq"] == 1
    assert list(Path(params["spool"]).iterdir()) == []
    archived = Path(params["spool"]).parent / "done/x/x--h1.json"
    put(params, json.loads(archived.read_text()))
    assert {key: ledger.append(params, keep=True)[key] for key in ("changed", "looks", "new")} == {"changed": False, "looks": 0, "new": 0}


def test_an_interrupted_harvest_is_appended_by_the_next(params: dict[str, t.Any]) -> None:
    put(params, document("x", {"all": {"M": 1}}, "2026-03-10T00:00:00Z"))
    put(params, document("x", {"all": "no_answer"}, "2026-03-10T00:00:00Z", host="h2"))
    put(params, document("y", {"all": {"M": 2}}, "2026-03-11T00:00:00Z"))
    put(params, document("y", {"all": {"M": 5}}, "2026-03-11T00:00:00Z", host="h2", source="s2"))
    done = ledger.append(params, keep=True)
    assert (done["looks"], done["new"]) == (4, 3)
    database = schema.Database(params["url"])
    assert rows(database, "looks", "harvest", "host", "outcome") == [("x", "h1", "usage"), ("x", "h2", "no_answer"), ("y", "h1", "usage"), ("y", "h2", "usage")]
    assert rows(database, "readings", "host", "quantity") == [("h1", "1"), ("h1", "2"), ("h2", "5")]
    beside = Path(params["spool"]).parent
    assert sorted(str(item.relative_to(beside)) for item in beside.glob("done/*/*")) == [
        f"done/{harvest}/{harvest}--{host}.json" for harvest in "xy" for host in ("h1", "h2")
    ]


def test_looks_alone_are_no_change(params: dict[str, t.Any]) -> None:
    for harvest, changed in (("x", True), ("y", False)):
        put(params, document(harvest, {"all": {"M": 1}}))
        done = ledger.append(params, keep=True)
        assert (done["changed"], done["looks"]) == (changed, 1)


@pytest.mark.parametrize("before", [False, True])
def test_check_mode_says_the_same_and_leaves_nothing(params: dict[str, t.Any], before: bool) -> None:
    if before:
        put(params, document("x", {"all": {"M": 1}}))
        ledger.append(params, keep=True)
    put(params, document("y", {"all": {"M": 2}}))
    dry = ledger.append(params, keep=False)
    assert Path(params["url"]).exists() == before
    assert [item.name for item in Path(params["spool"]).iterdir()] == ["y--h1.json"]
    assert ledger.append(params, keep=True) == dry


def test_bad_files_are_refused_and_named(params: dict[str, t.Any]) -> None:
    put(params, document("x", {"all": {"M": 1}}))
    put(params, document("x", {"all": {"M": 1}}, host="h2", site="another"))
    (Path(params["spool"]) / "h3.json").write_text("{")
    done = ledger.append(params, keep=True)
    assert done["new"] == 1
    assert [(item["host"], item["kind"]) for item in done["failures"]] == [("h3.json", "bad_spool"), ("x--h2.json", "bad_spool")]
    assert sorted(item.name for item in (Path(params["spool"]).parent / "refused").iterdir()) == ["h3.json", "x--h2.json"]


def test_expected_hosts_that_left_nothing(params: dict[str, t.Any]) -> None:
    params.update(harvest="x", expected=[{"host": "h9", "container": "stt", "service": None, "months": ["2026-01"]}])
    done = ledger.append(params, keep=True)
    assert (done["changed"], done["looks"]) == (False, 2)
    assert done["failures"][0]["scopes"] == ["2026-01", "all"]
    assert ledger.append(params, keep=True)["looks"] == 0


def test_closed_months_are_noted(params: dict[str, t.Any]) -> None:
    for harvest in "xy":
        put(params, document(harvest, {"2026-01": {"M": 1}}))
        ledger.append(params, keep=True)
    assert spool.read_closed(params["closed"], "h1") == {"stt": {"source": "s1", "months": ["2026-01"]}}


@pytest.mark.parametrize(
    "more", [{"expected": [{"host": "h", "container": "c", "months": []}]}, {"harvest": "x", "expected": [{"host": "h", "container": "c", "months": ["x"]}]}]
)
def test_wrong_options_are_named(params: dict[str, t.Any], more: dict[str, t.Any]) -> None:
    with pytest.raises(InputError):
        ledger.append({**params, **more}, keep=True)


def test_evidence_tells_that_a_counter_began_again(params: dict[str, t.Any]) -> None:
    put(params, document("x", {"all": {"M": 100}}))
    ledger.append(params, keep=True)
    put(params, document("y", {"all": {"M": 40}}))
    ledger.append({**params, "harvest": "y", "evidence": [{"host": "h1", "container": "stt", "kind": "reset"}]}, keep=True)
    with schema.Database(params["url"]).read() as connection:
        result = summary.accounts(connection)
    assert (rules.total(result.parts), result.findings) == ((140, 140), [])
    with pytest.raises(InputError, match="evidence"):
        ledger.append({**params, "evidence": [{"host": "h1", "container": "stt", "kind": "reset"}]}, keep=True)


def test_a_server_that_is_gone_for_a_moment_loses_nothing(params: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    put(params, document("x", {"all": {"M": 1}}))
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    gone = iter([True, True, False])

    class Server(schema.Database):
        def __init__(self, url: str) -> None:
            super().__init__(url)
            self.path = None

        def write(self, keep: bool = True) -> t.Any:
            if next(gone):
                raise RemoteError("ledger", "gone")
            return super().write(keep)

    monkeypatch.setattr(schema, "Database", Server)
    Path(params["url"]).parent.mkdir(exist_ok=True)
    assert ledger.append(params, keep=True)["looks"] == 1
    assert slept == list(intake.PAUSES[:2]) and list(Path(params["spool"]).iterdir()) == []


def test_what_was_asked_under_a_wrong_clock_of_this_node_is_set_aside(params: dict[str, t.Any]) -> None:
    for host in ("h1", "h2"):
        put(params, {**document("x", {"all": {"M": 1}}, "2026-03-10T00:00:00Z", host=host, source=host), "spooled_at": "2027-03-10T00:00:00Z"})
    put(params, document("before", {"all": {"M": 1}}, "2026-03-09T00:00:00Z"))
    for keep in (False, True):
        with pytest.raises(InputError, match="^clock of this machine: says 2027-03-10T00:00:00Z, and all 2 hosts that answered say about 2026-03-10.*; set it"):
            ledger.append(params, keep)
        assert len(list(Path(params["spool"]).glob("*.json"))) == (0 if keep else 3)
    assert rows(schema.Database(params["url"]), "looks", "harvest") == [("before",)], "what came before it is appended all the same"
    beside = Path(params["spool"]).parent
    assert sorted(path.name for path in (beside / "refused").iterdir()) == ["x--h1.json", "x--h2.json"]
    assert ledger.append(params, keep=True)["looks"] == 0
