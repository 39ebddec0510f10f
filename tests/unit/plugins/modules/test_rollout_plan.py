# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rollout_plan through Ansible itself: templates in the inventory, one look at the host, nothing changed."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.airgap.azure_ai.plugins.action import rollout_plan as action
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.plan import plan
from ansible_collections.airgap.azure_ai.plugins.modules import rollout_plan
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import FakeEngine, Image, have, item, release, want

TREE = str(Path(inspect.getfile(action)).parents[5])


@pytest.fixture
def play(tmp_path: Path) -> t.Callable[..., dict[str, t.Any]]:
    def run(task: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        book = [{"hosts": "localhost", "gather_facts": False, "vars": {**variables, "ansible_python_interpreter": sys.executable}, "tasks": [task]}]
        (tmp_path / "play.yml").write_text(yaml.safe_dump(book))
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": TREE,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "l"),
        }
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local", str(tmp_path / "play.yml")]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
        found: dict[str, t.Any] = json.loads(done.stdout[done.stdout.index("{") :])["plays"][0]["tasks"][0]["hosts"]["localhost"]
        return found

    return run


RAW = {"name": "sent-en", "service": "sentiment", "tag": "3.0-{{ language }}", "port": 59999, "resource": "lang-dc0", "cpus": 1, "memory": "2g"}


def test_a_host_is_planned(play: t.Callable[..., dict[str, t.Any]], fake: FakeEngine, tmp_path: Path) -> None:
    image = Image(b"x")
    (tmp_path / "holdings.json").write_text(json.dumps({"images": [image.record], "models": [], "releases": [release(image, expires=None)], "packages": []}))
    task = {"airgap.azure_ai.rollout_plan": {"store": str(tmp_path), "root": str(tmp_path / "root"), "docker_socket": fake.path}}
    result = play(task, {"azure_ai_containers__text": [RAW], "language": "en"})
    assert result["changed"] is False, result
    assert [step["container"] for step in result["plan"]["switch"]] == ["sent-en"]
    assert result["plan"]["switch"][0]["spec"]["image"] == result["plan"]["images"][0]["name"]
    assert result["host"]["engine"]["version"] == "20.10.24"
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize(("store", "name", "told"), [(False, "sent-en", "receive a bundle first"), (True, "Bad_Name", "is not a DNS label")])
def test_failures_are_one_line(play: t.Callable[..., dict[str, t.Any]], tmp_path: Path, store: bool, name: str, told: str) -> None:
    if store:
        (tmp_path / "holdings.json").write_text("{}")
    result = play({"airgap.azure_ai.rollout_plan": {"store": str(tmp_path)}}, {"azure_ai_containers": [{**RAW, "name": name}], "language": "en"})
    assert result["failed"] is True
    assert result["msg"].count(told) == 1


def test_the_lookup_gives_the_declarations(play: t.Callable[..., dict[str, t.Any]]) -> None:
    query = "{{ query('airgap.azure_ai.containers', unique=false, allow_latest=true) }}"
    result = play({"ansible.builtin.debug": {"msg": query}}, {"azure_ai_containers": [{**RAW, "tag": "latest"}, RAW, RAW], "language": "en"})
    assert [found["tag"] for found in result["msg"]] == ["latest", "3.0-en"]


def test_what_a_plan_holds_is_documented() -> None:
    told = yaml.safe_load(rollout_plan.RETURN)["plan"]["contains"]
    assert set(plan(have(), want(item(Image(b"x"))))) == set(told)
