# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adjustments: rows that a person enters and signs, because no container can report what they say. Normative text: docs/ledger.md.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t
from decimal import Decimal

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import canonical
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import is_dns_label
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import SUFFIX, Trust, sign_file, verify_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, wire
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.counter import plain
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.tables import ADJUSTMENTS, tables

with contextlib.suppress(ImportError):  # tables.IMPORT_ERROR says so
    import sqlalchemy as sa

FORMAT = 1
KIND = "airgap.azure_ai/usage-adjustment"
NAMESPACE = "azure-ai-adjustment"
KINDS = ("opening_balance", "dead_host", "test_traffic", "correction")
WITHOUT_READINGS = ("opening_balance", "dead_host")  # what they are about may never have reported anything
SAYS = ("site", "host", "container", "service", "resource", "meter", "month", "quantity", "billed_unit", "kind", "reason")
_SIGNED = (*SAYS, "author", "entered_at")
_SERIES = ("host", "container", "service", "resource", "meter")

Record = dict[str, t.Any]


def entry(given: t.Mapping[str, t.Any]) -> Record:
    """What an adjustment says, checked and in one spelling: the columns SAYS.

    :raises InputError: a value is missing or wrong.
    """
    row: Record = {name: given.get(name) for name in SAYS}
    if not is_dns_label(row["site"]):
        raise InputError(f"site {row['site']!r}", "not a DNS label")
    for name in (*_SERIES, "reason"):
        if not wire.is_text(row[name]) or not row[name].strip():
            raise InputError(f"adjustment of site {row['site']}", f"{name} is not a line of text", "say who and what it is about, and why")
    if not calendar.is_scope(row["month"]):
        raise InputError(f"month {row['month']!r}", "neither a month nor all", "write it as YYYY-MM")
    if row["kind"] not in KINDS:
        raise InputError(f"kind {row['kind']!r}", "unknown", f"one of {', '.join(KINDS)}")
    row["quantity"] = _number(row["quantity"], "quantity")
    row["billed_unit"] = None if row["billed_unit"] is None else _number(row["billed_unit"], "billed_unit")
    return row


def known(connection: t.Any, row: t.Mapping[str, t.Any]) -> t.Optional[int]:
    """The seq of an adjustment that says the same, or None."""
    table = tables().adjustments
    same = [table.c[name] == row[name] if row[name] is not None else table.c[name].is_(None) for name in SAYS]
    return connection.execute(sa.select(sa.func.min(table.c.seq)).where(*same)).scalar()


def refuse(connection: t.Any, row: t.Mapping[str, t.Any]) -> None:
    """Raise InputError for a series that the ledger has no reading of, unless the kind says why there is none."""
    if row["kind"] in WITHOUT_READINGS:
        return
    readings = tables().readings
    where = [readings.c[name] == row[name] for name in ("site", *_SERIES)]
    if connection.execute(sa.select(readings.c.seq).where(*where).limit(1)).first() is None:
        what = f"{row['meter']} of {row['host']} {row['container']} ({row['service']}, {row['resource']})"
        way_out = f"look at the spelling with ledger_info; only {' and '.join(WITHOUT_READINGS)} may be about what never reported"
        raise InputError(what, f"the ledger of {row['site']} has no reading of it", way_out)


def document(row: t.Mapping[str, t.Any]) -> bytes:
    """The canonical text that is signed: all that the row says, by whom and when."""
    return canonical({"format": FORMAT, "kind": KIND, "adjustment": {name: row[name] for name in _SIGNED}})


def signed(row: Record, author: str, entered_at: str, key: str, trust: Trust) -> Record:
    """The row with ``author``, ``entered_at``, ``document`` and ``signature``; nothing is kept that headquarters could not verify.

    :raises TrustError: the key would not sign, or ``trust`` does not know it for ``author``.
    """
    row = {**row, "author": author, "entered_at": entered_at}
    row["document"] = document(row).decode("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "adjustment.json")
        with open(path, "wb") as stream:
            stream.write(document(row))
        with open(sign_file(path, key, NAMESPACE), encoding="ascii") as stream:
            row["signature"] = stream.read()
    verify(row, trust)
    return row


def verify(row: t.Mapping[str, t.Any], trust: Trust) -> None:
    """Raise IntegrityError or TrustError unless the row says what its author signed."""
    what = f"adjustment of {row['site']} entered {ascii(row['entered_at'])[1:-1][:20]}"
    try:
        same = document(row) == row["document"].encode("utf-8") and row["signature"].isascii()
    except (InputError, UnicodeEncodeError) as exc:
        raise IntegrityError(what, f"no adjustment that can be signed ({exc})"[:200]) from exc
    if not same:
        raise IntegrityError(what, "its document is not what the row says", "it was altered after it was signed")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "adjustment.json" + SUFFIX)
        with open(path, "w", encoding="ascii") as stream:
            stream.write(row["signature"])
        signer = verify_bytes(document(row), path, NAMESPACE, trust, what, role=row["author"].partition("@")[0])
    if signer != row["author"]:
        raise TrustError(what, f"says author {ascii(row['author'])[1:-1][:80]} but was signed by {signer}")


def append(connection: t.Any, row: t.Mapping[str, t.Any]) -> int:
    """Append a signed row to the chain of its site; return its seq."""
    site = row["site"]
    chain = ledger.Chain(connection, tables().adjustments, ADJUSTMENTS, site)
    seq = chain.add(*[row[name] for name in ADJUSTMENTS[1:]])
    chain.flush()
    if ledger.current(connection, site) is None:
        ledger.open_ledger(connection, site, "first append")
    ledger.stamp(connection, site)
    return seq


def _number(value: t.Any, name: str) -> str:
    text = str(value).strip()
    if not wire.is_signed_exact(text):
        raise InputError(f"{name} {text[:40]!r}", "not a decimal number of at most 36 digits")
    return plain(Decimal(text)) if Decimal(text) else "0"
