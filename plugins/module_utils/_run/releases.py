# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases in a container's folder on a host: laid down beside the running one, then switched to.

This file is private to the collection.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import stat
import typing as t
import uuid

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import fsync_folder, write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import is_dns_label
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed

COMPOSE_FILE = "compose.yml"
OUTPUT = deployed.OUTPUT
OUTPUT_MODE = stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP
OPEN_LICENSE = stat.S_IRWXU  # of the folder with a license, where the service writes beside it
OPEN_MODE = stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO  # of a folder in which users of several images write
OWNER_FILE = "owner.json"
CONFIG_FOLDER = "config"
CURRENT = "current"
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_ID = re.compile(r"[0-9a-f]{16}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

Owner = tuple[int, int]
Config = t.Sequence[t.Mapping[str, str]]


def folder_of(root: str, container: t.Any) -> str:
    """The container's folder; InputError unless its name is a DNS label (it becomes part of a path)."""
    if not is_dns_label(container):
        raise InputError(f"container {container!r}", "not a DNS label")
    return os.path.join(root, "containers", container)


def release_id(release: t.Any) -> str:
    """The ID in a release or an ID as it is; InputError when it is none, or not that of the release's content."""
    found = release.get("id") if isinstance(release, dict) else release
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise InputError(f"release {found!r}", "not 16 hex digits")
    if isinstance(release, dict) and Release.load(release).id != found:
        raise InputError(f"release {found}", "its ID does not belong to its content", "receive the bundle again")
    return found


def stage_reason(root: str, container: str, release: t.Mapping[str, t.Any], folders: t.Optional[t.Sequence[str]] = None) -> str | None:
    """Why a release must be staged, or None.

    :param folders: those that the container writes into, relative to ``<root>/containers``; its output alone when not told
    """
    folder = folder_of(root, container)
    identity = release_id(release)
    if not deployed.is_complete(os.path.join(folder, "releases", identity)):
        return f"release {identity} is not there"
    for path in written(root, container, folders):
        if not os.path.isdir(path):
            return f"its {os.path.relpath(path, folder)} folder is not there"
    return None


def stage(
    root: str, container: str, release: t.Mapping[str, t.Any], license_data: bytes | None, owner: Owner, folders: t.Optional[t.Sequence[str]] = None
) -> None:
    """Lay a release down: license for the image's user only, release.json last, so that a torn one is never complete.

    :param license_data: None for a release without a license
    """
    folder = folder_of(root, container)
    identity = release_id(release)
    record = Release.load(release)
    if not _FILE.fullmatch(record.license_file):
        raise InputError(f"license file {record.license_file!r}", "not a plain file name", "build the bundle again")
    if record.license is not None and not license_data:
        raise MissingError(f"container {container}", "its license is empty", "bundle it again")
    folders_written = written(root, container, folders)
    for path in folders_written:
        make_folder(path, owner)
    if os.path.isdir(os.path.join(folder, OUTPUT)):
        mark_output(folder)
    target = os.path.join(folder, "releases", identity)
    if os.path.isdir(target) and not os.path.exists(os.path.join(target, deployed.RELEASE_FILE)):
        shutil.rmtree(target)  # torn by an earlier run
    os.makedirs(target, exist_ok=True)
    if record.license is not None:
        place = os.path.join(target, "license")
        _lay_license(place, record.license_file, license_data or b"", owner, OPEN_LICENSE if place in folders_written else 0o500)
        # Only of this license: one that was exchanged or damaged later is laid down anew by the next stage.
        write_bytes(os.path.join(target, deployed.SEAL_FILE), f"{Digest.of(license_data or b'').hex}\n".encode("ascii"), 0o600)
    else:
        write_bytes(os.path.join(target, OWNER_FILE), pretty({"uid": owner[0], "gid": owner[1]}), 0o644)
    write_bytes(os.path.join(target, deployed.RELEASE_FILE), pretty(record.dump()), 0o644)
    fsync_folder(os.path.join(folder, "releases"))


def written(root: str, container: str, folders: t.Optional[t.Sequence[str]]) -> list[str]:
    """The folders that a container writes into; InputError for one that is not below some container's."""
    found = []
    for path in [f"{container}/{OUTPUT}"] if folders is None else folders:
        first, *rest = path.split("/")
        if not rest or not all(_PART.fullmatch(part) for part in rest):
            raise InputError(f"container {container}", f"folder {path!r} is none of a container", "plan again")
        found.append(os.path.join(folder_of(root, first), *rest))
    return found


def make_folder(path: str, owner: Owner) -> None:
    """A folder for a container to write into, which no playbook ever deletes; MissingError where an adopted one is gone."""
    if not os.path.isdir(path):
        if os.path.islink(path):
            raise MissingError(path, f"is a link to {os.readlink(path)}, which is not there", "mount or restore that folder")
        os.makedirs(path)
        os.chmod(path, OUTPUT_MODE)
        os.chown(path, *owner)


def mark_output(folder: str) -> None:
    """Beside the output folder, who it is."""
    source = os.path.join(folder, deployed.SOURCE_FILE)
    if not os.path.exists(source):
        state = os.stat(os.path.join(folder, OUTPUT))
        made = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        write_bytes(source, pretty({"id": uuid.uuid4().hex, "device": state.st_dev, "inode": state.st_ino, "made": made}), 0o644)


def switch_reason(root: str, container: str, identity: str, compose: str | None, config: Config = ()) -> str | None:
    """Why ``current`` (or compose.yml, or a config file) must change, or None.

    :param config: files to lay down as {source, text}; ``source`` is their path on the host
    :raises MissingError: the release is not complete on this host.
    """
    folder = folder_of(root, container)
    if not deployed.is_complete(os.path.join(folder, "releases", identity)):
        raise MissingError(f"container {container}", f"release {identity} is not complete on this host", "stage it first")
    current = deployed.link(folder, "current")
    if current != identity:
        return f"{current or 'none'} -> {identity}"
    for path, text, _mode in _laid(folder, compose, config):
        if not _holds(path, text):
            return f"{os.path.relpath(path, folder)} changes"
    return None


def switch(
    root: str,
    container: str,
    identity: str,
    compose: str | None,
    config: Config = (),
    folders: t.Optional[t.Sequence[str]] = None,
    previous: t.Optional[str] = CURRENT,
) -> None:
    """Make a staged release the current one. Each link changes in one step.

    :param folders: as for ``stage``; what there is of its own when not told
    :param previous: what becomes the previous one: the current one, or on a rollback what was the previous one then, if it is still there
    """
    folder = folder_of(root, container)
    current = deployed.link(folder, "current")
    owner = _owner(os.path.join(folder, "releases", identity))
    for path in _present(folder) if folders is None else written(root, container, folders):
        make_folder(path, owner)
        hand_over(path, owner, shared=not path.startswith(folder + os.sep))
        if path == os.path.join(folder, "releases", identity, "license"):
            os.chmod(path, OPEN_LICENSE)  # it may have been staged before its service was known to write there
    if current != identity:
        before = current if previous == CURRENT else previous
        if before is not None and os.path.isdir(os.path.join(folder, "releases", before)):
            _link(folder, "previous", before)
        elif previous != CURRENT and os.path.lexists(os.path.join(folder, "previous")):
            os.unlink(os.path.join(folder, "previous"))
        _link(folder, "current", identity)
    for path, text, mode in _laid(folder, compose, config):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_bytes(path, text.encode("utf-8"), mode)
    fsync_folder(folder)


def _present(folder: str) -> list[str]:
    """The folders of its own that a container writes into, as far as they are there."""
    state = os.path.join(folder, "state")
    found = [os.path.join(folder, name) for name in (OUTPUT, "shared")]
    found += [os.path.join(state, name) for name in sorted(os.listdir(state))] if os.path.isdir(state) else []
    return [path for path in found if os.path.isdir(path)]


def _laid(folder: str, compose: str | None, config: Config) -> list[tuple[str, str, int]]:
    """(path, text, mode) of the files that a switch leaves in the container's folder. Settings may be secret; config files are for the image's user."""
    found = [(os.path.join(folder, COMPOSE_FILE), compose, 0o600)] if compose is not None else []
    for item in config:
        path = os.path.join(folder, CONFIG_FOLDER, os.path.basename(item["source"]))
        if path != os.path.normpath(item["source"]) or not _PART.fullmatch(os.path.basename(path)):
            raise InputError(f"file {item['source']}", f"not in {os.path.join(folder, CONFIG_FOLDER)}", "plan again")
        found.append((path, item["text"], 0o644))
    return found


def _lay_license(folder: str, name: str, data: bytes, owner: Owner, mode: int) -> None:
    """The license alone in its folder. A folder that is there stays, as a running container has it mounted."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    for other in sorted(set(os.listdir(folder)) - {name}):
        stray = os.path.join(folder, other)
        shutil.rmtree(stray) if os.path.isdir(stray) and not os.path.islink(stray) else os.unlink(stray)
    write_bytes(path, data, 0o400)
    os.chown(path, *owner)
    os.chmod(folder, mode)
    os.chown(folder, *owner)


def _owner(release: str) -> Owner:
    """The user of a staged release's image, who is the license's owner."""
    license_folder = os.path.join(release, "license")
    if os.path.isdir(license_folder):
        state = os.stat(license_folder)
        return state.st_uid, state.st_gid
    with open(os.path.join(release, OWNER_FILE), "rb") as stream:
        told = json.loads(stream.read())
    return int(told["uid"]), int(told["gid"])


def hand_over(folder: str, owner: Owner, shared: bool = False) -> None:
    """Give what a container writes into to the new image's user: image versions differ in their user.

    A folder that a group shares stays open to the users of its other members' images.
    """
    have = os.stat(folder)
    if (have.st_uid, have.st_gid) == owner:
        return
    for place, names, files in os.walk(folder):
        for name in names + files:
            os.chown(os.path.join(place, name), *owner, follow_symlinks=False)
    if shared:
        os.chmod(folder, OPEN_MODE)
    os.chown(folder, *owner)  # last: an interrupted run begins again


def _link(folder: str, name: str, identity: str) -> None:
    temporary = os.path.join(folder, f".airgap-{name}")
    if os.path.lexists(temporary):
        os.unlink(temporary)
    os.symlink(os.path.join("releases", identity), temporary)
    os.replace(temporary, os.path.join(folder, name))


def _holds(path: str, text: str) -> bool:
    try:
        with open(path, "rb") as stream:
            return stream.read() == text.encode("utf-8")
    except FileNotFoundError:
        return False
