# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: wants
short_description: What the declared containers of several hosts are made of
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Checks the declarations of every host as P(airgap.azure_ai.containers#lookup) does and returns one of each service, tag, resource and options.
  - Neither names of hosts nor anything else of the site is in the result, so it may leave the site.
options:
  _terms:
    description: Names of hosts.
    required: true
    type: list
    elements: str
  allow_latest:
    description: Allow the tag C(latest).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what the site's bundle must hold
  ansible.builtin.debug:
    msg: "{{ query('airgap.azure_ai.wants', *groups['azure_ai_hosts']) }}"
"""

RETURN = r"""
_raw:
  description: Each with C(service), C(tag), C(resource) and C(options).
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.declaration import selector_of
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _want

KEYS = ("service", "tag", "resource", "options")


class LookupModule(LookupBase):
    """airgap.azure_ai.wants."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        """One of each, in one order."""
        self.set_options(var_options=variables, direct=kwargs)
        hostvars = (variables or {})["hostvars"]
        found: dict[str, dict[str, t.Any]] = {}
        problems: list[str] = []
        for host in terms:
            try:
                # Values of hostvars come templated, each with the variables of its own host.
                declared, _catalog = _want.of_host(_want.templated(hostvars[host], lambda value: value), allow_latest=self.get_option("allow_latest"))
            except Problems as exc:
                problems += [f"host {host}, {problem}" for problem in exc.problems]
                continue
            except AirgapError as exc:
                problems.append(f"host {host}, {exc}")
                continue
            found.update({selector_of(item): {key: item[key] for key in KEYS} for item in declared})
        if problems:
            raise AnsibleError(str(Problems("containers", problems)))
        return [found[name] for name in sorted(found)]
