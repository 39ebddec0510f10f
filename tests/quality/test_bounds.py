# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounds of the benchmarks: what exceeds one is named, and every bound is one of a measure that its page lists."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.airgap.azure_ai.tests.bench import bounds

PAGE = Path(__file__).resolve().parents[1] / "bench" / "README.md"
ROW = {"unit": "s", "ours": 1.0, "peer": 3.1, "floor": 0.9, "ours_rss_mb": 90}


def test_what_exceeds_a_bound_is_named_with_both_numbers() -> None:
    assert bounds.over("rollout.unchanged", ROW) == []
    assert bounds.over("rollout.unchanged", {**ROW, "peer": 2.9}) == ["1 of at most 0.966666667 s = 0.333 x peer"]
    assert bounds.over("bundle.delta_bytes", {**ROW, "unit": "B", "ours": 262146, "floor": 0}) == ["262146 of at most 262144 B = 1.02 x floor + 262144"]
    assert bounds.over("image_load.present", {**ROW, "ours": 1.5, "ours_rss_mb": 101}) == ["1.5 of at most 1 s", "101 of at most 100 MB"]
    assert bounds.over("harvest.slope", ROW) == []


def test_every_bound_is_of_a_measure_on_the_page() -> None:
    listed = set(re.findall(r"`([a-z_]+\.[a-z_]+)`", "".join(line for line in PAGE.read_text().splitlines() if line.startswith("|"))))
    assert set(bounds.BOUNDS) <= listed and len(bounds.BOUNDS) > 15
