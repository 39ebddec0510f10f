# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage of a simulated container: record files below the output mount, and the reports made of them."""

from __future__ import annotations

import datetime
import decimal
import json
import os
import threading
import typing as t

from sim_settings import Settings

Meters = dict[str, dict[str, decimal.Decimal]]


class Usage:
    """Record files ``<output>/<service>/<hostname>/usage-YYYY-MM.jsonl``: one line for each use, on disk before the answer goes out."""

    def __init__(self, output: str, service: dict[str, t.Any], hostname: str, settings: Settings) -> None:
        self._service, self._settings = service, settings
        self._all = os.path.join(output, service["name"])
        self.folder = os.path.join(self._all, hostname)
        self._lock = threading.Lock()
        os.makedirs(self.folder, exist_ok=True)

    def add(self, form: str, quantity: decimal.Decimal) -> None:
        """Record a use of the API of that form."""
        meter = next(each for each in self._service["meters"] if each.get("form", form) == form)
        now = self._settings.now()
        row = {"time": now.isoformat(), "meter": meter["name"], "quantity": str(quantity)}
        if "billed" in meter:
            row["billedUnit"] = str(quantity * decimal.Decimal(str(meter["billed"])))
        path = os.path.join(self.folder, f"usage-{now:%Y-%m}.jsonl")
        with self._lock, open(path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def report(self, month: datetime.date | None, share: decimal.Decimal = decimal.Decimal(1)) -> dict[str, t.Any]:
        """The endpoint's body for a month (its first day) or for everything; ``share`` of it while starting."""
        meters = []
        for name, sums in sorted(self._sums(month).items()):
            meters.append({"name": name, **{key: _number(value * share) for key, value in sums.items()}})
        body: dict[str, t.Any] = {"apiType": self._service["name"], "serviceName": self._service["name"], "meters": meters}
        if "report_type" in self._service:
            body = {"type": self._service["report_type"], **body}
        return body

    def _sums(self, month: datetime.date | None) -> Meters:
        sums: Meters = {}
        for path in self._files(month):
            with open(path, encoding="utf-8") as stream:
                for line in stream:
                    # A line without its end is a write that a crash cut off.
                    if not line.endswith("\n"):
                        continue
                    row = json.loads(line)
                    meter = sums.setdefault(row["meter"], {})
                    for key in ("quantity", "billedUnit"):
                        if key in row:
                            meter[key] = meter.get(key, decimal.Decimal(0)) + decimal.Decimal(row[key])
        return sums

    def _files(self, month: datetime.date | None) -> t.Iterator[str]:
        own = self._settings.switch("SIM_SUM") == "instance"
        wanted = f"usage-{month:%Y-%m}.jsonl" if month else None
        for place, _folders, names in os.walk(self.folder if own else self._all):
            for name in names:
                if name == wanted or (wanted is None and name.startswith("usage-") and name.endswith(".jsonl")):
                    yield os.path.join(place, name)


def _number(value: decimal.Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
