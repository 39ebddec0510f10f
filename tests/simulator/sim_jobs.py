# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that is answered with 202 and asked for later. Results lie in the shared folder where one is mounted, else they die with the container."""

from __future__ import annotations

import datetime
import json
import os
import threading
import time
import typing as t
import uuid

Document = dict[str, t.Any]


class Failed(Exception):
    """The work cannot be done; code and message go into the result."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


class Jobs:
    """Operations by id; ``folder`` is where results are kept, empty for memory."""

    def __init__(self, folder: str, seconds: float) -> None:
        self._folder, self._seconds = folder, seconds
        self._known: dict[str, Document] = {}
        self._lock = threading.Lock()

    def start(self, kind: str, work: t.Callable[[], Document]) -> str:
        """Begin the work in a thread of its own; return the operation's id. ``work`` gives the result or raises Failed."""
        number = str(uuid.uuid4())
        record = {"kind": kind, "status": "running", "created": _now(), "updated": _now()}
        self._put(number, record)

        def run() -> None:
            time.sleep(self._seconds)
            try:
                done = {"status": "succeeded", "result": work()}
            except Failed as exc:
                done = {"status": "failed", "error": {"code": exc.code, "message": exc.message}}
            self._put(number, {**record, **done, "updated": _now()})

        threading.Thread(target=run, daemon=True).start()
        return number

    def get(self, kind: str, number: str) -> Document | None:
        """kind, status (running, succeeded, failed), created, updated, and result or error; None for an unknown id."""
        with self._lock:
            found = self._known.get(number)
        if found is None and self._folder and number == os.path.basename(number):
            try:
                with open(os.path.join(self._folder, number + ".json"), encoding="utf-8") as stream:
                    found = json.load(stream)
            except (FileNotFoundError, ValueError):
                return None
        return found if found and found["kind"] == kind else None

    def _put(self, number: str, record: Document) -> None:
        with self._lock:
            self._known[number] = record
        if self._folder:
            path = os.path.join(self._folder, number + ".json")
            with open(path + ".part", "w", encoding="utf-8") as stream:
                json.dump(record, stream)
            os.replace(path + ".part", path)


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Kept(t.MutableMapping[str, Document]):
    """Documents by name, kept in the shared folder where there is one."""

    def __init__(self, folder: str) -> None:
        self._folder = os.path.join(folder, "models") if folder else ""
        self._known: dict[str, Document] = {}
        if self._folder:
            os.makedirs(self._folder, exist_ok=True)
            for name in os.listdir(self._folder):
                with open(os.path.join(self._folder, name), encoding="utf-8") as stream:
                    self._known[name.removesuffix(".json")] = json.load(stream)

    def __getitem__(self, name: str) -> Document:
        return self._known[name]

    def __setitem__(self, name: str, document: Document) -> None:
        if self._folder:
            with open(os.path.join(self._folder, os.path.basename(name) + ".json"), "w", encoding="utf-8") as stream:
                json.dump(document, stream)
        self._known[name] = document

    def __delitem__(self, name: str) -> None:
        del self._known[name]
        if self._folder:
            os.unlink(os.path.join(self._folder, os.path.basename(name) + ".json"))

    def __iter__(self) -> t.Iterator[str]:
        return iter(list(self._known))

    def __len__(self) -> int:
        return len(self._known)
