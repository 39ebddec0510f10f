#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ledger_info
short_description: Totals, coverage and findings from the usage ledger
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._attributes.info
description:
  - Reads the usage ledger, applies the rules of C(docs/ledger.md) and walks its chain.
requirements:
  - SQLAlchemy >= 2.0 on the control node
options:
  url:
    description: The ledger, as in M(airgap.azure_ai.ledger).
    type: str
    required: true
  site:
    description: Only this site. Default is every site that the ledger knows.
    type: str
  by:
    description: What totals are kept apart by. Without V(month), totals are for all time.
    type: list
    elements: str
    choices: [site, host, container, service, resource, meter, month]
    default: [site, service, meter]
  verify:
    description: Whether to walk the chain, which takes some seconds for each million rows.
    type: bool
    default: true
  anchors:
    description: Heads of chains that were written down elsewhere. Each must be a row of the ledger as it is now.
    type: list
    elements: dict
    default: []
    suboptions:
      site:
        description: Name of the site.
        type: str
        required: true
      table:
        description: Which chain.
        type: str
        choices: [looks, readings]
        required: true
      seq:
        description: Number of the row.
        type: int
        required: true
      hash:
        description: Hash of the row.
        type: str
        required: true
"""

EXAMPLES = r"""
- name: Units by resource and month
  airgap.azure_ai.ledger_info:
    url: /srv/azure-ai/ledger/ledger.db
    by: [resource, meter, month]
  register: usage

- name: Nobody has touched the ledger since the last export
  ansible.builtin.assert:
    that: usage.verified
    fail_msg: "{{ usage.problems | join(', ') }}"
"""

RETURN = r"""
totals:
  description: Sums, one for each combination of O(by). Numbers are exact decimal strings, the least and the most that the truth can be.
  returned: success
  type: list
  elements: dict
  sample: [{"resource": "speech-dc0", "meter": "Sample.Meter", "month": "2026-03", "quantity": ["253", "253"], "units": ["253", "253"]}]
coverage:
  description: Who was looked at, one entry for each container.
  returned: success
  type: list
  elements: dict
  contains:
    site: {description: Name of the site., type: str, returned: always}
    host: {description: Name of the host., type: str, returned: always}
    container: {description: Name of the container., type: str, returned: always}
    last_look: {description: When it was last asked., type: str, returned: always}
    last_answer: {description: When it last answered or null., type: str, returned: always}
    problem: {description: Why the last look at all time brought nothing or null., type: str, returned: always}
    months: {description: "V(closed), V(open) or the last outcome of every month asked for.", type: dict, returned: always}
findings:
  description: What a person should look at. C(docs/ledger.md) lists the kinds.
  returned: success
  type: list
  elements: dict
  sample: [{"kind": "decrease", "site": "plant-7", "host": "h1", "container": "stt-en", "meter": "Sample.Meter", "month": "all",
            "text": "reported 100 once and 40 now: 100 if the answer is incomplete, 140 if it began again"}]
verified:
  description: Whether every chain is unbroken and holds every anchor. Null with O(verify=false).
  returned: success
  type: bool
problems:
  description: The first bad row of each broken chain, and anchors that are not in their chain.
  returned: success
  type: list
  elements: str
heads:
  description: Last row of each chain, by site and table.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, schema, summary


def argument_spec() -> dict:
    """Options of this module."""
    anchor = {
        "site": {"type": "str", "required": True},
        "table": {"type": "str", "required": True, "choices": ["looks", "readings"]},
        "seq": {"type": "int", "required": True},
        "hash": {"type": "str", "required": True},
    }
    return {
        "url": {"type": "str", "required": True},
        "site": {"type": "str"},
        "by": {"type": "list", "elements": "str", "choices": list(summary.DIMENSIONS), "default": ["site", "service", "meter"]},
        "verify": {"type": "bool", "default": True},
        "anchors": {"type": "list", "elements": "dict", "default": [], "options": anchor},
    }


def look(params: dict) -> dict:
    """The module's result; :raises AirgapError: no ledger there, or the database refused."""
    with schema.Database(params["url"]).read() as connection:
        result = summary.accounts(connection, params["site"])
        covered = summary.coverage(connection, params["site"])
        problems = ledger.verify(connection, params["anchors"]) if params["verify"] else []
        heads = ledger.heads(connection)
    return {
        "totals": summary.grouped(result.parts, params["by"]),
        "coverage": covered,
        "findings": [finding._asdict() for finding in result.findings] + summary.silent(covered),
        "verified": not problems if params["verify"] else None,
        "problems": problems,
        "heads": heads,
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    if schema.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("SQLAlchemy"), exception=schema.IMPORT_ERROR)
    try:
        result = look(module.params)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
