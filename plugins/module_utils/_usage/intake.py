# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From endpoints that the control node reaches straight into the ledger, and what every append tells.

This file is private to the collection.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import harvested, ledger, memory, schema, spool, summary
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.answer import whole
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.client import Answers

BATCH = 256  # endpoints in one transaction: few enough that nobody waits long for the lock
PAUSES = (1, 2, 4, 8, 15)  # seconds between attempts at a server that is gone
_HELD = 2.0  # seconds that an answer waits for others

Found = t.TypeVar("Found")


class Intake:
    """Appends answers as they come, some at a time, each time in a transaction of its own.

    :param keep: whether anything may stay changed
    """

    def __init__(self, url: str, site: str, harvest: str, keep: bool) -> None:
        self._site, self._harvest, self._keep = site, harvest, keep
        self._database = schema.Database(url)
        if not keep and not self._database.exists():
            self._database = schema.Database("sqlite://")
        self._memory = memory.Memory()
        # By host: when its first answer came, which a second attempt must not alter, endpoints and their answers.
        self._waiting: dict[str, tuple[str, list[t.Mapping[str, t.Any]], Answers]] = {}
        self._count, self._since = 0, 0.0
        self._outcomes: list[ledger.Outcome] = []

    def add(self, endpoint: t.Mapping[str, t.Any], answers: Answers) -> None:
        """Take what one endpoint answered."""
        _moment, endpoints, found = self._waiting.setdefault(endpoint["host"], (calendar.now(), [], Answers([], [])))
        endpoints.append(endpoint)
        found.readings.extend(answers.readings)
        found.failures.extend(answers.failures)
        self._count += 1
        self._since = self._since or time.monotonic()
        if self._count >= BATCH or time.monotonic() - self._since > _HELD:
            self.flush()

    def flush(self) -> None:
        """Append what waits.

        :raises RemoteError: the database refused, a server also after some time; what was appended before stays.
        """
        if not self._waiting:
            return
        self._outcomes.append(patiently(self._database, self._append))
        self._waiting, self._count, self._since = {}, 0, 0.0

    def finish(self, closed: t.Optional[str]) -> dict[str, t.Any]:
        """Append the rest, note closed months in the folder ``closed``; the result of the module."""
        self.flush()
        with self._database.write(False) as connection:
            heads = ledger.heads(connection, self._site).get(self._site, {})
            months = summary.closed_months(connection, self._site) if closed else {}
        if closed and self._keep:
            spool.write_closed(closed, months)
        return result(self._outcomes, [], heads)

    def _append(self) -> ledger.Outcome:
        with self._database.write(self._keep) as connection:
            appender = ledger.Appender(connection, self._site, memory=self._memory)
            for host, (moment, endpoints, found) in self._waiting.items():
                appender.add(spool.document(self._site, host, self._harvest, whole(endpoints, found.readings, found.failures), moment))
            return appender.finish()


def patiently(database: schema.Database, append: t.Callable[[], Found]) -> Found:
    """What ``append`` returns, attempted again for half a minute while a server is gone.

    A commit whose answer was lost is no harm: looks that are there are passed over.
    """
    pauses = iter(() if database.path is not None else PAUSES)
    while True:
        try:
            return append()
        except RemoteError:
            pause = next(pauses, None)
            if pause is None:
                raise
            time.sleep(pause)


def result(outcomes: t.Sequence[ledger.Outcome], refused: t.Sequence[tuple[str, str]], heads: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What the modules ``ledger`` and ``usage_harvest`` return."""
    failures = [failure for outcome in outcomes for failure in outcome.failures]
    failures += [{"host": name, "container": "", "kind": "bad_spool", "reason": reason, "scopes": []} for name, reason in refused]
    looks, readings = sum(outcome.looks for outcome in outcomes), sum(outcome.readings for outcome in outcomes)
    new = sum(outcome.new for outcome in outcomes)
    lines = [_line(failure) for failure in failures]
    counts = {"looks": looks, "readings": readings, "new": new}
    answers: dict[tuple[str, str], list[int]] = {}
    for outcome in outcomes:
        for key, found in outcome.answers.items():
            answers[key] = [sum(pair) for pair in zip(answers.get(key, (0, 0, 0)), found)]
    rows = harvested.rows(answers, failures)
    about = {"containers": rows, "table": harvested.lines(rows), "missing": harvested.missing(rows) + len(refused)}
    return {"changed": new > 0, **counts, "failures": failures, "lines": lines, **about, "heads": dict(heads)}


def _line(failure: t.Mapping[str, t.Any]) -> str:
    scopes = failure["scopes"]
    what = "not appended" if not scopes else scopes[0] if len(scopes) == 1 else f"{scopes[0]} and {len(scopes) - 1} more, last {scopes[-1]}"
    return f"{failure['host']} {failure['container']}: {failure['kind']}, {failure['reason']} ({what})".replace(" :", ":")
