# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far something is that another process does, written into a progress file by a thread that looks at it."""

from __future__ import annotations

import os
import threading
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress

PAUSE = 2.0  # seconds between two looks
Look = t.Callable[[], t.Optional[int]]


class Follower:
    """``with Follower(…):`` around the work. Nothing is written of work that ends before the first look, nor when there is no file to write."""

    def __init__(self, progress: Progress | None, look: Look, pause: float = PAUSE) -> None:
        """Prepare.

        :param progress: where to count, None to do nothing
        :param look: bytes done so far, or None when that cannot be told now; called by the thread
        """
        self._progress, self._look, self._pause = progress, look, pause
        self._complete = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="airgap-follow", daemon=True)

    def __enter__(self) -> Follower:
        if self._progress is not None:
            self._thread.start()
        return self

    def complete(self) -> None:
        """All of it has been done; the last look may have been a while ago."""
        self._complete = True

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        if self._progress is not None:
            self._thread.join()
            if self._progress.done:
                self._progress.done = max(self._progress.total * self._complete, self._progress.done)
                self._progress.finish()

    def _run(self) -> None:
        progress = t.cast(Progress, self._progress)
        while not self._stop.wait(self._pause):
            try:
                done = self._look()
                if done is not None and done > progress.done:
                    progress.advance(done - progress.done)
            except Exception:  # a look that fails says nothing about the work, which tells of its own troubles
                return


def written(root: int, program: str, proc: str = "/proc") -> int | None:
    """Bytes that processes called ``program`` below the process ``root`` have written so far; None where none runs."""
    parents, names = {}, {}
    for name in os.listdir(proc):
        if name.isdigit():
            try:
                with open(f"{proc}/{name}/stat", encoding="utf-8", errors="replace") as stream:
                    head, _paren, tail = stream.read().rpartition(")")
            except OSError:
                continue  # it has ended
            parents[int(name)], names[int(name)] = int(tail.split()[1]), head.partition("(")[2]
    found = [number for number, name in names.items() if name == program and root in _above(number, parents)]
    return sum(map(_written, (f"{proc}/{number}/io" for number in found))) if found else None


def _above(number: int, parents: t.Mapping[int, int]) -> t.Iterator[int]:
    seen: set[int] = set()
    while number in parents and number not in seen:
        seen.add(number)
        number = parents[number]
        yield number


def _written(path: str) -> int:
    try:
        with open(path, encoding="utf-8") as stream:
            return next((int(line.split()[1]) for line in stream if line.startswith("wchar:")), 0)
    except OSError:
        return 0
