# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder <azure_ai_root> of a host: what lies in it, read only.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import digest_file

HEX = re.compile(r"[0-9a-f]{64}")
RELEASE_FILE = "release.json"
SEAL_FILE = "license.sha256"
SOURCE_FILE = "source.json"
PROVEN_FILE = "proven.json"
FORMER_FILE = "former.json"
BACK_FILE = "rollback.json"
OUTPUT = "output"
_MAX_JSON = 1024 * 1024


def containers(root: str) -> dict[str, dict[str, t.Any]]:
    """Each container's folder: {current, previous (release IDs or None), releases: {id: release + complete}, source, proven, proved, after,
    former, rollback, output, staged}.

    ``proven`` is the hash of the spec with which the container last proved that it works, or None, ``proved`` its release, ``after`` the containers
    that it needed then. ``former`` is the release that a rollback would go back to, ``rollback`` one that still stands, {kind, to, left, since}, or None.
    ``output`` is ``empty``, ``used``, the folder that it is a link to, or None. ``staged`` is what waits for the next switch, or None.
    """
    base = os.path.join(root, "containers")
    return {name: _container(os.path.join(base, name)) for name in _folders(base)}


def models(root: str) -> list[str]:
    """Digests of the sets, of models and of declared files, that are complete (a set gets its name last)."""
    return [f"sha256:{name}" for name in _folders(os.path.join(root, "models")) if HEX.fullmatch(name)]


def store(root: str) -> dict[str, int]:
    """Hex digests of the blobs in the host's store, with sizes."""
    base = blob_folder(root)
    if not os.path.isdir(base):
        return {}
    with os.scandir(base) as found:
        return {item.name: item.stat(follow_symlinks=False).st_size for item in found if HEX.fullmatch(item.name) and item.is_file(follow_symlinks=False)}


def blob_folder(root: str) -> str:
    """Where blobs lie."""
    return os.path.join(root, "store", "blobs", "sha256")


def models_in_use(root: str) -> set[str]:
    """Digests of sets that some release on the host names, whether current, previous or staged."""
    held = [release for found in containers(root).values() for release in found["releases"].values()]
    return {release[kind] for release in held for kind in ("models", "files") if release.get(kind)}


def is_complete(folder: str) -> bool:
    """Whether a release's folder is whole: release.json (written last) and, if it has one, its license as it was laid down."""
    release = _json(os.path.join(folder, RELEASE_FILE))
    if not release:
        return False
    if "license" in release and release["license"] is None:
        return True
    try:
        found, size = digest_file(os.path.join(folder, "license", str(release.get("license_file", "license.dat"))))
    except OSError:
        return False
    return size > 0 and _text(os.path.join(folder, SEAL_FILE)) in (found.hex, "")


def link(folder: str, name: str) -> t.Optional[str]:
    """The release that ``current`` or ``previous`` names, or None."""
    try:
        return os.path.basename(os.readlink(os.path.join(folder, name)))
    except OSError:
        return None


def output(folder: str) -> t.Optional[str]:
    """What a container's output folder is: ``empty`` or ``used``, the folder that it is a link to, None when it is not there."""
    path = os.path.join(folder, OUTPUT)
    if os.path.islink(path):
        return os.readlink(path)
    if not os.path.isdir(path):
        return None
    with os.scandir(path) as found:
        return "used" if next(found, None) is not None else "empty"


def kind(path: str) -> str:
    """``folder``, ``missing``, ``link`` (it or a folder above it is one) or ``other``."""
    if os.path.realpath(path) != os.path.normpath(path):
        return "link"
    if not os.path.lexists(path):
        return "missing"
    return "folder" if os.path.isdir(path) else "other"


def size(path: str) -> int:
    """Bytes of the files below a folder; what goes away meanwhile counts for nothing."""
    total = 0
    for place, _folders, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def record(folder: str, name: str) -> dict[str, t.Any]:
    """A file of a container's folder; empty when it is not there or says nothing readable."""
    return _json(os.path.join(folder, name))


def _container(folder: str) -> dict[str, t.Any]:
    releases = {}
    for name in _folders(os.path.join(folder, "releases")):
        path = os.path.join(folder, "releases", name)
        releases[name] = {**_json(os.path.join(path, RELEASE_FILE)), "complete": is_complete(path)}
    back, former, proven = record(folder, BACK_FILE), record(folder, FORMER_FILE).get("release"), record(folder, PROVEN_FILE)
    run = proven.get("run")
    return {
        "current": link(folder, "current"),
        "previous": link(folder, "previous"),
        "releases": releases,
        "source": _json(os.path.join(folder, SOURCE_FILE)) or None,
        "proven": proven.get("spec") if back.get("done", True) else None,
        "proved": proven["release"] if isinstance(run, dict) and isinstance(proven.get("release"), str) else None,
        "after": list(run.get("after") or ()) if isinstance(run, dict) else [],
        "former": former if isinstance(former, str) else None,
        "rollback": back or None,
        "output": output(folder),
        "staged": _staged(folder, releases),
    }


def _staged(folder: str, releases: t.Mapping[str, t.Mapping[str, t.Any]]) -> t.Optional[str]:
    """The newest whole release that was laid down after ``current`` last changed, which nobody has switched to yet, or None."""
    try:
        switched = os.lstat(os.path.join(folder, "current")).st_mtime_ns
    except OSError:
        return None
    laid = {os.stat(os.path.join(folder, "releases", name, RELEASE_FILE)).st_mtime_ns: name for name, found in releases.items() if found["complete"]}
    newest = max(laid, default=switched)
    return laid[newest] if newest > switched and laid[newest] != link(folder, "current") else None


def _folders(path: str) -> list[str]:
    if not os.path.isdir(path):
        return []
    return sorted(name for name in os.listdir(path) if not name.startswith(".") and os.path.isdir(os.path.join(path, name)))


def _text(path: str) -> str:
    """A small file without the blanks around its text; empty when it is not there, as in releases that an earlier version staged."""
    try:
        with open(path, encoding="ascii", errors="replace") as stream:
            return stream.read(256).strip()
    except FileNotFoundError:
        return ""


def _json(path: str) -> dict[str, t.Any]:
    """A small JSON object, or an empty one when there is none to be read."""
    try:
        with open(path, "rb") as stream:
            value = json.loads(stream.read(_MAX_JSON))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
