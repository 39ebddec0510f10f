# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten thousand histories on the rules alone, two hundred through SQLite: the truth where it can be known, a finding with an interval where not."""

from __future__ import annotations

import typing as t
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import rules, summary
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import Database
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage import histories
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.histories import World, check, rows_of, through

BLOCKS = 20


def judged(seed: int) -> tuple[World, rules.Result]:
    world = World(seed)
    rows, events = rows_of(world)
    result = rules.account(rows, None, events)
    check(world, result)
    return world, result


@pytest.mark.parametrize("block", range(BLOCKS))
def test_the_truth_is_told_or_doubted(block: int) -> None:
    known, kinds = 0, Counter[str]()
    for seed in range(block * 10_000 // BLOCKS, (block + 1) * 10_000 // BLOCKS):
        world, result = judged(seed)
        known += world.known
        kinds.update(finding.kind for finding in result.findings)
    # A generator that made nothing but easy, or nothing but hopeless, histories would prove nothing.
    assert 150 < known < 350
    assert set(kinds) > {"decrease", "restored", "regrown", "shared_source", "clone"}


@settings(max_examples=200, deadline=None)
@given(st.integers(10_000, 2**40))
def test_any_seed(seed: int) -> None:
    judged(seed)


def kept_of(rows: list[dict[str, t.Any]], events: rules.Events) -> list[dict[str, t.Any]]:
    names = ("series", "quantity", "billed_unit", "host", "container", "resource")
    shares = [(number, *[row[name] for name in names]) for number, row in enumerate(rows)]
    shares.sort(key=lambda item: rows[item[0]]["look"])
    loud = {row["series"] for row in rows if any(place[3] == row["source"] for place in events.evidence)}
    return [rows[number] for number in summary.turning_points(shares, loud)]


def same_without(rows: list[dict[str, t.Any]], events: rules.Events) -> None:
    """What is left out, and what is not followed step by step, changes nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "_steady", lambda _rows, _events: None)
        slow = rules.account(rows, None, events)
    kept = kept_of(rows, events)
    assert len(kept) <= len(rows)
    for fast in (rules.account(rows, None, events), rules.account(kept, None, events)):
        assert (slow.parts, slow.findings, slow.ends) == (fast.parts, fast.findings, fast.ends)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**40))
def test_rows_that_cannot_matter_may_be_left_out(seed: int) -> None:
    same_without(*rows_of(World(seed)))


DECIMALS = st.sampled_from(["0", "7", "9", "10", "9.5", "10.0", "10.25", "100", "99.999", "123456789012345678901234567890", "0.000001"])
READ = st.tuples(DECIMALS, st.none() | DECIMALS, *[st.sampled_from(names) for names in ("ab", ("c", "d"), ("r0", "r1"))], st.booleans())


@settings(max_examples=1000, deadline=None)
@given(st.lists(READ, min_size=1, max_size=8), st.sampled_from(["", "reset", "restored"]), st.integers(1, 8))
def test_decimals_units_and_moves_are_never_left_out_wrongly(reads: list[t.Any], told: str, when: int) -> None:
    """Other lengths and points, units that come and go, hosts, containers and resources that change: nothing that text order gets wrong."""
    rows = []
    for look, (quantity, billed, host, container, resource, rising) in enumerate(reads, 1):
        base = {"site": "s", "series": "x", "source": "f", "reporter": "c", "service": "stt", "meter": "M", "month": "all", "observed_at": ""}
        if rising and rows:  # histories that change all the time would hardly ever be left out
            host, container, resource = (rows[-1][name] for name in ("host", "container", "resource"))
        rows.append({**base, "look": look, "quantity": quantity, "billed_unit": billed, "host": host, "container": container, "resource": resource})
    evidence = {("s", "a", "c", "f"): [(when, told, "2026-03-01T00:00:00Z")]} if told else {}
    same_without(rows, rules.Events(evidence, {}))


@pytest.mark.parametrize("block", range(10))
def test_through_sqlite(tmp_path: Path, block: int) -> None:
    for seed in range(block * 20, block * 20 + 20):
        world = World(seed)
        result = through(Database(str(tmp_path / f"{seed}.db")), world)
        check(world, result)
        rows, events = rows_of(world)
        pure = rules.account(rows, None, events)
        assert sorted(map(tuple, result.parts), key=str) == sorted(map(tuple, pure.parts), key=str)


def test_a_rule_that_sums_every_fall_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The histories tell a wrong rule from a right one."""
    monkeypatch.setattr(rules.Counter, "see", _naive)
    with pytest.raises(AssertionError):
        for seed in range(100):
            judged(seed)


def _naive(self: t.Any, value: t.Any, share: t.Any) -> None:
    grown = value - self.last if value >= self.last else value
    for shares in (self._low, self._high):
        shares[share] = shares.get(share, 0) + grown
    self.last = self.peak = value


def test_worlds_are_made_of_every_event() -> None:
    names = [name for name in vars(histories.World) if name.startswith("_") and not name.startswith("__")]
    called: set[str] = set()

    class Watched(histories.World):
        def __getattribute__(self, name: str) -> t.Any:
            called.add(name)
            return super().__getattribute__(name)

    for seed in range(50):
        Watched(seed)
    assert set(names) <= called
