# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports for tests: a site with everything on it, and a fleet."""

from __future__ import annotations

import datetime
import json
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import report
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import Database
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.tables import tables
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document

DAY = datetime.date(2026, 11, 23)
EVIL = "<script>alert(1)</script>\"'&{{7*7}}=1+1\u202eabc"
FORMULA = "=HYPERLINK(1)"
METER = "CognitiveServices.SpeechToText.Container.AudioSeconds"
MOMENTS = ("2026-11-04T02:00:00Z", "2026-11-05T02:00:00Z", "2026-11-20T02:00:00Z")
PLAN = {"resource": "speech-dc0", "meters": ["*Speech*"], "units": "120000", "start": "2026-01-01", "end": "2026-12-31"}
PLAN["added"] = [{"date": "2026-06-01", "units": "30000"}]


def fill(database: Database, site: str = "plant-7", names: t.Sequence[str] = ("stt-en", "stt-de"), meter: str = METER) -> None:
    """Three harvests of ten closed months and one open; the last one finds the second container silent."""
    for count, moment in enumerate(MOMENTS):
        documents = []
        for place, name in enumerate(names):
            values = {f"2026-{month:02d}": {meter: 5000 + 137 * (month % 4) + 2000 * place} for month in range(1, 11)}
            scopes: dict[str, t.Any] = {**values, "2026-02": None, "2026-11": {meter: 100 * (count + 1)}, "all": {meter: 90000 + count}}
            if place and count == 2:
                scopes = {"2026-11": "no_answer", "all": "bad_answer"}
            more = {"host": f"h{place}", "name": name, "source": site + name, "resource": "speech-dc0", "release": f"rel{place}"}
            documents.append(document(f"h{count}", scopes, moment, site=site, **more))
        append(database, *documents, site=site)


def imported(database: Database, site: str, detail: str, created: str, expires: t.Optional[str], number: int = 1) -> None:
    """What headquarters keeps of an export; with detail ``site`` statements instead of rows."""
    found, export = tables(), f"{site}-{number}"
    release = {"service": "speech_to_text", "tag": "4.9.0", "resource": "speech-dc0", "expires": expires}
    row = {"host": "h0", "container": "stt-en", "release": "rel0"} if detail == "host" else {"count": 7}
    told = [{"kind": "decrease", "meter": METER, "month": "2026-10", "count": 2}] if detail == "site" else []
    state = {"format": 1, "site": site, "detail": detail, "collection": "1.0.0", "formats": {}, "releases": [{**release, **row}], "findings": told}
    common = {"site": site, "export_id": export, "number": number}
    with database.write() as connection:
        connection.execute(
            found.imports.insert(),
            {**common, "ledger": "0" * 32, "detail": detail, "imported_at": "2026-11-23T01:00:00Z", "signer": f"site@{site}", "heads": "{}"},
        )
        connection.execute(found.states.insert(), {**common, "created_at": created, "state": json.dumps(state)})
        for month in range(1, 11) if detail == "site" else ():
            place = {**common, "service": "speech_to_text", "resource": "speech-dc0", "meter": METER, "month": f"2026-{month:02d}"}
            numbers = {"quantity_low": "900", "quantity_high": "900", "units_low": str(900 + number), "units_high": str(950 + number)}
            connection.execute(found.statements.insert(), {**place, **numbers})


def adjusted(database: Database, quantity: str = "-250", month: str = "2026-03", text: str = "load test", site: str = "plant-7", **more: str) -> None:
    """One adjustment at the head of its chain; nobody checks its signature here."""
    found = tables().adjustments
    row = {"site": site, "seq": 1, "host": "h0", "container": "stt-en", "service": "speech_to_text", "resource": "speech-dc0", "meter": METER, "month": month}
    row.update(quantity=quantity, billed_unit=None, kind="test_traffic", reason=text, author="site@plant-7", entered_at="2026-11-01T00:00:00Z", **more)
    with database.write() as connection:
        connection.execute(found.insert(), {**row, "document": "{}", "signature": "", "prev": "0" * 64, "hash": "1" * 64})


def build(database: Database, **more: t.Any) -> dict[str, t.Any]:
    """The report on DAY."""
    with database.read() as connection:
        return report.build(connection, **{"commitments": [PLAN], "today": DAY, **more})


def release(days: t.Optional[int], name: str = "stt-en", **more: t.Any) -> dict[str, t.Any]:
    """What runs, with days left on its license."""
    return {
        "site": "plant-7",
        "host": "h0",
        "container": name,
        "service": "speech_to_text",
        "image": "sha256:" + "ab" * 32,
        "tag": "4.9.0",
        "license_days": days,
        **more,
    }
