#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Tells everything about a host that a rollout is planned by
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - One look at a host gives its system, engine, images, containers, releases, models and the blobs of its store.
  - Works on a bare host, without an engine and without any Python package.
  - Needs root, as the engine's socket and the folders of containers do.
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._attributes.info
  - airgap.azure_ai._docker
attributes:
  check_mode:
    details:
      - On an engine with the containerd store, a container is created from each image of this collection and removed without
        being started, in check mode too. Nothing else tells whether such an image is whole.
options:
  root:
    description: Folder of the collection on the host.
    type: path
    default: /var/lib/azure-ai
  packages:
    description: Names of Debian packages of interest.
    type: list
    elements: str
    default: []
  engine_config:
    description: Settings that the engine's C(daemon.json) should hold, to be compared with those that it holds.
    type: dict
    default: {}
  folders:
    description: Absolute paths of folders of interest, to be told what they are.
    type: list
    elements: str
    default: []
  outputs:
    description: Names of containers whose output folders are to be measured.
    type: list
    elements: str
    default: []
  incoming:
    description:
      - Folder of the login user in which rsync lays down what it sends; V(~) is the home of the user who logged in. Empty looks at none.
    type: str
    default: ''
  registry:
    description: The site's registry as C(<address>:<port>), to be asked whether it answers; empty asks none.
    type: str
    default: ''
  registry_ca:
    description: Certificate of the site's authority (PEM), by which O(registry) is trusted.
    type: str
    default: ''
  registry_images:
    description:
      - Images that O(registry) must hold, as C(<repository>@<digest>) by their names in the engine. It is not asked for those that the engine holds.
    type: dict
    default: {}
seealso:
  - module: airgap.azure_ai.rollout_plan
"""

EXAMPLES = r"""
- name: Look at the host
  airgap.azure_ai.host_info:
    packages: [docker.io, rsync]
  register: host
  become: true
"""

RETURN = r"""
host:
  description: What there is.
  returned: success
  type: dict
  contains:
    os: {description: 'Distribution and version, like V(debian-12).', type: str, returned: always}
    arch: {description: 'Architecture, like V(amd64).', type: str, returned: always}
    python: {description: Version of the Python that runs the module., type: str, returned: always}
    cpus: {description: Number of CPUs., type: int, returned: always}
    cpu_flags: {description: Instruction sets of interest., type: list, elements: str, returned: always}
    memory: {description: Bytes of memory., type: int, returned: always}
    disk: {description: 'Free and total bytes by the keys V(root) and V(docker).', type: dict, returned: always}
    now: {description: The host's time in UTC., type: str, returned: always}
    packages: {description: Versions of the installed ones of O(packages)., type: dict, returned: always}
    tools:
      description: Whether C(rsync) and C(zstd) are there, and whether the Python that runs the module has C(requests).
      type: dict
      returned: always
    listening: {description: TCP ports that are in use., type: list, elements: int, returned: always}
    routes:
      description: Networks that the host has a route to, as interface and network (IPv4, without the default route).
      type: list
      elements: dict
      returned: always
    engine:
      description: Version, api, id, store (V(classic) or V(containerd)), root_dir, rootless, userns, runtimes, live_restore; null when none answers.
      type: dict
      returned: always
    engine_error: {description: Why no engine answers., type: str, returned: always}
    engine_program: {description: 'Path of C(dockerd), null when there is none.', type: str, returned: always}
    nginx: {description: 'Path of C(nginx), null when there is none.', type: str, returned: always}
    front: {description: 'Digest and ports of the TLS front that is installed, null without one.', type: dict, returned: always}
    engine_ours: {description: Whether this collection installed the engine., type: bool, returned: always}
    engine_packages:
      description: Names of the engine's packages that this collection installed, null where nobody noted them.
      type: list
      elements: str
      returned: always
    registry_error: {description: 'Why the host cannot use O(registry), null when it can or none was named.', type: str, returned: always}
    daemon: {description: 'What stands between C(daemon.json) and O(engine_config), as reason, apply and error.', type: dict, returned: always}
    images: {description: 'Name, id, size, user, chain and usable of every image.', type: list, elements: dict, returned: always}
    containers:
      description: Name, id, image, state, labels, ports, published (address, port and port in it) and sources (of its mounts) of every container.
      type: list
      elements: dict
      returned: always
    networks: {description: Names of the engine's networks., type: list, elements: str, returned: always}
    gpus: {description: 'Count of NVIDIA devices, and whether the engine has a runtime for them.', type: dict, returned: always}
    deployed:
      description:
        - For each container current, previous, releases, source, proven (the spec that last worked), after (the containers that it needed then),
          former (release to go back to), rollback and output (V(empty), V(used), or the folder that it is a link to).
      type: dict
      returned: always
    lock: {description: 'Who changes the host now, as who, since, node and run; null when nobody does.', type: dict, returned: always}
    turn: {description: Changes whenever a run takes the lock or gives it back., type: str, returned: always}
    models: {description: Digests of complete model sets., type: list, elements: str, returned: always}
    folders: {description: 'What each of O(folders) is, V(folder), V(missing), V(link) or V(other).', type: dict, returned: always}
    outputs: {description: Bytes in the output folder of each of O(outputs)., type: dict, returned: always}
    incoming:
      description:
        - What came in O(incoming) before a transfer broke off, as C(blobs) (bytes by hex digest), C(loose) (bytes of files that the next
          transfer removes) and C(on) (those of C(disk) that are on the same file system), with the C(folder) itself and the bytes that are C(free) for it;
          null when no folder was named.
      type: dict
      returned: always
    store: {description: Sizes of the blobs in the host's store by hex digest., type: dict, returned: always}
"""

import dataclasses
import os
import shutil
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import daemon, deployed, front, host, incoming, inside, lan_registry, lock, manage
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import DEFAULT_SOCKET, Engine

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
DOCKER_FOLDER = "/var/lib/docker"  # where an engine keeps its data unless told otherwise


def look(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Everything about the host."""
    root, config, sent = params["root"], params["engine_config"], params["incoming"] or None
    turn, holder = lock.turn(root), lock.holder(root)  # first: whoever changes something while the rest is looked at must be noticed later
    held = inside.survey(Engine(params["docker_socket"]))
    ours, noted = manage.note(manage.NOTE)
    docker = (held["engine"] or {}).get("root_dir") or config.get("data-root") or DOCKER_FOLDER
    found = host.facts([root, docker], params["packages"])
    return {
        **found,
        "disk": {"root": found["disk"][root], "docker": found["disk"][docker]},
        **held,
        "engine_program": shutil.which("dockerd", path=PATH),
        "engine_ours": ours,
        "engine_packages": noted,
        "daemon": daemon.survey(config),
        "nginx": shutil.which("nginx", path=PATH),
        "front": front.look(),
        "gpus": host.gpus((held["engine"] or {}).get("runtimes", [])),
        "deployed": deployed.containers(root),
        "turn": turn,
        "lock": holder and dataclasses.asdict(holder),
        "models": deployed.models(root),
        "store": deployed.store(root),
        "incoming": sent and incoming.look(lock.at_home(sent, os.environ.get("SUDO_USER", "")), {"root": root, "docker": docker}),
        "folders": {path: deployed.kind(path) for path in params["folders"]},
        "outputs": {name: deployed.size(os.path.join(root, "containers", name, deployed.OUTPUT)) for name in params["outputs"]},
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/var/lib/azure-ai"},
            "docker_socket": {"type": "path", "default": DEFAULT_SOCKET},
            "packages": {"type": "list", "elements": "str", "default": []},
            "engine_config": {"type": "dict", "default": {}},
            "folders": {"type": "list", "elements": "str", "default": []},
            "outputs": {"type": "list", "elements": "str", "default": []},
            "incoming": {"type": "str", "default": ""},
            "registry": {"type": "str", "default": ""},
            "registry_ca": {"type": "str", "default": ""},
            "registry_images": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    try:
        params = module.params
        found = look(params)
    except AirgapError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=one_line(exc, "host"))
    wanted = lan_registry.wanted(params["registry_images"], found["images"])
    found["registry_error"] = lan_registry.trouble(params["registry"], params["registry_ca"], images=wanted) if params["registry"] else None
    module.exit_json(changed=False, host=found)


if __name__ == "__main__":
    main()
