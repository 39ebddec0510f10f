# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a container ran when it proved itself, kept beside its releases, so that a rollback can run it so again.

    proven.json    what proved itself last: {spec, release, since, previous, run}; ``run`` is all that starting it needs,
                   and in ``after`` the containers that it needs itself
    former.json    what had proved itself before that
    rollback.json  a rollback that still stands: {kind: manual | automatic, to, left, since, done}; ``to`` and each of ``left`` are {release, spec},
                   ``done`` is whether the container proved itself after it

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import fsync_folder, write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import LABEL_PREFIX
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed

Json = dict[str, t.Any]
Item = t.Mapping[str, t.Any]
MANUAL, AUTOMATIC = "manual", "automatic"
RUN = ("container", "service", "release", "docker_container", "compose", "config", "folders", "url", "health", "smoke", "metered", "after")
_SPEC = LABEL_PREFIX + "spec"
_MODE = 0o600  # the environment of a container is nobody else's business


def spec_of(item: Item) -> str:
    """The hash of the spec that an item of a plan runs with."""
    try:
        return str(item["docker_container"]["labels"][_SPEC])
    except (KeyError, TypeError):
        raise InputError(f"container {item.get('container')}", "its item says not how it runs", "give an item of a plan") from None


def note_reason(folder: str, item: Item) -> t.Optional[str]:
    """Why it must be noted that an item has proved itself, or None."""
    found = deployed.record(folder, deployed.PROVEN_FILE)
    if found.get("spec") != spec_of(item) or not found.get("run"):
        return "it has proved itself"
    back = deployed.record(folder, deployed.BACK_FILE)
    if item.get("back"):
        return None if not back or back.get("done") else "it has proved itself again"
    return "its rollback is over" if back else None


def note(folder: str, item: Item) -> None:
    """Keep how an item runs that has proved itself. What had done so before is what a rollback goes back to.

    After a rollback nothing lies before what runs then, unless it was there before.
    """
    mine = spec_of(item)
    before = deployed.record(folder, deployed.PROVEN_FILE)
    path = os.path.join(folder, deployed.FORMER_FILE)
    if item.get("back") is None:
        if before.get("run") and before["spec"] != mine:
            write_bytes(path, _text(before), _MODE)
    elif deployed.record(folder, deployed.FORMER_FILE).get("spec") == mine:
        _remove(path)
    run = {name: item[name] for name in RUN if name in item}
    value = {"spec": mine, "release": item["release"], "since": _now(), "previous": deployed.link(folder, "previous"), "run": run}
    write_bytes(os.path.join(folder, deployed.PROVEN_FILE), _text(value), _MODE)
    back = deployed.record(folder, deployed.BACK_FILE)
    if item.get("back") is None:
        _remove(os.path.join(folder, deployed.BACK_FILE))
    elif back:
        write_bytes(os.path.join(folder, deployed.BACK_FILE), _text({**back, "done": True}), 0o644)
    fsync_folder(folder)


def mark_back(folder: str, item: Item) -> None:
    """Note a rollback before it is done, so that one that is cut off is not undone by the next rollout, and does not pass for proved."""
    to = {"release": item["release"], "spec": spec_of(item)}
    value = {"kind": item["back"], "to": to, "left": list(item["left"]), "since": _now(), "done": False}
    write_bytes(os.path.join(folder, deployed.BACK_FILE), _text(value), 0o644)


def target(folder: str, failed: t.Optional[str]) -> tuple[t.Optional[Json], t.Optional[str]]:
    """(what to go back to, None) or (None, why there is nothing).

    :param failed: hash of the spec that failed just now; None for a rollback that somebody wants
    """
    proven, former = deployed.record(folder, deployed.PROVEN_FILE), deployed.record(folder, deployed.FORMER_FILE)
    if failed is None:
        back = standing(folder)
        if back is not None:
            return next((found for found in (proven, former) if found.get("run") and found["spec"] == back["to"]["spec"]), None), None
        return (former, None) if former.get("run") else (None, "nothing that proved itself lies before what runs now")
    if proven.get("spec") == failed:
        return None, "it ran like this before, so there is nothing to go back to"
    return (proven, None) if proven.get("run") else (None, "nothing has proved itself here before, so there is nothing to go back to")


def standing(folder: str) -> t.Optional[Json]:
    """A rollback by hand that was done, or begun, and still stands."""
    back = deployed.record(folder, deployed.BACK_FILE)
    return back if back.get("kind") == MANUAL and back["to"]["release"] == deployed.link(folder, "current") else None


def left(folder: str, spec: t.Optional[str]) -> list[Json]:
    """What a rollback leaves: what is current, run with ``spec``, and what an earlier rollback left that still stands."""
    before = deployed.record(folder, deployed.BACK_FILE).get("left") or []
    mine = {"release": deployed.link(folder, "current"), "spec": spec}
    return [*(item for item in before if item != mine), mine]


def held(back: t.Optional[Item], release: str, spec: str) -> bool:
    """Whether what is declared is what a rollback left, by its release, or where that stayed the same by its settings."""
    if not back:
        return False
    moved = [item for item in back["left"] if item["release"] != back["to"]["release"]]
    return any(item["release"] == release for item in moved) or any(item["spec"] == spec for item in back["left"])


def _text(value: Json) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode("utf-8")  # canonical JSON knows no half a CPU


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
