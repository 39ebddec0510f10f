# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of a ledger: whole, made while others write, and refused of a damaged file."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, IntegrityError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import backup, ledger, schema
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document, rows


@pytest.fixture
def path(tmp_path: Path) -> str:
    found = str(tmp_path / "ledger.db")
    database = schema.Database(found)
    append(database, document("0", {"all": {f"M{index}": index for index in range(500)}}))
    database.close()
    return found


def test_a_copy_is_a_ledger_of_its_own(path: str, tmp_path: Path) -> None:
    backup.copy(path, str(tmp_path / "copy.db"))
    assert sorted(item.name for item in tmp_path.glob("copy*")) == ["copy.db"]
    assert os.stat(tmp_path / "copy.db").st_mode & 0o777 == os.stat(path).st_mode & 0o777
    copy = schema.Database(str(tmp_path / "copy.db"))
    assert rows(copy, "readings", "hash") == rows(schema.Database(path), "readings", "hash")
    assert append(copy, document("1", {"all": {"M1": 7}})).new == 1


def test_writers_go_on_and_the_copy_is_one_moment(path: str, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 1
        while not stop.is_set():
            append(schema.Database(path), document(str(number), {"all": {"M": number, "N": number}}))
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for index in range(5):
            backup.copy(path, str(tmp_path / f"{index}.db"))
    finally:
        stop.set()
        writer.join()
    for index in range(5):
        with schema.Database(str(tmp_path / f"{index}.db")).read() as connection:
            assert ledger.verify(connection) == []
            assert ledger.heads(connection)["plant-7"]["readings"]["seq"] % 2 == 0


def test_a_damaged_file_is_named_and_not_copied(path: str, tmp_path: Path) -> None:
    size = os.path.getsize(path)
    with open(path, "r+b") as stream:
        stream.seek(size // 2)
        stream.write(b"\xff" * 4096)
    with pytest.raises(AirgapError, match="damaged|malformed"):
        backup.copy(path, str(tmp_path / "copy.db"))
    assert list(tmp_path.glob("copy*")) == []


def test_a_damaged_page_is_found_by_the_whole_check(path: str) -> None:
    database = schema.Database(path)
    with database.read() as connection:
        assert backup.check_whole(connection) == []
        page = connection.exec_driver_sql("SELECT rootpage FROM sqlite_master WHERE name = 'readings_series'").scalar()
    database.close()
    with open(path, "r+b") as stream:
        stream.seek((page - 1) * 4096)
        stream.write(b"\xff" * 4096)
    with schema.Database(path).read() as connection:
        assert "damaged" in backup.check_whole(connection)[0]


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_cut_off_file_is_named_when_it_is_opened(path: str, keep: float) -> None:
    os.truncate(path, int(os.path.getsize(path) * keep) // 4096 * 4096)
    with pytest.raises(IntegrityError, match=r"no whole SQLite database .*restore"), schema.Database(path).read():
        pass


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        backup.copy(str(tmp_path / "nowhere"), str(tmp_path / "copy"))
