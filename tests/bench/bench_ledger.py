# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A million readings: appended, verified and summed up, against plain sqlite3 that keeps the same rows without a chain.

The readings are those of a site of 200 hosts with 24 containers each, which count two meters in a month and over all time.
``peer`` inserts and reads the same rows in tables without triggers and hashes, ``floor`` hashes or reads them and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, page, recheck, schema, summary
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import report as site_report

READINGS = 1_000_000
RUNS = 3
HOSTS, CONTAINERS = 200, 24
METERS = ("CognitiveServices.TextTranslation.Container.OneDocumentTranslatedCharacters", "CognitiveServices.TextTranslation.Container.TranslatedCharacters")
HARVESTS = -(-READINGS // (HOSTS * CONTAINERS * 2 * len(METERS)))
STEP = """
import json, resource, sys
from tests.bench import bench_ledger
seconds = getattr(bench_ledger, sys.argv[1])(*sys.argv[2:])
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))
"""
# exec hands on the peak of whoever forked: the shell forks once more, so that ours is not counted.
SMALL_PARENT = ("sh", "-c", '"$@"; exit $?', "sh")


def documents() -> t.Iterator[dict[str, t.Any]]:
    """What the hosts answer, harvest after harvest."""
    for harvest in range(HARVESTS):
        moment = f"2026-03-{harvest % 28 + 1:02d}T{harvest // 28:02d}:00:00Z"
        for host in range(HOSTS):
            yield _document(f"h{harvest}", f"host-{host}", moment, harvest)


def _document(harvest: str, host: str, moment: str, count: int) -> dict[str, t.Any]:
    endpoints, readings = [], []
    for index in range(CONTAINERS):
        name, url = f"translate-{index}", f"http://127.0.0.1:{5000 + index}"
        known = {"container": name, "reporter": name, "service": "text_translation", "release": "0a1b2c3d4e5f6071", "resource": "translator-dc0"}
        endpoints.append({"name": name, "url": url, "source": f"{host}-{index}", **known})
        for scope in ("2026-03", "all"):
            meters = [{"name": meter, "quantity": str(10**6 + 17 * count + index), "billed_unit": str(10**6 + 34 * count)} for meter in METERS]
            said = {"http_status": 200, "api_type": "texttranslation", "service_name": "texttranslation", "extra": {"type": "CommerceUsageResponse"}}
            at = {"observed_at": moment, "body_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}
            readings.append({"name": name, "source": f"{host}-{index}", "url": url, "scope": scope, "outcome": "usage", "meters": meters, **said, **at})
    answer = {"endpoints": endpoints, "readings": readings, "failures": []}
    return {"format": 1, "site": "plant-7", "host": host, "harvest": harvest, "spooled_at": moment, "answer": answer}


class Clock:
    """Seconds since it was made, without those that an iterator took to make things up."""

    def __init__(self) -> None:
        self._start, self._spent = time.monotonic(), 0.0

    def without(self, made: t.Iterator[t.Any]) -> t.Iterator[t.Any]:
        while True:
            before = time.monotonic()
            item = next(made, None)
            self._spent += time.monotonic() - before
            if item is None:
                return
            yield item

    def seconds(self) -> float:
        return time.monotonic() - self._start - self._spent


def append(path: str) -> float:
    """Ours: every document into a new ledger."""
    clock = Clock()
    with schema.Database(path).write() as connection:
        appender = ledger.Appender(connection, "plant-7")
        for document in clock.without(documents()):
            appender.add(document)
        done = appender.finish()
    if done.new < READINGS:
        raise SystemExit(f"{done.new} readings, {READINGS} expected")
    return clock.seconds()


def append_plain(path: str) -> float:
    """A table of its own for looks and readings, filled with the same values by hand."""
    clock = Clock()
    connection = _plain(path)
    looks = 0
    for document in clock.without(documents()):
        rows: list[tuple[t.Any, ...]] = []
        places = {endpoint["name"]: endpoint for endpoint in document["answer"]["endpoints"]}
        for reading in document["answer"]["readings"]:
            looks += 1
            place = [document["host"], *places[reading["name"]].values()]
            connection.execute("INSERT INTO plain_looks VALUES (?, ?, ?)", (looks, document["harvest"], json.dumps([*place, reading["body_sha256"]])))
            for meter in reading["meters"]:
                rows.append((looks, *place, reading["scope"], *meter.values(), json.dumps(reading["extra"]), reading["observed_at"]))
        connection.executemany(f"INSERT INTO plain_readings VALUES ({', '.join('?' * 16)})", rows)
    connection.commit()
    return clock.seconds()


def append_copied(path: str, source: str) -> float:
    """The very rows, copied by SQLite itself into tables with nothing but the key."""
    clock = Clock()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"ATTACH '{source}' AS made")
    for table in ("looks", "readings"):
        connection.execute(f"CREATE TABLE {table} AS SELECT * FROM made.{table}")
        connection.execute(f"CREATE UNIQUE INDEX {table}_key ON {table} (site, seq)")
    connection.commit()
    return clock.seconds()


def _plain(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE plain_looks (id INTEGER PRIMARY KEY, harvest TEXT, place TEXT)")
    names = ("look", "host", "name", "url", "source", "container", "reporter", "service", "release", "resource")
    names = (*names, "scope", "meter", "quantity", "billed_unit", "extra", "observed_at")
    connection.execute(f"CREATE TABLE plain_readings ({', '.join(names)})")
    connection.execute("CREATE INDEX plain_series ON plain_readings (source, meter, scope)")
    return connection


def verify(path: str) -> float:
    """Ours: every chain."""
    clock = Clock()
    with schema.Database(path).read() as connection:
        problems = ledger.verify(connection)
    if problems:
        raise SystemExit(problems[0])
    return clock.seconds()


def verify_pages(path: str) -> float:
    """What SQLite checks by itself; it says nothing about rows that were altered."""
    clock = Clock()
    sqlite3.connect(path).execute("PRAGMA integrity_check").fetchall()
    return clock.seconds()


def verify_bare(path: str) -> float:
    """Read and hash the same text."""
    clock = Clock()
    for table in ("looks", "readings"):
        for row in sqlite3.connect(path).execute(f"SELECT * FROM {table} ORDER BY site, seq"):
            hashlib.sha256("".join(map(str, row)).encode()).hexdigest()
    return clock.seconds()


def report(path: str) -> float:
    """Ours: totals by every column, coverage, findings, and the page with its charts. The chain has a measure of its own."""
    clock = Clock()
    with summary.uncollected(), schema.Database(path).read() as connection:
        made = site_report.build(connection, "plant-7", before=recheck.Known(ledger.heads(connection, "plant-7")), whole=False)
    if len(made["rows"]) != HOSTS * CONTAINERS * 2 * len(METERS) or not page.render(made):
        raise SystemExit(f"{len(made['rows'])} totals")
    return clock.seconds()


def report_plain(path: str) -> float:
    """The last value of each series by SQL, right only while no total ever falls."""
    clock = Clock()
    last = "SELECT MAX(seq) FROM readings GROUP BY site, series"
    query = f"SELECT site, host, container, service, resource, meter, month, SUM(quantity) FROM readings WHERE seq IN ({last}) GROUP BY 1, 2, 3, 4, 5, 6, 7"
    sqlite3.connect(path).execute(query).fetchall()
    return clock.seconds()


def report_bare(path: str) -> float:
    """Read the rows."""
    clock = Clock()
    for _row in sqlite3.connect(path).execute("SELECT * FROM readings"):
        pass
    return clock.seconds()


def step(name: str, *arguments: str) -> tuple[float, int]:
    """Run one of the functions above in a process of its own: (its seconds, its most bytes resident)."""
    done = subprocess.run([*SMALL_PARENT, sys.executable, "-c", STEP, name, *arguments], capture_output=True, text=True, check=True)
    seconds, peak = json.loads(done.stdout)
    return seconds, peak


def bench(ours: str, peer: str, floor: str, runs: int = RUNS) -> t.Callable[[], dict[str, t.Any]]:
    """A benchmark on a ledger of its own; appending makes it anew each time."""

    def run() -> dict[str, t.Any]:
        with tempfile.TemporaryDirectory(prefix="azure-ai-bench-", dir="/var/tmp") as folder:
            made = f"{folder}/ledger.db"
            if ours != "append":
                step("append", made)
            times: dict[str, list[float]] = {"ours": [], "peer": [], "floor": []}
            peak = 0
            for _run in range(runs):
                if ours == "append":
                    for path in Path(folder).iterdir():
                        path.unlink()
                seconds, most = step(ours, made)
                peak = max(peak, most)
                times["ours"].append(seconds)
                times["peer"].append(step(peer, made if ours != "append" else f"{folder}/plain.db")[0])
                times["floor"].append(step(floor, *((made,) if ours != "append" else (f"{folder}/copied.db", made)))[0])
        medians = {name: round(statistics.median(values), 2) for name, values in times.items()}
        return {"unit": "s", **medians, "ours_rss_mb": round(peak / 1e6), "runs": runs}

    return run


BENCHES = {
    "ledger.append": bench("append", "append_plain", "append_copied"),
    "ledger.verify": bench("verify", "verify_pages", "verify_bare"),
    "ledger.report": bench("report", "report_plain", "report_bare"),
}
