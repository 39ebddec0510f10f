# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: api_keys
short_description: Where keys of Azure resources are defined
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Looks for C(api_key) in every variable named C(azure_ai_*) of the hosts, without filling templates and without decrypting anything.
  - Keys belong to the connected zone; playbooks of a site use this to refuse to run where one is defined.
options:
  _terms:
    description: Names of hosts.
    required: true
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Refuse keys
  ansible.builtin.assert:
    that: query('airgap.azure_ai.api_keys', *groups['all']) | length == 0
"""

RETURN = r"""
_raw:
  description: A line for each key, naming host and variable, never a value.
  type: list
  elements: str
  sample: ["host text-1: azure_ai_resources.speech-dc0.api_key"]
"""

import typing as t

from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """airgap.azure_ai.api_keys."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        """The places, in the order of the hosts."""
        self.set_options(var_options=variables, direct=kwargs)
        hostvars = (variables or {})["hostvars"]
        return [f"host {host}: {place}" for host in terms for place in places(hostvars.raw_get(host))]


def places(variables: t.Mapping[str, t.Any]) -> list[str]:
    """Paths of every ``api_key`` in the ``azure_ai_*`` variables."""
    return sorted(path for name, value in variables.items() if str(name).startswith("azure_ai_") for path in _under(str(name), value))


def _under(path: str, value: t.Any) -> t.Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _under(f"{path}.{key}", item)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _under(f"{path}[{index}]", item)
    elif path.lower().endswith("api_key"):
        yield path
