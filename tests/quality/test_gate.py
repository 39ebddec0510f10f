# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of all gates: every step runs, one that fails is shown whole and fails the run, lanes run at the same time."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.tests.quality import gate


def step(name: str, code: str, live: bool = False) -> gate.Step:
    """A step that runs Python code."""
    return gate.Step(name, (sys.executable, "-c", code), live)


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[dict[str, tuple[gate.Step, ...]]]:
    """The gates, to be replaced by a test's own."""
    own: dict[str, tuple[gate.Step, ...]] = {}
    monkeypatch.setattr(gate, "GATES", own)
    yield own


def test_every_step_runs_and_one_that_fails_is_shown_and_counts(gates: dict[str, tuple[gate.Step, ...]], capsys: pytest.CaptureFixture[str]) -> None:
    gates["one"] = (step("bad", "print('why'); raise SystemExit(3)"), step("good", "print('quiet')"))
    assert gate.main(["one"]) == 1
    printed = capsys.readouterr().out
    assert "why\nFAILED  one: bad" in printed and "ok      one: good" in printed and printed.endswith("steps: 1 passed, 1 failed\n")
    assert "quiet" not in printed
    assert gate.main(["one", "two"]) == 2 and "unknown: two" in capsys.readouterr().err


def test_what_failed_in_a_long_step_is_said_again_at_the_end(gates: dict[str, tuple[gate.Step, ...]], capsys: pytest.CaptureFixture[str]) -> None:
    gates["one"] = (
        step("bad", "print('E   assert 1 == 2\\nFAILED a.py::test - assert\\n' + 'x\\n' * 90); raise SystemExit(1)", live=True),
        step("good", "print('E   no')"),
    )
    assert gate.main(["one"]) == 1
    assert capsys.readouterr().out.endswith("one         | E   assert 1 == 2\none         | FAILED a.py::test - assert\nsteps: 1 passed, 1 failed\n")


def test_lanes_run_beside_one_another(gates: dict[str, tuple[gate.Step, ...]], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each waits for what the other makes, so neither ends unless both run."""
    meet = "import pathlib, sys, time\npathlib.Path({mine!r}).touch()\nend = time.monotonic() + 20\n"
    meet += "while not pathlib.Path({other!r}).exists():\n    time.sleep(0.01)\n    assert time.monotonic() < end\nprint('met')"
    left, right = str(tmp_path / "left"), str(tmp_path / "right")
    gates["left"] = (step("meets", meet.format(mine=left, other=right), live=True),)
    gates["right"] = (step("meets", meet.format(mine=right, other=left)),)
    assert gate.main(["left", gate.BESIDE, "right"]) == 0
    printed = capsys.readouterr().out
    assert "left        | met" in printed and printed.endswith("steps: 2 passed, 0 failed\n")


def test_the_last_lane_has_the_processor_first(gates: dict[str, tuple[gate.Step, ...]], capsys: pytest.CaptureFixture[str]) -> None:
    code = "import os; print('niceness', os.nice(0))"
    gates["left"], gates["right"] = (step("says", code, live=True),), (step("says", code, live=True),)
    assert gate.main(["left", gate.BESIDE, "right"]) == 0
    told = dict(line.split(" | niceness ") for line in capsys.readouterr().out.splitlines() if "niceness" in line)
    assert int(told["left       "]) == min(int(told["right      "]) + 10, 19), "19 is the most there is"
