#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the signed kit that a site's control node installs its tools from."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: control_kit
short_description: Make the signed kit that a site's control node installs its tools from
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Makes the folder C(control-<os>-<arch>) with C(control.json), its signature in the namespace C(azure-ai-control), C(install.sh), a label to print
    and, as blobs, wheels for the control node's Python, collections and packages.
  - A kit does not depend on the form of bundles, so a site with an old collection can take a new one.
  - Wheels are those that O(lock) names by hash. Packages stay those of the kit that is there until O(update).
  - Everything lies in the store and is linked from there. One kit serves all control nodes of its kind.
  - Runs on the builder in the connected zone, as any user.
options:
  store:
    description: Folder of the store. Made when it is not there.
    type: path
    required: true
  dest:
    description: Folder that the kit's folder is made in.
    type: path
    required: true
  os:
    description: Release of the control node, V(debian-12) or V(debian-13).
    type: str
    required: true
  python:
    description: Python of the control node, such as V(3.11).
    type: str
    required: true
  arch:
    description: Architecture of the control node.
    type: str
    default: amd64
  packages:
    description: Packages to bring besides python3, openssh-client and rsync, such as V(nginx).
    type: list
    elements: str
    default: []
  update:
    description: Ask the mirror for the packages' present versions although the kit that is there has all of them.
    type: bool
    default: false
  charts:
    description: Bring also what draws the charts of reports.
    type: bool
    default: false
  collections:
    description:
      - Names of collections, or paths of their folders, to bring besides this one, C(ansible.posix) and C(community.docker).
      - They are taken from where this Ansible finds them.
    type: list
    elements: str
    default: []
  wheel_folder:
    description: Folder that the wheels lie in. Without it, pip downloads them from the package index that it is set up with.
    type: path
  installer:
    description: Folder with C(install.sh), C(install.py) and C(wheels.json). Without it, this collection's own.
    type: path
  lock:
    description: File that names the wheels by hash. Without it, C(wheels.json) of O(installer).
    type: path
  signing_key:
    description: Private key that signs the kit.
    type: path
    required: true
  allowed_signers:
    description: Allowed-signers file that the signature is verified with again; the label then names the signer.
    type: path
  mirror:
    description: Address of the Debian archive. Without it, the one that this machine's own apt uses.
    type: str
  keyring:
    description: Keyring that must have signed the archive's index.
    type: path
    default: /usr/share/keyrings/debian-archive-keyring.gpg
  timeout:
    description: Seconds without a new byte after which mirror or package index is given up.
    type: int
    default: 120
  progress_file:
    description: File that the progress is written to, for the callback C(airgap.azure_ai.progress).
    type: path
requirements:
  - ssh-keygen
  - pip, unless O(wheel_folder) is given
  - apt-get of Debian 12 or later, and debian-archive-keyring
extends_documentation_fragment:
  - airgap.azure_ai._attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is fetched. Where packages have to be resolved first, only that is said.
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: airgap.azure_ai.package_fetch
"""

EXAMPLES = r"""
- name: Make the kit for control nodes with Debian 12
  airgap.azure_ai.control_kit:
    store: "{{ azure_ai_home }}/store"
    dest: "{{ azure_ai_home }}/bundles"
    os: debian-12
    python: "3.11"
    signing_key: "{{ azure_ai_signing_key }}"
"""

RETURN = r"""
path:
  description: Folder of the kit.
  returned: success
  type: str
  sample: /srv/azure-ai/bundles/control-debian-12-amd64
version:
  description: Version of the kit.
  returned: success
  type: str
  sample: 1.0.0-1f2e3d4c
contents:
  description: What it holds, a line each.
  returned: success
  type: list
  elements: str
bytes:
  description: Bytes of its files.
  returned: success
  type: int
command:
  description: The line to type at the control node.
  returned: success
  type: str
msg:
  description: What was done and why, in one line.
  returned: always
  type: str
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import read_regular
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress, human
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import control, packages, room, sources, wheels
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store

COLLECTION = "1.0.0"


class Kit:
    """The kit that the options describe, in the store."""

    def __init__(self, params, check_mode):
        self.params, self.check_mode = params, check_mode
        self.target = control.Target(params["os"], params["python"], params["arch"])
        self.store = Store(params["store"])
        self.kits = control.Kits(params["dest"], self.store)
        self.script = read_regular(os.path.join(params["installer"], "install.sh"), control.MAX_SCRIPT)

    def files(self):
        """Records of everything that goes in; what is not there is fetched unless this is check mode."""
        return [self._program(), *self._wheels(), *self._collections(), *self._packages()]

    def _program(self):
        data = read_regular(os.path.join(self.params["installer"], "install.py"), control.MAX_SCRIPT)
        return self._kept("installer", "install", COLLECTION, "install.py", data)

    def _collections(self):
        for path in self.params["collections"]:
            about, data = control.pack(path)
            yield self._kept("collection", about["name"], about["version"], f"{about['name'].replace('.', '-')}-{about['version']}.tar.gz", data)

    def _kept(self, kind, name, version, filename, data):
        digest = Digest.of(data) if self.check_mode else self.store.put_bytes(data, what=filename)
        return _entry(kind, {"name": name, "version": version, "filename": filename, "digest": str(digest), "size": len(data)})

    def _wheels(self):
        lock = self.params["lock"] or os.path.join(self.params["installer"], "wheels.json")
        entries = wheels.read_lock(lock, self.target.python, self.params["charts"])
        lacking = wheels.missing(self.store, entries)
        if lacking and not self.check_mode:
            if self.params["wheel_folder"]:
                wheels.gather(self.store, self.params["wheel_folder"], lacking)
            else:
                self._room("wheels", lacking)
                progress = Progress("wheels of the control kit", sum(entry["size"] for entry in lacking), self.params["progress_file"])
                with progress, self.store.working(f"wheels-{self.target.python}") as folder:
                    wheels.fetch(self.store, folder, lacking, self.target.python, self.target.arch, self.params["timeout"], progress.advance)
        return [_entry("wheel", entry) for entry in entries]

    def _packages(self):
        names = tuple(dict.fromkeys([*control.PACKAGES, *self.params["packages"]]))
        held = [entry for entry in (self.kits.held(self.target) or {"files": []})["files"] if entry["kind"] == "package"]
        whole = {entry["name"] for entry in held if entry["requested"]} == set(names) and not packages.missing(self.store, held)
        if (whole and not self.params["update"]) or self.check_mode:
            return held
        mirror = self.params["mirror"]
        mirrors = sources.Mirrors(mirror, mirror.rstrip("/") + "-security") if mirror else sources.own()
        wanted = packages.Request(self.target.os, self.target.arch, names, mirrors, self.params["keyring"], None, self.params["timeout"])
        with self.store.working(f"control-{self.target.os}") as folder:
            apt = packages.Apt(folder, wanted)
            apt.prepare()
            apt.update()
            records = [packages.record(wanted, *found) for found in apt.wanted()]
            lacking = packages.missing(self.store, records)
            if lacking:
                self._room("packages", lacking)
                apt.download()
                packages.adopt(self.store, apt, lacking)
        return [_entry("package", entry) for entry in records]

    def _room(self, kind, lacking):
        room.check(f"store {self.store.path}, {kind} of the control kit", self.store.path, sum(entry["size"] for entry in lacking))


def _entry(kind, found):
    return {"kind": kind, "requested": found.get("requested", True), **{name: found[name] for name in ("name", "version", "filename", "digest", "size")}}


def run(params, check_mode):
    """Gather, compare with the kit that is there, make it when they differ; return the module's result."""
    if not check_mode:
        Store(params["store"]).create()
    kit = Kit(params, check_mode)
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())))
    installer = {"digest": str(Digest.of(kit.script)), "size": len(kit.script)}
    wanted = control.manifest(kit.target, COLLECTION, installer, kit.files(), created)
    before = kit.kits.held(kit.target)
    reason = kit.kits.reason(wanted, kit.target, params["signing_key"])
    trust = Trust(params["allowed_signers"]) if params["allowed_signers"] else None
    if reason and not check_mode:
        kit.kits.build(wanted, kit.target, kit.script, params["signing_key"], trust)
    return _result(kit, wanted, before, reason, check_mode)


def _result(kit, wanted, before, reason, check_mode):
    path, size = kit.kits.folder(kit.target), sum(entry["size"] for entry in wanted["files"])
    verb = "would make" if check_mode else "made"
    label = [] if reason and check_mode else read_regular(os.path.join(path, "label.txt"), control.MAX_SCRIPT).decode().splitlines()
    return {
        "changed": reason is not None,
        "msg": f"{verb} {path}, {human(size)}: {reason}" if reason else f"{path} is kit {wanted['version']} already",
        "path": path,
        "version": wanted["version"],
        "contents": _lines(wanted),
        "bytes": size,
        "command": label[-1] if label else control.command(control.UNKNOWN),
        "diff": {"before": "".join(f"{line}\n" for line in _lines(before)), "after": "".join(f"{line}\n" for line in _lines(wanted))},
    }


def _lines(kit):
    return [f"{entry['kind']} {entry['name']} {entry['version']}" for entry in kit["files"]] if kit else []


def main():
    """Read the options, run, report."""
    texts = {name: {"type": "str", "required": True} for name in ("os", "python")}
    folders = {name: {"type": "path", "required": True} for name in ("store", "dest")}
    paths = {name: {"type": "path"} for name in ("wheel_folder", "installer", "lock", "allowed_signers", "progress_file")}
    module = AnsibleModule(
        argument_spec={
            **folders,
            **texts,
            **paths,
            "arch": {"type": "str", "default": "amd64"},
            "packages": {"type": "list", "elements": "str", "default": []},
            "update": {"type": "bool", "default": False},
            "charts": {"type": "bool", "default": False},
            "collections": {"type": "list", "elements": "str", "default": []},
            "signing_key": {"type": "path", "required": True, "no_log": False},
            "mirror": {"type": "str"},
            "keyring": {"type": "path", "default": "/usr/share/keyrings/debian-archive-keyring.gpg"},
            "timeout": {"type": "int", "default": 120},
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
