# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows the progress files that the collection's long modules write, and in the end with which hosts a run in batches did not begin."""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: aggregate
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
version_added: 1.0.0
short_description: Show how far long transfers are
description:
  - A module has no terminal. The collection's modules for images, packages, models and bundles therefore write how far they
    are into a file; this callback reads the files and shows them.
  - On a terminal it draws one bar and redraws it twice a second. Otherwise it prints a line per transfer every ten seconds,
    and one when the transfer ends.
  - Files that an earlier run left behind are not shown.
  - Where a play with C(serial) ends before its last batch, names the hosts that failed or went out of reach and those that were not begun, with or without
    O(folder). Ansible itself ends a play when every host of a batch failed, and no task is left that could say so.
requirements:
  - Enable it, for example with C(callbacks_enabled = airgap.azure_ai.progress) in C(ansible.cfg).
options:
  folder:
    description:
      - The folder on the controller in which the progress files appear.
      - Without a folder no progress is shown.
    type: path
    env:
      - name: AIRGAP_PROGRESS_FOLDER
    ini:
      - section: callback_airgap_progress
        key: folder
"""

import json
import os
import shutil
import sys
import threading
import time
import typing as t

from ansible.plugins.callback import CallbackBase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import progress

TICK = 0.5  # seconds between two looks at the folder
PAUSE = 10.0  # seconds between two plain lines about one transfer
WIDTH = 20  # characters of the bar
CLEAR = "\r\x1b[K"


class Board:
    """What there is to show, from the files in ``folder`` that were written after ``since`` (seconds since the epoch)."""

    def __init__(self, folder: str, since: float) -> None:
        self._folder = folder
        self._since = since
        self._told: dict[str, float] = {}
        self._ended: dict[str, float] = {}

    def plain(self, now: float) -> list[str]:
        """Lines that are due at ``now``: running transfers not told of for ten seconds, and those just ended."""
        return [progress.line(state) for state in self._ends()] + [progress.line(state) for state in self._due(now)]

    def drawn(self, width: int) -> tuple[list[str], str]:
        """Lines of transfers just ended, and the bar (at most ``width`` characters, empty when nothing runs)."""
        ended = [progress.line(state) for state in self._ends()]
        running = sorted(self._running().values(), key=lambda state: -float(state["now"]))
        if not running:
            return ended, ""
        more = f" (and {len(running) - 1} more)" if len(running) > 1 else ""
        return ended, (gauge(running[0]) + progress.line(running[0]) + more)[:width]

    def _due(self, now: float) -> t.Iterator[dict[str, t.Any]]:
        for name, state in self._running().items():
            if now - self._told.get(name, float(state["started"])) >= PAUSE:
                self._told[name] = now
                yield state

    def _running(self) -> dict[str, dict[str, t.Any]]:
        return {name: state for name, state in self._states().items() if not state["finished"]}

    def _ends(self) -> t.Iterator[dict[str, t.Any]]:
        for name, state in self._states().items():
            if state["finished"] and self._ended.get(name) != state["started"]:
                self._ended[name] = state["started"]
                self._told.pop(name, None)
                yield state

    def _states(self) -> dict[str, dict[str, t.Any]]:
        """Every readable state by file name; a file that is not one of ours, or goes away meanwhile, is passed over."""
        states = {}
        try:
            names = sorted(name for name in os.listdir(self._folder) if name.endswith(".json"))
        except OSError:
            return {}
        for name in names:
            try:
                with open(os.path.join(self._folder, name), encoding="utf-8") as stream:
                    state = json.load(stream)
                progress.line(state)
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                continue
            if state["now"] >= self._since:
                states[name] = state
        return states


def gauge(state: t.Mapping[str, t.Any]) -> str:
    """``[#####---------------] ``, or nothing when the total is unknown."""
    if not state["total"]:
        return ""
    filled = min(WIDTH * int(state["done"]) // int(state["total"]), WIDTH)
    return f"[{'#' * filled}{'-' * (WIDTH - filled)}] "


class Batches:
    """The hosts of a play that goes over them in batches, and those with which it has begun."""

    def __init__(self) -> None:
        self._all: list[str] = []
        self._begun: set[str] = set()

    def begin(self, hosts: t.Sequence[str], batch: t.Sequence[str]) -> None:
        """A batch begins; other ``hosts`` than before are those of another play, and so is a play that begins with all of them."""
        if list(hosts) != self._all or len(hosts) == len(batch):
            self._all, self._begun = list(hosts), set()
        self._begun.update(batch)

    def left(self) -> list[str]:
        """Hosts that were not begun."""
        return [host for host in self._all if host not in self._begun]

    def line(self, lost: t.Collection[str]) -> str:
        """What a run says in the end that did not come to its last batch."""
        failed = ", ".join(host for host in self._all if host in lost) or "none"
        way_out = "mend the cause and run it again, hosts that are done have nothing to do then"
        return f"the run ended before its last batch: failed or out of reach: {failed}; not begun: {', '.join(self.left())}; {way_out}"


class CallbackModule(CallbackBase):
    """Looks at the folder from a thread of its own between the start and the statistics of a playbook, and at the batches of its plays."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "airgap.azure_ai.progress"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: t.Any, clock: t.Callable[[], float] = time.time, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._clock = clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._drawn = False
        self._batches = Batches()

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        folder = self.get_option("folder")
        if folder and self._thread is None:
            # a daemon: an aborted playbook brings no statistics and must end all the same
            self._thread = threading.Thread(target=self._watch, args=(Board(folder, self._clock()),), name="airgap-progress", daemon=True)
            self._thread.start()

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        if play.serial:
            known = play.get_variable_manager().get_vars(play=play)
            self._batches.begin(known["ansible_play_hosts_all"], known["ansible_play_batch"])

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None
        if self._batches.left():
            self._display.display(self._batches.line({*stats.failures, *stats.dark}))

    def _watch(self, board: Board) -> None:
        while not self._stop.wait(TICK):
            self.show(board)
        self.show(board)
        self._erase()

    def show(self, board: Board) -> None:
        """Show once what the board has; through Ansible's display, whose lock keeps forks and other output apart."""
        if not sys.stdout.isatty():
            ended, drawn = board.plain(self._clock()), ""
        else:
            ended, drawn = board.drawn(shutil.get_terminal_size().columns - 1)
        if ended or not drawn:
            self._erase()
        for line in ended:
            self._display.display(line)
        if drawn:
            # The cursor goes back to the first column, so that Ansible's next line begins there.
            self._display.display(f"{CLEAR}{drawn}\r", screen_only=True, newline=False)
            self._drawn = True

    def _erase(self) -> None:
        if self._drawn:
            self._display.display(CLEAR, screen_only=True, newline=False)
            self._drawn = False
