# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: containers
short_description: The declared containers of a host, checked and completed
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Joins every variable of the current host that matches C(^azure_ai_containers(__\w+)?$), as Ansible replaces lists and does not merge them.
  - Names all problems at once.
options:
  _terms:
    description: None are taken.
    required: false
  unique:
    description:
      - Hold names and ports to what one host needs.
      - Without it name and port may be missing, and one container of each service, tag, resource and options is returned.
    type: bool
    default: true
  allow_latest:
    description: Allow the tag C(latest).
    type: bool
    default: false
  entries:
    description:
      - Return with each container its catalog entry as C(entry), complete with registry and with the variants of the container's options merged in.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show the ports in use
  ansible.builtin.debug:
    msg: "{{ query('airgap.azure_ai.containers') | map(attribute='port') }}"

- name: Show the images
  ansible.builtin.debug:
    msg: "{{ item.entry.registry }}/{{ item.entry.repository }}:{{ item.tag }}"
  loop: "{{ query('airgap.azure_ai.containers', entries=true) }}"
"""

RETURN = r"""
_raw:
  description:
    - Each with C(name), C(service), C(tag), C(port), C(bind), C(resource) (V(none) for a service without license), C(cpus), C(memory) (bytes),
      C(options) (with their defaults, without those that name a container), C(settings), C(hardening), C(disk_logging), C(adopt), C(variable) and C(metered).
    - C(group), C(group_service), C(member) and C(members) (containers by member) say what a member of a group is, and are empty for others.
    - C(links) are settings that name other containers, C(after) the names of those containers, C(network) the Docker network to reach them.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _want


class LookupModule(LookupBase):
    """airgap.azure_ai.containers."""

    def run(self, terms: list[t.Any], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        """The declarations of the current host."""
        self.set_options(var_options=variables, direct=kwargs)
        if terms:
            raise AnsibleError("lookup airgap.azure_ai.containers: takes no terms; it reads azure_ai_containers and its kin")
        try:
            values = _want.templated(variables or {}, self._templar.template)
            declared, catalog = _want.of_host(values, unique=self.get_option("unique"), allow_latest=self.get_option("allow_latest"))
            return [{**item, "entry": _want.entry_of(item, catalog)} for item in declared] if self.get_option("entries") else declared
        except AirgapError as exc:
            raise AnsibleError(str(exc)) from None  # Ansible would tell the cause a second time
