#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: usage_export
short_description: Write a site's usage as a signed folder for headquarters
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._ledger.exchange
  - airgap.azure_ai._ledger.site
description:
  - Writes everything that headquarters has not acknowledged yet into one folder of small readable files, with a signed manifest. A lost
    export needs nothing; the next one holds what was in it.
  - Every row travels with its place in the chain and its hash, so that headquarters sees whether one was altered, added or left out.
  - A new export is made when rows, the site's state or O(detail) changed since the last one, or when that is gone or damaged and no receipt came.
    The new folder takes the place of older ones in O(dest).
  - C(docs/usage-export.md) is normative. It lists every field and how sensitive it is.
options:
  dest:
    description: Folder for the export, which becomes C(usage-<site>-<number>) in it. It is made if it is not there.
    type: path
    required: true
  signing_key:
    description: Private key of the site (or, with an agent, public key).
    type: path
    required: true
  detail:
    description:
      - V(host) sends the rows of the ledger as they are, with names of hosts and containers, URLs of endpoints and ids of output folders.
      - V(site) sends sums by service, resource, meter and month, and the heads of the chains. No host, container, output folder or URL leaves.
    type: str
    choices: [host, site]
    default: host
  since:
    description:
      - Export again from where the export of this number ended, whatever was acknowledged; V(0) is everything. For when headquarters names a gap.
    type: int
  store:
    description: Store of the control node, which tells tag, resource and license end of the releases that run.
    type: path
  state:
    description: Lists C(releases) and C(findings) to be sent in place of what ledger and O(store) tell. Anything else in it is refused.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    details:
      - Reads and counts everything, says what would leave, and writes nothing.
  diff_mode:
    support: full
    details:
      - Shows what leaves, in words.
  idempotent:
    support: full
seealso:
  - module: airgap.azure_ai.usage_import
  - module: airgap.azure_ai.usage_receipt
"""

EXAMPLES = r"""
- name: Write what headquarters does not have yet
  airgap.azure_ai.usage_export:
    url: /srv/azure-ai/ledger/ledger.db
    site: plant-7
    dest: /srv/azure-ai/outbox
    signing_key: /srv/azure-ai/keys/signing
    store: /srv/azure-ai/store
"""

RETURN = r"""
path:
  description: Folder of the export, or null when headquarters acknowledged everything.
  returned: success
  type: str
  sample: /srv/azure-ai/outbox/usage-plant-7-3
number:
  description: Number of the export.
  returned: success
  type: int
  sample: 3
since:
  description: Number of the export behind whose rows this one begins. Zero is the beginning.
  returned: when an export was made or would be
  type: int
id:
  description: Digest of the manifest.
  returned: success
  type: str
bytes:
  description: Bytes of its files.
  returned: when an export was made or would be
  type: int
rows:
  description: Rows of each file.
  returned: when an export was made or would be
  type: dict
  sample: {"looks.jsonl": 56, "readings.jsonl": 6, "adjustments.jsonl": 0}
months:
  description: Months that the rows are about.
  returned: when an export was made or would be
  type: list
  elements: str
lines:
  description: What leaves, in words.
  returned: success
  type: list
  elements: str
removed:
  description: Folders of older exports that this one made superfluous.
  returned: success
  type: list
  elements: str
msg:
  description: What was done and why, in one line.
  returned: always
  type: str
"""

import os
import shutil

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import parse, pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, MissingError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import read_regular
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import is_dns_label
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import fingerprint
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import export, months, schema, state, summary

COLLECTION = "1.0.0"
FORMATS = {"bundle": 1, "usage_export": 1}
MAX_HOLDINGS = 256 * 1024 * 1024


def argument_spec() -> dict:
    """Options of this module."""
    return {
        "url": {"type": "str", "required": True, "aliases": ["ledger"]},
        "site": {"type": "str", "required": True},
        "dest": {"type": "path", "required": True},
        "signing_key": {"type": "path", "required": True, "no_log": False},
        "detail": {"type": "str", "choices": ["host", "site"], "default": "host"},
        "since": {"type": "int"},
        "store": {"type": "path"},
        "state": {"type": "dict", "default": {}},
    }


def run(params: dict, keep: bool) -> dict:
    """Make an export when there is a reason; return the module's result.

    :param keep: whether anything may be written
    :raises AirgapError: a parameter is wrong, or the database refused.
    """
    if not is_dns_label(params["site"]):
        raise InputError(f"site {params['site']!r}", "not a DNS label")
    fingerprint(params["signing_key"])  # a key that is not there is named in check mode as well
    database = schema.Database(params["url"])
    if not database.exists():
        raise MissingError(f"ledger {database.name}", "no such file", "run airgap.azure_ai.harvest first")
    folder, dest = None, params["dest"]
    try:
        with database.write(keep) as connection:
            made = export.plan(connection, params["site"], params["detail"], params["since"])
            told = pretty(_state(connection, params))
            why = export.reason(made, dest, params["signing_key"], told, params["since"])
            if why is None:
                return _kept(made, dest)
            folder = export.begin(dest, made) if keep else None
            manifest, files, about = export.lay(connection, made, told, COLLECTION, months.now(), folder)
            if folder:
                export.seal(folder, manifest, params["signing_key"])
                export.record(connection, made, manifest)
        path, removed = export.publish(dest, made, folder) if folder else (os.path.join(dest, made.folder), [])
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    lines = export.preview(made, files, about)
    return {
        "changed": True,
        "msg": f"{'wrote' if keep else 'would write'} {path}: {why}",
        "path": path,
        "number": made.number,
        "since": made.since,
        "id": manifest["id"],
        "bytes": sum(item.size for item in files),
        "rows": {item.name: item.rows for item in files[:-1]},
        "months": about,
        "lines": lines,
        "removed": removed,
        "diff": {"before": "", "after": "".join(f"{line}\n" for line in lines)},
    }


def _kept(made: export.Plan, dest: str) -> dict:
    path = os.path.join(dest, export.folder_name(made.site, made.last["number"]))
    done = made.receipt is not None and made.receipt["number"] >= made.last["number"]
    text = f"export {made.last['number']} was acknowledged and nothing is new" if done else f"{path} holds all that is not acknowledged"
    result = {"changed": False, "msg": text, "path": None if done else path, "number": made.last["number"], "id": made.last["id"]}
    return {**result, "lines": [text], "removed": [], "diff": {"before": "", "after": ""}}


def _state(connection: object, params: dict) -> dict:
    """The state document out of what the user gave, the ledger and the store."""
    site, told = params["site"], state.given(params["state"])
    if "releases" not in told:
        told["releases"] = state.bound(summary.running(connection, site), held(params["store"]))
    if "findings" not in told:
        looks = summary.looks_of(connection, site)
        found = summary.accounts(connection, site, looks=looks).findings
        told["findings"] = [finding._asdict() for finding in found] + summary.silent(summary.coverage(connection, site, looks=looks))
    return state.compose(site, params["detail"], COLLECTION, {**FORMATS, "ledger": len(schema.MIGRATIONS)}, told["releases"], told["findings"])


def held(store: str | None) -> list[dict]:
    """Releases that the store holds; none without a store."""
    path = os.path.join(store, "holdings.json") if store else ""
    return parse(read_regular(path, MAX_HOLDINGS), path, MAX_HOLDINGS)["releases"] if path else []


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
