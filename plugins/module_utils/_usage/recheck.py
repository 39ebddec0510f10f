# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check what a ledger gained since its heads were written down: for reports about ledgers of millions of rows.

It proves less than walking every chain: a row below a head that was altered together with nothing else is not seen.
This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.tables import GENESIS, tables

with contextlib.suppress(ImportError):  # tables.IMPORT_ERROR says so
    import sqlalchemy as sa

Heads = t.Mapping[str, t.Mapping[str, t.Mapping[str, t.Any]]]


def verify(connection: t.Any, heads: Heads) -> list[str]:
    """Problems of the rows behind ``heads`` (as ``ledger.heads`` gives them), one line each; a head that is not in the ledger is one.

    A chain that ``heads`` do not name is walked from its first row.
    """
    problems = []
    now = ledger.heads(connection)
    for table, columns in tables().chained():
        for site in sorted({*heads, *now}):
            head = heads.get(site, {}).get(table.name)
            if head is None and table.name not in now.get(site, {}):
                continue
            problem = _behind(connection, table, columns, site, head)
            if problem:
                problems.append(f"site {site}, {table.name} row {problem}")
    return problems


def _behind(connection: t.Any, table: t.Any, columns: tuple[str, ...], site: str, head: t.Optional[t.Mapping[str, t.Any]]) -> t.Optional[str]:
    seq, prev = (head["seq"] - 1, None) if head else (0, GENESIS)
    names = ("site", "seq", "prev", "hash", *columns[1:])
    query = sa.select(*[table.c[name] for name in names]).where(table.c.site == site, table.c.seq > seq).order_by(table.c.seq)
    for found in connection.execute(query.execution_options(yield_per=2000)):
        row = dict(zip(names, found))
        seq += 1
        if row["seq"] != seq:
            return f"{seq}: missing, row {row['seq']} follows"
        if prev is not None and row["prev"] != prev:
            return f"{seq}: does not follow row {seq - 1}"
        if row["hash"] != ledger.row_hash(table.name, columns, row):
            return f"{seq}: its content does not match its hash"
        if head and seq == head["seq"] and row["hash"] != head["hash"]:
            return f"{seq}: not the row that the last report named"
        prev = row["hash"]
    return f"{head['seq']}: missing, the last report named it" if head and seq < head["seq"] else None
