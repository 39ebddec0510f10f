# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check what a ledger gained since its heads were written down: for reports about ledgers of millions of rows.

It proves less than walking every chain: a row below a head that was altered together with nothing else is not seen.
This file is private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.tables import tables

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
            problems += ledger.first_bad(connection, table, columns, site, head)
    return problems
