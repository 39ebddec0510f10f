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


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**40))
def test_rows_that_cannot_matter_may_be_left_out(seed: int) -> None:
    rows, events = rows_of(World(seed))
    shares = [(number, row["series"], row["quantity"], None, row["host"], row["container"], row["resource"]) for number, row in enumerate(rows)]
    shares.sort(key=lambda item: rows[item[0]]["look"])
    loud = {row["series"] for row in rows if any(place[3] == row["source"] for place in events.evidence)}
    kept = [rows[number] for number in summary.turning_points(shares, loud)]
    one, other = rules.account(rows, None, events), rules.account(kept, None, events)
    assert (one.parts, one.findings) == (other.parts, other.findings)
    assert len(kept) <= len(rows)


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
