# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup is made once for what there is, waits for nobody, and says what is not in it."""

from __future__ import annotations

import fcntl
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import schema
from ansible_collections.airgap.azure_ai.plugins.modules import control_backup
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document

Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / "ledger").mkdir(parents=True)
    (folder / "keys").mkdir()
    (folder / "keys" / "signing").write_text("private")
    append(schema.Database(str(folder / "ledger" / "ledger.db")), document("x", {"all": {"M": 5}}), site="plant-7")
    return folder


@pytest.fixture
def options(home: Path, tmp_path: Path) -> dict[str, t.Any]:
    (tmp_path / "password").write_text("password")
    return {"home": str(home), "site": "plant-7", "dest": str(home / "backups"), "secrets": "none"}


def test_once_for_what_there_is(run: Run, options: dict[str, t.Any], home: Path) -> None:
    check = run(control_backup.main, check=True, **options)
    assert check["changed"] and check["archive"] is None and not (home / "backups").exists()
    first = run(control_backup.main, **options)
    assert first["changed"] and first["notes"] == ["keys/signing: private, left out"] and first["files"] == 1
    again = run(control_backup.main, **options)
    assert (again["changed"], again["archive"]) == (False, first["archive"])
    append(schema.Database(str(home / "ledger" / "ledger.db")), document("y", {"all": {"M": 6}}), site="plant-7")
    assert run(control_backup.main, check=True, **options)["changed"]
    assert not [path for path in home.iterdir() if path.name.startswith("airgap-")], "nothing is left of the copy"


def test_secrets_go_in_encrypted_or_the_run_says_what_it_needs(run: Run, options: dict[str, t.Any], tmp_path: Path) -> None:
    refused = run(control_backup.main, **{**options, "secrets": "encrypted"})
    assert refused["failed"] and "secrets=none" in refused["msg"]
    made = run(control_backup.main, **{**options, "secrets": "encrypted", "vault_password_file": str(tmp_path / "password")})
    assert made["changed"] and made["notes"] == []


def test_a_harvest_that_runs_is_not_disturbed(run: Run, options: dict[str, t.Any], home: Path) -> None:
    with open(home / "ledger" / "harvest.lock", "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert "a harvest runs" in run(control_backup.main, **options)["msg"]


def test_a_ledger_on_a_server_is_left_to_its_own_tools(run: Run, options: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    class Server(schema.Database):
        def __init__(self, url: str) -> None:
            super().__init__(str(home / "ledger" / "ledger.db"))
            self.path, self.name = None, url

    monkeypatch.setattr(schema, "Database", Server)
    found = run(control_backup.main, **{**options, "ledger": "postgresql://db.example.com/ledger"})
    assert found["files"] == 0 and "run pg_dump" in found["notes"][0]


def test_a_damaged_ledger_is_named(run: Run, options: dict[str, t.Any], home: Path) -> None:
    for name in ("ledger.db-wal", "ledger.db-shm"):  # whatever a process that still has it open left there
        (home / "ledger" / name).unlink(missing_ok=True)
    (home / "ledger" / "ledger.db").write_bytes(b"no database" * 1000)
    found = run(control_backup.main, **options)
    assert found["failed"] and "ledger.db" in found["msg"] and "\n" not in found["msg"]


def test_a_folder_that_is_not_there_is_named(run: Run, options: dict[str, t.Any]) -> None:
    assert "no such folder" in run(control_backup.main, **{**options, "home": "/nowhere"})["msg"]


@pytest.mark.parametrize("below", ["", "/inner/folder"])
@pytest.mark.parametrize("check", [True, False])
def test_a_file_in_place_of_the_folder_for_archives_is_named(run: Run, options: dict[str, t.Any], tmp_path: Path, below: str, check: bool) -> None:
    file = tmp_path / "password"
    found = run(control_backup.main, check=check, **{**options, "dest": f"{file}{below}"})
    assert found["failed"] and found["msg"] == f"dest {file}{below}: {file} is no folder; name a folder for archives in backup_dest"
    assert file.read_text() == "password"


def test_a_site_is_not_backed_up_under_another_name(run: Run, options: dict[str, t.Any]) -> None:
    found = run(control_backup.main, **{**options, "site": "headquarters"})
    assert found["msg"] == "site headquarters: this ledger is that of plant-7; set azure_ai_site to plant-7"
