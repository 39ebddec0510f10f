# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A world that knows the truth: containers that are used, dip, begin again, go back, are copied, renamed and shared, and harvests that watch them.

What a history cannot tell anybody is left out of it: use between the last look and the loss of records, a folder that went back, passed its
former total before anybody looked or is shared while nobody looks at its record files, and two reporters with shares that happen to be equal.
"""

from __future__ import annotations

import copy
import random
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, rules, schema, summary
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import document

METER = "M"
# A doubt about a quantity is never without one of these.
DOUBTS = {"decrease", "restored", "regrown", "shared_source", "renamed", "clone", "months_beyond_all"}
Records = dict[str, dict[str, int]]  # reporter to month to use


@dataclass
class Folder:
    """An output folder; ``whole``: its containers report all that is in it, not what they counted themselves."""

    source: str
    whole: bool
    records: Records = field(default_factory=dict)


@dataclass
class Container:
    """Counts under its name in a folder on a host."""

    host: str
    name: str
    resource: str
    folder: Folder
    evidence: str = ""

    def reports(self, scope: str) -> int:
        found = self.folder.records if self.folder.whole else {self.name: self.folder.records.get(self.name, {})}
        return sum(used for months in found.values() for month, used in months.items() if scope in ("all", month))


class World:
    """One history, made by its seed: ``documents`` in order with the evidence of each, and the ``truth`` by scope and by (resource, scope)."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = datetime(2026, self.random.randint(1, 11), self.random.randint(1, 28))
        self.first = self.now
        self.documents: list[tuple[dict[str, t.Any], str]] = []
        self.truth: dict[str, int] = {}
        self.by_resource: dict[tuple[str, str], int] = {}
        self.known = True
        self._number = 0
        self._silent = self.random.random() < 0.3
        self.offset = timedelta()
        self.containers = [self._container(f"h{index}") for index in range(self.random.choice([1, 1, 2]))]
        self._run()

    def _container(self, host: str) -> Container:
        self._number += 1
        return Container(host, f"c{self._number}", "r0", Folder(f"s{self._number}", self.random.random() < 0.5))

    def _run(self) -> None:
        events = [self._use] * 6 + [self._harvest] * 4 + [self._dip, self._outage, self._twice, self._switch, self._late, self._clock, self._new_folder]
        events += [self._records_gone, self._restored]
        if self._silent:
            events += [self._restored_unseen, self._clone, self._rename, self._share]
        self._use()
        for _step in range(self.random.randint(4, 18)):
            self.now += timedelta(hours=self.random.randint(1, 90))
            self.random.choice(events)()
        self.now += timedelta(hours=1)
        self._harvest()

    def _add(self, container: Container, month: str, amount: int) -> None:
        months = container.folder.records.setdefault(container.name, {})
        months[month] = months.get(month, 0) + amount
        for scope in (month, "all"):
            self.truth[scope] = self.truth.get(scope, 0) + amount
            self.by_resource[container.resource, scope] = self.by_resource.get((container.resource, scope), 0) + amount

    def _use(self) -> None:
        for container in self.containers:
            if self.random.random() < 0.8:
                # Wide enough that two totals are hardly ever equal by chance.
                self._add(container, f"{self.now:%Y-%m}", self.random.randint(1, 10**9))

    def _late(self) -> None:
        """Use of the month before comes to the records only now."""
        self._add(self.random.choice(self.containers), f"{self.now.replace(day=1) - timedelta(days=1):%Y-%m}", self.random.randint(1, 10**6))

    def _clock(self) -> None:
        self.offset = timedelta(hours=self.random.randint(-2000, 2000))

    def _harvest(self, dips: t.Collection[int] = (), out: t.Collection[int] = ()) -> None:
        self.now += timedelta(minutes=1)
        moment, harvest = f"{self.now:%Y-%m-%dT%H:%M:%SZ}", str(len(self.documents))
        for index, container in enumerate(self.containers):
            scopes: dict[str, t.Any] = {}
            for scope in (*self._months(), "all"):
                value = container.reports(scope)
                if index in dips:
                    value = self.random.choice([0, value // 2, self.random.randint(0, value)])
                scopes[scope] = "no_answer" if index in out else {METER: value} if value or self.random.random() < 0.5 else None
            made = document(harvest, scopes, moment, host=container.host, name=container.name, source=container.folder.source, resource=container.resource)
            for reading in made["answer"]["readings"]:
                reading["observed_at"] = f"{self.now + self.offset:%Y-%m-%dT%H:%M:%SZ}"
            self.documents.append((made, "" if index in out else container.evidence))
            container.evidence = container.evidence if index in out else ""

    def _months(self) -> list[str]:
        count = (self.now.year - self.first.year) * 12 + self.now.month - self.first.month + 1
        months = [(self.first.year * 12 + self.first.month - 1 + index - 1) for index in range(count + 1)]
        return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in months]

    def _dip(self) -> None:
        """One answer is incomplete; the next one is whole again."""
        index = self.random.randrange(len(self.containers))
        self._harvest(dips={index})
        self._use()
        self._harvest()

    def _outage(self) -> None:
        self._harvest(out={self.random.randrange(len(self.containers))})

    def _twice(self) -> None:
        """The same harvest appended again, and another one at once."""
        self._harvest()
        self.documents.append(self.documents[-1])
        self._harvest()

    def _switch(self) -> None:
        """Another resource, with readings right before and right after."""
        self._harvest()
        for container in self.containers:
            container.resource = self.random.choice(["r0", "r1", "r2"])
        self._harvest()

    def _new_folder(self) -> None:
        """Folder removed and made anew: another source."""
        self._harvest()
        container = self.random.choice(self.containers)
        if sum(other.folder is container.folder for other in self.containers) == 1:
            self._number += 1
            container.folder = Folder(f"s{self._number}", container.folder.whole)

    def _records_gone(self) -> None:
        """Record files removed, the folder stays: seen by whoever fetches them."""
        self._harvest()
        folder = self.random.choice(self.containers).folder
        self._replace(folder, {}, "reset")

    def _restored(self) -> None:
        """The host goes back to a snapshot, and the record files tell."""
        before = copy.deepcopy([container.folder.records for container in self.containers])
        self._use()
        self._harvest()
        index = self.random.randrange(len(self.containers))
        folder = self.containers[index].folder
        self._replace(folder, before[index], "restored")
        if self.random.random() < 0.5:
            self._use()
        self._harvest()
        self.known = False

    def _restored_unseen(self) -> None:
        """The same, and nobody looks at record files; use goes on slowly enough to be seen below the former total."""
        container = self.random.choice(self.containers)
        if len(container.folder.records) > 1 or sum(other.folder is container.folder for other in self.containers) > 1:
            return
        before = copy.deepcopy(container.folder.records)
        self._add(container, f"{self.now:%Y-%m}", 10**9)
        self._harvest()
        container.folder.records = before
        for _look in range(2):
            self._harvest()
            self._add(container, f"{self.now:%Y-%m}", self.random.randint(1, 10**8))
        self._harvest()
        self.known = False

    def _replace(self, folder: Folder, records: Records, evidence: str) -> None:
        """Other record files, and every container of the folder is known to have them."""
        folder.records = records
        for container in self.containers:
            if container.folder is folder:
                container.evidence = evidence

    def _clone(self) -> None:
        """A host is copied; both go on."""
        self._harvest()
        container = self.random.choice(self.containers)
        self.containers.append(Container(f"{container.host}x{len(self.containers)}", container.name, container.resource, copy.deepcopy(container.folder)))
        self.known = False

    def _rename(self) -> None:
        self._harvest()
        container = self.random.choice(self.containers)
        self._number += 1
        container.name = f"c{self._number}"
        self.known = False

    def _share(self) -> None:
        """A second container on the same folder."""
        container = self.random.choice(self.containers)
        self._number += 1
        self.containers.append(Container(container.host, f"c{self._number}", container.resource, container.folder))
        self.known = False


def rows_of(world: World) -> tuple[list[dict[str, t.Any]], rules.Events]:
    """What the ledger would hold, without a database: rows for the rules, and the evidence."""
    rows: list[dict[str, t.Any]] = []
    last: dict[tuple[str, ...], tuple[str, ...]] = {}
    evidence: dict[tuple[str, str, str, str], list[tuple[int, str, str]]] = {}
    known, look = set(), 0
    for made, told in world.documents:
        (endpoint,), host = made["answer"]["endpoints"], made["host"]
        if (made["harvest"], host, endpoint["name"]) in known:
            continue
        known.add((made["harvest"], host, endpoint["name"]))
        if told:
            evidence.setdefault(("plant-7", host, endpoint["name"], endpoint["source"]), []).append((look + 1, told, made["spooled_at"]))
        for reading in made["answer"]["readings"]:
            look += 1
            for meter in reading["meters"]:
                series = (endpoint["source"], endpoint["reporter"], reading["scope"])
                value = (meter["quantity"], host, endpoint["name"], endpoint["resource"])
                if told or last.get(series) != value:
                    last[series] = value
                    rows.append(_row(endpoint, host, reading, meter, look))
        look += len(made["answer"]["failures"])
    return sorted(rows, key=lambda row: (row["series"], row["look"])), rules.Events(evidence, {})


def _row(endpoint: dict[str, t.Any], host: str, reading: dict[str, t.Any], meter: dict[str, t.Any], look: int) -> dict[str, t.Any]:
    return {
        "site": "plant-7",
        "series": f"{endpoint['source']}/{endpoint['reporter']}/{reading['scope']}",
        "source": endpoint["source"],
        "reporter": endpoint["reporter"],
        "service": endpoint["service"],
        "meter": meter["name"],
        "month": reading["scope"],
        "host": host,
        "container": endpoint["name"],
        "resource": endpoint["resource"],
        "quantity": meter["quantity"],
        "billed_unit": None,
        "look": look,
        "observed_at": reading["observed_at"],
    }


def through(database: schema.Database, world: World) -> rules.Result:
    """The history appended some documents at a time, and what the ledger makes of it."""
    size = world.random.randint(3, 30)
    for start in range(0, len(world.documents), size):
        chunk = world.documents[start : start + size]
        evidence = {(made["harvest"], made["host"], made["answer"]["endpoints"][0]["container"]): told for made, told in chunk if told}
        with database.write() as connection:
            appender = ledger.Appender(connection, "plant-7", evidence)
            for made, _told in chunk:
                appender.add(made)
            appender.finish()
    with database.read() as connection:
        assert ledger.verify(connection) == []
        return summary.accounts(connection)


def check(world: World, result: rules.Result) -> None:
    """Totals are the truth where it can be known; elsewhere an interval holds it and a finding says so."""
    doubts = [finding for finding in result.findings if finding.kind in DOUBTS]
    for scope, truth in world.truth.items():
        low, high = rules.total((part for part in result.parts if part.month == scope), "quantity")
        more = sum(int(finding.high) - int(finding.low) for finding in doubts if finding.kind == "regrown" and finding.month == scope)
        assert low <= truth <= high + more, f"{scope}: {truth} is not in {low} to {high} + {more}"
        assert (low == high == truth) or doubts, f"{scope}: {truth} against {low} to {high}, and no finding"
        if world.known:
            assert low == high == truth, f"{scope}: {truth} could be known, {low} to {high} was found"
    if world.known:
        assert doubts == []
        for (resource, scope), truth in world.by_resource.items():
            found = rules.total((part for part in result.parts if part.month == scope and part.resource == resource), "quantity")
            assert found == (truth, truth), f"{resource} {scope}"
