# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each measure is held to. A bound that is exceeded is named in the output and in build/bench.json; nothing fails by it, as machines are busy at times."""

from __future__ import annotations

import typing as t

Row = t.Mapping[str, t.Any]


class Bound(t.NamedTuple):
    """The measured ``key`` is at most ``factor`` times the ``of`` of the same row (``1`` for a plain number), and ``more``."""

    factor: float
    of: str = ""
    more: float = 0
    key: str = "ours"

    def limit(self, row: Row) -> float:
        """The number that the measure is held against."""
        return self.factor * (row[self.of] if self.of else 1) + self.more

    def told(self, row: Row) -> str:
        """The measure beside its bound, in words."""
        unit = "MB" if self.key == "ours_rss_mb" else row["unit"]
        whole = "" if not self.of else f" = {self.factor:.3g} x {self.of}" + (f" + {self.more:g}" if self.more else "")
        return f"{row[self.key]:.9g} of at most {self.limit(row):.9g} {unit}{whole}"


def memory(megabytes: int) -> Bound:
    """Resident at most."""
    return Bound(megabytes, key="ours_rss_mb")


BOUNDS: dict[str, tuple[Bound, ...]] = {
    "harvest.host": (Bound(1 / 80, "peer"), Bound(1.3, "floor")),
    "harvest.fleet": (Bound(1.35, "floor"),),
    "harvest.direct": (Bound(1.5, "floor"),),
    # A million readings at 20,000 a second; as many rows and more at 50,000.
    "ledger.append": (Bound(50), memory(200)),
    "ledger.verify": (Bound(20), memory(200)),
    "ledger.report": (Bound(5), memory(200)),
    "bundle.build": (Bound(1.25, "floor"), memory(150)),
    "bundle.import": (Bound(1.25, "floor"), memory(150)),
    "bundle.verify": (Bound(1.25, "floor"), memory(150)),
    "bundle.reimport": (Bound(2), memory(150)),
    "bundle.fleet": (Bound(1.5, "floor"), memory(150)),
    "bundle.delta_bytes": (Bound(1.02, "floor", 256 * 1024),),
    "rollout.unchanged": (Bound(1 / 3, "peer"),),
    "stage.first": (Bound(1.15, "peer"),),
    "stage.delta_wall": (Bound(1 / 4, "peer"),),
    "stage.delta_bytes": (Bound(1.05, "floor"),),
    "image_load.present": (Bound(1), memory(100)),
}


def over(name: str, row: Row) -> list[str]:
    """The bounds of that measure that the row exceeds, in words."""
    return [bound.told(row) for bound in BOUNDS.get(name, ()) if row[bound.key] > bound.limit(row)]
