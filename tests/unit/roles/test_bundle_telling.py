# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role bundle says when holdings cannot be used: the people who carry should know why there is so much to carry."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import outbox
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

PLAYBOOK = """
- hosts: azure_ai_sites
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: airgap.azure_ai.bundle, tasks_from: build}
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: airgap.azure_ai.bundle, tasks_from: summary}
"""


def build(folder: Path, keys: kit.Keys, wants: str = "") -> str:
    """What the role prints that builds for plant-7 on the holdings in ``carried``, or on those that it finds by the wants."""
    (folder / "play.yml").write_text(PLAYBOOK)
    (folder / "hosts.ini").write_text("localhost ansible_connection=local\n[azure_ai_sites]\nplant-7 ansible_connection=local\n")
    values = {
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "bundle_site": kit.SITE,
        "bundle_home": str(folder),
        "bundle_signing_key": keys.builder,
        "bundle_allowed_signers": keys.signers,
        **({"bundle_wants": wants} if wants else {"bundle_holdings": str(folder / "carried")}),
        "bundle_control_result": {},
        "__bundle_changed": False,
        "__bundle_packages": {"results": []},
        "__bundle_selectors": kit.selectors("1.0"),
    }
    command = ["ansible-playbook", "-i", "hosts.ini", "play.yml", "-e", json.dumps(values)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env={**os.environ, "ANSIBLE_NOCOLOR": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("good", [True, False])
def test_holdings_that_were_passed_over_are_told_and_marked(tmp_path: Path, good: bool) -> None:
    keys, store = kit.make_keys(tmp_path / "keys"), kit.fill(tmp_path / "store")
    document = outbox.holdings({**store.holdings(), "site": kit.SITE})
    outbox.write(str(tmp_path / "carried"), "holdings.json", document, "azure-ai-holdings", keys.site if good else keys.builder)
    told = build(tmp_path, keys)
    (row,) = [line for line in told.splitlines() if kit.SITE in line and "sequence 1 " in line and " of " in line]
    assert (", on holdings: " in row, ", complete (1 files passed over): " in row) == (good, not good)
    assert (f"holdings {tmp_path}/carried/holdings.json" in told) is not good


@pytest.mark.parametrize("wants", ["{folder}/carried/wants.json", "carried/wants.json", "{folder}/carried"])
def test_holdings_beside_the_wants_are_the_base(tmp_path: Path, wants: str) -> None:
    """Also beside a single file: who names it does not know that the bundle would be complete otherwise."""
    keys, store = kit.make_keys(tmp_path / "keys"), kit.fill(tmp_path / "store")
    (tmp_path / "carried").mkdir()
    (tmp_path / "carried" / "wants.json").write_text("{}")  # read by the playbook, not by this role
    told = build(tmp_path, keys, wants.format(folder=tmp_path))
    assert f"{kit.SITE}: no holdings found in or beside {wants.format(folder=tmp_path)}, so the bundle is complete" in told and ", complete" in told
    outbox.write(str(tmp_path / "carried"), "holdings.json", outbox.holdings({**store.holdings(), "site": kit.SITE}), "azure-ai-holdings", keys.site)
    shutil.rmtree(tmp_path / "bundles")
    assert "no holdings found" not in build(tmp_path, keys, wants.format(folder=tmp_path))
    assert json.loads((tmp_path / "bundles" / f"{kit.SITE}.json").read_text())["base"]["kind"] == "holdings"
