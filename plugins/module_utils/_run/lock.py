# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock on a host: one run at a time changes it, from wherever it comes. Who only reads never asks.

A lock is a file with who holds it; its modification time is the holder's last sign of life.
This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import tempfile
import threading
import typing as t
from dataclasses import asdict, dataclass

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError

FILE = "lock"
BEAT = 20.0  # seconds between signs of life while something long is done
FREE = "nobody holds it"
_FIELDS = ("who", "since", "node", "run")
_INCOMING = "incoming"
PARTIAL = ".~tmp~"  # where rsync keeps what came of a file


@dataclass(frozen=True)
class Holder:
    """Who changes a host.

    :param who: user on the control node
    :param since: UTC, ``YYYY-MM-DDTHH:MM:SSZ``
    :param node: name of the control node
    :param run: what tells one run of ansible-playbook from every other
    """

    who: str
    since: str
    node: str
    run: str


class HeldError(AirgapError):
    """Another run changes this host; ``holder`` is who."""

    def __init__(self, path: str, holder: Holder, quiet_seconds: float) -> None:
        self.holder = holder
        told = f"held by {holder.who} from {holder.node} since {holder.since}, last sign of life {_ago(quiet_seconds)} ago"
        way_out = "wait for that run; if it is dead, run again with -e azure_ai_break_lock=true"
        super().__init__(f"lock {path}", told, way_out)


def at_home(path: str, user: str) -> str:
    """A path in which ``~`` is the home of who logged in; with become the module itself runs as somebody else."""
    return os.path.expanduser(f"~{user}{path[1:]}" if path.startswith("~/") else path)


def holder(root: str) -> t.Optional[Holder]:
    """Who holds the lock below ``root``, or None. A file that says nothing readable is held by somebody unknown."""
    try:
        with open(os.path.join(root, FILE), encoding="utf-8") as stream:
            return _read(stream.read(4096))
    except FileNotFoundError:
        return None


def reason(root: str, mine: Holder, held: bool, broken: t.Sequence[str] = ()) -> t.Optional[str]:
    """Why the lock must be taken or given back, or None.

    :param held: whether it shall be held by ``mine`` afterwards
    :param broken: runs whose locks do not count (dead ones), ``*`` for any
    :raises HeldError: another run has it, which is no fault when it shall not be held.
    """
    found = holder(root)
    if found is not None and found.run == mine.run:
        return None if held else "the run is over"
    if not held:
        return None
    if found is None:
        return FREE
    if found.run in broken or "*" in broken:
        return f"broken; it was held by {found.who} from {found.node} since {found.since}"
    raise HeldError(os.path.join(root, FILE), found, quiet(root))


def take(root: str, mine: Holder, broken: t.Sequence[str] = (), incoming: str = "") -> None:
    """Hold the lock, or refresh the sign of life.

    :param incoming: folder in which rsync lays down blobs: what it writes there is a sign of life as well
    :raises HeldError: another run was quicker.
    """
    os.makedirs(root, mode=0o755, exist_ok=True)
    path = os.path.join(root, FILE)
    found = holder(root)
    if found is not None and found.run == mine.run:
        os.utime(path)
        return
    if found is not None and (found.run in broken or "*" in broken):
        os.unlink(path)
    handle, temporary = tempfile.mkstemp(prefix=".airgap-", dir=root)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(json.dumps({**asdict(mine), _INCOMING: incoming}, sort_keys=True) + "\n")
            os.fchmod(stream.fileno(), 0o644)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(temporary, path)  # unlike a rename, fails where somebody else was quicker
    except FileExistsError:
        raise HeldError(path, holder(root) or Holder("somebody", "?", "somewhere", "?"), quiet(root)) from None
    finally:
        os.unlink(temporary)


def give_back(root: str, mine: Holder) -> None:
    """Remove the lock when it is ours."""
    found = holder(root)
    if found is not None and found.run == mine.run:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(root, FILE))


def alive(root: str) -> None:
    """Leave a sign of life, whoever holds the lock: work goes on. Nothing happens where there is no lock."""
    with contextlib.suppress(OSError):
        os.utime(os.path.join(root, FILE))


@contextlib.contextmanager
def heartbeat(root: str, seconds: float = BEAT) -> t.Iterator[None]:
    """Leave signs of life as long as the block runs, however long the engine or the disk keeps it."""
    over = threading.Event()

    def beat() -> None:
        alive(root)
        while not over.wait(seconds):
            alive(root)

    thread = threading.Thread(target=beat, name=FILE, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def turn(root: str) -> str:
    """What changes whenever a run takes the lock or gives it back: where it is the same later, nobody did. Empty when there is no folder yet.

    Both make and remove files in ``root`` itself, so this is when the folder last changed.
    """
    try:
        return str(os.stat(root).st_mtime_ns)
    except FileNotFoundError:
        return ""


def quiet(root: str) -> float:
    """Seconds since the last sign of life, of the lock or of what is on its way to the host."""
    try:
        with open(os.path.join(root, FILE), encoding="utf-8", errors="replace") as stream:
            newest, text = os.fstat(stream.fileno()).st_mtime, stream.read(4096)
    except FileNotFoundError:
        return 0.0
    try:
        incoming = str(json.loads(text)[_INCOMING])
    except (ValueError, KeyError, TypeError, RecursionError):
        incoming = ""
    if incoming:
        newest = max([newest, *_written(incoming), *_written(os.path.join(incoming, PARTIAL))])
    return max(0.0, datetime.datetime.now(datetime.timezone.utc).timestamp() - newest)


def _written(folder: str) -> list[float]:
    """When each file of a folder was last written to; nothing where there is no such folder."""
    found: list[float] = []
    with contextlib.suppress(OSError), os.scandir(folder) as listed:
        for item in listed:
            with contextlib.suppress(FileNotFoundError):
                found.append(item.stat(follow_symlinks=False).st_mtime)
    return found


def _read(text: str) -> Holder:
    try:
        found = json.loads(text)
        return Holder(*(str(found[name]) for name in _FIELDS))
    except (ValueError, KeyError, TypeError, RecursionError):
        return Holder("somebody", "an unknown time", "an unknown place", "?")


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
