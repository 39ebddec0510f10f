# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import sys
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.callback import progress as callback
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Display:
    """Keeps what a callback shows: the text and whether it ends its line."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, bool]] = []
        self.seen = threading.Event()
        self.verbosity = 0

    def display(self, text: str, screen_only: bool = False, newline: bool = True) -> None:
        self.shown.append((text, newline))
        self.seen.set()

    def lines(self) -> list[str]:
        return [text for text, newline in self.shown if newline]


@pytest.fixture(name="clock")
def make_clock() -> Clock:
    return Clock()


def transfer(folder: Path, clock: Clock, name: str = "image", total: int = 1000) -> Progress:
    return Progress(name, total, str(folder / f"{name}.json"), clock)


def plugin(folder: Path | None, clock: Clock) -> tuple[callback.CallbackModule, Display]:
    display = Display()
    made = callback.CallbackModule(display=display, clock=clock)
    made._plugin_options = {"folder": str(folder) if folder else None}  # what Ansible's loader sets from DOCUMENTATION
    return made, display


def test_plain_lines_come_each_ten_seconds(tmp_path: Path, clock: Clock) -> None:
    board = callback.Board(str(tmp_path), since=clock.now)
    work = transfer(tmp_path, clock)
    told = []
    for _second in range(25):
        clock.now += 1
        work.advance(10)
        told += [(clock.now, line) for line in board.plain(clock.now)]
    assert [now for now, _line in told] == [1010, 1020]
    assert told[0][1] == "image: 100 B of 1.0 kB (10 %), at 10 B/s, 90 s left"


def test_the_end_is_told_once_and_at_once(tmp_path: Path, clock: Clock) -> None:
    board = callback.Board(str(tmp_path), since=clock.now)
    work = transfer(tmp_path, clock)
    clock.now += 2
    work.advance(1000)
    work.finish()
    assert board.plain(clock.now) == ["image: 1.0 kB of 1.0 kB (100 %), at 500 B/s"]
    assert board.plain(clock.now + 60) == []


def test_a_second_transfer_under_the_same_name_is_told_again(tmp_path: Path, clock: Clock) -> None:
    board = callback.Board(str(tmp_path), since=clock.now)
    for _round in range(2):
        clock.now += 5
        work = transfer(tmp_path, clock)
        clock.now += 1
        work.finish()
        assert len(board.plain(clock.now)) == 1


def test_what_an_earlier_run_left_is_not_shown(tmp_path: Path, clock: Clock) -> None:
    transfer(tmp_path, clock).finish()
    clock.now += 1
    assert callback.Board(str(tmp_path), since=clock.now).plain(clock.now + 100) == []


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", "[" * 100_000, '{"label": "x", "done": "many", "total": 1, "started": 1, "now": 2, "finished": false}']
)
def test_foreign_files_are_passed_over(tmp_path: Path, clock: Clock, content: str) -> None:
    (tmp_path / "foreign.json").write_text(content)
    (tmp_path / "notes.txt").write_text("hello")
    board = callback.Board(str(tmp_path), since=0)
    assert board.plain(clock.now) == []
    assert board.drawn(80) == ([], "")


def test_a_missing_folder_shows_nothing(tmp_path: Path, clock: Clock) -> None:
    assert callback.Board(str(tmp_path / "none"), since=0).plain(clock.now) == []


def test_the_bar_shows_the_freshest_transfer_and_counts_the_others(tmp_path: Path, clock: Clock) -> None:
    board = callback.Board(str(tmp_path), since=clock.now)
    for name in ("first", "second"):
        clock.now += 1
        transfer(tmp_path, clock, name).advance(500)
    ended, drawn = board.drawn(200)
    assert ended == []
    assert drawn.startswith("[##########----------] second: 500 B of 1.0 kB (50 %)")
    assert drawn.endswith("(and 1 more)")
    assert len(board.drawn(30)[1]) == 30


@pytest.mark.parametrize(("done", "total", "filled"), [(0, 10, 0), (10, 10, 20), (30, 10, 20)])
def test_the_bar_stays_in_its_frame(done: int, total: int, filled: int) -> None:
    drawn = callback.gauge({"done": done, "total": total})
    assert (drawn.count("#"), len(drawn)) == (filled, 23)


def test_an_unknown_total_has_no_bar() -> None:
    assert callback.gauge({"done": 5, "total": 0}) == ""


def test_a_terminal_gets_a_bar_that_is_erased(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    made, display = plugin(tmp_path, clock)
    board = callback.Board(str(tmp_path), since=clock.now)
    work = transfer(tmp_path, clock)
    clock.now += 1
    work.advance(500)
    made.show(board)
    assert display.shown[-1][0].startswith(callback.CLEAR + "[####")
    assert display.shown[-1][0].endswith("\r")
    work.finish()
    made.show(board)
    assert [text for text, _newline in display.shown[1:]] == [callback.CLEAR, "image: 500 B of 1.0 kB (50 %), at 500 B/s"]


def test_the_thread_shows_and_stops(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callback, "TICK", 0.01)
    made, display = plugin(tmp_path, clock)
    made.v2_playbook_on_start(None)
    watcher = t.cast(threading.Thread, made._thread)
    clock.now += 1
    transfer(tmp_path, clock).finish()
    assert display.seen.wait(10)
    made.v2_playbook_on_stats(None)
    assert not watcher.is_alive()
    assert display.lines() == ["image: 0 B of 1.0 kB (0 %), at 0 B/s"]


def test_an_end_just_before_the_statistics_is_still_told(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callback, "TICK", 3600)
    made, display = plugin(tmp_path, clock)
    made.v2_playbook_on_start(None)
    clock.now += 1
    transfer(tmp_path, clock).finish()
    made.v2_playbook_on_stats(None)
    assert len(display.lines()) == 1


def test_without_a_folder_no_thread_starts(clock: Clock) -> None:
    made, display = plugin(None, clock)
    made.v2_playbook_on_start(None)
    made.v2_playbook_on_stats(None)
    assert made._thread is None
    assert display.shown == []


def test_the_files_are_what_the_modules_write(tmp_path: Path, clock: Clock) -> None:
    transfer(tmp_path, clock).finish()
    assert set(json.loads((tmp_path / "image.json").read_text())) == {"label", "done", "total", "started", "now", "finished"}


def test_batches_that_were_not_begun_are_named_in_the_inventory_s_order() -> None:
    hosts, batches = ["h3", "h1", "h2"], callback.Batches()
    assert batches.left() == []
    batches.begin(hosts, hosts[:1])
    batches.begin(hosts, hosts[1:2])
    assert "failed or out of reach: h3, h1; not begun: h2; mend the cause" in batches.line({"h1", "h3"})
    assert "out of reach: none; not begun: h2" in batches.line(())
    batches.begin(hosts, hosts[2:])
    assert batches.left() == [], "it came to its last batch"
    batches.begin(["other", "h1"], ["h1"])
    assert "not begun: other" in batches.line(["h1"]), "of the last play"
