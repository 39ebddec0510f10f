# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that fills up under the ledger, its spool or its evidence: it is named, and with room again the same run ends where an undisturbed one does."""

from __future__ import annotations

import gc
import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, schema, spool
from ansible_collections.airgap.azure_ai.plugins.modules import ledger as module
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import document, rows
from tests.integration.test_full_disk import Disk

HARVESTS, METERS = 40, 400


@pytest.fixture
def disk(tmp_path: Path) -> t.Iterator[Disk]:
    found = Disk(tmp_path / "disk")
    yield found
    gc.collect()  # connections that nobody uses any more hold the disk
    found.close()


def harvest(home: Path, spooled: Path, number: int) -> None:
    """One document of a host into the spool, and the spool into the ledger."""
    made = document(str(number), {"all": {f"M{meter}": number + meter for meter in range(METERS)}}, f"2026-03-{number % 28 + 1:02d}T00:00:00Z")
    (spooled / spool.file_name(str(number), "h1")).write_text(json.dumps(made))
    given = {name: option.get("default") for name, option in module.argument_spec().items()}
    module.append({**given, "url": str(home / "ledger.db"), "site": "plant-7", "spool": str(spooled), "closed": None}, keep=True)


def state(home: Path) -> tuple[t.Any, ...]:
    database = schema.Database(str(home / "ledger.db"))
    with database.read() as connection:
        assert ledger.verify(connection) == []
        return ledger.heads(connection), rows(database, "looks", "harvest", "hash"), rows(database, "readings", "seq", "hash")


def test_the_ledger_on_a_full_disk_says_so_and_goes_on_with_room(tmp_path: Path, disk: Disk) -> None:
    calm = tmp_path / "calm"
    for folder in (calm, calm / "spool", tmp_path / "spool"):
        folder.mkdir()
    for number in range(HARVESTS):
        harvest(calm, calm / "spool", number)
    number = 0
    with pytest.raises(AirgapError, match=r"ledger .*/disk/ledger.db: the database refused \(database or disk is full\); make room"):
        for number in range(HARVESTS):
            harvest(disk.path, tmp_path / "spool", number)
    assert 0 < number < HARVESTS
    filled = state(disk.path)
    assert len(filled[1]) == number and len(filled[2]) == number * METERS, "whole harvests, and the one that did not fit not at all"
    with pytest.raises(AirgapError, match="full"):
        harvest(disk.path, tmp_path / "spool", number)
    disk.grow()
    for rest in range(number, HARVESTS):
        harvest(disk.path, tmp_path / "spool", rest)
    assert state(disk.path) == state(calm)
