# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report checks of a ledger's chains: all of them now and then, what they gained in between; what it says about that. Docs: docs/usage.md.

Checking what was gained proves less than walking every chain: a row below a head that was altered together with nothing else is not seen.
This file is private to the collection.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import backup, ledger, summary
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.tables import tables

Heads = t.Mapping[str, t.Mapping[str, t.Mapping[str, t.Any]]]


class Known(t.NamedTuple):
    """What an earlier report knew.

    :param heads: the heads last found in order, as ``ledger.heads`` gives them
    :param ledgers: ledger id of each site, where the report named it
    :param verified: whether everything was in order
    :param walked: day on which every chain was walked last, and how many rows that were; None for never
    """

    heads: Heads
    ledgers: t.Mapping[str, str] = {}
    verified: bool = True
    walked: t.Optional[t.Mapping[str, t.Any]] = None


def known(report: t.Any) -> t.Optional[Known]:
    """What a former ``report.json`` knew; None when nothing can be taken from it."""
    chain = report.get("chain") if isinstance(report, dict) else None
    if not isinstance(chain, dict) or not isinstance(chain.get("anchor"), dict):
        return None
    return Known(chain["anchor"], chain.get("ledgers") or {}, chain.get("verified") is True, chain.get("walked"))


def due(before: t.Optional[Known], verify: str, day: datetime.date, days: int) -> bool:
    """Whether every chain must be walked: on request, where something was wrong, and with ``auto`` when the last time was ``days`` ago."""
    if verify == "all" or before is None or not before.verified or not before.walked:
        return True
    # A clock that was set back has told nothing.
    return verify == "auto" and not 0 <= (day - datetime.date.fromisoformat(before.walked["on"])).days < days


def check(connection: t.Any, before: t.Optional[Known], whole: bool, day: datetime.date) -> dict[str, t.Any]:
    """``chain`` of a report: ``problems``, one line each, ``verified``, the ``heads`` now, ``anchor`` (the heads last found in order), ``ledgers``, ``walked``.

    Heads that an earlier report named must be there, whatever is walked; those of a ledger that was restored since are not this one's.
    """
    ledgers = {row["site"]: row["id"] for row in summary.ledgers(connection)}
    anchor = {site: heads for site, heads in (before.heads if before else {}).items() if before and before.ledgers.get(site) in (None, ledgers.get(site))}
    now = ledger.heads(connection)
    walked: t.Optional[t.Mapping[str, t.Any]]
    if whole or before is None:
        problems = [*backup.check_whole(connection), *ledger.verify(connection)]
        problems += [] if problems else lost(connection, anchor)
        walked = {"on": day.isoformat(), "rows": rows_of(now)}
    else:
        problems, walked = verify(connection, anchor), before.walked
    return {
        "verified": not problems,
        "problems": problems,
        "heads": now,
        # What was found wrong stays wrong in every report until somebody explains it: a chain written anew is in order by itself.
        "anchor": anchor if problems else now,
        "ledgers": ledgers,
        "walked": walked,
    }


def rows_of(heads: Heads) -> int:
    """How many rows lie up to some heads."""
    return sum(head["seq"] for chains in heads.values() for head in chains.values())


def lost(connection: t.Any, heads: Heads) -> list[str]:
    """Heads that are not in the ledger, one line each."""
    return [
        f"site {site}, {table.name} row {heads[site][table.name]['seq']}: not the row that the last report named"
        for site in sorted(heads)
        for table, _columns in tables().chained()
        if table.name in heads[site] and not ledger.holds(connection, table.name, site, heads[site][table.name])
    ]


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
