# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is retired is archived here, one container after the other, and proved before anything is removed there."""

from __future__ import annotations

import os
import shutil
import types
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.action import retire
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import pack

Json = dict[str, t.Any]


class Host:
    """What the module answers on a host with two containers, and what it is asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.asked, self.temporary = folder, [], folder / "ansible-tmp"
        self.harm: t.Callable[[Path], object] = lambda _path: None
        self.plan: Json = {"empty": False, "problems": [], "endpoints": [], "containers": [self.step("one"), self.step("two")]}
        for name in ("one", "two"):
            (folder / name / "output").mkdir(parents=True)
            (folder / name / "output" / "records").write_text(name)
        self.shell = types.SimpleNamespace(tmpdir="/the/task's/own", join_path=os.path.join)
        self.monkeypatch = monkeypatch

    @staticmethod
    def step(name: str) -> Json:
        return {"name": name, "archive": True}

    def execute(self, module_args: Json, **_more: t.Any) -> Json:
        self.asked.append(module_args)
        answer: Json = {"changed": True, "plan": self.plan, "wiped": 2, "sets": 1}
        if module_args["step"] == "pack":
            answer["packed"] = pack.write(str(self.folder / module_args["packing"]), module_args["target"])
            self.harm(Path(module_args["target"]))
        return answer

    def make(self) -> str:
        self.temporary.mkdir()
        self.shell.tmpdir = str(self.temporary)
        return str(self.temporary)

    def retire(self, check: bool = False, **args: t.Any) -> Json:
        task = types.SimpleNamespace(args=args, async_val=0, check_mode=check, environment=None, collections=[])
        connection = types.SimpleNamespace(_shell=self.shell, fetch_file=shutil.copyfile)
        templar = types.SimpleNamespace(template=lambda value: value)
        action = retire.ActionModule(task, connection, types.SimpleNamespace(), None, templar, None)
        self.monkeypatch.setattr(action, "_execute_module", self.execute)
        self.monkeypatch.setattr(action, "_make_tmp_path", self.make)
        self.monkeypatch.setattr(action, "_remove_tmp_path", lambda path, force: shutil.rmtree(path))
        return t.cast(Json, action.run(task_vars={}))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path / "host", monkeypatch)


def test_each_container_is_packed_by_name_and_wiped_as_it_was_packed(host: Host, tmp_path: Path) -> None:
    done = host.retire(root="/r", containers=["one", "two"], archive=str(tmp_path / "archive"), step="wipe", packing="two", packed={"two": "forged"})
    assert [call["step"] for call in host.asked] == ["look", "stop", "pack", "pack", "wipe"], "a task cannot ask for a step of its own"
    assert [call.get("packing") for call in host.asked] == [None, None, "one", "two", None]
    assert all(call["root"] == "/r" and call["containers"] == ["one", "two"] and "archive" not in call for call in host.asked)
    assert {call["target"] for call in host.asked[2:4]} == {str(host.temporary / f"{name}.tar.gz") for name in ("one", "two")}
    assert host.asked[4]["packed"] == {name: pack.fingerprint(str(host.folder / name)) for name in ("one", "two")}
    assert [(item["container"], item["files"], pack.prove(item["path"])) for item in done["archives"]] == [("one", 1, 1), ("two", 1, 1)]
    assert sorted(os.listdir(tmp_path / "archive")) == sorted(os.path.basename(item["path"]) for item in done["archives"])
    assert {os.stat(item["path"]).st_mode & 0o777 for item in done["archives"]} == {0o600}
    assert (done["wiped"], done["sets"], done["changed"]) == (2, 1, True)
    assert not host.temporary.exists() and host.shell.tmpdir == "/the/task's/own"


def test_nothing_is_wiped_when_an_archive_comes_over_damaged(host: Host, tmp_path: Path) -> None:
    host.harm = lambda path: path.write_bytes(path.read_bytes()[:-1]) if path.name == "two.tar.gz" else None
    done = host.retire(archive=str(tmp_path / "archive"))
    assert done["failed"] and "two-" in done["msg"] and "is not what the host wrote; nothing was removed; run it again" in done["msg"]
    assert [call["step"] for call in host.asked] == ["look", "stop", "pack", "pack"]
    assert not host.temporary.exists(), "what was made on the host goes all the same"


@pytest.mark.parametrize(("plan", "args", "told"), [({"problems": ["a", "b"]}, {}, "a | b"), ({}, {"archive": "relative"}, "an absolute path")])
def test_what_stands_in_the_way_is_told_before_anything_stops(host: Host, plan: Json, args: Json, told: str) -> None:
    host.plan.update(plan)
    done = host.retire(**args)
    assert done["failed"] and told in done["msg"] and [call["step"] for call in host.asked] == ["look"]


def test_a_name_that_no_container_has_is_no_path(host: Host, tmp_path: Path) -> None:
    host.plan["containers"] = [host.step("../one")]
    done = host.retire(archive=str(tmp_path / "archive"))
    assert done["failed"] and "no name that a container can have" in done["msg"] and "pack" not in [call["step"] for call in host.asked]


def test_check_mode_and_an_empty_plan_only_look(host: Host, tmp_path: Path) -> None:
    host.retire(check=True, archive=str(tmp_path / "archive"))
    host.plan["empty"] = True
    host.retire(archive=str(tmp_path / "archive"))
    assert [call["step"] for call in host.asked] == ["look", "look"] and not (tmp_path / "archive").exists()
