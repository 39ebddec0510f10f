# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a simulated container reads its settings, its switches and its clock."""

from __future__ import annotations

import datetime
import time
import typing as t

# What nobody knows about the real containers: a switch each, the first value is the default.
SWITCHES = {
    # usage reports and records
    "SIM_EMPTY_MONTH": ("404", "400", "empty", "zero", "204"),
    "SIM_UNPADDED": ("", "only", "both"),
    "SIM_MONTH_ZONE": ("utc", "local"),
    "SIM_SUM": ("directory", "instance", "mount"),
    "SIM_PARTIAL_WHILE_STARTING": ("", "empty", "partial"),
    "SIM_RECORDS": ("lines", "binary", "files"),
    "SIM_METER_INNER": ("", "count"),
    # the download
    "SIM_REDOWNLOAD": ("", "refuse", "overwrite"),
    "SIM_AFTER_DOWNLOAD": ("exit", "stay"),
    "SIM_LICENSE_NAME": ("license.dat", "license.lic", "5a72fa7c.key"),
    "SIM_LICENSE_FORMAT": ("text", "binary"),
    # what a license permits
    "SIM_EXPIRED": ("refuse_start", "stop", "unready"),
    "SIM_BINDING": ("none", "first_host", "download_host"),
    "SIM_CLOCK": ("ignore", "before_issue", "far_future"),
    "SIM_REFUSAL_TEXT": ("license", "status", "silent"),
    "SIM_REFUSAL_EXIT": ("1", "0", "134", "139", "255"),
    # the host
    "SIM_CPU": ("documented", "all", "off"),
    "SIM_GPU": ("", "pretend"),
    "SIM_NEEDS": ("", "writable_root", "capabilities"),
}


class Settings:
    """``Name=value`` arguments over environment variables; any case, ``:`` or ``__`` between sections."""

    def __init__(self, arguments: t.Sequence[str], environment: t.Mapping[str, str]) -> None:
        self._environment = environment
        pairs = [*environment.items(), *(argument.split("=", 1) for argument in arguments if "=" in argument)]
        self._values = {self._plain(name): value for name, value in pairs}
        self._words = {argument.lower() for argument in arguments if "=" not in argument}
        self._started = time.monotonic()

    @staticmethod
    def _plain(name: str) -> str:
        return name.lower().replace("__", ":")

    def get(self, name: str, default: str = "") -> str:
        """The value of a setting, stripped."""
        return self._values.get(self._plain(name), default).strip()

    def true(self, name: str) -> bool:
        """Whether a setting says true."""
        return self.get(name).lower() == "true"

    def word(self, name: str) -> bool:
        """Whether an argument is this bare word."""
        return name.lower() in self._words

    def switch(self, name: str) -> str:
        """The value of a switch; raises SystemExit for a value that does not exist."""
        value = self._environment.get(name) or SWITCHES[name][0]
        if value not in SWITCHES[name]:
            raise SystemExit(f"{name}={value}: there are {', '.join(SWITCHES[name])}")
        return value

    def seconds(self, name: str, default: float) -> float:
        """A duration such as SIM_READY_AFTER."""
        return float(self._environment.get(name) or default)

    def now(self) -> datetime.datetime:
        """The time in UTC: real, or running on from SIM_NOW since the program started."""
        given = self._environment.get("SIM_NOW")
        if not given:
            return datetime.datetime.now(datetime.timezone.utc)
        start = datetime.datetime.fromisoformat(given.replace("Z", "+00:00"))
        return start + datetime.timedelta(seconds=time.monotonic() - self._started)
