#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ledger
short_description: Append what a harvest brought to the usage ledger
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._ledger
description:
  - Takes the files that M(airgap.azure_ai.usage_spool) left in a folder and appends a look for every endpoint and scope, whatever its
    outcome, and a reading for every value that is new in its series. One transaction holds all of it.
  - The database itself refuses to alter or remove rows, and every row is chained to the one before. The guide in C(docs/ledger.md) is normative.
  - Where the hosts of a harvest agree that the control node's clock is wrong by more than a day, nothing of that harvest is appended.
    Its files move to C(refused/) and the module fails; what came before is appended all the same.
  - Files that were appended move to C(done/) beside the spool, malformed ones and those of other sites to C(refused/).
  - A PostgreSQL server that goes away is tried again for half a minute.
  - The heads of the chain are written to the system's log as well, out of the reach of whoever can write to the database.
options:
  site:
    description: Name of the site whose chain is appended to.
    type: str
    required: true
  spool:
    description: Folder with files to append. A folder that is not there counts as empty.
    type: path
  closed:
    description: Folder for one file per host that tells M(airgap.azure_ai.usage_spool) which months were seen equal by two harvests after their end.
    type: path
  harvest:
    description: Name of the harvest that O(expected) and O(evidence) belong to.
    type: str
  evidence:
    description:
      - What this harvest saw of record files, where they are not what they were at the harvest before.
      - The counter of a container is then known to begin again, so no doubt arises from its smaller total.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Name of the host.
        type: str
        required: true
      container:
        description: Name of the container.
        type: str
        required: true
      kind:
        description:
          - V(reset) where all record files are gone, V(restored) where they are older than those that were seen before, as after going back to a snapshot.
        type: str
        choices: [reset, restored]
        required: true
  expected:
    description: What this harvest should have asked. Whatever it has no look for gets one that says nobody was reached.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Name of the host.
        type: str
        required: true
      container:
        description: Name of the container.
        type: str
        required: true
      service:
        description: Its service.
        type: str
      months:
        description: Months as C(YYYY-MM), besides all time.
        type: list
        elements: str
        default: []
attributes:
  check_mode:
    support: full
    details:
      - Does everything in a transaction that is rolled back, and moves no file.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - A file that is appended twice adds nothing the second time.
"""

EXAMPLES = r"""
- name: Append what the hosts answered
  airgap.azure_ai.ledger:
    url: /srv/azure-ai/ledger/ledger.db
    site: plant-7
    spool: /srv/azure-ai/ledger/spool
    closed: /srv/azure-ai/ledger/closed

- name: The same in PostgreSQL
  airgap.azure_ai.ledger:
    url: postgresql://ledger@db.plant-7.example/ledger
    site: plant-7
    spool: /srv/azure-ai/ledger/spool
"""

RETURN = r"""
changed:
  description: Whether a reading is new. Looks alone are no change.
  returned: success
  type: bool
looks:
  description: Looks appended.
  returned: success
  type: int
  sample: 56
readings:
  description: Values that the files hold.
  returned: success
  type: int
  sample: 48
new:
  description: Readings appended, because their value is new in its series.
  returned: success
  type: int
  sample: 6
failures:
  description: Containers that did not answer or answered badly, and files that were refused, one entry for each reason.
  returned: success
  type: list
  elements: dict
  contains:
    host: {description: Name of the host or of the refused file., type: str, returned: always}
    container: {description: Name of the container or nothing., type: str, returned: always}
    kind: {description: "V(no_answer), V(bad_answer) or V(bad_spool).", type: str, returned: always}
    reason: {description: One line., type: str, returned: always}
    scopes: {description: What it is about., type: list, elements: str, returned: always, sample: [2026-02, 2026-03, all]}
lines:
  description: RV(failures) for people, one line each.
  returned: success
  type: list
  elements: str
  sample: ["stt-7 stt-en: no_answer, no connection (Connection refused) (2026-02 and 2 more, last all)"]
containers:
  description: What came of each container, worst first.
  returned: success
  type: list
  elements: dict
  contains:
    host: {description: Name of the host., type: str, returned: always}
    container: {description: Name of the container., type: str, returned: always}
    outcome: {description: "V(read), V(partly), V(bad answer) or V(no answer).", type: str, returned: always}
    months: {description: Months that answered., type: int, returned: always, sample: 13}
    new: {description: Readings that are new., type: int, returned: always, sample: 2}
    problem: {description: What was wrong, type: str, returned: always}
table:
  description: RV(containers) for people, one line each below a heading.
  returned: success
  type: list
  elements: str
missing:
  description: How many containers were not read wholly, and files that were refused.
  returned: success
  type: int
  sample: 0
heads:
  description: Last row of each chain of this site after the append.
  returned: success
  type: dict
  sample: {"looks": {"seq": 560, "hash": "9f2c…"}, "readings": {"seq": 61, "hash": "07ab…"}}
"""

import os

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import clocks, intake, ledger, months, schema, spool, summary


def argument_spec() -> dict:
    """Options of this module."""
    expected = {
        "host": {"type": "str", "required": True},
        "container": {"type": "str", "required": True},
        "service": {"type": "str"},
        "months": {"type": "list", "elements": "str", "default": []},
    }
    evidence = {name: {"type": "str", "required": True} for name in ("host", "container")}
    return {
        "evidence": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {**evidence, "kind": {"type": "str", "required": True, "choices": list(ledger.EVIDENCE)}},
        },
        "url": {"type": "str", "required": True},
        "site": {"type": "str", "required": True},
        "spool": {"type": "path"},
        "closed": {"type": "path"},
        "harvest": {"type": "str"},
        "expected": {"type": "list", "elements": "dict", "default": [], "options": expected},
    }


def append(params: dict, keep: bool) -> dict:
    """Append the spool; return the module's result.

    :param keep: whether anything may stay changed
    :raises AirgapError: a parameter is wrong, or the database refused.
    """
    site, folder = params["site"], params["spool"]
    _check(params)
    database = schema.Database(params["url"])
    if not keep and not database.exists():
        database = schema.Database("sqlite://")
    files, refused = spool.Folder(folder).load(site) if folder else ([], [])
    files, amiss = _judged(folder, files, keep)
    evidence = {(params["harvest"] or "", item["host"], item["container"]): item["kind"] for item in params.get("evidence") or ()}

    def attempt() -> tuple:
        with database.write(keep) as connection:
            appender = ledger.Appender(connection, site, evidence)
            for document in spool.Folder(folder or "").documents(files):
                appender.add(document)
            appender.expect(params["harvest"] or "", params["expected"], months.now())
            outcome = appender.finish()
            heads = ledger.heads(connection).get(site, {})
            return outcome, heads, summary.closed_months(connection, site) if params["closed"] else {}

    outcome, heads, closed = intake.patiently(database, attempt)
    if keep and folder:
        spool.Folder(folder).archive(files, refused)
    if keep and params["closed"]:
        spool.write_closed(params["closed"], closed)
    if amiss:
        raise InputError(clocks.NAME, amiss, "set it and harvest again; nothing is lost, as what was answered meanwhile is asked anew")
    return intake.result([outcome], refused, heads)


def _judged(folder: str | None, files: list, keep: bool) -> tuple[list, str | None]:
    """Files to append, and what is wrong with this node's clock; what was spooled under a wrong one is set aside."""
    wrong = clocks.wrong(spool.Folder(folder).documents(files)) if folder else {}
    if wrong and keep:
        spool.Folder(folder).archive([], [(item.name, wrong[item.harvest]) for item in files if item.harvest in wrong])
    return [item for item in files if item.harvest not in wrong], next(iter(wrong.values()), None)


def _check(params: dict) -> None:
    for name in ("expected", "evidence"):
        if params.get(name) and not params["harvest"]:
            raise InputError(name, "needs the name of the harvest", "set harvest")
    wrong = [month for item in params["expected"] for month in item["months"] if not months.is_month(month)]
    if wrong:
        raise InputError(f"month {wrong[0]!r}", "not a month", "write it as YYYY-MM")
    if params["spool"] and os.path.exists(params["spool"]) and not os.path.isdir(params["spool"]):
        raise InputError(f"spool {params['spool']}", "not a folder")


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    if schema.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("SQLAlchemy"), exception=schema.IMPORT_ERROR)
    try:
        result = append(module.params, keep=not module.check_mode)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))
    if result["looks"] and not module.check_mode:
        for table, head in result["heads"].items():
            module.log(f"usage ledger of {module.params['site']}: {table} {head['seq']} {head['hash']}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
