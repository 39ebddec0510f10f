# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command azure-ai-harvest: exit codes, the status that it leaves, credentials of the service and of people."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "roles/harvest_timer/files/azure-ai-harvest.py"
PLAYBOOK = """#!{python}
import json, os, sys
name = next(word for word in sys.argv if word.startswith("harvest_id=")).partition("=")[2]
shown = {{key: value for key, value in os.environ.items() if key.startswith(("ANSIBLE", "SECRET", "FOLDER"))}}
json.dump({{"argv": sys.argv[1:], "environment": shown, "folder": os.getcwd()}}, open("seen.json", "w"))
plan = json.load(open("plan.json"))
if plan["outcome"]:
    status = {{"harvest": name, "ended": "2026-03-01T00:00:00Z", "outcome": plan["outcome"], "missing": 2, "evidence_missing": 0}}
    json.dump(status, open("ledger/harvest-status.json", "w"))
sys.exit(plan["code"])
"""


class Node:
    """A control folder with an imitation of ansible-playbook."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "ledger").mkdir()
        (folder / "credentials").mkdir()
        command = folder / "ansible-playbook"
        command.write_text(PLAYBOOK.format(python=sys.executable))
        command.chmod(0o755)
        service = {"arguments": ["-e", "harvest_lock_wait=900"], "environment": {"SECRET_WORD": "@word", "FOLDER": "%d/x"}}
        (folder / "settings.json").write_text(json.dumps({"home": str(folder), "command": str(command), "service": service}))

    def run(self, *arguments: str, outcome: str | None = None, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "plan.json").write_text(json.dumps({"outcome": outcome, "code": code}))
        values = {**os.environ, "AZURE_AI_HARVEST_SETTINGS": str(self.folder / "settings.json"), "HOME": str(self.folder), **environment}
        return subprocess.run([sys.executable, str(SCRIPT), *arguments], env=values, capture_output=True, text=True, check=False)

    def service(self, **given: t.Any) -> subprocess.CompletedProcess[str]:
        (self.folder / "credentials" / "word").write_text("the word\n")
        return self.run("--service", CREDENTIALS_DIRECTORY=str(self.folder / "credentials"), **given)

    @property
    def seen(self) -> dict[str, t.Any]:
        return t.cast(dict[str, t.Any], json.loads((self.folder / "seen.json").read_text()))

    @property
    def status(self) -> dict[str, t.Any]:
        return t.cast(dict[str, t.Any], json.loads((self.folder / "ledger" / "harvest-status.json").read_text()))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.mark.parametrize(
    ("outcome", "code", "exits"),
    [
        ("all_read", 0, 0),
        ("some_missing", 0, 3),
        ("some_missing", 2, 3),
        ("all_read", 2, 3),
        ("all_read", 4, 3),
        (None, 2, 1),
        (None, 0, 1),
        (None, 4, 1),
        ("nonsense", 0, 1),
    ],
)
def test_exit_codes(node: Node, outcome: str | None, code: int, exits: int) -> None:
    assert node.run(outcome=outcome, code=code).returncode == exits


def test_all_was_read_is_not_said_of_a_run_in_which_a_task_failed(node: Node) -> None:
    node.service(outcome="all_read", code=2)
    assert (node.status["outcome"], node.status["code"]) == ("some_missing", 2)
    told = node.run("--status")
    assert told.returncode == 3 and "a task that failed (ansible-playbook returned 2)" in told.stdout


def test_a_status_of_another_harvest_is_not_taken_for_this_one(node: Node) -> None:
    assert node.run(outcome="all_read").returncode == 0
    assert node.run(code=2).returncode == 1


def test_what_people_run_is_theirs(node: Node) -> None:
    node.run("-v", "--limit", "h1", outcome="all_read", ANSIBLE_VAULT_IDENTITY_LIST="mine@x")
    assert node.seen["argv"][0] == "airgap.azure_ai.harvest" and node.seen["argv"][3:] == ["-v", "--limit", "h1"]
    assert node.seen["folder"] == str(node.folder)
    assert node.seen["environment"]["ANSIBLE_VAULT_IDENTITY_LIST"] == "mine@x" and "SECRET_WORD" not in node.seen["environment"]


def test_the_service_has_its_own_credentials_and_never_those_of_people(node: Node) -> None:
    (node.folder / "credentials" / "ssh_key").write_text("key")
    node.service(outcome="all_read")
    found = node.seen["environment"]
    assert found["ANSIBLE_PRIVATE_KEY_FILE"] == str(node.folder / "credentials" / "ssh_key") and "ANSIBLE_BECOME_PASSWORD_FILE" not in found
    assert (found["SECRET_WORD"], found["FOLDER"]) == ("the word", f"{node.folder}/credentials/x")
    assert found["ANSIBLE_VAULT_IDENTITY_LIST"] == f"service@{node.folder}/no-vault-password"
    (node.folder / "credentials" / "vault_password").write_text("p")
    node.service(outcome="all_read")
    assert node.seen["environment"]["ANSIBLE_VAULT_IDENTITY_LIST"] == f"service@{node.folder}/credentials/vault_password"
    assert "the word" not in " ".join(node.seen["argv"])


def test_a_failure_of_the_service_leaves_a_status_with_the_last_good_time(node: Node) -> None:
    node.service(outcome="all_read")
    assert node.service(code=2).returncode == 1
    assert (node.status["outcome"], node.status["code"], node.status["last_good"]) == ("failed", 2, "2026-03-01T00:00:00Z")
    node.service(code=2)
    assert node.status["last_good"] == "2026-03-01T00:00:00Z"
    told = node.run("--status")
    assert told.returncode == 1 and "failed, the last one that reached the ledger ended 2026-03-01T00:00:00Z" in told.stdout


def test_a_failure_by_hand_leaves_the_status_alone(node: Node) -> None:
    node.service(outcome="some_missing")
    node.run(code=2)
    assert node.status["outcome"] == "some_missing"
    told = node.run("--status")
    assert told.returncode == 3 and "2 containers without a whole answer" in told.stdout


def test_a_killed_service_is_noted_by_the_unit_that_tells(node: Node) -> None:
    node.service(outcome="all_read")
    told = node.run("--failed", MONITOR_SERVICE_RESULT="timeout")
    assert told.returncode == 0 and told.stdout.startswith("<3>")
    assert (node.status["outcome"], node.status["code"]) == ("failed", "timeout")
    node.service(outcome="some_missing")
    node.run("--failed", MONITOR_SERVICE_RESULT="exit-code")
    assert node.status["outcome"] == "some_missing", "the harvest said more than its exit code"


def test_check_mode_has_no_status_of_its_own(node: Node) -> None:
    assert node.run("--check").returncode == 0
    assert node.run("--check", code=2).returncode == 1


def test_without_settings_it_says_what_to_run(node: Node) -> None:
    (node.folder / "settings.json").unlink()
    found = node.run()
    assert found.returncode == 1 and "airgap.azure_ai.harvest_timer" in found.stderr
