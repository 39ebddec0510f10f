# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of one's own .deb files, and what may change in a set of packages that was fetched before.

This file is private to the collection.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import digest_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import watch

Record = dict[str, t.Any]
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+~:-]*")
_TIMEOUT = 60  # seconds


class Own(t.NamedTuple):
    """A package file of one's own."""

    path: str
    record: Record


def own(folder: str, system: str, arch: str) -> list[Own]:
    """The .deb files of a folder, judged by their control fields; other files are passed over.

    :raises MissingError: no such folder; InputError: a file is no package, or not for this architecture, or one name comes twice.
    """
    if not os.path.isdir(folder):
        raise MissingError(f"own packages {folder}", "no such folder", "mend bundle_own_packages")
    found: dict[str, Own] = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(os.path.abspath(folder), name)
        if not name.endswith(".deb") or not os.path.isfile(path):
            continue
        package = Own(path, _record(path, system, arch))
        other = found.setdefault(package.record["name"], package)
        if other is not package:
            raise InputError(f"own package {package.record['name']}", f"comes as {os.path.basename(other.path)} and {name}", "leave one of them")
    return list(found.values())


def drift(held: t.Sequence[Record], records: t.Sequence[Record]) -> list[str]:
    """Which packages of a set fetched before have other versions or other bytes now, a line each."""
    before = {entry["name"]: entry for entry in held}
    lines = []
    for entry in records:
        old = before.get(entry["name"])
        if old is not None and (old["version"], old["digest"]) != (entry["version"], entry["digest"]):
            change = f"{old['version']} -> {entry['version']}" if old["version"] != entry["version"] else f"other bytes as {entry['version']}"
            lines.append(f"{entry['name']} {change}")
    return sorted(lines)


def keep(system: str, held: t.Sequence[Record], records: t.Sequence[Record], lacking: t.Sequence[Record]) -> bool:
    """Whether the set fetched before is kept although the archive has other versions.

    :param lacking: records of ``held`` whose files the store lacks
    :raises IntegrityError: the old set does not serve any more and the new one was not accepted.
    """
    changed = drift(held, records)
    if not changed:
        return False
    asked = [{entry["name"] for entry in entries if entry["requested"]} for entries in (held, records)]
    if asked[0] == asked[1] and not lacking:
        return True
    problem = "other packages are wanted" if asked[0] != asked[1] else "files of the set fetched before are missing"
    said = f"{problem}, and versions are locked to it while the archive now has {', '.join(changed[:10])}" + (" …" if len(changed) > 10 else "")
    raise IntegrityError(f"packages of {system}", said, "set bundle_update_packages (update of package_fetch) to take these")


def _record(path: str, system: str, arch: str) -> Record:
    what = f"own package {path}"
    done = watch.run(["dpkg-deb", "--field", path, "Package", "Version", "Architecture"], _TIMEOUT)
    if done.returncode != 0:
        raise InputError(what, "dpkg-deb cannot read it", "copy it again or take it out of the folder")
    lines = (line.partition(":") for line in done.stdout.decode("utf-8", "replace").splitlines())
    fields = {name: value.strip() for name, _colon, value in lines}
    name, version, architecture = (fields.get(key, "") for key in ("Package", "Version", "Architecture"))
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        raise InputError(what, f"its control fields name package {name!r} in version {version!r}", "take it out of the folder")
    if architecture not in (arch, "all"):
        raise InputError(what, f"is for {architecture}, not for {arch}", "take it out of the folder")
    digest, size = digest_file(path)
    filename = f"{name}_{version.replace(':', '%3a')}_{architecture}.deb"
    return {
        "os": system,
        "arch": arch,
        "name": name,
        "version": version,
        "filename": filename,
        "digest": str(digest),
        "size": size,
        "requested": True,
    }
