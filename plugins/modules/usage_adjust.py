#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: usage_adjust
short_description: Enter a signed adjustment into the usage ledger
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._ledger.exchange
  - airgap.azure_ai._ledger.site
  - airgap.azure_ai._signers
description:
  - For use that no container can report. What a person enters is signed, chained like readings, and shown apart from them everywhere.
  - An adjustment that says the same as one that is there is not entered again; say another O(reason) if it is another one.
  - The signature is verified before the row is appended, so nothing enters that headquarters could not verify.
options:
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
    required: true
  resource:
    description: The Azure resource that the use belongs to.
    type: str
    required: true
  meter:
    description: Name of the meter.
    type: str
    required: true
  month:
    description: The month as C(YYYY-MM), or V(all) for use that no month is known of.
    type: str
    required: true
  quantity:
    description: What is added, a decimal number. Quote it; it may be negative.
    type: str
    required: true
  billed_unit:
    description: The same in billed units, where these differ.
    type: str
  kind:
    description:
      - V(opening_balance) for use before the ledger, V(dead_host) for what a host used and nobody read before it died,
        V(test_traffic) for use that is not to be counted, V(correction) for anything else.
      - Only the first two may be about something that the ledger has no reading of.
    type: str
    choices: [opening_balance, dead_host, test_traffic, correction]
    required: true
  reason:
    description: Why, in a line that an auditor understands.
    type: str
    required: true
  author:
    description: Principal that signs. Default is C(site@<site>).
    type: str
  signing_key:
    description: Private key of O(author) (or, with an agent, public key).
    type: path
    required: true
  allowed_signers:
    description: Allowed-signers file of OpenSSH. It must know the key for O(author) and the namespace C(azure-ai-adjustment).
    type: path
    required: true
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows what is signed.
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: What speech-3 used before its disk died
  airgap.azure_ai.usage_adjust:
    url: /srv/azure-ai/ledger/ledger.db
    site: plant-7
    host: speech-3
    container: stt-en
    service: speech_to_text
    resource: speech-dc0
    meter: CognitiveServices.SpeechToText.Standard
    month: 2026-03
    quantity: "412.5"
    kind: dead_host
    reason: Disk of speech-3 died on 17 March; estimate from the call centre's statistics, ticket 4711
    signing_key: /srv/azure-ai/keys/signing
    allowed_signers: /srv/azure-ai/keys/allowed_signers
"""

RETURN = r"""
seq:
  description: Number of the row.
  returned: success
  type: int
  sample: 1
adjustment:
  description: What the row says.
  returned: success
  type: dict
msg:
  description: What was done, in one line.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, MissingError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import adjustment, months, schema


def argument_spec() -> dict:
    """Options of this module."""
    needed = {"type": "str", "required": True}
    return {
        "url": {**needed, "aliases": ["ledger"]},
        **dict.fromkeys(("site", "host", "container", "service", "resource", "meter", "month", "quantity", "reason"), needed),
        "billed_unit": {"type": "str"},
        "kind": {**needed, "choices": list(adjustment.KINDS)},
        "author": {"type": "str"},
        "signing_key": {"type": "path", "required": True, "no_log": False},
        "allowed_signers": {"type": "path", "required": True},
        "revoked_keys": {"type": "path"},
    }


def run(params: dict, keep: bool) -> dict:
    """Enter the adjustment unless it is there; return the module's result.

    :param keep: whether anything may be written
    :raises AirgapError: a parameter is wrong, the key is not known, or the database refused.
    """
    row = adjustment.entry(params)
    author = params["author"] or f"site@{row['site']}"
    trust = Trust(params["allowed_signers"], params["revoked_keys"])
    database = schema.Database(params["url"])
    if not database.exists():
        if row["kind"] not in adjustment.WITHOUT_READINGS:
            raise MissingError(f"ledger {database.name}", "no such file", "run airgap.azure_ai.harvest first")
        database = database if keep else schema.Database("sqlite://")
    with database.write(keep) as connection:
        seq = adjustment.known(connection, row)
        if seq is not None:
            return {"changed": False, "msg": f"row {seq} says the same", "seq": seq, "adjustment": row, "diff": {"before": "", "after": ""}}
        adjustment.refuse(connection, row)
        full = adjustment.signed(row, author, months.now(), params["signing_key"], trust)
        seq = adjustment.append(connection, full)
    text = f"{'appended' if keep else 'would append'} row {seq}: {row['kind']} of {row['quantity']} {row['meter']}, signed by {author}"
    return {"changed": True, "msg": text, "seq": seq, "adjustment": row, "diff": {"before": "", "after": full["document"] + "\n"}}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    if schema.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("SQLAlchemy"), exception=schema.IMPORT_ERROR)
    try:
        result = run(module.params, keep=not module.check_mode)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))
    if not module._diff:
        del result["diff"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
