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
  - A release binds image, license, models, captured settings and resource. With O(state=staged) its license is laid down beside
    the running release, in a file that only the image's user reads. With O(state=current) it becomes the current release in one step,
    and the current one becomes the previous one.
  - Licenses are decrypted on the control node with the vault secrets at hand; hosts get neither ciphertext nor password.
  - A container's output folder is made once, with a file C(source.json) beside it that says who it is, and never removed. It changes
    hands when a release whose image runs as another user becomes current.
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
      - V(current) switches to releases that are staged; a rollback switches to the previous one.
    type: str
    choices: [staged, current]
    default: staged
  releases:
    description:
      - Each has C(container), C(release) (a release as a mapping, or for O(state=current) its ID alone) and, for O(state=staged),
        C(license) (digest of the ciphertext in O(store), or its path on the control node) and C(image), the image's name in the engine.
      - With O(state=current), C(compose) may hold the text of the C(compose.yml) to leave beside it.
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
  license_content:
    description: Decrypted licenses by container, in base64; set by the action plugin.
    type: dict
    default: {}
seealso:
  - module: airgap.azure_ai.rollout_plan
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

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import releases


def owner_of(item: t.Mapping[str, t.Any], users: t.Mapping[str, t.Any]) -> tuple[int, int]:
    """uid and gid of the image's user."""
    user = users.get(item["container"]) or users.get(item.get("image", "")) or {}
    try:
        return int(user["uid"]), int(user["gid"])
    except (TypeError, KeyError, ValueError) as exc:
        raise InputError(f"container {item['container']}", "the user of its image is not known", "give uid and gid in users") from exc


def content_of(item: t.Mapping[str, t.Any], contents: t.Mapping[str, str]) -> bytes:
    """The decrypted license."""
    try:
        return base64.b64decode(contents[item["container"]], validate=True)
    except (KeyError, binascii.Error, TypeError) as exc:
        raise MissingError(f"container {item['container']}", "no license came with its release", "give store and license") from exc


def reason(item: t.Mapping[str, t.Any], params: t.Mapping[str, t.Any]) -> str | None:
    """Why one release must be staged or switched to, or None."""
    if params["state"] == "staged":
        if not isinstance(item["release"], dict):
            raise InputError(f"container {item['container']}", "its release is not a mapping", "give the release as holdings have it")
        return releases.stage_reason(params["root"], item["container"], item["release"])
    return releases.switch_reason(params["root"], item["container"], releases.release_id(item["release"]), item.get("compose"))


def act(item: t.Mapping[str, t.Any], params: t.Mapping[str, t.Any]) -> None:
    """Stage or switch to one release."""
    if params["state"] == "staged":
        releases.stage(params["root"], item["container"], item["release"], content_of(item, params["license_content"]), owner_of(item, params["users"]))
    else:
        releases.switch(params["root"], item["container"], releases.release_id(item["release"]), item.get("compose"))


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/var/lib/azure-ai"},
            "state": {"type": "str", "choices": ["staged", "current"], "default": "staged"},
            "releases": {"type": "list", "elements": "dict", "required": True},
            "store": {"type": "path"},
            "users": {"type": "dict", "default": {}},
            "license_content": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    reasons: dict[str, str] = {}
    try:
        for item in params["releases"]:
            why = reason(item, params)
            if why:
                reasons[item["container"]] = why
                if not module.check_mode:
                    act(item, params)
    except AirgapError as exc:
        module.fail_json(msg=str(exc))
    except KeyError as exc:
        module.fail_json(msg=f"releases: key {exc} is missing")
    except OSError as exc:
        module.fail_json(msg=f"{params['root']}: {exc}; run with become")
    lines = [f"container {name}: {why}" for name, why in sorted(reasons.items())]
    diff = {"before": "", "after": "".join(line + "\n" for line in lines)}
    module.exit_json(changed=bool(reasons), msg="; ".join(lines) or "every release is in place", reasons=reasons, diff=diff)


if __name__ == "__main__":
    main()
