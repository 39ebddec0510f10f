#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge settings into the configuration file of the Docker Engine."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: engine_config
short_description: Merge settings into the Docker Engine's configuration
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Merges settings into C(daemon.json), mappings key by key, and leaves what nobody names as it is.
  - Where the installed engine can check a configuration (since 23.0), it does so before the file is replaced.
  - Neither starts nor restarts the engine; RV(apply) says what it needs.
extends_documentation_fragment:
  - airgap.azure_ai._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
options:
  path:
    description: The configuration file.
    type: path
    default: /etc/docker/daemon.json
  config:
    description: Settings as C(daemon.json) spells them.
    type: dict
    required: true
  dockerd:
    description: The engine's program; looked for in the usual places. A bare host has none yet.
    type: str
    default: dockerd
"""

EXAMPLES = r"""
- name: Bound the containers' logs
  airgap.azure_ai.engine_config:
    config:
      log-driver: json-file
      log-opts: {max-size: 10m, max-file: "3"}
  become: true
"""

RETURN = r"""
msg:
  description: What was written and why.
  returned: always
  type: str
apply:
  description: What a running engine must do to take the settings over, V(nothing), V(reload) or V(restart).
  returned: success
  type: str
checked:
  description: Whether the installed engine checked the configuration.
  returned: success
  type: bool
"""

import os
import tempfile

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import daemon


def read(path: str) -> bytes:
    """The file's bytes; none when there is no file."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return b""


def checked(module: AnsibleModule, content: bytes) -> bool:
    """Let the installed engine judge the configuration; False where it cannot."""
    program = module.get_bin_path(module.params["dockerd"], opt_dirs=["/usr/sbin", "/sbin"])
    if program is None or "--validate" not in module.run_command([program, "--help"])[1]:
        return False
    with tempfile.NamedTemporaryFile(dir=module.tmpdir, suffix=".json") as scratch:
        scratch.write(content)
        scratch.flush()
        code, out, err = module.run_command([program, "--validate", "--config-file", scratch.name])
    if code:
        lines = (err or out).replace(scratch.name, module.params["path"]).strip().splitlines()
        raise InputError(module.params["path"], f"the engine refuses it ({lines[-1] if lines else code})", "mend engine_daemon")
    return True


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/etc/docker/daemon.json"},
            "config": {"type": "dict", "required": True},
            "dockerd": {"type": "str", "default": "dockerd"},
        },
        supports_check_mode=True,
    )
    path, want = module.params["path"], module.params["config"]
    try:
        before = read(path)
        have = daemon.parse(before, path)
        why = daemon.reason(have, want)
        after = daemon.text(daemon.merged(have, want)) if why else before
        judged = checked(module, after) if why else False
        if why and not module.check_mode:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            write_bytes(path, after, 0o644)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))
    diff = {"before_header": path, "after_header": path, "before": before.decode(errors="replace"), "after": after.decode(errors="replace")}
    told = f"{path}: {why}" if why else f"{path}: as wanted"
    module.exit_json(changed=why is not None, msg=told, apply=daemon.apply(have, want), checked=judged, diff=diff)


if __name__ == "__main__":
    main()
