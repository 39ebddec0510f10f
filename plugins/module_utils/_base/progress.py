# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of long work, written to a file: a module has no terminal, the callback that reads the file has.

This file is private to the collection.
"""

from __future__ import annotations

import json
import os
import time
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import TEMPORARY_PREFIX

INTERVAL = 0.5  # seconds between two writes of the file


class Progress:
    """Counts bytes of a known or unknown total and writes the state to ``path`` (or nowhere).

    The file is JSON: ``label``, ``done`` and ``total`` in bytes (``total`` 0 when unknown), ``started`` and
    ``now`` in seconds since the epoch, ``finished``.
    """

    def __init__(self, label: str, total: int = 0, path: str | None = None, clock: t.Callable[[], float] = time.time) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self._path = path
        self._clock = clock
        self._started = clock()
        self._written = 0.0

    def advance(self, size: int) -> None:
        """Count ``size`` more bytes; write at most twice a second."""
        self.done += size
        now = self._clock()
        if now - self._written >= INTERVAL:
            self._write(now, finished=False)

    def expect(self, total: int) -> None:
        """Set the total once it is known."""
        self.total = total

    def finish(self) -> None:
        """Write the last state."""
        self._write(self._clock(), finished=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_failure: object) -> None:
        """However it ends, what was told as running is told as ended, or it would be shown as running for ever."""
        if self._written:
            self.finish()

    def state(self, now: float, finished: bool) -> dict[str, t.Any]:
        """The state as the file holds it."""
        return {"label": self.label, "done": self.done, "total": self.total, "started": self._started, "now": now, "finished": finished}

    def _write(self, now: float, finished: bool) -> None:
        self._written = now
        if self._path:
            _write(os.path.abspath(self._path), json.dumps(self.state(now, finished)))


class Told:
    """Progress of work in several parts, one after the other, in one file; each part bears the work's name before its own."""

    def __init__(self, what: str, path: str | None) -> None:
        self._what = what
        self._path = path
        self._part: Progress | None = None

    def __call__(self, words: str, total: int = 0) -> t.Callable[[int], object]:
        """Begin a part; returns what counts its bytes."""
        self._part = Progress(f"{self._what}, {words}", total, self._path)
        self._part.advance(0)
        return self._part.advance

    def advance(self, size: int) -> None:
        """Count bytes of the part that runs."""
        if self._part is not None:
            self._part.advance(size)

    def __enter__(self) -> Told:
        return self

    def __exit__(self, *_failure: object) -> None:
        """Tell that the last part has ended, however it did, or it would be shown as running for ever."""
        if self._part is not None:
            self._part.finish()


def _write(path: str, text: str) -> None:
    """Whole or absent, but not flushed: nothing is lost with it. Always by the same other name, so that a killed run leaves no heap."""
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, f"{TEMPORARY_PREFIX}{name}")
    with open(temporary, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(temporary, path)


def line(state: t.Mapping[str, t.Any]) -> str:
    """One line for people: label, bytes done of total, rate, time left."""
    done, total = int(state["done"]), int(state["total"])
    seconds = max(float(state["now"]) - float(state["started"]), 0.001)
    rate = done / seconds
    parts = [f"{state['label']}: {human(done)}"]
    if total:
        parts.append(f"of {human(total)} ({100 * done // total} %)")
    parts.append(f"at {human(int(rate))}/s")
    if total and rate and not state["finished"]:
        parts.append(f"{max(int((total - done) / rate), 0)} s left")
    return ", ".join([" ".join(parts[:2]), *parts[2:]])


def human(size: int) -> str:
    """Bytes in decimal units: ``999 B``, ``1.5 MB``."""
    if size < 1000:
        return f"{size} B"
    value, units = size / 1000, ["kB", "MB", "GB", "TB"]
    while value >= 999.95 and len(units) > 1:  # what rounds to 1000.0 belongs to the next unit
        value /= 1000
        units.pop(0)
    return f"{value:.1f} {units[0]}"
