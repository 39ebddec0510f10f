#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_store
short_description: Takes blobs over into a host's store, makes model folders of them and removes what is no longer needed
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Blobs are sent into a folder of the login user, as rsync under C(sudo) would need one without a password. This module, run with
    C(become), verifies each by its digest and moves it into the store. A blob in the store is verified, always.
  - Links, files of other users and anything but plain files are refused. Damaged files are removed, so that the next transfer sends
    them again, and all are named at once.
  - Once all are in the store, what transfers that were cut off and never went on have left in O(incoming) is removed.
  - A model set becomes a folder of hard links into the store, owned by root and read-only; it gets its name when it is complete.
extends_documentation_fragment:
  - airgap.azure_ai._attributes
attributes:
  check_mode:
    support: full
    details:
      - Files in O(incoming) are not read in check mode, so a damaged one shows up in the real run only.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  root:
    description: Folder of the collection on the host.
    type: path
    default: /var/lib/azure-ai
  incoming:
    description:
      - Folder of the login user that holds the blobs, each named by the 64 hex digits of its digest.
      - Required where O(blobs) names something that the store does not hold.
    type: path
  owner:
    description: User, by name or number, whose files are taken over; without it the owner of O(incoming). Root's are taken always.
    type: str
  blobs:
    description: Blobs that the store must hold, each with C(digest) (C(sha256:…)) and C(size) in bytes; errors name the C(container) where it is told.
    type: list
    elements: dict
    default: []
  models:
    description: Model sets that must be there, each with C(digest) and C(files), a list of C(path), C(digest) and C(size).
    type: list
    elements: dict
    default: []
  keep:
    description: Digests of blobs and model sets that O(prune) leaves.
    type: list
    elements: str
    default: []
  prune:
    description:
      - Remove blobs that neither O(keep) nor O(blobs) names, and model sets that neither O(keep) nor O(models) nor any release on the
        host names.
      - Model sets are links, so they keep their files when the blobs they were made of go.
    type: bool
    default: false
seealso:
  - module: airgap.azure_ai.image_load
"""

EXAMPLES = r"""
- name: Take over what was sent
  airgap.azure_ai.host_store:
    incoming: /home/deploy/.azure-ai/incoming
    blobs: "{{ plan.send }}"
    models: "{{ plan.models }}"
  become: true

- name: Remove blobs whose images the engine holds
  airgap.azure_ai.host_store:
    prune: true
  become: true
"""

RETURN = r"""
msg:
  description: What was done and why.
  returned: always
  type: str
adopted:
  description: Digests of the blobs that were, or would be, taken over.
  returned: success
  type: list
  elements: str
placed:
  description: Digests of the sets, of models or of declared files, that were, or would be, made.
  returned: success
  type: list
  elements: str
removed:
  description: Paths below O(root) that were, or would be, removed.
  returned: success
  type: list
  elements: str
problems:
  description: Every blob that is missing, damaged or refused.
  returned: failure, when blobs are at fault
  type: list
  elements: str
"""

import os
import pwd
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, Problems, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed, host_blobs, lock


def owner_id(owner: str | None, incoming: str) -> int:
    """The user whose files are taken over."""
    if owner is None:
        try:
            return os.stat(incoming).st_uid
        except OSError as exc:
            raise InputError(f"incoming {incoming}", "no such folder", "send the blobs first") from exc
    if owner.isdigit():
        return int(owner)
    try:
        return pwd.getpwnam(owner).pw_uid
    except KeyError as exc:
        raise InputError(f"owner {owner}", "no such user on this host") from exc


def reason(blobs: t.Sequence[t.Any], models: t.Sequence[t.Any], paths: t.Sequence[str]) -> str | None:
    """Why something must be done, or None."""
    size = human(sum(blob["size"] for blob in blobs))
    parts = [(blobs, f"{len(blobs)} blobs ({size}) to take over"), (models, f"{len(models)} model sets to make"), (paths, f"{len(paths)} things to remove")]
    return ", ".join(text for items, text in parts if items) or None


def kept(params: t.Mapping[str, t.Any]) -> list[str]:
    """Digests that pruning leaves: a call never removes what it asks for."""
    return [*params["keep"], *(item["digest"] for item in [*params["blobs"], *params["models"]])]


def act(params: t.Mapping[str, t.Any], blobs: t.Sequence[t.Any], models: t.Sequence[t.Any]) -> None:
    """Adopt, place, prune."""
    root = params["root"]
    if blobs:
        if not params["incoming"]:
            raise InputError("incoming", f"not given, and {len(blobs)} blobs are not in the store", "name the folder they were sent to")
        host_blobs.admit(root, params["incoming"], blobs, owner_id(params["owner"], params["incoming"]))
    for item in models:
        host_blobs.place_models(root, item)
    if params["prune"]:
        host_blobs.remove(root, host_blobs.superfluous(root, kept(params)))


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/var/lib/azure-ai"},
            "incoming": {"type": "path"},
            "owner": {"type": "str"},
            "blobs": {"type": "list", "elements": "dict", "default": []},
            "models": {"type": "list", "elements": "dict", "default": []},
            "keep": {"type": "list", "elements": "str", "default": []},
            "prune": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        blobs = host_blobs.lacking(deployed.store(params["root"]), params["blobs"])
        models = host_blobs.models_missing(params["root"], params["models"])
        paths = host_blobs.superfluous(params["root"], kept(params)) if params["prune"] else []
        why = reason(blobs, models, paths)
        if why and not module.check_mode:
            with lock.heartbeat(params["root"]):
                act(params, blobs, models)
    except Problems as exc:
        module.fail_json(msg=str(exc), problems=exc.problems)
    except (AirgapError, KeyError) as exc:
        module.fail_json(msg=str(exc) if isinstance(exc, AirgapError) else f"blobs or models: key {exc} is missing")
    except OSError as exc:
        module.fail_json(msg=one_line(exc, f"store {params['root']}"))
    result = {"adopted": [blob["digest"] for blob in blobs], "placed": [item["digest"] for item in models], "removed": paths}
    after = "".join(f"{word} {item}\n" for word, items in result.items() for item in items)
    module.exit_json(changed=why is not None, msg=why or "everything is in place", diff={"before": "", "after": after}, **result)


if __name__ == "__main__":
    main()
