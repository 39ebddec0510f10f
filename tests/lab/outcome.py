# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of the road: the report as the site wrote it, and what the containers themselves put down."""

from __future__ import annotations

import json
import typing as t
from decimal import Decimal

from tests.lab import overlay, road, settings
from tests.lab.settings import Json
from tests.lab.shell import inside

FILES = ("report.html", "report.csv", "report.json")
COLUMNS = ("host", "container", "image", "license days", "meter", "month", "quantity")


def report() -> Json:
    """The site's report.json."""
    return json.loads(road.read(road.CONTROL, f"{road.HOME}/report/report.json"))


def headquarters() -> Json:
    """The report that the connected side writes from what it imported."""
    road.playbook(road.BUILDER, "report", log="headquarters-report")
    return json.loads(road.read(road.BUILDER, f"{road.HOME}/report/report.json"))


def metered() -> dict[tuple[str, str, str, str], Decimal]:
    """(host, container, meter, month) to quantity, added up from the record files that the simulated containers wrote.

    This is the truth that the ledger is held against: it comes from the output folders, not from any endpoint.
    """
    script = (settings.FILES / "records.py").read_text()
    found: dict[tuple[str, str, str, str], Decimal] = {}
    for name in overlay.PUBLISHED:
        for row in json.loads(inside(settings.host(name).container, "python3", "-c", script)):
            found[(name, row["container"], row["meter"], row["month"])] = Decimal(row["quantity"])
    return found


def reported(value: Json) -> dict[tuple[str, str, str, str], Decimal]:
    """(host, container, meter, month) to quantity in a report; totals over all time are left out."""
    rows = [row for row in value["rows"] if row["month"] != "all"]
    return {(row["host"], row["container"], row["meter"], row["month"]): Decimal(row["quantity"][0]) for row in rows}


def used(log: str) -> tuple[dict[tuple[str, str, str, str], Decimal], dict[tuple[str, str, str, str], Decimal]]:
    """Use the services and harvest; of what runs, what the ledger tells and what the record files say."""
    road.traffic(3)
    road.harvest(log=f"{log}-harvest")
    road.report(log=f"{log}-report")
    there = running()
    told, written = ({key: value for key, value in rows.items() if key[:2] in there} for rows in (reported(report()), metered()))
    return told, written


def running() -> set[tuple[str, str]]:
    """(host, container) of everything of this collection that runs."""
    return {(host, each["Name"].strip("/")) for host in overlay.PUBLISHED for each in road.containers(host)}


def table(value: Json) -> list[str]:
    """Lines of a table: host, container, image digest, license days left, and the meters of each month."""
    rows: list[tuple[str, ...]] = [COLUMNS]
    used = sorted(reported(value).items())
    for item in value["licenses"]:
        days = "unknown" if item["license_days"] is None else str(item["license_days"])
        place = (item["host"], item["container"], item["image"][:19], days)
        mine = [(key[2], key[3], str(quantity)) for key, quantity in used if key[:2] == place[:2]] or [("-", "-", "-")]
        for index, part in enumerate(mine):
            rows.append((place if index == 0 else ("",) * 4) + part)
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def host_files(host: str, *argv: str) -> t.Sequence[str]:
    """Lines of a command run as root on a site host."""
    return inside(settings.host(host).container, *argv).splitlines()
