# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From bad endpoints and bad databases into the ledger: whatever goes wrong, what is there is true and whole, and the rest can come again."""

from __future__ import annotations

import gzip
import multiprocessing
import os
import resource
import signal
import sqlite3
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import client, intake, ledger, memory, rules, schema, summary
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage import faults
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.faults import ALL, Endpoint, report
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document, rows

LIMITS = client.Limits(timeout=1, retries=0, max_body=100_000)
DEEP = b'{"meters":' + b"[" * 5000 + b"]" * 5000 + b"}"
TWICE = b'{"meters":[{"name":"M","quantity":1},{"name":"M","quantity":2}]}'


def number(text: bytes) -> bytes:
    return b'{"meters":[{"name":"M","quantity":' + text + b"}]}"


def huge(handler: faults.Handler) -> None:
    """A gigabyte, announced."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(10**9))
    handler.end_headers()
    for _piece in range(10**9 // 65536):
        handler.wfile.write(b" " * 65536)


def zipped(handler: faults.Handler) -> None:
    """Compressed, though nobody asked for it."""
    handler.send(200, gzip.compress(report()), **{"Content-Encoding": "gzip"})


FAULTS: dict[str, tuple[t.Any, str]] = {
    "hangs": (faults.hang, "no_answer"),
    "drips": (faults.drip, "no_answer"),
    "floods": (faults.flood, "bad_answer"),
    "huge": (huge, "bad_answer"),
    "html": (b"<html><body>Starting</body></html>", "bad_answer"),
    "cut-json": (report()[:-3], "bad_answer"),
    "cut-body": (faults.cut, "no_answer"),
    "deep": (DEEP, "bad_answer"),
    "nan": (number(b"NaN"), "bad_answer"),
    "negative": (number(b"-1"), "bad_answer"),
    "endless": (number(b"1e400"), "bad_answer"),
    "twice": (TWICE, "bad_answer"),
    "gzip": (zipped, "bad_answer"),
    "500": (500, "bad_answer"),
    "redirect": (faults.redirect, "bad_answer"),
    "byte-order-mark": (b"\xef\xbb\xbf" + report(), "usage"),
    "good": (report(), "usage"),
}


def taken(path: str, endpoints: t.Sequence[dict[str, t.Any]], harvest: str = "x", months: t.Sequence[str] = (), keep: bool = True) -> dict[str, t.Any]:
    made = intake.Intake(path, "plant-7", harvest, keep)
    for index, answers in client.stream(endpoints, months, LIMITS, 8):
        made.add(endpoints[index], answers)
    return made.finish(None)


def endpoint(url: str, name: str = "stt", **more: t.Any) -> dict[str, t.Any]:
    return {"name": f"h1/{name}", "host": "h1", "container": name, "url": url, "source": f"s-{name}", **more}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "ledger.db")


def verified(path: str) -> list[str]:
    with schema.Database(path).read() as connection:
        return ledger.verify(connection)


def test_every_fault_is_recorded_and_spoils_nothing_else(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_FIRST_PAUSE", 0.001)
    with Endpoint({f"/{name}{ALL}": fault for name, (fault, _kind) in FAULTS.items()}) as server:
        started = time.monotonic()
        done = taken(path, [endpoint(f"{server.url}/{name}", name) for name in FAULTS])
        assert time.monotonic() - started < 15
    found = dict(t.cast("list[tuple[str, str]]", rows(schema.Database(path), "looks", "container", "outcome")))
    assert found == {name: kind for name, (_fault, kind) in FAULTS.items()}
    assert sorted(row[0] for row in rows(schema.Database(path), "readings", "container")) == ["byte-order-mark", "good"]
    assert {item["container"]: item["kind"] for item in done["failures"]} == {name: kind for name, (_fault, kind) in FAULTS.items() if kind != "usage"}
    assert all("\n" not in line and len(line) < 400 for line in done["lines"])
    assert verified(path) == []


def test_a_container_that_answers_with_a_part_while_it_starts_is_a_doubt_that_closes(path: str) -> None:
    units, kinds = [], []
    for harvest, value in enumerate([1000, 0, 1010]):
        with Endpoint({ALL: report(value)}) as server:
            taken(path, [endpoint(server.url)], str(harvest))
        with schema.Database(path).read() as connection:
            result = summary.accounts(connection)
        units.append(rules.total(result.parts))
        kinds.append({finding.kind for finding in result.findings})
    assert units == [(1000, 1000), (1000, 1000), (1010, 1010)]
    assert kinds == [set(), {"decrease"}, set()]


def test_months_in_either_spelling_and_months_without_usage(path: str) -> None:
    with Endpoint({ALL: report(), "/records/usage-logs/3/2026": report(2)}) as server:
        taken(path, [endpoint(server.url)], months=["2026-03", "2026-04"])
    assert set(rows(schema.Database(path), "looks", "scope", "outcome")) == {("2026-03", "usage"), ("2026-04", "no_usage"), ("all", "usage")}


def test_a_second_run_adds_looks_and_no_reading_and_a_dry_one_nothing(path: str) -> None:
    with Endpoint({ALL: report()}) as server:
        dry = taken(path, [endpoint(server.url)], keep=False)
        assert not os.path.exists(path)
        done = taken(path, [endpoint(server.url)])
        again = taken(path, [endpoint(server.url)], "y")
        dry_again = taken(path, [endpoint(server.url)], "z", keep=False)
    assert (dry["changed"], dry["looks"], dry["new"]) == (done["changed"], done["looks"], done["new"]) == (True, 1, 1)
    assert (again["changed"], again["looks"], again["new"]) == (False, 1, 0)
    assert dry_again["looks"] == 1
    assert len(rows(schema.Database(path), "looks", "seq")) == 2


def test_many_endpoints_go_in_some_at_a_time(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "BATCH", 7)
    with Endpoint({ALL: report()}) as server:
        done = taken(path, [endpoint(server.url, f"c{index}") for index in range(40)])
    assert (done["looks"], done["new"], done["heads"]["readings"]["seq"]) == (40, 40, 40)
    assert len(rows_of_appends(path)) == 6
    assert verified(path) == []


def test_batches_remember_what_is_there_while_nobody_else_appends(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = intake.Intake(path, "plant-7", "x", True)
    answers = client.Answers([_reading(5)], [])
    made.add(endpoint("http://h"), answers)
    made.flush()
    with monkeypatch.context() as patch:
        patch.setattr(memory.Memory, "_clear", lambda _self: pytest.fail("read again though nobody else had appended"))
        made.add(endpoint("http://h"), answers)
        made.flush()
    append(schema.Database(path), document("y", {"all": {"M": 9}}, name="stt", source="s-stt", service="", resource="", release=""))
    made.add(endpoint("http://h"), answers)
    made.add(endpoint("http://h", "other"), client.Answers([{**_reading(5), "name": "h1/other"}], []))
    done = made.finish(None)
    # Its own look of stt was there, before the other's append and after it.
    assert (done["looks"], done["new"]) == (2, 2)
    assert verified(path) == []


def test_what_was_rolled_back_is_not_remembered(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = intake.Intake(path, "plant-7", "x", True)
    made.add(endpoint("http://h"), client.Answers([_reading(5)], []))
    made.flush()
    for name in ("a", "b"):
        made.add(endpoint("http://h", name), client.Answers([{**_reading(5), "name": f"h1/{name}"}], []))
        with monkeypatch.context() as patch:
            patch.setattr(ledger, "stamp", _refuse)
            with pytest.raises(RemoteError):
                made.flush()
    assert (made.finish(None)["looks"], len(rows(schema.Database(path), "readings", "seq"))) == (3, 3)


def _refuse(*_given: object) -> None:
    raise RemoteError("ledger", "gone")


def _reading(quantity: int) -> dict[str, t.Any]:
    return document("x", {"all": {"M": quantity}}, name="h1/stt", source="s-stt")["answer"]["readings"][0]


def rows_of_appends(path: str) -> list[t.Any]:
    with schema.Database(path).read() as connection:
        return list(connection.exec_driver_sql("SELECT number FROM appends"))


def test_two_harvests_at_once_leave_one_truth(path: str) -> None:
    with Endpoint({ALL: report(7)}) as server:
        endpoints = [endpoint(server.url, f"c{index}") for index in range(10)]
        threads = [threading.Thread(target=taken, args=(path, endpoints, name)) for name in "AB"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(rows(schema.Database(path), "looks", "seq")) == 20
    assert len(rows(schema.Database(path), "readings", "seq")) == 10
    assert verified(path) == []


def test_a_server_that_goes_away_and_comes_back(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "PAUSES", (0, 0))
    made = intake.Intake(path, "plant-7", "x", True)
    made._database.path = None  # as a server's
    answers, refused = client.Answers([], [{"name": "h1/stt", "url": "u", "scope": "all", "kind": "no_answer", "reason": "r"}]), [1, 1]
    real = schema.Database.write

    def write(self: schema.Database, keep: bool = True) -> t.Any:
        if refused and refused.pop():
            raise RemoteError("ledger", "the database refused")
        return real(self, keep)

    monkeypatch.setattr(schema.Database, "write", write)
    made.add(endpoint("http://h"), answers)
    made.flush()
    refused[:] = [1, 1, 1, 1]
    made.add(endpoint("http://h"), answers)
    with pytest.raises(RemoteError):
        made.flush()


# What follows kills and starves the writer, not the endpoint.


def _write_for_ever(path: str, ready: t.Any) -> None:
    database = schema.Database(path)
    for harvest in range(10**6):
        append(database, document(str(harvest), {"all": {f"M{index}": harvest for index in range(300)}}))
        ready.set()


@pytest.mark.parametrize("delay", [0.0, 0.013, 0.05])
def test_killed_during_an_append(path: str, delay: float) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    writer = context.Process(target=_write_for_ever, args=(path, ready))
    writer.start()
    assert ready.wait(60)
    time.sleep(delay)
    assert writer.pid
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    assert verified(path) == []
    looks, readings = (rows(schema.Database(path), table, "seq") for table in ("looks", "readings"))
    assert len(readings) == 300 * len(looks), "whole harvests or nothing of them"
    assert append(schema.Database(path), document("after", {"all": {"M0": -1 % 7}})).new == 1
    assert verified(path) == []


def _harvest(path: str, url: str, harvest: str, begun: t.Any) -> None:
    intake.BATCH = 5
    made = intake.Intake(path, "plant-7", harvest, True)
    endpoints = [endpoint(f"{url}/{index}", f"c{index}") for index in range(60)]
    for index, answers in client.stream(endpoints, [], LIMITS, 4):
        made.add(endpoints[index], answers)
        if index == 10:
            begun.set()
    made.finish(None)


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.1])
def test_a_harvest_that_is_killed_between_its_batches_is_made_good_by_the_next(path: str, delay: float) -> None:
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    with Endpoint({f"/{index}{ALL}": report(index + 1) for index in range(60)}) as server:
        for harvest in "ab":
            writer = context.Process(target=_harvest, args=(path, server.url, harvest, begun))
            writer.start()
            assert begun.wait(60)
            if harvest == "a":
                time.sleep(delay)
                writer.kill()
            writer.join(60)
    assert writer.exitcode == 0
    assert verified(path) == []
    assert sorted(int(row[0]) for row in rows(schema.Database(path), "readings", "quantity")) == list(range(1, 61)), "each once, none twice"
    assert len(rows(schema.Database(path), "looks", "seq")) >= 60


def _fill(path: str, limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for harvest in range(10**6):
            append(schema.Database(path), document(str(harvest), {"all": {f"M{index}": harvest for index in range(300)}}))
    except RemoteError as exc:
        os._exit(7 if "disk" in str(exc) or "full" in str(exc) else 8)


def test_a_full_disk_is_named_and_loses_nothing(path: str) -> None:
    writer = multiprocessing.get_context("spawn").Process(target=_fill, args=(path, 3_000_000))
    writer.start()
    writer.join(60)
    assert writer.exitcode == 7
    assert verified(path) == []
    before = len(rows(schema.Database(path), "readings", "seq"))
    assert before and before % 300 == 0
    assert append(schema.Database(path), document("after", {"all": {"new": 1}})).new == 1
    assert verified(path) == []


def _lock(path: str, locked: t.Any, leave: t.Any) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    locked.set()
    leave.wait(60)
    other.execute("ROLLBACK")


def test_a_locked_database_is_waited_for_and_named(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "_BUSY", 1)
    append(schema.Database(path), document("1", {"all": {"M": 1}}))
    context = multiprocessing.get_context("spawn")
    locked, leave = context.Event(), context.Event()
    other = context.Process(target=_lock, args=(path, locked, leave))
    other.start()
    assert locked.wait(60)
    with pytest.raises(RemoteError, match="database is locked"):
        append(schema.Database(path), document("2", {"all": {"M": 2}}))
    with schema.Database(path).read() as connection:  # whoever reads does not wait
        assert summary.accounts(connection).parts[0].quantity.low == 1
    monkeypatch.setattr(schema, "_BUSY", 60)
    threading.Timer(0.3, leave.set).start()
    assert append(schema.Database(path), document("2", {"all": {"M": 2}})).new == 1
    other.join(60)
    assert rows(schema.Database(path), "readings", "quantity") == [("1",), ("2",)]


def test_a_row_altered_by_hand_is_named(path: str) -> None:
    for harvest in range(3):
        append(schema.Database(path), document(str(harvest), {"all": {"M": harvest}}))
    connection = sqlite3.connect(path)
    connection.executescript("DROP TRIGGER readings_no_update; UPDATE readings SET quantity = '0' WHERE seq = 2")
    connection.close()
    assert verified(path) == ["site plant-7, readings row 2: its content does not match its hash"]
