#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: usage_receipt
short_description: Take headquarters' receipts for usage into the ledger
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._ledger.exchange
  - airgap.azure_ai._ledger.site
  - airgap.azure_ai._signers
description:
  - Verifies receipts and adds them to the site's ledger; M(airgap.azure_ai.usage_export) goes on from the last one.
  - A receipt for rows that this ledger does not have is refused and named. Then headquarters knows more, or something else, than this control node.
  - Only files called C(receipt.json) are looked at; a bundle may bring others, which are named.
options:
  path:
    description: Files that a bundle brought, as M(airgap.azure_ai.bundle_import) returns them. In check mode they need not be there yet.
    type: list
    elements: path
    required: true
  allowed_signers:
    description: Allowed-signers file of OpenSSH. The signer must be a principal C(hq@…) allowed for the namespace C(azure-ai-receipt).
    type: path
    required: true
  store:
    description: Folder of the site's store. A key's expiry is judged no earlier than when the bundle that it accepted last was made.
    type: path
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Take in the receipt that came with the last bundle
  airgap.azure_ai.usage_receipt:
    url: /srv/azure-ai/ledger/ledger.db
    site: plant-7
    path: [/srv/azure-ai/store/received/plant-7-12/receipt.json]
    allowed_signers: /srv/azure-ai/keys/allowed_signers
    store: /srv/azure-ai/store
"""

RETURN = r"""
lines:
  description: What each receipt says, or why it was passed over.
  returned: success
  type: list
  elements: str
  sample: ["export 3 is acknowledged: looks up to row 560, readings up to row 61"]
problems:
  description: Receipts that were refused, one line each.
  returned: success
  type: list
  elements: str
ignored:
  description: Files that are no receipts for usage.
  returned: success
  type: list
  elements: path
"""

import os

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, MissingError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import SUFFIX, Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import received
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months, receipt, schema, wire


def argument_spec() -> dict:
    """Options of this module."""
    return {
        "url": {"type": "str", "required": True, "aliases": ["ledger"]},
        "site": {"type": "str", "required": True},
        "path": {"type": "list", "elements": "path", "required": True},
        "allowed_signers": {"type": "path", "required": True},
        "revoked_keys": {"type": "path"},
        "store": {"type": "path"},
    }


def run(params: dict, keep: bool) -> dict:
    """Take receipts; return the module's result.

    :param keep: whether anything may be written
    :raises AirgapError: the database refused.
    """
    trust = Trust(params["allowed_signers"], params["revoked_keys"], received.earliest(params.get("store")))
    named = [path for path in params["path"] if os.path.basename(path) == wire.RECEIPT]
    others = [path for path in params["path"] if os.path.basename(path) not in (wire.RECEIPT, wire.RECEIPT + SUFFIX)]
    result: dict = {"changed": False, "lines": [], "problems": [], "ignored": others}
    found = []
    for path in named:
        if not keep and not os.path.lexists(path):
            result["lines"].append(f"receipt {path}: not there yet")
            continue
        try:
            found.append(receipt.read(path, params["site"], trust))
        except AirgapError as exc:
            result["problems"].append(str(exc))
    if found:
        _take(params["url"], sorted(found, key=lambda item: item.document["number"]), result, keep)
    return result


def _take(url: str, found: list[receipt.Receipt], result: dict, keep: bool) -> None:
    """Add the receipts to the ledger, each in a transaction of its own; notes in ``result`` what came of it."""
    database = schema.Database(url)
    if not database.exists():
        missing = MissingError(f"ledger {database.name}", "no such file, and headquarters has usage of this site", "restore the ledger from its backup")
        result["problems"].append(str(missing))
        return
    for item in found:
        with database.write(keep) as connection:
            try:
                fresh, text = receipt.take(connection, item, months.now())
            except AirgapError as exc:
                result["problems"].append(str(exc))
                continue
        result["changed"] = result["changed"] or fresh
        result["lines"].append(text)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    if schema.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("SQLAlchemy"), exception=schema.IMPORT_ERROR)
    try:
        result = run(module.params, keep=not module.check_mode)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))
    for problem in result["problems"]:
        module.warn(problem)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
