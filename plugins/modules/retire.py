#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: retire
short_description: Retires containers, or everything of this collection on a host
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Stops containers, brings what they wrote to the control node as one archive each, and only when each archive has been read whole there and
    compared with the sums that it lists, removes the containers, wipes their licenses, and removes releases, images, model sets and
    the Docker network that nothing else needs.
  - Only what belongs to this collection is touched. Containers are told by their labels, images by our name for them; an image that
    others use or gave a name to stays.
  - A license is overwritten once and removed; then every file below O(root) and in adopted output folders is compared with it, which proves that no
    copy is left there. Flash, snapshots, copy-on-write file systems and backups may hold older blocks all the same. Only encryption of the disk, or its
    destruction, helps against that.
  - Does not ask for the last reading of usage; the role P(airgap.azure_ai.retire#role) does so before. What was interrupted is finished by running it again.
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  action:
    description: Fetches the archives, proves them and only then lets the host remove anything.
    support: full
options:
  root:
    description: Folder of the collection on the host.
    type: path
    default: /var/lib/azure-ai
  containers:
    description: Names of the containers to retire. An empty list means every one of this collection on the host.
    type: list
    elements: str
    default: []
  declared:
    description: Names of the containers that the inventory declares for the host. Retiring one of them is refused.
    type: list
    elements: str
    default: []
  allow_declared:
    description: Retire containers that are still declared.
    type: bool
    default: false
  output:
    description: V(archive) takes what the containers wrote to the control node and removes it on the host, V(keep) leaves it where it is.
    type: str
    choices: [archive, keep]
    default: archive
  archive:
    description: Folder on the control node for archives. Required with O(output=archive).
    type: path
  engine:
    description:
      - Purge the packages of the Docker Engine that this collection installed when nothing is left that needs it. Its data folder stays.
      - Packages that were there before stay. Where another package would go as well, nothing is retired, and it is named.
    type: bool
    default: false
  step:
    description: What to do on the host; set by the action plugin.
    type: str
    choices: [look, stop, pack, wipe]
    default: look
  target:
    description: Path on the host of the archive to write; set by the action plugin.
    type: path
  packing:
    description: Name of the one of C(containers) whose archive is to be written; set by the action plugin.
    type: str
  packed:
    description: What was archived, name to fingerprint; set by the action plugin.
    type: dict
    default: {}
seealso:
  - module: airgap.azure_ai.usage_spool
"""

EXAMPLES = r"""
- name: Retire two containers
  airgap.azure_ai.retire:
    containers: [sentiment-old, stt-old]
    archive: /srv/azure-ai/archive/plant-7/text-1
  become: true

- name: Retire everything on the host and leave what it wrote
  airgap.azure_ai.retire:
    output: keep
  become: true
"""

RETURN = r"""
msg:
  description: What was done, in one line.
  returned: always
  type: str
plan:
  description: >-
    What there is to do, with C(containers), C(images), C(models), C(store), C(networks), C(packages), C(front) (whether that goes, by the role
    P(airgap.azure_ai.front#role)), C(left) (containers that stay), C(endpoints) to read before, C(problems), C(lines) and C(empty).
  returned: success
  type: dict
archives:
  description: What was archived, each with C(container), C(path), C(digest), C(files) and C(bytes).
  returned: success
  type: list
  elements: dict
wiped:
  description: Number of license files that were wiped; a search found no copy afterwards.
  returned: success
  type: int
sets:
  description: Number of sets of models and files that were removed; neither they nor blobs that only they had were there afterwards.
  returned: success
  type: int
"""

import os
import subprocess
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, RemoteError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import lock, manage, pack, retire, wipe
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import DEFAULT_SOCKET, Engine

Json = dict[str, t.Any]


def want_of(params: t.Mapping[str, t.Any]) -> Json:
    """What the plan is made for."""
    names = ("root", "containers", "declared", "allow_declared", "output", "engine")
    return {name: params[name] for name in names}


def stop(plan: Json, engine: Engine) -> None:
    """Stop what runs: it must not write while it is archived."""
    for step in plan["containers"]:
        if step["running"]:
            engine.stop(step["id"])


def archive(plan: Json, params: t.Mapping[str, t.Any]) -> Json:
    """Write the archive of the container that ``packing`` names."""
    step = next((each for each in plan["containers"] if each["name"] == params["packing"]), None)
    if step is None or not params["target"]:
        raise InputError("retire", "nothing to archive", "leave step to the action plugin")
    if step["running"]:
        raise InputError(f"container {step['name']}", "somebody started it again", "see who, and run it again")
    return pack.write(os.path.join(params["root"], "containers", step["name"]), params["target"])


def act(plan: Json, params: t.Mapping[str, t.Any], engine: Engine) -> tuple[int, int]:
    """Remove, wipe, remove; every part may be gone already. Return the numbers of license files wiped and of sets removed."""
    root, steps = params["root"], plan["containers"]
    for step in steps:
        folder = os.path.join(root, "containers", step["name"])
        if step["archive"] and (step["running"] or params["packed"].get(step["name"]) != pack.fingerprint(folder)):
            raise IntegrityError(folder, "changed since it was archived, so nothing is removed", "see who writes in it, and run it again")
    for step in steps:
        if step["id"]:
            engine.remove(step["id"])
        lock.alive(root)
    count = wipe.wipe(root, [step["name"] for step in steps], plan["left"])
    for name in plan["images"]:
        engine.remove_image(name)
    sets = wipe.sets(root, plan["models"])
    for name in plan["networks"]:
        engine.remove_network(name)
    for step in steps:
        wipe.remove(root, step["name"], keep=not step["archive"])
    if not plan["left"] and (plan["store"] or steps) and not params["containers"]:
        wipe.remove_store(root)
    if plan["packages"]:
        purge(plan["packages"])
    return count, sets


def apt(*words: str) -> str:
    """What apt-get says to ``purge``."""
    command = ["apt-get", "purge", "--yes", "--option=DPkg::Lock::Timeout=300", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"})
    if done.returncode:
        raise RemoteError("apt-get purge", " ".join(done.stderr.split())[-400:], "mend that and run it again")
    return done.stdout


def needed(packages: t.Sequence[str]) -> list[str]:
    """Why these packages cannot be purged: others that would go with them."""
    others = retire.dragged(apt("--simulate", "--", *packages), packages) if packages else []
    way_out = "remove what needs it first, or retire without retire_engine"
    return [f"engine: {', '.join(others)} would be removed with {', '.join(packages)}; {way_out}"] if others else []


def purge(packages: t.Sequence[str]) -> None:
    """Purge the engine's packages; its data folder stays."""
    apt("--", *packages)
    if os.path.exists(manage.NOTE):
        os.unlink(manage.NOTE)


def run(params: t.Mapping[str, t.Any], check: bool) -> Json:
    """One step on the host."""
    engine = Engine(params["docker_socket"])
    plan = retire.plan(retire.look(params["root"], engine), want_of(params))
    plan["problems"] += needed(plan["packages"])
    result: Json = {"changed": not plan["empty"], "plan": plan, "archives": [], "wiped": 0, "sets": 0, "msg": "; ".join(plan["lines"]) or "nothing to retire"}
    if check or params["step"] == "look" or plan["empty"]:
        return result
    if plan["problems"]:
        raise InputError("retire", " | ".join(plan["problems"]))
    if params["step"] == "stop":
        stop(plan, engine)
    elif params["step"] == "pack":
        result["packed"] = archive(plan, params)
    else:
        result["wiped"], result["sets"] = act(plan, params, engine)
    return result


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/var/lib/azure-ai"},
            "docker_socket": {"type": "path", "default": DEFAULT_SOCKET},
            "containers": {"type": "list", "elements": "str", "default": []},
            "declared": {"type": "list", "elements": "str", "default": []},
            "allow_declared": {"type": "bool", "default": False},
            "output": {"type": "str", "choices": ["archive", "keep"], "default": "archive"},
            "archive": {"type": "path"},
            "engine": {"type": "bool", "default": False},
            "step": {"type": "str", "choices": ["look", "stop", "pack", "wipe"], "default": "look"},
            "target": {"type": "path"},
            "packing": {"type": "str"},
            "packed": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except AirgapError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=one_line(exc, f"{module.params['root']}"))
    result["diff"] = {"before": "".join(line + "\n" for line in result["plan"]["lines"]), "after": ""}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
