#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch the operating system packages that hosts need, with all they depend on, into the store."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: package_fetch
short_description: Fetch packages for another Debian release, with all they depend on, into the store
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Lets apt work out, with a state of its own, what a host of the named release lacks, and fetches exactly that. The index's signature is
    checked by apt against O(keyring), each package against the hash that the index announces.
  - The packages become the store's whole set for O(os).
  - Where the store's disk has no room for apt's index (128 MiB), or for the packages that are to come, the bytes needed and free are told before.
  - Runs on the builder in the connected zone, as any user. Nothing of the machine's own apt is changed.
options:
  store:
    description: Folder of the store. Made when it is not there.
    type: path
    required: true
  os:
    description: Release that the packages are for, V(debian-12) or V(debian-13).
    type: str
    required: true
  arch:
    description: Architecture that the packages are for. The containers exist for V(amd64) only.
    type: str
    default: amd64
  packages:
    description: Names of the packages. Without it, what the roles of this collection need on a bare host, and docker-registry for the control node.
    type: list
    elements: str
  extra:
    description: Names of packages besides these, such as V(nginx).
    type: list
    elements: str
    default: []
  own:
    description:
      - Folder of package files of one's own. They are taken as they are, known by the hash that they have now; what they depend on comes from the archive.
    type: path
  update:
    description:
      - Take the versions that the archive has now. Otherwise the set fetched before is kept while it serves, and what has changed is told.
    type: bool
    default: false
  mirror:
    description: Address of the Debian archive. Without it, the one that this machine's own apt uses.
    type: str
  security_mirror:
    description: Address of the security archive. Without it, the one that this machine's own apt uses, or O(mirror) with C(-security) behind it.
    type: str
  hosts:
    description:
      - What hosts have installed, as the member C(packages) of wants tells it; entries of other systems are passed over. apt then works out
        for each kind of host what it lacks, and RV(chosen) is what all of them together lack. The store's set stays complete.
      - Without any of O(os), nothing is known of the hosts and RV(chosen) is null.
    type: list
    elements: dict
    default: []
  status_file:
    description: A target's C(/var/lib/dpkg/status); what it has is left out. Without it, the packages are complete for a target that has nothing.
    type: path
  keyring:
    description: Keyring that must have signed the index.
    type: path
    default: /usr/share/keyrings/debian-archive-keyring.gpg
  timeout:
    description: Seconds without a new byte after which the mirror is given up.
    type: int
    default: 120
  progress_file:
    description: File that the progress is written to, for the callback C(airgap.azure_ai.progress).
    type: path
requirements:
  - apt-get of Debian 12 or later
  - debian-archive-keyring
extends_documentation_fragment:
  - airgap.azure_ai._attributes
attributes:
  check_mode:
    support: full
    details:
      - The mirror's index is fetched into a temporary folder; nothing is kept.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - The mirror's index is part of the outside state.
"""

EXAMPLES = r"""
- name: Fetch what a bare host needs
  airgap.azure_ai.package_fetch:
    store: "{{ azure_ai_home }}/store"
    os: debian-12

- name: Fetch what one kind of host lacks
  airgap.azure_ai.package_fetch:
    store: "{{ azure_ai_home }}/store"
    os: debian-13
    status_file: "{{ azure_ai_home }}/inbox/plant-7.dpkg-status"

- name: Fetch for the hosts of a site, by what its wants tell of them
  airgap.azure_ai.package_fetch:
    store: "{{ azure_ai_home }}/store"
    os: debian-12
    hosts: "{{ __wants.wants.packages | default([]) }}"
"""

RETURN = r"""
packages:
  description: Record of each package.
  returned: success
  type: list
  elements: dict
  contains:
    os: {description: Release that it is for., type: str, returned: always}
    arch: {description: Architecture asked for., type: str, returned: always}
    name: {description: Name of the package., type: str, returned: always}
    version: {description: Version of the package., type: str, returned: always}
    filename: {description: Name of the file., type: str, returned: always}
    digest: {description: Digest of the file., type: str, returned: always}
    size: {description: Bytes of the file., type: int, returned: always}
    requested: {description: Whether it was asked for by name and not pulled in., type: bool, returned: always}
chosen:
  description: Records of those that some host lacks, or has to upgrade for them; null where all of RV(packages) have to travel. Of the same form.
  returned: success
  type: list
  elements: dict
note:
  description: Why all have to travel although O(hosts) tells what hosts have; empty otherwise.
  returned: success
  type: str
saved_bytes:
  description: Bytes of those of RV(packages) that need not travel, less those of what hosts have to upgrade besides.
  returned: success
  type: int
  sample: 61341696
kept:
  description: What the archive has in other versions than the set fetched before, which was kept, a line each.
  returned: success
  type: list
  elements: str
  sample: [rsync 3.2.7-1 -> 3.2.7-1+deb12u2]
fetched_bytes:
  description: Bytes of the packages that were fetched, or would be in check mode.
  returned: success
  type: int
  sample: 85983232
msg:
  description: What was done, in one line.
  returned: always
  type: str
"""

import contextlib
import tempfile

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress, human
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import closure, debs, holdings, packages, room, sources
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store


def request(params):
    """What the options ask for, and one's own packages; the machine's own mirrors are looked up only when none is named."""
    mirror = params["mirror"]
    mirrors = sources.Mirrors(mirror, mirror.rstrip("/") + "-security") if mirror else sources.own()
    if params["security_mirror"]:
        mirrors = mirrors._replace(security=params["security_mirror"])
    names = packages.REQUESTED.get(params["os"], ()) if params["packages"] is None else params["packages"]
    own = debs.own(params["own"], params["os"], params["arch"]) if params["own"] else []
    names = tuple(dict.fromkeys([*names, *params["extra"]]))
    paths = tuple(package.path for package in own)
    wanted = packages.Request(params["os"], params["arch"], names, mirrors, params["keyring"], params["status_file"], params["timeout"], paths)
    return wanted, own


def look(store, apt, wanted, own, update):
    """(records of all packages, those that the store lacks, why the store has to change, what was kept in spite of the archive)."""
    apt.prepare()
    apt.update()
    mine = {package.record["name"]: package.record for package in own}
    found = [packages.record(wanted, *entry) for entry in apt.wanted()]
    records = [entry for entry in found if entry["name"] not in mine] + list(mine.values())
    held = [entry for entry in store.holdings()["packages"] if entry["os"] == wanted.system]
    archive = [entry for entry in records if entry["name"] not in mine]
    kept = []
    if held and not update and debs.keep(wanted.system, held, records, packages.missing(store, held)):
        kept = debs.drift(held, archive)
        records = [entry for entry in held if entry["name"] not in mine] + list(mine.values()) if kept else records
    lacking = packages.missing(store, records)
    return records, lacking, packages.reason(store.holdings(), wanted.system, records, lacking), kept


def choose(store, apt, wanted, own, records, kinds, kept):
    """What travels to hosts of these kinds. While the set is locked, they are judged by it and not by the archive."""
    if not kinds:
        return closure.Chosen(None, [], "")
    mine = [package.record for package in own]
    locked = [entry for entry in records if entry not in mine]
    if kept and not packages.missing(store, locked):
        apt.lock(closure.index(store, locked))
    return closure.choose(apt, wanted, kinds, records, mine)


def bring(store, apt, wanted, own, lacking, besides, progress_file):
    """Get what the store lacks: one's own files as they are, the others by apt. All of it must have room before the first comes."""
    room.check(f"store {store.path}, packages of {wanted.system}", store.path, _bytes(lacking + besides))
    paths = {package.record["digest"]: package for package in own}
    fetched = [entry for entry in lacking if entry["digest"] not in paths]
    for entry in lacking:
        if entry["digest"] in paths:
            package = paths[entry["digest"]]
            store.put_file(package.path, Digest.parse(entry["digest"]), entry["size"], what=f"own package {package.path}")
    if fetched or besides:
        with Progress(f"packages of {wanted.system}", _bytes(fetched + besides), progress_file) as progress:
            if fetched:
                apt.download(progress.advance)
            if besides:
                apt.download_exactly(besides, progress.advance)
            packages.adopt(store, apt, fetched + besides)


def run(params, check_mode):
    """Resolve, fetch, adopt; return the module's result."""
    store, (wanted, own) = Store(params["store"]), request(params)
    before = [entry for entry in store.holdings()["packages"] if entry["os"] == wanted.system]
    kinds = closure.check(params["hosts"], wanted.system, wanted.architecture)
    if check_mode:
        with tempfile.TemporaryDirectory() as folder, _room(f"folder {folder}", folder):
            apt = packages.Apt(folder, wanted)
            records, lacking, reason, kept = look(store, apt, wanted, own, params["update"])
            chosen = choose(store, apt, wanted, own, records, kinds, kept)
            besides = packages.missing(store, chosen.besides)
    else:
        with store.create().working(f"packages-{wanted.system}") as folder, _room(f"store {store.path}", folder):
            apt = packages.Apt(folder, wanted)
            records, lacking, reason, kept = look(store, apt, wanted, own, params["update"])
            chosen = choose(store, apt, wanted, own, records, kinds, kept)
            besides = packages.missing(store, chosen.besides)
            bring(store, apt, wanted, own, lacking, besides, params["progress_file"])
        if reason:
            with store.changing() as held:
                holdings.set_packages(held, wanted.system, records)
    told = _told(wanted.system, records, lacking + besides, reason or _besides(besides), kept, chosen, check_mode)
    return {**told, "diff": {"before": _text(before), "after": _text(records)}}


@contextlib.contextmanager
def _room(what, folder):
    """Room for apt's index, whose size only the mirror knows; a disk that fills up meanwhile is named."""
    room.check(f"{what}, apt's index", folder, packages.INDEX)
    with room.told(what):
        yield


def _besides(besides):
    return f"hosts have to upgrade {', '.join(entry['name'] for entry in besides[:10])}{' …' if len(besides) > 10 else ''}" if besides else None


def _bytes(records):
    return sum(entry["size"] for entry in records)


def _told(system, records, lacking, reason, kept, chosen, check_mode):
    size = _bytes(lacking)
    state = f"{system}: {len(records)} packages, {human(_bytes(records))}"
    state += f"; {reason}, {human(size)} {'to fetch' if check_mode else 'fetched'}" if reason else ", all in the store"
    if kept:
        state += f"; kept as fetched before, while the archive has {', '.join(kept[:10])}{' …' if len(kept) > 10 else ''}: update takes these"
    if chosen.records is not None:
        state += f"; the hosts lack {len(chosen.records)} of them, {human(_bytes(chosen.records))}"
    saved = _bytes(records) - _bytes(chosen.records) if chosen.records is not None else 0
    result = {"changed": reason is not None, "packages": records, "kept": kept, "fetched_bytes": size, "chosen": chosen.records}
    return {**result, "note": chosen.note, "saved_bytes": saved, "msg": f"{state}; {chosen.note}" if chosen.note else state}


def _text(records):
    return "".join(sorted(f"{entry['os']} {entry['name']} {entry['version']}\n" for entry in records))


def main():
    """Read the options, run, report."""
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "path", "required": True},
            "os": {"type": "str", "required": True},
            "arch": {"type": "str", "default": "amd64"},
            "packages": {"type": "list", "elements": "str"},
            "extra": {"type": "list", "elements": "str", "default": []},
            "own": {"type": "path"},
            "update": {"type": "bool", "default": False},
            "mirror": {"type": "str"},
            "security_mirror": {"type": "str"},
            "hosts": {"type": "list", "elements": "dict", "default": []},
            "status_file": {"type": "path"},
            "keyring": {"type": "path", "default": "/usr/share/keyrings/debian-archive-keyring.gpg"},
            "timeout": {"type": "int", "default": 120},
            "progress_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))
    if not module._diff:
        del result["diff"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
