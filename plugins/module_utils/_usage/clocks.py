# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hosts of a harvest say of the control node's own clock. Pure.

Under a wrong clock other months would be asked for, months that go on would pass for over, and no later append could be told from this one by
its time. Of one host and this node nobody can tell whose clock is wrong; where several hosts agree on another day, it is this node's.
This file is private to the collection.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar

LIMIT = 86400.0  # seconds
LEAST = 2  # hosts that agree
NAME = "clock of this machine"

Document = t.Mapping[str, t.Any]


def wrong(documents: t.Iterable[Document]) -> dict[str, str]:
    """Harvest to what is wrong with the clock of the node that made it; only those where something is.

    :param documents: as they lie in the spool
    """
    told: dict[str, dict[str, tuple[str, str]]] = {}
    for document in documents:
        moments = [reading["observed_at"] for reading in document["answer"]["readings"] if calendar.is_moment(reading["observed_at"])]
        if moments and calendar.is_moment(document["spooled_at"]):
            told.setdefault(document["harvest"], {})[document["host"]] = (max(moments), document["spooled_at"])
    return {harvest: why for harvest, hosts in told.items() for why in [_judged(list(hosts.values()))] if why is not None}


def _judged(pairs: t.Sequence[tuple[str, str]]) -> t.Optional[str]:
    """Judge (host's time, this node's) of all hosts that answered."""
    apart = [_seconds(theirs) - _seconds(ours) for theirs, ours in pairs]
    if len(pairs) < LEAST or max(apart) - min(apart) > LIMIT or min(map(abs, apart)) <= LIMIT:
        return None
    theirs, ours = max(pairs)
    return f"says {ours}, and all {len(pairs)} hosts that answered say about {theirs}"


def _seconds(moment: str) -> float:
    return datetime.datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
