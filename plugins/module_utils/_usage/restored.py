# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a backup into an empty control folder, begins a new ledger id there, and tells what the old control node knew beyond it.

This file is private to the collection.
"""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import make_folder, read_regular, write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import archive, ledger, receipt, wire

NOTE = "ledger/restored.json"
_DEPTH = 3
_MAX = 64 * 1024 * 1024

Record = dict[str, t.Any]
Open = t.Callable[[bytes], bytes]


def occupied(home: str, whole: bool, with_keys: bool) -> str | None:
    """What lies in a control folder that a restore would overwrite, or None.

    :param whole: whether an archive is to be put there, not a ledger alone
    """
    parts = archive.PARTS if whole else ()
    for name in (archive.LEDGER, *(archive.SINGLE if whole else ()), *(part for part in parts if with_keys or part != "keys")):
        path = os.path.join(home, name)
        if os.path.isfile(path) or (os.path.isdir(path) and any(files for _place, _folders, files in os.walk(path))):
            return path
    return None


def place(folder: str, home: str, manifest: Record, unseal: Open | None) -> list[str]:
    """Move unpacked files into the control folder, the ledger last; return what stayed encrypted.

    :param unseal: decrypts a private file; without it ciphertexts are put beside where the files belong
    """
    closed = []
    files = sorted(manifest["files"], key=lambda entry: entry["name"] == archive.LEDGER)
    for entry in files:
        source, name = os.path.join(folder, entry["name"]), entry["name"]
        if entry.get("secret") and unseal is not None and name.endswith(archive.VAULTED):
            name = name[: -len(archive.VAULTED)]
            make_folder(os.path.dirname(os.path.join(home, name)))
            write_bytes(os.path.join(home, name), unseal(read_regular(source, _MAX)), 0o600)
            continue
        if entry.get("secret"):
            closed.append(name)
        target = os.path.join(home, name)
        make_folder(os.path.dirname(target))
        os.chmod(source, int(entry["mode"], 8) & 0o660 if not entry.get("secret") else 0o600)
        os.replace(source, target)
    return closed


def begin(connection: t.Any, site: str, reason: str, known: receipt.Receipt | None, moment: str) -> tuple[str, list[str]]:
    """Open a new ledger id; return it, and in words what a receipt of headquarters shows to be lost here."""
    document = known.document if known else None
    ours = ledger.heads(connection, site).get(site, {})
    words = []
    for table, head in sorted((document or {"heads": {}})["heads"].items()):
        have = ours.get(table, {"seq": 0})["seq"]
        if head["seq"] > have:
            words.append(f"{table}: rows {have + 1} to {head['seq']} are at headquarters only; this ledger goes on behind them")
    opened = ledger.open_ledger(connection, site, reason, moment, document)
    if known:
        receipt.take(connection, known, moment)
    return opened, words


def differences(connection: t.Any, site: str, folders: t.Sequence[str]) -> list[str]:
    """What exports and receipts that still lie somewhere know beyond the ledger, or otherwise than it; nobody vouches for them here."""
    ours = ledger.heads(connection, site).get(site, {})
    words = []
    for path in sorted(path for folder in folders for path in _documents(folder)):
        try:
            where, heads = _heads(path)
        except AirgapError:
            words.append(f"{path}: cannot be read")
            continue
        if where != site:
            continue
        for table, head in sorted(heads.items()):
            have = ours.get(table, {"seq": 0})["seq"]
            if head["seq"] > have:
                words.append(f"{path}: knew {table} up to row {head['seq']}, this ledger ends at {have}")
            elif not ledger.holds(connection, table, site, head):
                words.append(f"{path}: its {table} row {head['seq']} is another one than here: this is not the same history")
    return words


def _heads(path: str) -> tuple[str, dict[str, Record]]:
    """Of which site an export or a receipt speaks, and the head of each chain that it knows."""
    data = read_regular(path, wire.MAX_MANIFEST)
    if os.path.basename(path) == wire.RECEIPT:
        told = wire.load_receipt(data, path)
        return told["site"], told["heads"]
    made = wire.load_manifest(data, path)
    return made["site"], {table: {"seq": span["to"], "hash": span["after"]} for table, span in made["tables"].items()}


def _documents(folder: str) -> t.Iterator[str]:
    base = folder.rstrip("/").count("/")
    for where, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if where.count("/") - base < _DEPTH]
        for name in names:
            if name in (wire.NAME, wire.RECEIPT):
                yield os.path.join(where, name)


def note(home: str, facts: Record) -> None:
    """Remember what was restored, so that a second run changes nothing."""
    make_folder(os.path.join(home, "ledger"))
    write_bytes(os.path.join(home, NOTE), (json.dumps(facts, sort_keys=True, indent=1) + "\n").encode("utf-8"), 0o640)


def noted(home: str) -> Record:
    """What was restored here before; empty when nothing was."""
    path = os.path.join(home, NOTE)
    if not os.path.exists(path):
        return {}
    found = parse(read_regular(path, _MAX), path)
    if not isinstance(found, dict):
        raise InputError(path, "not what a restore writes", "remove it")
    return found
