#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Stages releases of containers on a host and switches between them
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - A release binds image, license, models, declared files, captured settings and resource. With O(state=staged) its license is laid down
    beside the running release, in a file that only the image's user reads. With O(state=current) it becomes the current release in one
    step, and the current one becomes the previous one. Releases of services that need no license have none.
  - Licenses are decrypted on the control node with the vault secrets at hand; hosts get neither ciphertext nor password.
  - The folders that a container writes into are made once and never removed. Beside its output folder lies a file C(source.json) that says
    who it is. They change hands when a release whose image runs as another user becomes current; one that a group of containers shares is
    then open to the users of all its members.
extends_documentation_fragment:
  - airgap.azure_ai._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Never shows a license.
  idempotent:
    support: full
  action:
    description: Decrypts licenses on the control node before it runs on the host.
    support: full
options:
  root:
    description: Folder of the collection on the host.
    type: path
    default: /var/lib/azure-ai
  state:
    description:
      - V(staged) lays releases down beside the running ones.
      - V(current) switches to releases that are staged; a rollback switches to one that ran before.
      - V(proven) notes that containers proved that they work as they run now, and keeps how, for a rollback.
    type: str
    choices: [staged, current, proven]
    default: staged
  releases:
    description:
      - Each has C(container), C(release) (a release as a mapping, or for O(state=current) its ID alone) and, for O(state=staged),
        C(license) (digest of the ciphertext in O(store), or its path on the control node; null without one) and C(image), the image's name
        in the engine.
      - C(folders) may list the folders that the container writes into, relative to C(containers) in O(root); without it, its output.
      - With O(state=staged), C(user) may name the owner of license and folders, V(uid:gid), where the container does not run as the image's user.
      - With O(state=current), C(compose) may hold the text of the C(compose.yml) to leave beside it, and C(config) small files for the
        container, each with C(source), its path in the folder C(config) of the container, and C(text).
      - With O(state=current), C(restart) says that the container is there; it is stopped before anything changes where O(docker_socket) is given.
      - C(back), C(left) and C(previous) are those of an item of M(airgap.azure_ai.rollback_info); the rollback is noted before it is done.
      - With O(state=proven), an item is one of a plan in full.
      - Other keys are not looked at, so that items of a plan fit.
    type: list
    elements: dict
    required: true
  store:
    description: Store folder on the control node, where C(license) is a digest.
    type: path
  users:
    description:
      - Numeric owners as M(airgap.azure_ai.image_load) returns them (C(uid) and C(gid)), by container or by image name.
      - Required for what O(state=staged) must lay down.
    type: dict
    default: {}
  docker_socket:
    description: Socket of the Docker Engine, to stop what runs before its folders change hands. Without it nothing is stopped.
    type: path
  stop_seconds:
    description: How long a container may take to write down what it still has to, until it is killed, where O(docker_socket) is given.
    type: int
    default: 60
  license_content:
    description: Decrypted licenses by container, in base64; set by the action plugin.
    type: dict
    default: {}
seealso:
  - module: airgap.azure_ai.rollout_plan
  - module: airgap.azure_ai.rollback_info
"""

EXAMPLES = r"""
- name: Stage the releases of the plan
  airgap.azure_ai.release:
    store: ~/azure-ai/store
    releases: "{{ plan.releases }}"
    users:
      azure-ai.invalid/sentiment:0123456789abcdef: {uid: 65532, gid: 65532}
  become: true

- name: Switch
  airgap.azure_ai.release:
    state: current
    releases:
      - container: sentiment-en
        release: 0123456789abcdef
  become: true
"""

RETURN = r"""
msg:
  description: What changed, for each container.
  returned: always
  type: str
reasons:
  description: Why something was, or would be, done, by container.
  returned: success
  type: dict
  sample: {stt-en: release 0123456789abcdef is not there}
"""

import base64
import binascii
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, MissingError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import lock, proof, releases
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import STOP_SECONDS, Engine


def owner_of(item: t.Mapping[str, t.Any], users: t.Mapping[str, t.Any]) -> tuple[int, int]:
    """uid and gid of the user that the container runs as."""
    if item.get("user"):
        uid, _colon, gid = str(item["user"]).partition(":")
        if uid.isdigit() and gid.isdigit():
            return int(uid), int(gid)
        raise InputError(f"container {item['container']}", f"its user {item['user']!r} is not of the form uid:gid", "mend user in the catalog entry")
    user = users.get(item["container"]) or users.get(item.get("image", "")) or {}
    try:
        return int(user["uid"]), int(user["gid"])
    except (TypeError, KeyError, ValueError) as exc:
        raise InputError(f"container {item['container']}", "the user of its image is not known", "give uid and gid in users") from exc


def content_of(item: t.Mapping[str, t.Any], contents: t.Mapping[str, str]) -> bytes | None:
    """The decrypted license; None for a release without one."""
    if item["release"]["license"] is None:
        return None
    try:
        return base64.b64decode(contents[item["container"]], validate=True)
    except (KeyError, binascii.Error, TypeError) as exc:
        raise MissingError(f"container {item['container']}", "no license came with its release", "give store and license") from exc


def reason(item: t.Mapping[str, t.Any], params: t.Mapping[str, t.Any]) -> str | None:
    """Why one release must be staged or switched to, or None."""
    if params["state"] == "staged":
        if not isinstance(item["release"], dict):
            raise InputError(f"container {item['container']}", "its release is not a mapping", "give the release as holdings have it")
        return releases.stage_reason(params["root"], item["container"], item["release"], item.get("folders"))
    if params["state"] == "proven":
        return proof.note_reason(releases.folder_of(params["root"], item["container"]), item)
    return releases.switch_reason(params["root"], item["container"], releases.release_id(item["release"]), item.get("compose"), item.get("config") or ())


def act(item: t.Mapping[str, t.Any], params: t.Mapping[str, t.Any]) -> None:
    """Stage one release, switch to it, or note that it works."""
    root, container, folders = params["root"], item["container"], item.get("folders")
    lock.alive(root)
    if params["state"] == "staged":
        releases.stage(root, container, item["release"], content_of(item, params["license_content"]), owner_of(item, params["users"]), folders)
        return
    folder = releases.folder_of(root, container)
    if params["state"] == "proven":
        proof.note(folder, item)
        return
    if params["docker_socket"] and item.get("restart"):
        Engine(params["docker_socket"]).stop(container, params["stop_seconds"])
    if item.get("back"):
        proof.mark_back(folder, item)
    previous = item.get("previous") if item.get("back") else releases.CURRENT
    releases.switch(root, container, releases.release_id(item["release"]), item.get("compose"), item.get("config") or (), folders, previous)


def handle(item: t.Mapping[str, t.Any], params: t.Mapping[str, t.Any], check_mode: bool) -> str | None:
    """Do what one release needs, unless in check mode; return why it was needed. Every error names the container."""
    who = f"container {item['container']}"
    try:
        why = reason(item, params)
        if why and not check_mode:
            act(item, params)
        return why
    except AirgapError as exc:
        if who in str(exc):
            raise
        raise AirgapError(who, str(exc)) from exc


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/var/lib/azure-ai"},
            "state": {"type": "str", "choices": ["staged", "current", "proven"], "default": "staged"},
            "releases": {"type": "list", "elements": "dict", "required": True},
            "store": {"type": "path"},
            "users": {"type": "dict", "default": {}},
            "docker_socket": {"type": "path"},
            "stop_seconds": {"type": "int", "default": STOP_SECONDS},
            "license_content": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    reasons: dict[str, str] = {}
    try:
        for item in params["releases"]:
            why = handle(item, params, module.check_mode)
            if why:
                reasons[item["container"]] = why
    except AirgapError as exc:
        module.fail_json(msg=str(exc))
    except KeyError as exc:
        module.fail_json(msg=f"releases: key {exc} is missing")
    except OSError as exc:
        module.fail_json(msg=one_line(exc, f"{params['root']}"))
    lines = [f"container {name}: {why}" for name, why in sorted(reasons.items())]
    diff = {"before": "", "after": "".join(line + "\n" for line in lines)}
    module.exit_json(changed=bool(reasons), msg="; ".join(lines) or "every release is in place", reasons=reasons, diff=diff)


if __name__ == "__main__":
    main()
