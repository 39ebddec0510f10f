# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock that a whole run of ansible-playbook holds: an flock, kept by a small process that ends when the run ends, however it ends.

Action plugins run in worker processes, which come and go; a lock taken there would be gone with the task. This file is both imported
by the action and run by itself, so it needs nothing but Python. It is private to the collection.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import subprocess
import sys
import time
import typing as t

Json = dict[str, t.Any]
_STARTS = 30.0  # seconds that the keeper may take to answer, besides waiting for the lock


def take(path: str, run: int, words: Json, wait: float = 0.0) -> Json | None:
    """Hold the lock until the process ``run`` ends; return None, or who holds it: an object with ``who``, ``node``, ``since``, ``run``.

    The same run may take it again.

    :raises OSError: the folder cannot be written to, or no process can be started.
    """
    command = [sys.executable, "-I", os.path.abspath(__file__), path, str(run), json.dumps(words), str(wait)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True, cwd="/")
    stream = t.cast("t.IO[bytes]", process.stdout)
    ready, _write, _error = select.select([stream], [], [], wait + _STARTS)
    answer = stream.readline() if ready else b""
    stream.close()
    try:
        found: Json = json.loads(answer)
    except ValueError:
        process.kill()
        raise OSError(f"lock {path}: the process that should hold it did not start") from None
    if "error" in found:
        raise OSError(found["error"])
    return found["holder"]


def holder(path: str) -> Json | None:
    """Who holds the lock now, or None; takes nothing."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _words(handle)
    finally:
        os.close(handle)
    return None


def _words(handle: int) -> Json:
    try:
        found = json.loads(os.pread(handle, 4096, 0))
    except (OSError, ValueError):
        found = None
    return found if isinstance(found, dict) else {"who": "somebody", "node": "an unknown place", "since": "an unknown time", "run": 0}


def _keep(path: str, words: Json, wait: float) -> Json:
    """Take the lock or say who has it; on success the caller waits for the run's end."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o750, exist_ok=True)
    shared = os.stat(folder).st_mode & 0o2020 == 0o2020
    # Whoever may write into the folder may lock, whoever made the file.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660 if shared else 0o640)
    if shared and os.fstat(handle).st_uid == os.geteuid():
        os.fchmod(handle, 0o660)
    end = time.monotonic() + max(wait, 0.5)  # who only looks holds it for a moment
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            found = _words(handle)
            if found.get("run") == words["run"] and found.get("node") == words["node"]:
                return {"holder": None, "mine": True}
            if time.monotonic() >= end:
                return {"holder": found}
            time.sleep(0.2)
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(words).encode() + b"\n", 0)
    return {"holder": None, "handle": handle}


def _until_it_ends(run: int) -> None:
    try:
        select.select([os.pidfd_open(run)], [], [])
    except (AttributeError, OSError):  # an old kernel or Python, or the run has ended already
        while os.path.exists(f"/proc/{run}"):
            time.sleep(1)


def main(argv: t.Sequence[str]) -> int:
    """``PATH RUN WORDS WAIT``: one line of JSON, then stay until the run ends."""
    path, run, words, wait = argv[0], int(argv[1]), json.loads(argv[2]), float(argv[3])
    try:
        found = _keep(path, words, wait)
    except OSError as exc:
        found = {"error": f"lock {path}: {exc.strerror}"}
    print(json.dumps(found), flush=True)
    os.close(1)
    if "handle" in found:
        _until_it_ends(run)
        os.ftruncate(found["handle"], 0)  # another program may take the lock and write no name
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
