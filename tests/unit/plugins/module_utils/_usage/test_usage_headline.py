# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The top of the page says what matters."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import headline
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import Database
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.report_kit import build, fill, imported, release


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(str(tmp_path / "ledger.db"))
    fill(made)
    return made


def values(report: dict) -> dict[str, tuple[str, str]]:
    return {tile["name"]: (tile["value"].replace("\u00a0", " "), tile["level"]) for tile in headline.tiles(report)}


def test_tiles_of_a_site(database: Database) -> None:
    found = values(build(database, releases=[release(26), release(None, "stt-de")]))
    assert found["Containers that answered"] == ("1 of 2", "warn")
    assert found["Next license ends"] == ("in 26 days", "warn")
    assert found["Ledger"] == ("unbroken", "good")
    assert "Sites in order" not in found


@pytest.mark.parametrize(
    ("days", "tile"),
    [([], ("\u2013", "")), ([None], ("unknown", "warn")), ([3, 90], ("in 3 days", "bad")), ([90], ("in 90 days", "good")), ([-1], ("ended", "bad"))],
)
def test_the_license_tile(database: Database, days: list[int | None], tile: tuple[str, str]) -> None:
    assert values(build(database, releases=[release(day, f"c{day}") for day in days]))["Next license ends"] == tile


def test_the_verdict_names_what_comes_first(database: Database) -> None:
    assert headline.verdict(build(database, releases=[release(2)]))["level"] == "bad"
    warn = headline.verdict(build(database, releases=[release(90)]))
    assert (warn["level"], "stt-de" in warn["text"]) == ("warn", True)


def test_all_in_order_and_nothing_harvested(tmp_path: Path) -> None:
    calm = Database(str(tmp_path / "calm.db"))
    with calm.write():
        pass
    assert "Nothing was harvested" in headline.verdict(build(calm, commitments=[]))["title"]
    fill(calm, names=("stt-en",))
    assert headline.verdict(build(calm, commitments=[]))["level"] == "good"


def test_sites_in_order(database: Database) -> None:
    fill(database, "calm", ("stt-en",))
    for site in ("calm", "plant-7"):
        imported(database, site, "host", "2026-11-22T00:00:00Z", "2027-11-01")
    assert values(build(database, commitments=[]))["Sites in order"] == ("1 of 2", "warn")


def test_findings_of_one_kind_share_a_card() -> None:
    base = {"site": "p", "host": "h", "container": "", "meter": "", "month": "", "level": "warn", "by": "", "do": "look"}
    rows = [{**base, "kind": "decrease", "text": f"number {place}"} for place in range(15)] + [{**base, "kind": "brand_new", "text": "x"}]
    first, second = headline.cards(rows)
    assert (first["title"], len(first["items_shown"]), first["more"]) == ("Totals went down (15)", 12, 3)
    assert first["items_shown"][0] == {"text": "Number 0", "where": "p · h"}
    assert second["title"] == "Brand new"
