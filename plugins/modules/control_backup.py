#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: control_backup
short_description: Back up what a control node cannot fetch again
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
description:
  - Writes ledger, evidence, waiting answers, keys, the store's index and the outbox of a control folder into one archive with a manifest of hashes, both 0600.
  - A ledger in SQLite is copied by SQLite itself while others may write, and checked. One in PostgreSQL is not in the archive; back it up with C(pg_dump).
  - Private keys and vault passwords are encrypted with Ansible Vault, or left out. Images, licenses and models are not in it;
    they come again with the next full bundle.
  - Holds the harvest's lock meanwhile, so that the parts fit together.
requirements:
  - SQLAlchemy >= 2.0 on the control node
options:
  home:
    description: The control folder.
    type: path
    required: true
  ledger:
    description: Path or URL of the ledger. Default is C(ledger/ledger.db) below O(home).
    type: str
  site:
    description:
      - Name of the site. It becomes part of the archive's name, and M(airgap.azure_ai.control_restore) wants the same.
      - At headquarters, whose ledger holds the sites' rows, any name that is no site's, V(headquarters) say.
    type: str
    required: true
  dest:
    description: Folder for archives. It is made 0700 if it is not there.
    type: path
    required: true
  secrets:
    description: What becomes of private keys and passwords in C(keys).
    type: str
    choices: [encrypted, none]
    default: encrypted
  vault_id:
    description: Name of the vault secret, as it will be asked for when the archive is restored.
    type: str
    default: backup
  vault_password_file:
    description: File with the password that private files are encrypted with. Keep that password elsewhere; it cannot be in the archive itself.
    type: path
attributes:
  check_mode:
    support: full
    details:
      - Says whether a backup has to be made and what it would hold.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - Nothing is written when the last archive in O(dest) holds the same.
seealso:
  - module: airgap.azure_ai.control_restore
"""

EXAMPLES = r"""
- name: Back up the control folder
  airgap.azure_ai.control_backup:
    home: /srv/azure-ai
    site: plant-7
    dest: /mnt/backup/azure-ai
    vault_password_file: /etc/azure-ai/backup-password
"""

RETURN = r"""
archive:
  description: Path of the archive that holds what is there now, null in check mode when it would be made.
  returned: success
  type: str
  sample: /mnt/backup/azure-ai/azure-ai-plant-7-20260401T020000Z.tar.gz
msg:
  description: What was done and why.
  returned: always
  type: str
notes:
  description: What is not in it and why, one line each.
  returned: success
  type: list
  elements: str
files:
  description: Number of files in it.
  returned: success
  type: int
  sample: 214
"""

import fcntl
import os
import tempfile
from contextlib import contextmanager

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import vault
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, MissingError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import make_folder, open_shared, remove_leftovers
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import archive, backup, ledger, months, schema


@contextmanager
def alone(home: str):
    """Hold the harvest's lock, without waiting; raise InputError when a harvest runs."""
    folder = os.path.join(home, "ledger")
    if not os.path.isdir(folder):
        yield
        return
    handle = open_shared(os.path.join(folder, "harvest.lock"), 0o640)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as exc:
        raise InputError(f"lock {folder}/harvest.lock", "a harvest runs", "wait for it and run again") from exc
    finally:
        os.close(handle)


def run(params: dict, check: bool) -> dict:
    """Everything between parameters and result.

    :raises AirgapError: an option is wrong, the ledger is damaged, a harvest runs.
    """
    home, dest = params["home"], params["dest"]
    if not os.path.isdir(home):
        raise MissingError(f"control folder {home}", "no such folder", "name it in azure_ai_home")
    there = os.path.abspath(dest)
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        raise InputError(f"dest {dest}", f"{there} is no folder", "name a folder for archives in backup_dest")
    if params["secrets"] == "encrypted":
        if not params["vault_password_file"]:
            raise InputError("vault_password_file", "needed to encrypt private keys", "name one, or leave keys out with secrets=none")
        vault.check_password_file(params["vault_password_file"])
    with alone(home), tempfile.TemporaryDirectory(prefix="airgap-backup-", dir=home) as work:
        return _make(params, work, home, dest, check)


def _make(params: dict, work: str, home: str, dest: str, check: bool) -> dict:
    database = schema.Database(params["ledger"] or os.path.join(home, archive.LEDGER))
    about = {"site": params["site"], "created": months.now(), "secrets": params["secrets"], "heads": {}, "ledger": None}
    copy, notes, writers = None, [], []
    if database.exists():
        try:
            with database.read() as connection:
                opened = ledger.current(connection, params["site"])
                writers = ledger.writers(connection)
                about.update(heads=ledger.heads(connection, params["site"]).get(params["site"], {}), ledger=opened["id"] if opened else None)
        except InputError as exc:  # of an older collection: right before an upgrade is when one backs up
            notes.append(f"{exc}; it is in the archive as it is")
        if writers and params["site"] not in writers:  # a restore would open a new ledger id for nobody
            raise InputError(f"site {params['site']}", f"this ledger is that of {', '.join(writers)}", f"set azure_ai_site to {writers[0]}")
        if database.path:
            copy = os.path.join(work, "ledger.db")
            backup.copy(database.path, copy)
        else:
            notes.append(f"ledger {database.name}: in PostgreSQL, not in the archive; run pg_dump --format=custom beside this backup")
    else:
        notes.append(f"ledger {database.name}: there is none yet")
    items, left_out = archive.gather(home, copy, params["secrets"] == "encrypted")
    items = [item for item in items if not os.path.abspath(item.path).startswith(os.path.abspath(dest) + os.sep)]
    manifest = archive.manifest_of(items, about)
    prefix = f"azure-ai-{params['site']}-"
    last = archive.newest(dest, prefix)
    result = {"notes": notes + left_out, "files": len(items)}
    if last and archive.same(last[1], manifest):
        return {**result, "changed": False, "archive": last[0], "msg": f"{last[0]} holds all there is"}
    reason = "something changed since the last one" if last else "there is none yet"
    if check:
        return {**result, "changed": True, "archive": None, "msg": f"a backup of {len(items)} files would be made: {reason}"}
    make_folder(dest)
    remove_leftovers(dest)
    path = os.path.join(dest, prefix + about["created"].translate({ord("-"): None, ord(":"): None}) + ".tar.gz")
    archive.write(path, items, manifest, lambda data: vault.encrypt(data, params["vault_id"], params["vault_password_file"]))
    return {**result, "changed": True, "archive": path, "msg": f"{path}: {len(items)} files, {reason}"}


def main() -> None:
    """Entry point."""
    spec = {
        "home": {"type": "path", "required": True},
        "ledger": {"type": "str"},
        "site": {"type": "str", "required": True},
        "dest": {"type": "path", "required": True},
        "secrets": {"type": "str", "choices": ["encrypted", "none"], "default": "encrypted", "no_log": False},
        "vault_id": {"type": "str", "default": "backup"},
        "vault_password_file": {"type": "path", "no_log": False},
    }
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
