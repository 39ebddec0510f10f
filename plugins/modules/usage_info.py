#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: usage_info
short_description: Ask containers for their usage records
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._attributes.info
  - airgap.azure_ai._asking
description:
  - Asks the usage endpoints of disconnected Azure AI containers, C(/records/usage-logs/) and C(/records/usage-logs/{MM}/{YYYY}).
  - Runs where the endpoints can be reached, mostly on the container's own host, and needs nothing but Python there.
  - Every endpoint and every scope gets an outcome of its own, so one failure never loses another's reading.
  - Proxy variables are never used and redirects are never followed.
options:
  endpoints:
    description: What to ask.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the endpoint, unique in the list.
        type: str
        required: true
      url:
        description: Where the container answers, C(http(s)://host[:port]) with an optional path prefix.
        type: str
        required: true
      source:
        description: Id of the output folder that the container counts in. Read from O(root) when not given.
        type: str
      container:
        description: Name of the container; the place of its files below O(root).
        type: str
      reporter:
        description: Host name inside the container. Default is O(endpoints[].container), or else O(endpoints[].name).
        type: str
      service:
        description: Service of the catalog. The current release below O(root) knows better.
        type: str
      release:
        description: Id of the release that runs. Read from O(root) when not given.
        type: str
      resource:
        description: Resource that the license was made for. The current release below O(root) knows better.
        type: str
      closed:
        description: Months that need not be asked any more, as long as the source is the same.
        type: dict
        suboptions:
          source:
            description: Id of the output folder that they were closed for.
            type: str
          months:
            description: Months as C(YYYY-MM).
            type: list
            elements: str
            default: []
  root:
    description: Folder with the collection's files on this host, usually V(/var/lib/azure-ai). No privileges are needed.
    type: path
  compact:
    description: Return one string RV(compact) instead of lists. Templates then never walk over readings.
    type: bool
    default: false
seealso:
  - module: airgap.azure_ai.usage_spool
  - module: airgap.azure_ai.ledger
"""

EXAMPLES = r"""
- name: Ask two containers for the last quarter and all time
  airgap.azure_ai.usage_info:
    root: /var/lib/azure-ai
    since: 2026-01
    until: 2026-03
    endpoints:
      - name: stt-en
        container: stt-en
        url: http://127.0.0.1:5001
      - name: translate
        container: translate
        url: http://127.0.0.1:5002
  register: usage
"""

RETURN = r"""
readings:
  description: One entry for each endpoint and scope that answered. Not returned with O(compact=true).
  returned: O(compact=false)
  type: list
  elements: dict
  contains:
    name: {description: Name of the endpoint., type: str, returned: always, sample: stt-en}
    source: {description: Id of the output folder or null., type: str, returned: always}
    url: {description: What was asked., type: str, returned: always, sample: "http://127.0.0.1:5001/records/usage-logs/03/2026"}
    scope: {description: V(all) or a month., type: str, returned: always, sample: 2026-03}
    outcome: {description: "V(usage), or V(no_usage) when no meter was reported or the month is not known there.", type: str, returned: always}
    http_status: {description: Status of the answer., type: int, returned: always, sample: 200}
    api_type: {description: C(apiType) of the answer., type: str, returned: always}
    service_name: {description: C(serviceName) of the answer., type: str, returned: always}
    meters:
      description: What was counted. Numbers are exact decimal strings.
      type: list
      elements: dict
      returned: always
      sample: [{"name": "CognitiveServices.TextTranslation.Container.TranslatedCharacters", "quantity": "1250000", "billed_unit": "1250000"}]
    extra: {description: All other keys of the answer., type: dict, returned: always}
    observed_at: {description: When the answer came (UTC)., type: str, returned: always, sample: "2026-03-31T22:00:00Z"}
    body_sha256: {description: Digest of the bytes of the body or null., type: str, returned: always}
failures:
  description: One entry for each endpoint and scope that did not. Not returned with O(compact=true).
  returned: O(compact=false)
  type: list
  elements: dict
  contains:
    name: {description: Name of the endpoint., type: str, returned: always}
    url: {description: What was asked., type: str, returned: always}
    scope: {description: V(all) or a month., type: str, returned: always}
    kind: {description: "V(no_answer): no complete HTTP response came. V(bad_answer): one came that is no usage report.", type: str, returned: always}
    reason: {description: One line., type: str, returned: always, sample: HTTP 503}
endpoints:
  description: The endpoints with what O(root) told about them. Not returned with O(compact=true).
  returned: O(compact=false)
  type: list
  elements: dict
  sample: [{"name": "stt-en", "url": "http://127.0.0.1:5001", "source": "5f2c", "reporter": "stt-en", "service": "speech_to_text",
            "container": "stt-en", "release": "0a1b2c3d4e5f6071", "resource": "speech-dc0"}]
compact:
  description: RV(readings), RV(failures) and RV(endpoints) as one JSON string.
  returned: O(compact=true)
  type: str
"""

import json

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import answer, client, host, months


def argument_spec() -> dict:
    """Options of this module."""
    closed = {"source": {"type": "str"}, "months": {"type": "list", "elements": "str", "default": []}}
    endpoint: dict[str, dict] = {name: {"type": "str"} for name in ("source", "container", "reporter", "service", "release", "resource")}
    endpoint.update(name={"type": "str", "required": True}, url={"type": "str", "required": True}, closed={"type": "dict", "options": closed})
    return {
        "endpoints": {"type": "list", "elements": "dict", "required": True, "options": endpoint},
        "root": {"type": "path"},
        **client.options(4),
        "compact": {"type": "bool", "default": False},
    }


def ask(params: dict) -> dict:
    """Everything between parameters and result.

    :raises AirgapError: a parameter is wrong; endpoints that fail are part of the result.
    """
    limits = client.limits_of(params, "usage_info")
    names = [endpoint["name"] for endpoint in params["endpoints"]]
    if len(set(names)) != len(names):
        raise InputError("endpoints", "a name twice", "names tell answers apart")
    asked = months.span(params["since"], params["until"], months.now())
    ready: list[dict] = []
    known: list[dict] = []
    failures: list[dict] = []
    for endpoint in params["endpoints"]:
        try:
            endpoint = host.without_closed(host.complete(endpoint, params["root"]), asked)
            ready.append(endpoint)
        except IntegrityError as exc:
            failures.extend({**entry, "kind": "bad_answer"} for entry in answer.silence([endpoint], asked, str(exc))["failures"])
        known.append(endpoint)
    context = client.context_of(params, ready)
    answers = client.ask_all(ready, asked, limits, params["concurrency"], context)
    text = answer.compact(known, answers.readings, answers.failures + failures)
    return {"compact": text} if params["compact"] else json.loads(text)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = ask(module.params)
    except AirgapError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
