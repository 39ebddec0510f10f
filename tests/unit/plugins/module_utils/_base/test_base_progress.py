# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import INTERVAL, Progress, Told, human, line


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def state(**changes: object) -> dict[str, object]:
    return {"label": "pull", "done": 0, "total": 0, "started": 100.0, "now": 110.0, "finished": False, **changes}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"done": 5_000_000, "total": 20_000_000}, "pull: 5.0 MB of 20.0 MB (25 %), at 500.0 kB/s, 30 s left"),
        ({"done": 5_000_000}, "pull: 5.0 MB at 500.0 kB/s"),
        ({"total": 10}, "pull: 0 B of 10 B (0 %), at 0 B/s"),
        ({"done": 10, "total": 10, "finished": True}, "pull: 10 B of 10 B (100 %), at 1 B/s"),
        ({"done": 20, "total": 10}, "pull: 20 B of 10 B (200 %), at 2 B/s, 0 s left"),
        ({"done": 5, "total": 10, "now": 100.0}, "pull: 5 B of 10 B (50 %), at 5.0 kB/s, 0 s left"),
    ],
)
def test_the_line_for_people(changes: dict[str, object], says: str) -> None:
    assert line(state(**changes)) == says


@pytest.mark.parametrize(
    ("size", "says"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (10**12, "1.0 TB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_sizes_for_people(size: int, says: str) -> None:
    assert human(size) == says


@given(st.integers(0, 10**14))
def test_no_size_below_a_petabyte_needs_more_than_three_digits(size: int) -> None:
    assert float(human(size).split()[0]) < 1000


@given(st.lists(st.integers(0, 10**9), max_size=20))
def test_every_byte_is_counted(steps: list[int]) -> None:
    work = Progress("x", clock=Clock())
    for step in steps:
        work.advance(step)
    assert work.done == sum(steps)


def test_the_file_is_written_at_most_once_per_interval_and_at_the_end(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "new" / "pull.json"
    work = Progress("pull", 100, str(path), clock)
    assert not path.exists()
    seen = []
    for _step in range(8):
        work.advance(10)
        seen.append(json.loads(path.read_text())["done"])
        clock.now += INTERVAL / 2
    assert seen == [10, 10, 30, 30, 50, 50, 70, 70]
    work.finish()
    assert json.loads(path.read_text()) == {"label": "pull", "done": 80, "total": 100, "started": 1000.0, "now": 1002.0, "finished": True}
    assert [item.name for item in path.parent.iterdir()] == ["pull.json"]


def test_what_a_killed_run_leaves_is_one_file_that_the_next_takes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pull.json"

    def end(*_names: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("os.replace", end)
        Progress("pull", 100, str(path)).advance(1)
    assert [item.name for item in tmp_path.iterdir()] == [".airgap-pull.json"]
    Progress("pull", 100, str(path)).finish()
    assert [item.name for item in tmp_path.iterdir()] == ["pull.json"]


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    work = Progress("pull")
    work.advance(1)
    work.finish()
    assert list(tmp_path.iterdir()) == []


def test_parts_of_one_work_follow_one_another_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "work.json"
    with Told("license of x", str(path)) as told:
        told.advance(5)
    assert not path.exists(), "nothing has begun"
    with Told("license of x", str(path)) as told, contextlib.suppress(OSError):
        advance = told("step model (1 of 2)")
        assert json.loads(path.read_text())["label"] == "license of x, step model (1 of 2)"
        advance(3)
        told.advance(4)
        told("step license (2 of 2)", 9)
        told.advance(2)
        raise OSError("it does not end well")
    state = json.loads(path.read_text())
    assert (state["label"], state["done"], state["total"], state["finished"]) == ("license of x, step license (2 of 2)", 2, 9, True)
