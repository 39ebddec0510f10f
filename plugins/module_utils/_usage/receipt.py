# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receipts: headquarters says up to which rows it holds a site's usage; the site exports from there on. Normative text: docs/usage-export.md.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import canonical, pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import TEMPORARY_PREFIX, read_regular
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import SUFFIX, Trust, fingerprint, sign_file, signed_by, verify_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, wire
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.tables import GENESIS, tables

with contextlib.suppress(ImportError):  # tables.IMPORT_ERROR says so
    import sqlalchemy as sa

_MAX_SIGNATURE = 64 * 1024  # bytes
Record = dict[str, t.Any]


def compose(connection: t.Any, site: str, issued: str) -> t.Optional[Record]:
    """The receipt of a site at headquarters, None when nothing was imported from it."""
    imports = tables().imports
    last = connection.execute(sa.select(imports).where(imports.c.site == site).order_by(imports.c.number.desc()).limit(1)).mappings().first()
    if last is None:
        return None
    held = ledger.heads(connection).get(site, {}) if last["detail"] == "host" else json.loads(last["heads"])
    return {
        "format": wire.FORMAT,
        "kind": wire.RECEIPT_KIND,
        "site": site,
        "ledger": last["ledger"],
        "number": last["number"],
        "export": last["export_id"],
        "detail": last["detail"],
        "heads": {table: {"seq": head["seq"], "hash": head["hash"]} for table, head in sorted(held.items()) if head["seq"]},
        "issued": issued,
    }


def path_of(outbox: str, site: str) -> str:
    """Where the receipt of a site lies in headquarters' outbox."""
    return os.path.join(outbox, site, wire.RECEIPT)


def reason(path: str, receipt: Record, key: str) -> t.Optional[str]:
    """Why a receipt has to be written, or None when the one that lies there says the same and is signed by this key."""
    try:
        data = read_regular(path, wire.MAX_MANIFEST)
        there = wire.load_receipt(data, path)
    except MissingError:
        return "it is not there"
    except AirgapError:
        return "what lies there is none"
    if canonical({**there, "issued": ""}) != canonical({**receipt, "issued": ""}):
        return f"it was for export {there['number']}"
    if signed_by(data, path + SUFFIX, wire.RECEIPT_NAMESPACE) != fingerprint(key):
        return f"it is not signed by {key}"
    return None


def write(path: str, receipt: Record, key: str) -> None:
    """Write and sign a receipt; between the two files a power cut leaves a signature that does not fit, and the next run mends it."""
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder) as work:
        made = os.path.join(work, wire.RECEIPT)
        with open(made, "wb") as stream:
            stream.write(pretty(receipt))
        sign_file(made, key, wire.RECEIPT_NAMESPACE)
        for suffix in (SUFFIX, ""):
            os.chmod(made + suffix, 0o644)
            os.replace(made + suffix, path + suffix)


class Receipt(t.NamedTuple):
    """A verified receipt: its ``document``, the bytes and the armoured signature as they came, who signed."""

    document: Record
    text: str
    signature: str
    signer: str


def read(path: str, site: str, trust: Trust) -> Receipt:
    """Read the receipt at ``path``, at the site.

    :raises TrustError: not signed by a headquarters that we trust; nothing was parsed. InputError: another site's, or no receipt.
    """
    what = f"receipt {path}"
    data = read_regular(path, wire.MAX_MANIFEST)
    signer = verify_bytes(data, path + SUFFIX, wire.RECEIPT_NAMESPACE, trust, what, role="hq")
    document = wire.load_receipt(data, what)
    if document["site"] != site:
        raise InputError(what, f"made for site {document['site']}, this is {site}", "take it to its own site")
    signature = read_regular(path + SUFFIX, _MAX_SIGNATURE).decode("ascii", "replace")
    return Receipt(document, data.decode("utf-8"), signature, signer)


def take(connection: t.Any, receipt: Receipt, received: str) -> tuple[bool, str]:
    """Add a receipt to the site's ledger; return whether it is new, and what it says in words.

    :raises IntegrityError: it acknowledges rows that this ledger does not have.
    """
    found, document = tables().receipts, receipt.document
    site, number = document["site"], document["number"]
    earlier = [dict(row) for row in connection.execute(sa.select(found).where(found.c.site == site)).mappings()]
    if any(row["export_id"] == document["export"] for row in earlier):
        return False, f"the receipt of export {number} was received before"
    later = [row["number"] for row in earlier if row["number"] >= number and json.loads(row["document"])["detail"] == document["detail"]]
    if later:
        return False, f"the receipt of export {number} is older than that of export {max(later)}, which was received before"
    problem = unknown(connection, document)
    if problem:
        raise IntegrityError(f"receipt of export {number}", problem, "the ledger was put back from an older copy or written anew: see docs/usage-export.md")
    row = {"site": site, "number": number, "export_id": document["export"], "heads": json.dumps(document["heads"], sort_keys=True)}
    row.update(issued_at=document["issued"], received_at=received, document=receipt.text, signature=receipt.signature)
    connection.execute(found.insert(), row)
    up_to = ", ".join(f"{table} up to row {head['seq']}" for table, head in sorted(document["heads"].items()))
    return True, f"export {number} is acknowledged: {up_to or 'no rows'}"


def unknown(connection: t.Any, document: Record) -> t.Optional[str]:
    """Why this ledger is not the one that a receipt speaks of, or None."""
    ledgers = tables().ledgers
    opened = connection.execute(sa.select(ledgers.c.id, ledgers.c.predecessor, ledgers.c.heads).where(ledgers.c.site == document["site"])).all()
    if document["ledger"] not in {name for row in opened for name in row[:2]}:
        return f"it is for ledger {document['ledger']}, which this one does not name among its predecessors"
    for name, head in sorted(document["heads"].items()):
        table = tables().metadata.tables[name]
        ours = connection.execute(sa.select(table.c.hash).where(table.c.site == document["site"], table.c.seq == head["seq"])).scalar()
        begun = [json.loads(row.heads).get(name) for row in opened if row.heads]  # a ledger that goes on behind rows which were lost here
        if (ours or GENESIS) != head["hash"] and head not in begun:
            state = "has another one" if ours else "does not have that row"
            return f"it acknowledges {name} row {head['seq']} with head {head['hash'][:16]}…, this ledger {state}"
    return None
