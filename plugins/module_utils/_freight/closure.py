# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages travel to a site whose hosts told what they have: apt works it out for each kind of host, and their union goes.

The set fetched before is the one that counts while it is locked; what a host must upgrade besides comes from the archive.
This file is private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import packages, states, watch
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store

_TIMEOUT = 60  # seconds

Record = dict[str, t.Any]


class Chosen(t.NamedTuple):
    """What travels, or None for all of the set; those among it that are not of the set; why apt's answer could not be used."""

    records: list[Record] | None
    besides: list[Record]
    note: str


def check(entries: t.Sequence[Record], system: str, arch: str) -> list[states.Kind]:
    """The kinds of hosts that wants tell of for this system.

    :raises Problems: they are not of the form that wants have.
    """
    wrong = states.problems(list(entries))
    if wrong:
        raise Problems(f"hosts of {system}", wrong)
    return [kind for entry in entries if (entry["os"], entry["arch"]) == (system, arch) for kind in states.kinds(entry)]


def choose(apt: packages.Apt, request: packages.Request, kinds: t.Sequence[states.Kind], whole: t.Sequence[Record], own: t.Sequence[Record]) -> Chosen:
    """Let apt say for each kind what it lacks of ``request`` or has to upgrade for it.

    :param whole: the set for a host that has nothing
    :param own: records of package files of one's own, which always travel
    """
    found: dict[str, Record] = {entry["name"]: entry for entry in own}
    for kind in kinds:
        try:
            lacking = apt.lacking(states.status(kind, request.architecture), states.asked(request.packages, kind))
        except InputError as exc:
            return Chosen(None, [], f"packages are complete, as apt finds no way for one kind of the hosts: {exc}")
        for entry in (packages.record(request, *answer) for answer in lacking):
            if states.version(kind, entry["name"]) == entry["version"]:  # apt holds it for another one, as wants do not tell all of its fields
                continue
            other = found.setdefault(entry["name"], entry)
            if other["digest"] != entry["digest"] and other not in own:
                versions = f"{entry['name']} {other['version']} and {entry['version']}"
                return Chosen(None, [], f"packages are complete, as hosts want {versions}; update (bundle_update_packages) settles it")
    known = {entry["digest"] for entry in whole}
    records = sorted(found.values(), key=lambda entry: str(entry["name"]))
    return Chosen(records, [entry for entry in records if entry["digest"] not in known], "")


def index(store: Store, records: t.Sequence[Record]) -> str:
    """The index of a Debian archive that holds just these packages of the store. It is for judging alone: nothing is fetched from it."""
    stanzas = []
    for entry in records:
        digest = Digest.parse(entry["digest"])
        path = store.path_of(digest)
        done = watch.run(["dpkg-deb", "--field", path], _TIMEOUT)
        if done.returncode != 0:
            raise IntegrityError(f"package {entry['name']}", f"dpkg-deb cannot read {path}", "run airgap.azure_ai.store_gc, then this again")
        control = done.stdout.decode("utf-8", "replace").strip()
        stanzas.append(f"{control}\nFilename: ./{entry['filename']}\nSize: {entry['size']}\nSHA256: {digest.hex}\n")
    return "\n".join(stanzas)
