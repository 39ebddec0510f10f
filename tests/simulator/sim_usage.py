# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage of a simulated container: record files below the output mount, and the reports made of them."""

from __future__ import annotations

import datetime
import decimal
import json
import os
import struct
import threading
import typing as t
import uuid
import zlib

from sim_settings import Settings

Meters = dict[str, dict[str, decimal.Decimal]]
_SIZE = struct.Struct(">I")


class Usage:
    """Record files below ``<output>/<service>/<hostname>``, on disk before the answer goes out; their form is a switch.

    lines: ``usage-YYYY-MM.jsonl``, one line for each use; binary: ``usage-YYYY-MM.bin``, packed records with their sizes;
    files: ``YYYY/MM/<uuid>.json``, one file for each use.
    """

    def __init__(self, output: str, service: dict[str, t.Any], hostname: str, settings: Settings) -> None:
        self._service, self._settings, self._form = service, settings, settings.switch("SIM_RECORDS")
        whole = os.path.join(output, service["name"])
        self.folder = os.path.join(whole, hostname)
        self._scope = {"directory": whole, "instance": self.folder, "mount": output}[settings.switch("SIM_SUM")]
        self._lock = threading.Lock()
        os.makedirs(self.folder, exist_ok=True)

    def add(self, form: str, quantity: decimal.Decimal) -> None:
        """Record a use of the API of that form."""
        meter = next(each for each in self._service["meters"] if each.get("form", form) == form)
        now = self._now()
        row = {"time": now.isoformat(), "meter": meter["name"], "quantity": str(quantity)}
        if "billed" in meter:
            row["billedUnit"] = str(quantity * decimal.Decimal(str(meter["billed"])))
        name = {"lines": f"usage-{now:%Y-%m}.jsonl", "binary": f"usage-{now:%Y-%m}.bin", "files": f"{now:%Y/%m}/{uuid.uuid4()}.json"}[self._form]
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        packed = zlib.compress(json.dumps(row).encode())
        data = _SIZE.pack(len(packed)) + packed if self._form == "binary" else json.dumps(row).encode() + b"\n"
        with self._lock, open(path, "ab") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())

    def _now(self) -> datetime.datetime:
        now = self._settings.now()
        return now if self._settings.switch("SIM_MONTH_ZONE") == "utc" else now.astimezone()

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
        for row in self._rows():
            if month is None or row["time"].startswith(f"{month:%Y-%m}"):
                meter = sums.setdefault(row["meter"], {})
                for key in ("quantity", "billedUnit"):
                    if key in row:
                        meter[key] = meter.get(key, decimal.Decimal(0)) + decimal.Decimal(row[key])
        return sums

    def _rows(self) -> t.Iterator[dict[str, str]]:
        for place, _folders, names in os.walk(self._scope):
            for name in names:
                if name.endswith((".jsonl", ".json", ".bin")):
                    with open(os.path.join(place, name), "rb") as stream:
                        yield from _packed(stream) if name.endswith(".bin") else _lines(stream)


def _lines(stream: t.BinaryIO) -> t.Iterator[dict[str, str]]:
    for line in stream:
        # A line without its end is a write that a crash cut off.
        if line.endswith(b"\n"):
            yield json.loads(line)


def _packed(stream: t.BinaryIO) -> t.Iterator[dict[str, str]]:
    while len(head := stream.read(_SIZE.size)) == _SIZE.size:
        size = _SIZE.unpack(head)[0]
        if len(data := stream.read(size)) == size:
            yield json.loads(zlib.decompress(data))


def _number(value: decimal.Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
