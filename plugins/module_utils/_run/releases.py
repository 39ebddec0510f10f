# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases in a container's folder on a host: laid down beside the running one, then switched to.

This file is private to the collection.
"""

from __future__ import annotations

import datetime
import os
import re
import shutil
import stat
import typing as t
import uuid

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import fsync_folder, write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import is_dns_label
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed

COMPOSE_FILE = "compose.yml"
OUTPUT_MODE = stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP
_ID = re.compile(r"[0-9a-f]{16}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

Owner = tuple[int, int]


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


def stage_reason(root: str, container: str, release: t.Mapping[str, t.Any]) -> str | None:
    """Why a release must be staged, or None."""
    folder = folder_of(root, container)
    identity = release_id(release)
    if not deployed.is_complete(os.path.join(folder, "releases", identity)):
        return f"release {identity} is not there"
    if not os.path.isdir(os.path.join(folder, "output")):
        return "its output folder is not there"
    return None


def stage(root: str, container: str, release: t.Mapping[str, t.Any], license_data: bytes, owner: Owner) -> None:
    """Lay a release down: license for the image's user only, release.json last, so that a torn one is never complete."""
    folder = folder_of(root, container)
    identity = release_id(release)
    record = Release.load(release)
    if not _FILE.fullmatch(record.license_file):
        raise InputError(f"license file {record.license_file!r}", "not a plain file name", "build the bundle again")
    if not license_data:
        raise MissingError(f"container {container}", "its license is empty", "bundle it again")
    make_output(folder, owner)
    target = os.path.join(folder, "releases", identity)
    license_folder = os.path.join(target, "license")
    if os.path.isdir(target):
        shutil.rmtree(target)  # torn by an earlier run: the container's rules want the license in an empty folder
    os.makedirs(license_folder)
    path = os.path.join(license_folder, record.license_file)
    write_bytes(path, license_data, 0o400)
    os.chown(path, *owner)
    os.chmod(license_folder, 0o500)
    os.chown(license_folder, *owner)
    write_bytes(os.path.join(target, deployed.RELEASE_FILE), pretty(record.dump()), 0o644)
    fsync_folder(os.path.join(folder, "releases"))


def make_output(folder: str, owner: Owner) -> None:
    """The output folder, which no playbook ever deletes, and beside it who it is."""
    output = os.path.join(folder, "output")
    if not os.path.isdir(output):
        os.makedirs(output)
        os.chmod(output, OUTPUT_MODE)
        os.chown(output, *owner)
    source = os.path.join(folder, deployed.SOURCE_FILE)
    if not os.path.exists(source):
        state = os.stat(output)
        made = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        write_bytes(source, pretty({"id": uuid.uuid4().hex, "device": state.st_dev, "inode": state.st_ino, "made": made}), 0o644)


def switch_reason(root: str, container: str, identity: str, compose: str | None) -> str | None:
    """Why ``current`` (or compose.yml) must change, or None.

    :raises MissingError: the release is not complete on this host.
    """
    folder = folder_of(root, container)
    if not deployed.is_complete(os.path.join(folder, "releases", identity)):
        raise MissingError(f"container {container}", f"release {identity} is not complete on this host", "stage it first")
    current = deployed.link(folder, "current")
    if current != identity:
        return f"{current or 'none'} -> {identity}"
    if compose is not None and not _holds(os.path.join(folder, COMPOSE_FILE), compose):
        return f"{COMPOSE_FILE} changes"
    return None


def switch(root: str, container: str, identity: str, compose: str | None) -> None:
    """Make a staged release the current one, the current one the previous one. Each link changes in one step."""
    folder = folder_of(root, container)
    current = deployed.link(folder, "current")
    _hand_over(os.path.join(folder, "output"), os.path.join(folder, "releases", identity, "license"))
    if current != identity:
        if current is not None:
            _link(folder, "previous", current)
        _link(folder, "current", identity)
    if compose is not None:
        write_bytes(os.path.join(folder, COMPOSE_FILE), compose.encode("utf-8"), 0o644)
    fsync_folder(folder)


def _hand_over(output: str, license_folder: str) -> None:
    """Give the output to the new image's user, who is the license's owner: image versions differ in their user."""
    wanted = os.stat(license_folder)
    have = os.stat(output)
    if (have.st_uid, have.st_gid) == (wanted.st_uid, wanted.st_gid):
        return
    for folder, names, files in os.walk(output):
        for name in names + files:
            os.chown(os.path.join(folder, name), wanted.st_uid, wanted.st_gid, follow_symlinks=False)
    os.chown(output, wanted.st_uid, wanted.st_gid)  # last: an interrupted run begins again


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
