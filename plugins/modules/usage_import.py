#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: usage_import
short_description: Merge usage exports of sites into headquarters' ledger
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._ledger.exchange
  - airgap.azure_ai._signers
description:
  - Reads any number of exports of any number of sites, in any order, twice or overlapping, with the same result.
  - Verifies each one's signature before anything of it is parsed, then every digest, then every row's place in its chain and its hash. Rows
    are kept under their site with the site's own numbers and hashes.
  - Names a gap, a fork, an altered row, a ledger that nobody announced, an export from the future. One site's bad export never stops
    the others; a site is merged in one transaction, and after a fork or an altered row nothing of it is written.
  - Writes the receipt of every site, signed, for the next bundle. The site exports from there on.
  - C(docs/usage-export.md) is normative.
options:
  src:
    description: Folders of exports, or folders that hold some, up to two levels down.
    type: list
    elements: path
    required: true
  allowed_signers:
    description: Allowed-signers file of OpenSSH. An export of C(x) must be signed by C(site@x), allowed for the namespace C(azure-ai-usage).
    type: path
    required: true
  outbox:
    description: Folder for receipts, which become C(<site>/receipt.json) in it. Without it none are written. Needs O(signing_key).
    type: path
  signing_key:
    description: Private key of headquarters (or, with an agent, public key) that signs receipts.
    type: path
  clock_tolerance:
    description: Seconds that a site's clock may be ahead of this one.
    type: int
    default: 3600
attributes:
  check_mode:
    support: full
    details:
      - Verifies and merges everything in transactions that are rolled back, and writes no receipt.
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: airgap.azure_ai.usage_export
"""

EXAMPLES = r"""
- name: Take in what the sites sent
  airgap.azure_ai.usage_import:
    url: postgresql://ledger@db.example.com/ledger
    src: [/srv/azure-ai/inbox]
    allowed_signers: /srv/azure-ai/keys/allowed_signers
    outbox: /srv/azure-ai/outbox
    signing_key: /srv/azure-ai/keys/signing
  register: taken

- name: Stop where one was refused
  ansible.builtin.assert:
    that: taken.problems | length == 0
    fail_msg: "{{ taken.problems | join(' | ') }}"
"""

RETURN = r"""
exports:
  description: What became of each export, by site and number.
  returned: success
  type: list
  elements: dict
  contains:
    folder: {description: Its folder., type: str, returned: always}
    site: {description: Name of the site; empty when nothing of it can be believed., type: str, returned: always}
    number: {description: Its number or zero., type: int, returned: always}
    status:
      description: >-
        V(imported), V(known) (imported before), V(older) (nothing new in it), or why not - V(gap), V(fork), V(ledger), V(future), V(refused) (signature,
        digest, shape), V(held) (another export of the site has a problem).
      type: str
      returned: always
    text: {description: One line., type: str, returned: always}
    rows: {description: Rows that were new by table., type: dict, returned: always}
    ignored: {description: Names in the folder that are not part of the export., type: list, elements: str, returned: always}
lines:
  description: RV(exports) for people, one line each.
  returned: success
  type: list
  elements: str
problems:
  description: One line for each export that was refused.
  returned: success
  type: list
  elements: str
receipts:
  description: Receipts that were written, or would be in check mode.
  returned: success
  type: list
  elements: path
sites:
  description: Sites whose exports were merged or were here before.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import imports, merge, months, receipt, schema


def argument_spec() -> dict:
    """Options of this module."""
    return {
        "url": {"type": "str", "required": True, "aliases": ["ledger"]},
        "src": {"type": "list", "elements": "path", "required": True},
        "allowed_signers": {"type": "path", "required": True},
        "revoked_keys": {"type": "path"},
        "outbox": {"type": "path"},
        "signing_key": {"type": "path", "no_log": False},
        "clock_tolerance": {"type": "int", "default": 3600},
    }


def run(params: dict, keep: bool) -> dict:
    """Merge what lies there; return the module's result.

    :param keep: whether anything may stay changed
    :raises AirgapError: a parameter is wrong, or the database refused.
    """
    trust = Trust(params["allowed_signers"], params["revoked_keys"])
    parcels, results = [], []
    for folder in imports.find(params["src"]):
        try:
            parcels.append(imports.read(folder, trust))
        except (AirgapError, OSError) as exc:
            results.append({"folder": folder, "site": "", "number": 0, "status": "refused", "text": one_line(exc), "rows": {}, "ignored": []})
    database = schema.Database(params["url"])
    if not keep and not database.exists():
        database = schema.Database("sqlite://")
    written: list[str] = []
    for site in sorted({parcel.manifest["site"] for parcel in parcels}):
        ours = merge.in_order(parcel for parcel in parcels if parcel.manifest["site"] == site)
        merged, receipted = _site(database, ours, trust, params, keep)
        results += merged
        written += receipted
    return _result(results, written)


def _site(database: schema.Database, parcels: list, trust: Trust, params: dict, keep: bool) -> tuple[list[dict], list[str]]:
    """Merge the exports of one site in one transaction; (results, receipts written)."""
    results: list[dict] = []
    moment, site = months.now(), parcels[0].manifest["site"]
    try:
        with database.write(keep) as connection:
            for parcel in parcels:
                results.append(_one(connection, parcel, trust, moment, params["clock_tolerance"]))
            document = receipt.compose(connection, site, moment)
    except AirgapError as exc:
        results = [{**item, "status": "held", "text": f"export {item['number']} of {site}: not written, see the other one", "rows": {}} for item in results]
        results.append(_row(parcels[len(results)], merge.status_of(exc), str(exc)))
        results += [_row(parcel, "held", f"export {parcel.manifest['number']} of {site}: not looked at") for parcel in parcels[len(results) :]]
        return results, []
    if document is None or not params["outbox"]:
        return results, []
    path = receipt.path_of(params["outbox"], site)
    if receipt.reason(path, document, params["signing_key"]) is None:
        return results, []
    if keep:
        receipt.write(path, document, params["signing_key"])
    return results, [path]


def _one(connection: object, parcel: imports.Parcel, trust: Trust, moment: str, tolerance: int) -> dict:
    """Merge one export; an export that was refused before anything was written is a result like another."""
    try:
        outcome = merge.merge(connection, parcel, trust, moment, tolerance)
    except merge.Refusal as exc:
        if exc.status not in ("gap", "future"):
            raise
        return _row(parcel, exc.status, str(exc))
    return _row(parcel, outcome.status, outcome.text, outcome.rows)


def _row(parcel: imports.Parcel, status: str, text: str, rows: dict | None = None) -> dict:
    base = {"folder": parcel.folder, "site": parcel.manifest["site"], "number": parcel.manifest["number"]}
    return {**base, "status": status, "text": text, "rows": rows or {}, "ignored": parcel.ignored}


def _result(results: list[dict], written: list[str]) -> dict:
    good = ("imported", "known", "older")
    lines = [item["text"] + (f" (not part of it: {', '.join(item['ignored'][:5])})" if item["ignored"] else "") for item in results]
    return {
        "changed": any(item["status"] == "imported" for item in results) or bool(written),
        "exports": results,
        "lines": lines,
        "problems": [item["text"] for item in results if item["status"] not in (*good, "held")],
        "receipts": written,
        "sites": sorted({item["site"] for item in results if item["status"] in good}),
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), required_by={"outbox": "signing_key"}, supports_check_mode=True)
    if schema.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("SQLAlchemy"), exception=schema.IMPORT_ERROR)
    try:
        result = run(module.params, keep=not module.check_mode)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
