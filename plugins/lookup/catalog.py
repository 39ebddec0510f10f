# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: catalog
short_description: What is known about the services
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - The catalog that the collection ships, with what the variable C(azure_ai_catalog) of the current host adds or changes.
options:
  _terms:
    description: Names of services; without any, one mapping of all of them is returned.
    required: false
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Show the folders of a service's container
  ansible.builtin.debug:
    msg: "{{ lookup('airgap.azure_ai.catalog', 'speech_to_text').mounts }}"
"""

RETURN = r"""
_raw:
  description: The entry of each service named, or one mapping of services to entries.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog, _want


class LookupModule(LookupBase):
    """airgap.azure_ai.catalog."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        """The entries asked for."""
        self.set_options(var_options=variables, direct=kwargs)
        try:
            entries = _catalog.load(_want.templated(variables or {}, self._templar.template).get(_catalog.OVERRIDES))
            for term in terms:
                if term not in entries:
                    raise InputError(f"service {term!r}", "unknown", f"use one of {', '.join(sorted(entries))} or add it to {_catalog.OVERRIDES}")
        except AirgapError as exc:
            raise AnsibleError(str(exc)) from exc
        return [entries[term] for term in terms] if terms else [entries]
