# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a transfer that broke off lies on a host already, and how much room the rest takes: ``look`` reads, the others are pure.

rsync keeps what came of a file and goes on from it, but writes the whole file anew beside it.
This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed, host, lock

_LOOSE = re.compile(r"\.[0-9a-f]{64}\.[A-Za-z0-9]{6}")  # a file that rsync was killed at: it does not go on from there

Have = t.Mapping[str, t.Any]
Blob = t.Mapping[str, t.Any]


def look(folder: str, places: t.Mapping[str, str]) -> dict[str, t.Any]:
    """folder, free (bytes of its file system), blobs (bytes by hex digest), loose (bytes of what the next transfer removes), on (those of ``places``
    that are on the same file system).

    :param folder: where rsync lays down blobs; there may be none yet
    :param places: name to folder, which may not be there yet
    """
    blobs: dict[str, int] = {}
    loose = 0
    for path in (folder, os.path.join(folder, lock.PARTIAL)):
        for name, size in _files(path):
            if deployed.HEX.fullmatch(name):
                blobs[name] = max(size, blobs.get(name, 0))
            elif _LOOSE.fullmatch(name):
                loose += size
    device = _device(folder)
    return {
        "folder": folder,
        "free": host.disk(folder)["free"],
        "blobs": blobs,
        "loose": loose,
        "on": sorted(name for name, place in places.items() if _device(place) == device),
    }


def arrived(have: Have, blobs: t.Iterable[Blob]) -> int:
    """Bytes of these blobs that need not take space any more."""
    there = (have.get("incoming") or {}).get("blobs") or {}
    return sum(min(blob["size"], there.get(blob["digest"].rpartition(":")[2], 0)) for blob in blobs)


def freed(have: Have, blobs: t.Iterable[Blob], place: str) -> int:
    """Bytes on the file system of ``place`` that count as free for sending these blobs."""
    found = have.get("incoming") or {}
    return arrived(have, blobs) + int(found["loose"]) if place in found.get("on", ()) else 0


def room(have: Have, blobs: t.Sequence[Blob]) -> int:
    """Bytes that the folder's file system must have free to take the rest of these blobs, and to go on inside the largest one."""
    return sum(blob["size"] for blob in blobs) - arrived(have, blobs) + max((blob["size"] for blob in blobs), default=0)


def judge(have: Have, steps: t.Mapping[str, t.Any]) -> list[str]:
    """A problem where the folder cannot take what the plan sends: the run itself looks again, right before it sends."""
    found = have.get("incoming") or {}
    if not steps.get("send") or found.get("free") is None or found["free"] + int(found["loose"]) >= steps["send_room"]:
        return []
    there, needed = human(found["free"] + int(found["loose"])), human(steps["send_room"])
    needs = f"{needed} needed for what is still to be sent and to go on inside the largest file where the line breaks"
    return [f"disk: {there} free for {found['folder']}, {needs}; make room, or name another folder in stage_incoming"]


def _files(folder: str) -> list[tuple[str, int]]:
    """Name and bytes on the disk of each file; nothing where there is no such folder."""
    found: list[tuple[str, int]] = []
    with contextlib.suppress(OSError), os.scandir(folder) as listed:
        for item in listed:
            with contextlib.suppress(FileNotFoundError):
                if item.is_file(follow_symlinks=False):
                    state = item.stat(follow_symlinks=False)
                    found.append((item.name, min(state.st_size, state.st_blocks * 512)))
    return found


def _device(folder: str) -> int:
    path = os.path.abspath(folder)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return os.stat(path).st_dev
