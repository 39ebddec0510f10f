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
  - airgap.azure_ai._ledger
description:
  - Reads the usage ledger, applies the rules of C(docs/ledger.md) and walks its chain.
options:
  site:
    description: Only this site. Default is every site that the ledger knows.
    type: str
  by:
    description: What totals are kept apart by. Without V(month), totals are for all time.
    type: list
    elements: str
    choices: [site, host, container, service, resource, meter, month]
    default: [site, service, meter]
  as_of:
    description:
      - A time in UTC, C(YYYY-MM-DDTHH:MM:SSZ). Only what had been appended until then counts, and months are final or provisional as they were.
      - The answer is the same whenever it is asked. A time to come is refused, and one less than a minute ago,
        as rows with a time before it may just be on their way into the database. Leave it out for what is there now.
    type: str
  expected:
    description: Containers and months that should have been read. Each is in RV(expected) with what came of it.
    type: list
    elements: dict
    default: []
    suboptions:
      site:
        description: Name of the site. Default is O(site).
        type: str
      host:
        description: Name of the host.
        type: str
        required: true
      container:
        description: Name of the container.
        type: str
        required: true
      months:
        description: Months as C(YYYY-MM). Without them all time is looked up.
        type: list
        elements: str
        default: []
  allowed_signers:
    description: Allowed-signers file of OpenSSH. With it the signature of every adjustment is verified.
    type: path
  revoked_keys:
    description: List of revoked keys for O(allowed_signers).
    type: path
  verify:
    description: Whether to check the database, its triggers and its chains, which takes some seconds for each million rows.
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
        choices: [looks, readings, adjustments]
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

- name: What the site had used when the year ended, the same answer for ever
  airgap.azure_ai.ledger_info:
    url: /srv/azure-ai/ledger/ledger.db
    as_of: "2026-12-31T23:59:59Z"
    by: [resource, meter, month]

- name: Nobody has touched the ledger since the last export
  ansible.builtin.assert:
    that: usage.verified
    fail_msg: "{{ usage.problems | join(', ') }}"
"""

RETURN = r"""
totals:
  description:
    - Sums of readings, one for each combination of O(by). Numbers are exact decimal strings, the least and the most that the truth can be.
    - Where V(month) is in O(by) each has a C(state), V(final) or V(provisional).
  returned: success
  type: list
  elements: dict
  sample: [{"resource": "speech-dc0", "meter": "Sample.Meter", "month": "2026-03", "quantity": ["253", "253"], "units": ["253", "253"], "state": "final"}]
adjustments:
  description: Signed adjustments, never part of RV(totals). With O(allowed_signers) each says who signed it, or why its signature does not hold.
  returned: success
  type: list
  elements: dict
  contains:
    site: {description: Name of the site., type: str, returned: always}
    seq: {description: Number of the row., type: int, returned: always}
    host: {description: Name of the host., type: str, returned: always}
    container: {description: Name of the container., type: str, returned: always}
    service: {description: Service of the catalog., type: str, returned: always}
    resource: {description: The resource., type: str, returned: always}
    meter: {description: The meter., type: str, returned: always}
    month: {description: A month or V(all)., type: str, returned: always}
    quantity: {description: Signed decimal., type: str, returned: always}
    billed_unit: {description: Signed decimal or null., type: str, returned: always}
    kind: {description: "V(opening_balance), V(dead_host), V(test_traffic) or V(correction).", type: str, returned: always}
    reason: {description: Why it was entered., type: str, returned: always}
    author: {description: Who signed it., type: str, returned: always}
    entered_at: {description: When it was entered (UTC)., type: str, returned: always}
    problem: {description: Why its signature does not hold or null., type: str, returned: O(allowed_signers) is given}
adjusted:
  description: RV(totals) with adjustments added, for each combination that an adjustment touches.
  returned: success
  type: list
  elements: dict
  sample: [{"meter": "Sample.Meter", "quantity": ["250", "250"], "units": ["250", "250"], "adjustment": "-3", "adjustment_units": "-3"}]
expected:
  description: What came of O(expected), one entry for each container and month.
  returned: success
  type: list
  elements: dict
  contains:
    site: {description: Name of the site., type: str, returned: always}
    host: {description: Name of the host., type: str, returned: always}
    container: {description: Name of the container., type: str, returned: always}
    month: {description: The month or V(all)., type: str, returned: always}
    state: {description: "V(read), V(no usage), V(no answer), V(bad answer) or V(never asked).", type: str, returned: always}
ledgers:
  description: Which ledger each site's is, the last of its ids.
  returned: success
  type: list
  elements: dict
  contains:
    site: {description: Name of the site., type: str, returned: always}
    id: {description: Random id., type: str, returned: always}
    opened_at: {description: When it was begun (UTC)., type: str, returned: always}
    predecessor: {description: Id of the ledger that it was restored from or null., type: str, returned: always}
    reason: {description: Why it was begun., type: str, returned: always}
stated_sites:
  description:
    - At headquarters, sites whose newest export tells sums only (O(airgap.azure_ai.usage_export#module:detail=site)). None of what they used since they
      do so is in RV(totals), RV(adjustments), RV(coverage) and RV(findings); M(airgap.azure_ai.usage_report) counts them by their statements.
  returned: success
  type: list
  elements: dict
  contains:
    site: {description: Name of the site., type: str, returned: always}
    number: {description: Number of its newest export., type: int, returned: always}
    imported_at: {description: When that was taken in (UTC)., type: str, returned: always}
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
  contains:
    kind: {description: What it is., type: str, returned: always, sample: decrease}
    site: {description: Name of the site., type: str, returned: always}
    host: {description: Name of the host or nothing., type: str, returned: always}
    container: {description: Name of the container or nothing., type: str, returned: always}
    meter: {description: The meter or nothing., type: str, returned: always}
    month: {description: The month or V(all) or nothing., type: str, returned: always}
    text: {description: What it means and what to do., type: str, returned: always}
    low: {description: The least that the quantity in question can be or nothing., type: str, returned: for some kinds}
    high: {description: The most that it can be or nothing., type: str, returned: for some kinds}
verified:
  description: Whether RV(problems) is empty. Null with O(verify=false).
  returned: success
  type: bool
problems:
  description:
    - The first bad row of each broken chain, anchors that are not in their chain, missing triggers, damaged pages of an SQLite file,
      and adjustments whose signature does not hold.
  returned: success
  type: list
  elements: str
heads:
  description: Last row of each chain, by site and table.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import adjustment, backup, fleet, ledger, months, schema, summary, totals
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.tables import unguarded

SETTLED = 60  # seconds; an append is stamped before it is committed, and until then nobody else sees it


def argument_spec() -> dict:
    """Options of this module."""
    anchor = {
        "site": {"type": "str", "required": True},
        "table": {"type": "str", "required": True, "choices": ["looks", "readings", "adjustments"]},
        "seq": {"type": "int", "required": True},
        "hash": {"type": "str", "required": True},
    }
    expected = {
        "site": {"type": "str"},
        "host": {"type": "str", "required": True},
        "container": {"type": "str", "required": True},
        "months": {"type": "list", "elements": "str", "default": []},
    }
    return {
        "url": {"type": "str", "required": True},
        "site": {"type": "str"},
        "by": {"type": "list", "elements": "str", "choices": list(summary.DIMENSIONS), "default": ["site", "service", "meter"]},
        "as_of": {"type": "str"},
        "expected": {"type": "list", "elements": "dict", "default": [], "options": expected},
        "allowed_signers": {"type": "path"},
        "revoked_keys": {"type": "path"},
        "verify": {"type": "bool", "default": True},
        "anchors": {"type": "list", "elements": "dict", "default": [], "options": anchor},
    }


def look(params: dict) -> dict:
    """The module's result; :raises AirgapError: no ledger there, an option is wrong, or the database refused."""
    site, by, as_of = params["site"], params["by"], params.get("as_of")
    _check(params)
    with schema.Database(params["url"]).read() as connection:
        looks = summary.looks_of(connection, site, as_of)
        result = summary.accounts(connection, site, as_of, looks)
        covered = summary.coverage(connection, site, as_of, looks)
        entered = summary.adjustments(connection, site, as_of)
        problems = _problems(connection, params["anchors"]) if params["verify"] else []
        heads = ledger.heads(connection)
        ledgers = summary.ledgers(connection, site, as_of)
        stated = fleet.stated(connection, site, as_of)
    shown, forged = _signed(entered, params)
    return {
        "totals": totals.with_state(summary.grouped(result.parts, by), result.parts, by, looks.seen, looks.closed),
        "adjustments": shown,
        "adjusted": totals.adjusted(result.parts, entered, by),
        "coverage": covered,
        "expected": totals.missing(params.get("expected") or (), looks.seen, site or ""),
        "findings": [finding._asdict() for finding in result.findings] + summary.silent(covered),
        "verified": not problems + forged if params["verify"] else None,
        "problems": problems + forged,
        "heads": heads,
        "ledgers": ledgers,
        "stated_sites": stated,
    }


def _problems(connection: object, anchors: list) -> list:
    """All that is wrong with the database and what it holds."""
    loose = [f"trigger {name}: missing, switched off or altered" for name in unguarded(connection)]
    return [*backup.check_whole(connection), *ledger.verify(connection, anchors), *loose]


def _signed(entered: list, params: dict) -> tuple:
    """Adjustments without their documents, and one line for each whose signature does not hold."""
    trust = Trust(params["allowed_signers"], params.get("revoked_keys")) if params.get("allowed_signers") else None
    shown, forged = [], []
    for row in entered:
        item = {name: value for name, value in row.items() if name not in ("document", "signature", "prev", "hash")}
        if trust:
            item["problem"] = None
            try:
                adjustment.verify(row, trust)
            except AirgapError as exc:
                item["problem"] = str(exc)
                forged.append(f"site {row['site']}, adjustments row {row['seq']}: {exc}")
        shown.append(item)
    return shown, forged


def _check(params: dict) -> None:
    as_of = params.get("as_of")
    if as_of and not months.is_moment(as_of):
        raise InputError(f"as_of {as_of!r}", "not a time", "write it as YYYY-MM-DDTHH:MM:SSZ")
    if as_of and as_of > months.now():
        raise InputError(f"as_of {as_of}", "still to come", "the answer could change until then")
    if as_of and as_of > months.ago(months.now(), SETTLED):
        raise InputError(f"as_of {as_of}", f"less than {SETTLED} seconds ago", "rows of that time may still arrive: ask again, or leave as_of out for now")
    beyond = [anchor["seq"] for anchor in params["anchors"] if not 0 < anchor["seq"] <= ledger.MAX_SEQ]
    if beyond:
        raise InputError(f"anchor of row {beyond[0]}", "not the number of a row", f"write what heads told, 1 to {ledger.MAX_SEQ}")
    wrong = [month for item in params.get("expected") or () for month in item["months"] if not months.is_month(month)]
    if wrong:
        raise InputError(f"month {wrong[0]!r}", "not a month", "write it as YYYY-MM")


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    if schema.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("SQLAlchemy"), exception=schema.IMPORT_ERROR)
    try:
        result = look(module.params)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
