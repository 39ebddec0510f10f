#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: usage_harvest
short_description: Bring usage records from endpoints that the control node reaches straight into the ledger
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._asking
  - airgap.azure_ai._ledger
description:
  - Does in one task on the control node what M(airgap.azure_ai.usage_spool) and M(airgap.azure_ai.ledger) do for hosts,
    with the same looks, readings and rules. Any number of endpoints streams through; memory does not grow with them.
  - For endpoints that are published on the site's network, behind a proxy with a path for each, say. Containers that answer on their
    own host only are asked there, by the role P(airgap.azure_ai.harvest#role).
  - Answers are appended some hundred endpoints at a time, each time in a transaction of its own. When the task dies, run it again with
    the same O(harvest); what is there is not appended twice.
  - A PostgreSQL server that goes away is tried again for half a minute.
options:
  site:
    description: Name of the site whose chain is appended to.
    type: str
    required: true
  harvest:
    description: Name of this harvest. A run with the name of a former one is that harvest again.
    type: str
    required: true
  endpoints:
    description: What to ask. Host and container together are unique in the list.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: Name of the container's host in the ledger.
        type: str
        required: true
      container:
        description: Name of the container.
        type: str
        required: true
      url:
        description: Where the container answers, C(http(s)://host[:port]) with an optional path prefix.
        type: str
        required: true
      source:
        description:
          - Id of the output folder that the container counts in, from C(source.json) on its host.
          - Without it the rules know the folder by host and container only. A container that is read now with it and now without is a finding.
        type: str
      reporter:
        description: Host name inside the container. Default is O(endpoints[].container).
        type: str
      service:
        description: Service of the catalog.
        type: str
      release:
        description: Id of the release that runs.
        type: str
      resource:
        description: Resource that the license was made for.
        type: str
  closed:
    description: Folder that tells which months need not be asked any more, as in M(airgap.azure_ai.ledger). It is brought up to date.
    type: path
  concurrency:
    description: Endpoints asked at the same time.
    type: int
    default: 16
attributes:
  check_mode:
    support: full
    details:
      - Asks the endpoints, which changes nothing, and tells what would be appended. Transactions are rolled back.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - Changed means a reading whose value is new. Every run adds looks, or none under the name of a former harvest within the same second.
seealso:
  - module: airgap.azure_ai.usage_info
  - module: airgap.azure_ai.ledger
"""

EXAMPLES = r"""
- name: Harvest what the site's proxy publishes
  airgap.azure_ai.usage_harvest:
    url: /srv/azure-ai/ledger/ledger.db
    site: plant-7
    harvest: "{{ now(utc=true, fmt='%Y%m%dT%H%M%SZ') }}"
    since: 2026-01
    ca_path: /etc/ssl/plant-7.pem
    endpoints:
      - {host: stt-7, container: stt-en, service: speech_to_text, resource: speech-dc0, url: "https://ai.plant-7.example/stt-7/stt-en"}
      - {host: stt-8, container: stt-en, service: speech_to_text, resource: speech-dc0, url: "https://ai.plant-7.example/stt-8/stt-en"}
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
  description: Values that the endpoints reported.
  returned: success
  type: int
  sample: 48
new:
  description: Readings appended, because their value is new in its series.
  returned: success
  type: int
  sample: 6
failures:
  description: Containers that did not answer or answered badly, one entry for each reason.
  returned: success
  type: list
  elements: dict
  contains:
    host: {description: Name of the host., type: str, returned: always}
    container: {description: Name of the container., type: str, returned: always}
    kind: {description: "V(no_answer) or V(bad_answer).", type: str, returned: always}
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

import collections
import contextlib

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import abreast, answer, client, host, intake, months, schema, spool


def argument_spec() -> dict:
    """Options of this module."""
    endpoint: dict[str, dict] = {name: {"type": "str", "required": True} for name in ("host", "container", "url")}
    endpoint.update({name: {"type": "str"} for name in ("source", "reporter", "service", "release", "resource")})
    return {
        "url": {"type": "str", "required": True},
        "site": {"type": "str", "required": True},
        "harvest": {"type": "str", "required": True},
        "endpoints": {"type": "list", "elements": "dict", "required": True, "options": endpoint},
        "closed": {"type": "path"},
        **client.options(16),
    }


def harvest(params: dict, keep: bool) -> dict:
    """Ask and append; return the module's result.

    :param keep: whether anything may stay changed
    :raises AirgapError: an option is wrong, or the database refused; endpoints that fail are part of the result.
    """
    limits = client.limits_of(params, "usage_harvest")
    asked = months.span(params["since"], params["until"], months.now())
    endpoints = _endpoints(params, asked)
    context = client.context_of(params, endpoints)
    taken = intake.Intake(params["url"], params["site"], params["harvest"], keep)
    with contextlib.closing(abreast.stream(endpoints, asked, limits, params["concurrency"], context)) as answered:
        for index, answers in answered:
            taken.add(endpoints[index], answers)
    return taken.finish(params["closed"])


def _endpoints(params: dict, asked: list) -> list:
    """Endpoints with a name of their own and without the months that are closed."""
    ready = []
    notes: dict[str, dict] = {}
    for item in params["endpoints"]:
        if item["host"] not in notes:
            notes[item["host"]] = spool.read_closed(params["closed"], item["host"])
        source = item["source"] or f"host:{item['host']}/{item['container']}"
        closed = notes[item["host"]].get(item["container"])
        ready.append(host.without_closed({**item, "source": source, "name": f"{item['host']}/{item['container']}", "closed": closed}, asked))
    counts = collections.Counter(endpoint["name"] for endpoint in ready)
    if len(counts) != len(ready):
        twice = min(name for name, count in counts.items() if count > 1)
        raise InputError(f"endpoint {twice}", "twice in the list", "host and container tell answers apart")
    for endpoint in ready:
        bad = [key for key in ("name", "url", *answer.ATTRIBUTES) if not (endpoint.get(key) is None or spool.is_line(endpoint[key]))]
        if bad:
            raise InputError(f"endpoint {one_line(endpoint['name'])}", f"its {bad[0]} is not one line of printable text")
    return ready


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    if schema.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("SQLAlchemy"), exception=schema.IMPORT_ERROR)
    try:
        result = harvest(module.params, keep=not module.check_mode)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))
    if result["looks"] and not module.check_mode:
        for table, head in result["heads"].items():
            module.log(f"usage ledger of {module.params['site']}: {table} {head['seq']} {head['hash']}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
