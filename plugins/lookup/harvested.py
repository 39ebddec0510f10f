# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: harvested
short_description: Hosts that a harvest was for, and whether each left an answer
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Looks at what the role P(airgap.azure_ai.harvest#role) left in the variables of hosts, on the control node and after they were asked.
  - A host that could not be reached left an answer that says so. One whose task failed before that, mostly because its declaration is wrong,
    left none, and the ledger would not hear of its containers.
options:
  _terms:
    description: Names of hosts. Those that the harvest was not for, because of a limit, are left out.
    required: true
    type: list
    elements: str
  months:
    description: How many months were asked for, this one included.
    type: int
    default: 0
  allow_latest:
    description: Allow the tag C(latest).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Name the hosts that were not asked
  ansible.builtin.debug:
    msg: "{{ query('airgap.azure_ai.harvested', *groups['azure_ai_hosts']) | rejectattr('answered') | map(attribute='host') }}"
"""

RETURN = r"""
_raw:
  description:
    - Each with C(host), C(answered) (whether it left an answer, were it silence), C(containers) and C(problem).
    - C(containers) are those of a host without an answer, as O(airgap.azure_ai.ledger#module:expected) takes them; none where its declaration is refused.
    - C(problem) says in one line why it left none; empty for others.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _want

# What the role leaves with each host that it is for, the second one only where evidence is kept; and what it leaves with those that it asked.
CALLED = ("__harvest_id", "__harvest_kept")
ANSWER = "__harvest_answer"


class LookupModule(LookupBase):
    """airgap.azure_ai.harvested."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        """One pass over the hosts: each look at one's variables puts all of them together anew."""
        self.set_options(var_options=variables, direct=kwargs)
        hostvars, allow_latest = (variables or {})["hostvars"], self.get_option("allow_latest")
        months = asked(self.get_option("months"))
        found = []
        for host in terms:
            own = hostvars[host]
            if not any(name in own for name in CALLED):
                continue
            answer = own.get(ANSWER) or {"failed": True, "msg": ""}
            if not answer.get("failed"):
                found.append({"host": host, "answered": True, "containers": [], "problem": ""})
                continue
            names, refused = declared(own, allow_latest)
            expected = [{"host": host, "container": name, "service": service, "months": months} for name, service in names]
            why = refused or " ".join(str(answer.get("msg", "")).split())[:300] or "a task for it failed before"
            found.append({"host": host, "answered": False, "containers": expected, "problem": why})
        return found


def asked(count: int) -> list[str]:
    """The last ``count`` months."""
    now = calendar.now()
    return calendar.span(calendar.back(now[:7], count - 1), None, now) if count > 0 else []


def declared(own: t.Mapping[str, t.Any], allow_latest: bool) -> tuple[list[tuple[str, str]], str]:
    """(container, service) of each that a host should be asked for, and why some are not known."""
    names: dict[str, str] = {}
    refused = []
    for variable in ("harvest_containers", "harvest_endpoints"):
        try:
            # Values of hostvars come templated, each with the variables of its own host.
            rows = own[variable] if variable in own else _metered(own, allow_latest) if variable == "harvest_containers" else []
            names.update({str(row.get("container") or row["name"]): str(row.get("service") or "") for row in rows})
        except (AirgapError, AnsibleError) as exc:
            refused.append(" ".join(str(exc).split())[:300])
        except (AttributeError, KeyError, TypeError):
            refused.append(f"{variable} is not a list of dictionaries with names")
    return sorted(names.items()), ", ".join(refused)


def _metered(own: t.Mapping[str, t.Any], allow_latest: bool) -> list[dict[str, t.Any]]:
    rows, _catalog = _want.of_host(_want.templated(own, lambda value: value), allow_latest=allow_latest)
    return [row for row in rows if row["metered"]]
