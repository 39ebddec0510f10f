# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spool documents and ledgers for tests."""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, schema, spool
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.answer import ATTRIBUTES
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.records import exact

Values = t.Mapping[str, t.Optional[int]]


def document(harvest: str, scopes: t.Mapping[str, t.Union[Values, str, None]], moment: str = "2026-03-10T00:00:00Z", **more: t.Any) -> dict[str, t.Any]:
    """One container's answer: scope to meters, to the name of a failure, or to None for no usage. ``more``: site, host, name, source, …"""
    given = {"site": "plant-7", "host": "h1", "name": "stt", "source": "s1", "resource": "r0", "release": "rel1", "service": "speech_to_text", **more}
    endpoint = {"url": "http://127.0.0.1:5001", **{key: given.get(key) for key in ("name", *ATTRIBUTES)}}
    endpoint["container"] = given.get("container") or given["name"]
    endpoint["reporter"] = given.get("reporter") or given["name"]
    readings, failures = [], []
    for scope, values in scopes.items():
        base = {"name": given["name"], "url": endpoint["url"], "scope": scope}
        if isinstance(values, str):
            failures.append({**base, "kind": values, "reason": "because"})
            continue
        meters = [{"name": name, "quantity": exact(value), "billed_unit": None} for name, value in (values or {}).items()]
        readings.append(
            {
                **base,
                "source": given["source"],
                "outcome": "usage" if meters else "no_usage",
                "http_status": 200,
                "api_type": "a",
                "service_name": "s",
                "meters": meters,
                "extra": {},
                "observed_at": moment,
                "body_sha256": "00",
            }
        )
    answer = {"endpoints": [endpoint], "readings": readings, "failures": failures}
    made = spool.document(given["site"], given["host"], harvest, answer, moment)
    spool.check_answer(made["answer"], "kit")
    return made


def append(database: schema.Database, *documents: dict[str, t.Any], site: str = "plant-7") -> ledger.Outcome:
    """Append documents in one transaction."""
    with database.write() as connection:
        appender = ledger.Appender(connection, site)
        for item in documents:
            appender.add(item)
        return appender.finish()


def rows(database: schema.Database, table: str, *columns: str) -> list[tuple[t.Any, ...]]:
    """Rows of a table in order."""
    with database.read() as connection:
        found = connection.exec_driver_sql(f"SELECT {', '.join(columns)} FROM {table} ORDER BY site, seq")
        return [tuple(row) for row in found]
