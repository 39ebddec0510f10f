# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headquarters' ledger in a real PostgreSQL: exports are merged, repeated and refused there as in SQLite.

Uses the server of AZURE_AI_TEST_POSTGRES_URL, or starts one of its own (tests/integration/postgres.py).
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, schema
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.exchange_kit import Headquarters, Keys, Site, copied, statuses
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import rows
from tests.integration import postgres

CHAINS = ("looks", "readings", "adjustments")


@pytest.fixture(scope="module")
def server() -> t.Iterator[str]:
    with postgres.any_url() as url:
        yield url


@pytest.fixture
def hq(server: str, tmp_path: Path) -> Headquarters:
    with sa.create_engine(server).begin() as connection:
        for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
            connection.exec_driver_sql(statement)
    made = Headquarters(tmp_path / "hq", Keys(tmp_path, "site@plant-7", "site@plant-8", "hq@headquarters"))
    made.url = server
    return made


def chains(database: schema.Database) -> dict[str, list[tuple[t.Any, ...]]]:
    return {name: rows(database, name, "site", "seq", "prev", "hash") for name in CHAINS}


def test_two_sites_are_merged_row_by_row_and_again_without_a_change(hq: Headquarters, tmp_path: Path) -> None:
    found: dict[str, list[tuple[t.Any, ...]]] = {name: [] for name in CHAINS}
    for name in ("plant-7", "plant-8"):
        site = Site(tmp_path / name, hq.keys, name)
        for value in range(260):
            site.harvest(value)
            if value == 130:
                site.carry(tmp_path / "media")
        site.adjust()
        site.carry(tmp_path / "media")
        for table, lines in chains(site.database).items():
            found[table] += lines
    done = hq.take(tmp_path / "media")
    assert (done["problems"], [status for _site, _number, status in statuses(done)]) == ([], ["imported"] * 4)
    assert chains(hq.database) == found
    with hq.database.read() as connection:
        assert ledger.verify(connection) == []
    assert hq.take(tmp_path / "media")["changed"] is False


def test_a_fork_and_an_altered_row_leave_nothing(hq: Headquarters, tmp_path: Path) -> None:
    site = Site(tmp_path / "site", hq.keys)
    site.harvest(1)
    twin = Site(tmp_path / "twin", hq.keys)
    copied(site.url, twin.url)
    site.harvest(2)
    hq.take(site.carry(tmp_path / "media"))
    before = chains(hq.database)
    twin.harvest(3)
    twin.export()
    twin.harvest(4)
    done = hq.take(twin.carry(tmp_path / "media/twin"))
    assert "fork at looks row 3" in done["problems"][0]
    assert chains(hq.database) == before


def test_a_site_s_own_ledger_may_be_there_as_well(hq: Headquarters, tmp_path: Path) -> None:
    """Export, statements and receipts out of PostgreSQL."""
    site = Site(tmp_path / "site", hq.keys)
    site.url = hq.url
    site.harvest(5)
    other = Headquarters(tmp_path / "other", hq.keys)
    for detail in ("host", "site"):
        assert other.take(site.carry(tmp_path / "media", detail=detail))["problems"] == []
        assert site.receive(other.receipt())["problems"] == []
    site.harvest(6)
    assert other.take(site.carry(tmp_path / "media"))["problems"] == []
    assert chains(other.database) == chains(site.database)
