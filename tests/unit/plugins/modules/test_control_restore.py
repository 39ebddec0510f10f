# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a backup to a folder that goes on; nothing that is there is overwritten, a second run changes nothing."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, schema
from ansible_collections.airgap.azure_ai.plugins.modules import control_backup, control_restore
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.exchange_kit import Headquarters, Keys, Site

Run = t.Callable[..., dict[str, t.Any]]
Json = dict[str, t.Any]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path, "site@plant-7", "hq@headquarters")


@pytest.fixture
def site(tmp_path: Path, keys: Keys) -> Site:
    made = Site(tmp_path / "old" / "ledger", keys)
    made.harvest(5)
    (tmp_path / "old" / "keys").mkdir()
    (tmp_path / "old" / "keys" / "signing").write_text("private")
    (tmp_path / "old" / "keys" / "allowed_signers").write_text(keys.signers.read_text())
    (tmp_path / "password").write_text("password")
    return made


@pytest.fixture
def archive(run: Run, site: Site, tmp_path: Path) -> str:
    given = {"home": str(tmp_path / "old"), "site": "plant-7", "dest": str(tmp_path / "backups"), "vault_password_file": str(tmp_path / "password")}
    return str(run(control_backup.main, **given)["archive"])


def options(tmp_path: Path, **more: t.Any) -> Json:
    return {"home": str(tmp_path / "new"), "site": "plant-7", **more}


def head(folder: Path) -> int:
    with schema.Database(str(folder / "ledger" / "ledger.db")).read() as connection:
        return int(ledger.heads(connection)["plant-7"]["looks"]["seq"])


def test_a_backup_comes_back_and_a_second_run_changes_nothing(run: Run, archive: str, tmp_path: Path) -> None:
    given = options(tmp_path, archive=archive, vault_password_file=str(tmp_path / "password"))
    check = run(control_restore.main, check=True, **given)
    assert check["changed"] and check["ledger"] is None and not (tmp_path / "new").exists()
    done = run(control_restore.main, **given)
    assert done["changed"] and done["differences"] == [] and done["encrypted"] == [] and done["predecessor"] != done["ledger"]
    assert (tmp_path / "new" / "keys" / "signing").read_text() == "private" and head(tmp_path / "new") == 2
    again = run(control_restore.main, **given)
    assert (again["changed"], again["ledger"]) == (False, done["ledger"])
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["keys", "ledger"]


def test_without_the_password_private_files_stay_encrypted(run: Run, archive: str, tmp_path: Path) -> None:
    done = run(control_restore.main, **options(tmp_path, archive=archive))
    assert done["encrypted"] == ["keys/signing.vault"]
    assert (tmp_path / "new" / "keys" / "signing.vault").read_bytes().startswith(b"$ANSIBLE_VAULT")


def test_a_wrong_password_puts_no_ledger_in_place(run: Run, archive: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("another")
    done = run(control_restore.main, **options(tmp_path, archive=archive, vault_password_file=str(tmp_path / "password")))
    assert done["failed"] and not (tmp_path / "new" / "ledger").exists()


def test_keys_that_are_there_may_be_kept(run: Run, archive: str, tmp_path: Path) -> None:
    (tmp_path / "new" / "keys").mkdir(parents=True)
    (tmp_path / "new" / "keys" / "signing").write_text("mine")
    refused = run(control_restore.main, **options(tmp_path, archive=archive))
    assert refused["failed"] and "not empty" in refused["msg"] and "nothing is overwritten" in refused["msg"]
    assert run(control_restore.main, **options(tmp_path, archive=archive, keep_keys=True))["changed"]
    assert (tmp_path / "new" / "keys" / "signing").read_text() == "mine"


def test_another_sites_backup_and_a_damaged_one_are_refused(run: Run, archive: str, tmp_path: Path) -> None:
    assert "of site plant-7" in run(control_restore.main, **{**options(tmp_path, archive=archive), "site": "plant-8"})["msg"]
    data = Path(archive).read_bytes()
    Path(archive).write_bytes(data[: len(data) // 2])
    refused = run(control_restore.main, **options(tmp_path, archive=archive))
    assert refused["failed"] and "\n" not in refused["msg"] and not (tmp_path / "new" / "ledger").exists()


def test_the_receipt_tells_what_was_lost_with_and_without_a_backup(run: Run, archive: str, tmp_path: Path, site: Site, keys: Keys) -> None:
    site.harvest(9)
    site.export()
    hq = Headquarters(tmp_path / "hq", keys)
    hq.take(site.outbox)
    done = run(control_restore.main, **options(tmp_path, archive=archive, receipt=str(hq.receipt()), compare=[str(site.outbox)]))
    assert done["differences"][0] == "looks: rows 3 to 4 are at headquarters only; this ledger goes on behind them"
    assert any("export.json: knew looks up to row 4" in line for line in done["differences"])
    given = {**options(tmp_path, receipt=str(hq.receipt()), allowed_signers=str(keys.signers)), "home": str(tmp_path / "bare")}
    alone = run(control_restore.main, **given)
    assert alone["predecessor"] == done["predecessor"] and "rows 1 to 4" in alone["differences"][0]
    assert not run(control_restore.main, **given)["changed"]


def test_nothing_to_go_on_from_is_said(run: Run, tmp_path: Path) -> None:
    assert "neither archive nor receipt" in run(control_restore.main, **options(tmp_path))["msg"]
    assert "no such file" in run(control_restore.main, **options(tmp_path, archive=str(tmp_path / "none")))["msg"]


def test_headquarters_goes_on_from_its_backup_without_a_name_of_a_site(run: Run, tmp_path: Path, site: Site, keys: Keys) -> None:
    """The ledger of many sites, backed up under a name that is none of theirs; a site that exported since is asked for what is missing."""
    given = {"site": "headquarters", "dest": str(tmp_path / "backups"), "secrets": "none"}
    hq = Headquarters(tmp_path / "hq", keys)
    hq.url = str(tmp_path / "hq" / "ledger" / "ledger.db")
    (tmp_path / "hq" / "ledger").mkdir()
    hq.take(site.carry(tmp_path / "media"))
    made = run(control_backup.main, home=str(tmp_path / "hq"), **given)
    site.harvest(6)
    assert hq.take(site.carry(tmp_path / "media"))["problems"] == []
    site.receive(hq.receipt())
    site.harvest(7)
    done = run(control_restore.main, home=str(tmp_path / "new"), site="headquarters", archive=made["archive"])
    assert (done["changed"], done["differences"], done["predecessor"]) == (True, [], None)
    hq.url = str(tmp_path / "new" / "ledger" / "ledger.db")
    (gap,) = hq.take(site.carry(tmp_path / "late"))["problems"]
    since = int(gap.rpartition("usage_export_since=")[2])
    assert "looks rows 3 to 4 are missing" in gap and since == 1
    assert hq.take(site.carry(tmp_path / "again", since=since))["problems"] == [] and head(tmp_path / "new") == 6
    assert run(control_backup.main, home=str(tmp_path / "new"), **given)["changed"], "and it is backed up as before"
