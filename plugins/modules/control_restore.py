#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: control_restore
short_description: Put a backup into an empty control folder and go on from there
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
description:
  - Verifies an archive of M(airgap.azure_ai.control_backup) whole before anything is put in its place, then opens a new ledger id that names its predecessor,
    since the old control node may have written rows that the backup does not have.
  - With the last receipt of headquarters, rows that headquarters has and the backup has not are told, and the ledger goes on behind them. Without an
    archive the receipt alone is enough to go on; everything before is then at headquarters only.
  - A ledger in PostgreSQL is not in an archive. Put it back with C(pg_restore) first and name its URL.
  - Nothing that is there is ever overwritten.
requirements:
  - SQLAlchemy >= 2.0 on the control node
options:
  home:
    description:
      - The control folder. With O(archive) it must hold nothing that the archive holds as well, C(keys) with O(keep_keys=false) only; otherwise just no ledger.
    type: path
    required: true
  site:
    description: Name of the site, as it was backed up.
    type: str
    required: true
  archive:
    description: The archive.
    type: path
  ledger:
    description: URL of a ledger in PostgreSQL. Default is C(ledger/ledger.db) below O(home).
    type: str
  receipt:
    description: The last C(receipt.json) of headquarters, with its signature beside it.
    type: path
  allowed_signers:
    description: Signers file that the receipt is judged by. Default is that of the archive, or else C(keys/allowed_signers) below O(home).
    type: path
  revoked_keys:
    description: List of revoked keys, as in M(airgap.azure_ai.usage_receipt).
    type: path
  keep_keys:
    description: Leave the keys of the archive out and go on with those that are in O(home).
    type: bool
    default: false
  vault_id:
    description: Name of the vault secret that private files were encrypted with.
    type: str
    default: backup
  vault_password_file:
    description: File with its password. Without it private files are put in their place encrypted, with C(.vault) behind their names.
    type: path
  compare:
    description: Folders where exports and receipts of the site may still lie, on media say. What they know beyond the restored ledger is told.
    type: list
    elements: path
    default: []
attributes:
  check_mode:
    support: full
    details:
      - Verifies the archive and says what would be put in place and what differs.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - The same archive and receipt in the same folder a second time change nothing.
seealso:
  - module: airgap.azure_ai.control_backup
"""

EXAMPLES = r"""
- name: Go on from the last backup and the last receipt
  airgap.azure_ai.control_restore:
    home: /srv/azure-ai
    site: plant-7
    archive: /mnt/backup/azure-ai/azure-ai-plant-7-20260401T020000Z.tar.gz
    receipt: /media/usb/receipts/receipt.json
    vault_password_file: /etc/azure-ai/backup-password
    compare: [/media/usb]

- name: Go on without any backup
  airgap.azure_ai.control_restore:
    home: /srv/azure-ai
    site: plant-7
    receipt: /srv/azure-ai/store/received/plant-7-9/receipt.json
"""

RETURN = r"""
msg:
  description: What was done and why.
  returned: always
  type: str
ledger:
  description: The new ledger id, null in check mode.
  returned: success
  type: str
predecessor:
  description: The ledger id that it goes on from.
  returned: success
  type: str
differences:
  description: What the old control node knew beyond the ledger that is there now, one line each.
  returned: success
  type: list
  elements: str
  sample: ["looks: rows 501 to 560 are at headquarters only; this ledger goes on behind them"]
encrypted:
  description: Private files that stay encrypted, as no password was given.
  returned: success
  type: list
  elements: str
"""

import os
import tempfile

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import vault
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import digest_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, MissingError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import make_folder
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import archive, backup, ledger, months, receipt, restored, schema


def run(params: dict, check: bool) -> dict:
    """Everything between parameters and result.

    :raises AirgapError: the archive or receipt is not good, or the folder is not empty.
    """
    if not params["archive"] and not params["receipt"]:
        raise InputError("control_restore", "neither archive nor receipt", "without both there is nothing to go on from: harvest anew")
    facts = {key: str(digest_file(_there(params[key]))[0]) if params[key] else None for key in ("archive", "receipt")}
    before = restored.noted(params["home"])
    if {key: before.get(key) for key in facts} == facts:
        told = {key: before.get(key) for key in ("ledger", "predecessor")}
        return {**told, "changed": False, "differences": [], "encrypted": [], "msg": f"restored before, at {before.get('at')}"}
    taken = restored.occupied(params["home"], bool(params["archive"]), not params["keep_keys"])
    if taken:
        raise InputError(f"control folder {params['home']}", f"not empty: {taken}", "restore into an empty one, or move that away; nothing is overwritten")
    if not check:
        make_folder(params["home"])
    with tempfile.TemporaryDirectory(prefix=".airgap-restore-", dir=None if check else params["home"]) as work:
        return _restore(params, work, facts, check)


def _there(path: str) -> str:
    if not os.path.isfile(path):
        raise MissingError(path, "no such file")
    return path


def _restore(params: dict, work: str, facts: dict, check: bool) -> dict:
    home, site, moment = params["home"], params["site"], months.now()
    manifest = archive.unpack(params["archive"], work) if params["archive"] else None
    if manifest and manifest.get("site") != site:
        raise InputError(
            f"backup {params['archive']}", f"of site {manifest.get('site')}, this is {site}", "take that of this site, or set azure_ai_site to the other"
        )
    known = receipt.read(params["receipt"], site, Trust(_signers(params, work), params["revoked_keys"])) if params["receipt"] else None
    copied = os.path.join(work, archive.LEDGER)
    database = schema.Database(params["ledger"] or copied)
    if params["ledger"] is None and manifest is None:
        make_folder(os.path.dirname(copied))
    reason = f"restored from the backup of {manifest['created']}" if manifest else "begun anew behind a receipt of headquarters"
    with database.write(not check or not params["ledger"]) as connection:
        opened, words = restored.begin(connection, site, reason, known, moment)
        words += restored.differences(connection, site, params["compare"])
        predecessor = (ledger.current(connection, site) or {}).get("predecessor")
    result = {"changed": True, "ledger": None if check else opened, "predecessor": predecessor, "differences": words, "encrypted": []}
    count = len(manifest["files"]) if manifest else 0
    if check:
        return {**result, "msg": f"{count} files would be put into {home}, and a new ledger id opened: {reason}"}
    result["encrypted"] = _place(params, work, manifest)
    if not params["ledger"]:
        make_folder(os.path.join(home, "ledger"))
        backup.copy(copied, os.path.join(home, archive.LEDGER))
    restored.note(home, {**facts, "at": moment, "ledger": opened, "predecessor": predecessor, "differences": words})
    return {**result, "msg": f"{home}: {count} files, ledger {opened}, {reason}"}


def _place(params: dict, work: str, manifest: dict | None) -> list:
    """Everything but the ledger; names of what stays encrypted."""
    if manifest is None:
        return []
    files = [entry for entry in manifest["files"] if entry["name"] != archive.LEDGER and not (params["keep_keys"] and entry["name"].startswith("keys/"))]
    password = params["vault_password_file"]
    unseal = (lambda data: vault.decrypt(data, params["vault_id"], password)) if password else None
    return restored.place(work, params["home"], {**manifest, "files": files}, unseal)


def _signers(params: dict, work: str) -> str:
    inside = os.path.join(work, "keys", "allowed_signers")
    return params["allowed_signers"] or (inside if os.path.exists(inside) else os.path.join(params["home"], "keys", "allowed_signers"))


def main() -> None:
    """Entry point."""
    spec: dict = {name: {"type": "path"} for name in ("archive", "receipt", "allowed_signers", "revoked_keys")}
    spec.update(home={"type": "path", "required": True}, site={"type": "str", "required": True}, ledger={"type": "str"})
    spec.update(vault_id={"type": "str", "default": "backup"}, vault_password_file={"type": "path", "no_log": False})
    spec.update(keep_keys={"type": "bool", "default": False, "no_log": False}, compare={"type": "list", "elements": "path", "default": []})
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    if schema.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("SQLAlchemy"), exception=schema.IMPORT_ERROR)
    try:
        result = run(module.params, module.check_mode)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
