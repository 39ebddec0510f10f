# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image in an engine: whether it is there and works, getting it in, and the user it runs as.

This file is private to the collection.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import LABEL_PREFIX
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine, file_in
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.layers import is_image

PROBE_LABEL = LABEL_PREFIX + "probe"
# What engines say when a layer they were promised is not there: classic stores miss a file, containerd a blob.
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_MISSING_LAYER = re.compile(r"no such file or directory|not found|does not exist|layer from existing rootfs|content digest", re.IGNORECASE)

Record = t.Mapping[str, t.Any]
Stream = t.Callable[[t.Collection[str]], t.Iterable[bytes]]


class MissingLayers(MissingError):
    """The engine needs more than the host's store holds: layers that were left out, or blobs that turned out to be damaged."""


def state(engine: Engine, name: str) -> dict[str, t.Any]:
    """What the engine holds under ``name``: {id, usable, user}; id is None when nothing.

    An image that inspect shows may still lack its layers (containerd stores keep a record after a failed load), so a
    container is created from it, never started, and removed.
    """
    found = engine.image(name)
    if found is None:
        return {"id": None, "usable": False, "user": None}
    configured = str((found.get("Config") or {}).get("User") or "")
    try:
        with probe(engine, name) as container:
            return {"id": found["Id"], "usable": True, "user": user(configured, lambda path: _text(engine, container, path))}
    except RemoteError:
        return {"id": found["Id"], "usable": False, "user": None}


def probe(engine: Engine, name: str) -> t.ContextManager[str]:
    """A container of an image that is never started; removed when the block ends."""
    return engine.container({"Image": name, "Cmd": ["probe"], "Labels": {PROBE_LABEL: "1"}, "NetworkDisabled": True, "HostConfig": {"NetworkMode": "none"}})


def reason(have: t.Mapping[str, t.Any], record: Record) -> str | None:
    """Why the image must be loaded, or None."""
    if have["id"] is None:
        return "the image is not there"
    if not is_image(record, have["id"]):
        return f"the name stands for another image, {have['id'][:19]}"
    return None if have["usable"] else "no container can be created from it: layers are missing"


def load(
    engine: Engine, record: Record, name: str, stream: Stream, leave_out: t.Collection[str], lacking: t.Callable[[], list[str]]
) -> tuple[dict[str, t.Any], list[str], str]:
    """Load an image and prove it; return (state, layers left out, a note or ````).

    :param stream: gives the archive without the layers it is told
    :param lacking: digests of blobs that the host's store does not hold
    :raises MissingLayers: the engine has not what was left out and the store cannot help.
    :raises RemoteError: the engine refuses, or holds something else afterwards.
    """
    left, note = list(leave_out), ""
    try:
        have = _load(engine, record, name, stream, left)
    except RemoteError as exc:
        if not left or not _MISSING_LAYER.search(exc.problem):
            raise
        absent = lacking()
        engine.remove_image(name, force=True)
        if absent:
            text = f"the engine lacks layers that were left out ({exc.problem})"
            raise MissingLayers(f"image {name}", text, f"send {len(absent)} blobs more: run the stage again") from exc
        left, note = [], f"the engine lacked layers that were left out, so all were sent ({exc.problem})"
        have = _load(engine, record, name, stream, left)
    return have, left, note


def is_full(exc: RemoteError) -> bool:
    """Whether the engine says that its disk is full."""
    return _FULL.search(exc.problem) is not None


def refusal(name: str, exc: RemoteError) -> RemoteError:
    """What the engine said, as an error of the image and with the way out."""
    problem = exc.problem if exc.what in ("image load", f"image {name}") else f"{exc.what}: {exc.problem}"
    if _FULL.search(problem):
        return RemoteError(f"image {name}", problem, "make room where the engine keeps its data, then run it again; what runs is not affected")
    return RemoteError(f"image {name}", problem, exc.way_out or "look at the engine's log and run it again")


def _load(engine: Engine, record: Record, name: str, stream: Stream, left: t.Collection[str]) -> dict[str, t.Any]:
    engine.load(stream(left))
    return proved(engine, record, name, left)


def proved(engine: Engine, record: Record, name: str, left: t.Collection[str] = ()) -> dict[str, t.Any]:
    """The image's state after it was brought in; RemoteError when it is not what it should be."""
    have = state(engine, name)
    wrong = reason(have, record)
    if wrong:
        hint = "content digest not found; " if left and have["id"] is not None and not have["usable"] else ""
        raise RemoteError(f"image {name}", f"{hint}after the load {wrong}", "look at the engine's log")
    return have


def user(configured: str, read: t.Callable[[str], str]) -> dict[str, t.Any]:
    """The numeric owner that an image's ``Config.User`` means: {name, uid, gid}.

    :param read: gives the text of a file in the image, empty when it is not there
    :raises RemoteError: a name that the image's own /etc/passwd or /etc/group does not know.
    """
    who, _colon, group = configured.partition(":")
    who = who or "0"
    accounts = [line.split(":") for line in read("/etc/passwd").splitlines() if line.count(":") >= 3]
    account = next((fields for fields in accounts if who in (fields[0], fields[2])), None)
    if account is None and not who.isdigit():
        raise RemoteError(f"image user {who}", "not in the image's /etc/passwd", "report it: the image is damaged")
    uid = int(account[2]) if account else int(who)
    if not group:
        return {"name": configured or "root", "uid": uid, "gid": int(account[3]) if account else 0}
    if group.isdigit():
        return {"name": configured, "uid": uid, "gid": int(group)}
    groups = [line.split(":") for line in read("/etc/group").splitlines() if line.count(":") >= 2]
    gid = next((fields[2] for fields in groups if fields[0] == group), None)
    if gid is None:
        raise RemoteError(f"image group {group}", "not in the image's /etc/group", "report it: the image is damaged")
    return {"name": configured, "uid": uid, "gid": int(gid)}


def _text(engine: Engine, container: str, path: str) -> str:
    archive = engine.archive(container, path)
    return file_in(archive).decode("utf-8", "replace") if archive else ""
