# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks backup and restore as headquarters runs them: without an inventory, and without the name of a site."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.exchange_kit import Headquarters, Keys, Site


def play(folder: Path, name: str, **values: t.Any) -> str:
    command = ["ansible-playbook", "-i", "localhost,", f"airgap.azure_ai.{name}", "-e", json.dumps(values)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env={**os.environ, "ANSIBLE_NOCOLOR": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_headquarters_names_no_site(tmp_path: Path) -> None:
    keys = Keys(tmp_path, "site@plant-7", "site@plant-8", "hq@headquarters")
    home = tmp_path / "old"
    (home / "ledger").mkdir(parents=True)
    hq = Headquarters(home, keys)
    hq.url = str(home / "ledger" / "ledger.db")
    for name in ("plant-7", "plant-8"):
        site = Site(tmp_path / name, keys, name)
        site.harvest(5)
        assert hq.take(site.carry(tmp_path / "media" / name))["problems"] == []
    assert "files, there is none yet" in play(tmp_path, "backup", azure_ai_home=str(home))
    (archive,) = (home / "backups").glob("azure-ai-headquarters-*.tar.gz")
    assert "changed=1" in play(tmp_path, "restore", azure_ai_home=str(tmp_path / "new"), restore_archive=str(archive))
    hq.url = str(tmp_path / "new" / "ledger" / "ledger.db")
    assert {item["status"] for item in hq.take(tmp_path / "media")["exports"]} == {"known"}
