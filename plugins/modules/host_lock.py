#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take or give back the lock of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_lock
short_description: Let one run at a time change a host
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - A file on the host says which run of C(ansible-playbook) changes it, so that two control nodes, or two people, do not work against each
    other. Plays that only read do not take it.
  - The action plugin says who we are. A lock that a killed run of the same control node left is taken over, as its process is gone;
    one of another control node is named, with how to break it. The same is a control node of that name, that C(/etc/machine-id) and that
    namespace of process IDs. A container is known again only until its machine restarts.
extends_documentation_fragment:
  - airgap.azure_ai._attributes
attributes:
  check_mode:
    support: full
    details:
      - In check mode the lock is looked at and not taken; a lock of another run fails all the same.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
  action:
    description: Has an action plugin.
    support: full
    details:
      - Names user, node and process of the run.
options:
  root:
    description: Folder on the host that the lock guards.
    type: path
    default: /var/lib/azure-ai
  state:
    description: Whether this run shall hold the lock.
    type: str
    choices: [held, released]
    default: held
  break_lock:
    description: Take the lock from whoever holds it. Only for a run that is known to be dead.
    type: bool
    default: false
  incoming:
    description:
      - Folder of the login user in which rsync lays down what it sends; V(~) is the home of the user who logged in. What is written there is a sign
        of life of who holds the lock.
    type: str
    default: ''
  mine:
    description: Who asks; set by the action plugin.
    type: dict
  dead:
    description: Runs that are known to be over; set by the action plugin.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Take the lock
  airgap.azure_ai.host_lock:
  become: true

- name: Give it back
  airgap.azure_ai.host_lock:
    state: released
  become: true
"""

RETURN = r"""
msg:
  description: What was done and why.
  returned: always
  type: str
turn:
  description:
    - What M(airgap.azure_ai.host_info) calls C(turn), of right before the lock was taken. Where it is that of an earlier look, no other run has
      held the lock since.
    - Null where nothing can be said, as of a lock that was broken.
  returned: success
  type: str
holder:
  description: Who holds the lock, with C(who), C(since), C(node) and C(run).
  returned: failure, when another run holds it
  type: dict
"""

import dataclasses
import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import lock


def mine_of(value: dict[str, str] | None) -> lock.Holder:
    """The asking run."""
    try:
        return lock.Holder(**(value or {}))
    except TypeError as exc:
        raise InputError("mine", "not who, since, node and run", "leave it to the action plugin") from exc


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/var/lib/azure-ai"},
            "state": {"type": "str", "choices": ["held", "released"], "default": "held"},
            "break_lock": {"type": "bool", "default": False},
            "incoming": {"type": "str", "default": ""},
            "mine": {"type": "dict"},
            "dead": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    held = params["state"] == "held"
    broken = ["*"] if params["break_lock"] else params["dead"]
    try:
        mine = mine_of(params["mine"])
        why = lock.reason(params["root"], mine, held, broken)
        turn = lock.turn(params["root"])  # behind that: who gave it back right before has changed it by now
        if not module.check_mode:
            if held:
                lock.take(params["root"], mine, broken, lock.at_home(params["incoming"], os.environ.get("SUDO_USER", "")))
            else:
                lock.give_back(params["root"], mine)
    except lock.HeldError as exc:
        module.fail_json(msg=str(exc), holder=dataclasses.asdict(exc.holder))
    except AirgapError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=one_line(exc, f"lock {params['root']}/{lock.FILE}"))
    if why != lock.FREE:
        turn = None  # it was held, so whoever held it may have changed the host after it was looked at
    module.exit_json(changed=why is not None, turn=turn, msg=f"{params['state']}: {why or 'nothing to do'}")


if __name__ == "__main__":
    main()
