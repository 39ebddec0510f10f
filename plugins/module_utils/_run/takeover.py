# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a container over that somebody ran by hand, in steps that may each be repeated after a run was cut off.

    linked    its folder is the new container's output, by a link, and has a source.json
    held      the old container is stopped, starts by itself no more, and bears the name ``<name>.adopted``
    returned  the new container did not prove itself: the old one has its name and its folder's owner again, and runs
    done      the new container has proved itself: the old one is removed, its folder and its volumes stay

``adopted.json`` in the container's folder says what was taken over: {id, container, image, restart, owner, output, since, done}.
An old container that was started with ``--rm`` vanishes when it stops, so a copy of it is made beforehand. This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import time
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import fsync_folder, write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import LABEL_PREFIX
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import adoption, deployed, releases
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine

STATES = ("linked", "held", "returned", "done")
NOTE = "adopted.json"
GONE_SECONDS = 30.0
_NEVER = {"Name": "no", "MaximumRetryCount": 0}

Json = dict[str, t.Any]


class Takeover:
    """One container's.

    :param root: the collection's folder on this host
    :param name: the declared container
    :param output: the folder that it adopts
    :param old: the container that it adopts, if any
    """

    def __init__(self, engine: Engine, root: str, name: str, output: str, old: t.Optional[str]) -> None:
        self._engine, self._name, self._output, self._old = engine, name, output, old
        self._folder = releases.folder_of(root, name)
        self._aside = name + adoption.ASIDE

    def reason(self, state: str) -> t.Optional[str]:
        """Why something must be done, or None."""
        if state == "linked":
            there = deployed.output(self._folder)
            return None if there == self._output and deployed.record(self._folder, deployed.SOURCE_FILE) else f"output: {there or 'none'} -> {self._output}"
        if state == "held":
            found = self._engine.inspect(self._old) if self._old else None
            return None if found is None else f"{self._old} is set aside as {self._aside}"
        if self._engine.inspect(self._aside) is None:
            return None
        return f"{self._aside} runs again" if state == "returned" else f"{self._aside} is removed"

    def act(self, state: str) -> None:
        """Bring the state about."""
        {"linked": self._link, "held": self._hold, "returned": self._give_back, "done": self._finish}[state]()

    def _link(self) -> None:
        """Lay ``output`` as a link; only a folder in which nothing ever was makes way for it."""
        what, path, source = f"container {self._name}", os.path.join(self._folder, deployed.OUTPUT), os.path.join(self._folder, deployed.SOURCE_FILE)
        if deployed.kind(self._output) != "folder":
            raise InputError(what, f"adopt.output {self._output} is not a folder, or lies behind a link", "name the folder itself")
        there = deployed.output(self._folder)
        if there not in (None, adoption.EMPTY, self._output):
            raise InputError(what, f"its output is {there} already, so it cannot adopt {self._output}", "take adopt out, or retire it first")
        if there != self._output:
            os.makedirs(self._folder, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(source)
            if there == adoption.EMPTY:
                os.rmdir(path)
            temporary = os.path.join(self._folder, ".airgap-output")
            if os.path.lexists(temporary):
                os.unlink(temporary)
            os.symlink(self._output, temporary)
            os.replace(temporary, path)
        releases.mark_output(self._folder)
        fsync_folder(self._folder)

    def _hold(self) -> None:
        found = self._engine.inspect(str(self._old))
        if found is None:
            return
        labels, host = (found.get("Config") or {}).get("Labels") or {}, found.get("HostConfig") or {}
        if LABEL_PREFIX + "container" in labels:
            raise InputError(f"container {self._name}", f"{self._old}, which it adopts, is one of this collection", "name the container that was run by hand")
        self._note(found)
        if host.get("AutoRemove"):
            if self._engine.inspect(self._aside) is None:
                self._engine.create(copy_of(found), self._aside)
            self._engine.stop(found["Id"])
            self._wait_until_gone(found["Id"])
            return
        # An engine that restarts starts containers with `always` although somebody stopped them: two would write into one folder.
        self._engine.update(found["Id"], {"RestartPolicy": _NEVER})
        self._engine.stop(found["Id"])
        self._engine.rename(found["Id"], self._aside)

    def _give_back(self) -> None:
        aside = self._engine.inspect(self._aside)
        if aside is None:
            return
        note = deployed.record(self._folder, NOTE)
        ours = self._engine.inspect(self._name)
        if ours is not None and LABEL_PREFIX + "container" in ((ours.get("Config") or {}).get("Labels") or {}):
            self._engine.remove(ours["Id"])
        if note.get("owner"):
            releases.hand_over(self._output, (int(note["owner"][0]), int(note["owner"][1])))
        old = str(note.get("container") or self._name)
        if self._engine.inspect(old) is None:
            self._engine.rename(aside["Id"], old)
        self._engine.update(aside["Id"], {"RestartPolicy": note.get("restart") or _NEVER})
        self._engine.start(aside["Id"])

    def _finish(self) -> None:
        aside = self._engine.inspect(self._aside)
        if aside is not None:
            self._engine.remove(aside["Id"], volumes=False)
        write_bytes(os.path.join(self._folder, NOTE), pretty({**deployed.record(self._folder, NOTE), "done": True}), 0o644)

    def _note(self, found: Json) -> None:
        """Write down what the old container was, before anything of it changes; a second time it would be what we made of it."""
        known = deployed.record(self._folder, NOTE)
        if known.get("id") == found["Id"]:
            return
        state, host = os.stat(self._output), found.get("HostConfig") or {}
        value = {
            "id": found["Id"],
            "container": self._old,
            "image": (found.get("Config") or {}).get("Image", ""),
            "restart": _NEVER if host.get("AutoRemove") else host.get("RestartPolicy") or _NEVER,
            "owner": [state.st_uid, state.st_gid],
            "output": self._output,
            "since": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "done": False,
        }
        write_bytes(os.path.join(self._folder, NOTE), pretty(value), 0o644)

    def _wait_until_gone(self, identity: str) -> None:
        until = time.monotonic() + GONE_SECONDS
        while self._engine.inspect(identity) is not None:
            if time.monotonic() > until:
                raise RemoteError(f"container {self._old}", f"was started with --rm and is not gone {GONE_SECONDS:.0f} s after it stopped", "run it again")
            time.sleep(0.2)


def copy_of(found: Json) -> Json:
    """A request for a container like this one, that stays when it stops and does not start by itself."""
    try:
        config = {**found["Config"], "Image": found["Image"]}
    except KeyError as exc:
        raise MissingError(f"container {found.get('Name', '')}", f"the engine does not tell its {exc}", "run it again without --rm") from exc
    return {**config, "HostConfig": {**(found.get("HostConfig") or {}), "AutoRemove": False, "RestartPolicy": _NEVER}}
