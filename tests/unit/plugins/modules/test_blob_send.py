# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on hosts that the control node follows: rsync by synchronize, and the load of image_load."""

from __future__ import annotations

import json
import os
import time
import types
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.action import blob_send, image_load
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _follow

Json = dict[str, t.Any]
SEND: Json = {"src": "/s/", "dest": "/home/deploy/in/", "list": "names", "size": 9}
RECORD: Json = {"layers": [{"digest": "sha256:a", "size": 5}, {"digest": "sha256:b", "size": 7}]}


class Task(types.SimpleNamespace):
    """A task of Ansible, as far as action plugins look at it."""

    def copy(self) -> Task:
        return Task(**vars(self))


def task(args: Json, check_mode: bool = False) -> Task:
    return Task(args=args, async_val=0, check_mode=check_mode, environment=None, collections=[])


class Connection:
    """A connection whose host has one file, which grows."""

    become: t.Any = "sudo"

    def __init__(self, path: Path) -> None:
        self._shell = types.SimpleNamespace(tmpdir=None, join_path=os.path.join, quote=lambda text: f"'{text}'")
        self.path, self.asked = path, t.cast("list[tuple[str, t.Any, bool]]", [])

    def exec_command(self, command: str, sudoable: bool) -> tuple[int, bytes, bytes]:
        self.asked.append((command, self.become, sudoable))
        return (0, self.path.read_bytes(), b"") if self.path.exists() else (1, b"", b"no such file")


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_follow.Follower.__init__, "__defaults__", (0.005,))


def test_rsync_is_told_what_large_blobs_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Json] = []

    class Synchronize:
        def __init__(self, task: Task, **_more: t.Any) -> None:
            self.args = task.args

        def run(self, task_vars: Json) -> Json:
            ran.append(self.args)
            time.sleep(0.1)
            return {"changed": True, "msg": "sent"}

    names: list[str] = []
    loader = types.SimpleNamespace(action_loader=types.SimpleNamespace(get=lambda name, **options: names.append(name) or Synchronize(**options)))
    monkeypatch.setattr(_follow, "written", lambda root, program: 4 if (root, program) == (os.getpid(), "rsync") else None)
    path = tmp_path / "send.json"
    given = {**SEND, "bandwidth": "5m", "verify_host": False, "progress_file": str(path)}
    action = blob_send.ActionModule(task(given), Connection(tmp_path), types.SimpleNamespace(), None, None, None)
    monkeypatch.setattr(action, "_shared_loader_obj", loader)
    assert action.run(task_vars={"inventory_hostname": "text-1"}) == {"changed": True, "msg": "sent"} and names == ["ansible.posix.synchronize"]
    assert ran[0]["rsync_opts"] == ["--files-from=:/home/deploy/in/names", "--chmod=F600", "--bwlimit=5m"]
    assert (ran[0]["partial"], ran[0]["compress"], ran[0]["verify_host"], ran[0]["rsync_timeout"]) == (True, False, False, 300)
    told = json.loads(path.read_text())
    assert (told["label"], told["done"], told["total"], told["finished"]) == ("text-1, sending", 9, 9, True)
    lacking = blob_send.ActionModule(task({"src": "/s/"}), Connection(tmp_path), types.SimpleNamespace(), None, None, None)
    assert lacking.run(task_vars={})["msg"] == "blob_send: dest, list, size missing"


def test_a_load_is_followed_by_another_connection_without_become(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, here, connection = tmp_path / "host" / "progress.json", tmp_path / "progress" / "load.json", Connection(tmp_path / "host" / "progress.json")
    removed: list[str] = []

    def module(module_args: Json, **_more: t.Any) -> Json:
        assert module_args == {"image": RECORD, "leave_out": ["sha256:a"], "name": "x:1", "progress_file": str(there)}
        there.parent.mkdir()
        there.write_text(json.dumps({"done": 6}))
        end = time.monotonic() + 20
        while not here.exists():
            assert time.monotonic() < end
            time.sleep(0.01)
        return {"changed": True}

    action = image_load.ActionModule(
        task({"image": RECORD, "leave_out": ["sha256:a"], "name": "x:1", "progress_file": str(here)}), connection, types.SimpleNamespace(), None, None, None
    )
    monkeypatch.setattr(action, "_make_tmp_path", lambda: str(there.parent))
    monkeypatch.setattr(action, "_remove_tmp_path", lambda path, force: removed.append(path))
    monkeypatch.setattr(action, "_execute_module", module)
    assert action.run(task_vars={"inventory_hostname": "text-1"})["changed"] and removed == [str(there.parent)]
    told = json.loads(here.read_text())
    assert (told["label"], told["done"], told["total"], told["finished"]) == ("text-1, loading x:1", 7, 7, True)
    assert set(connection.asked) == {(f"cat '{there}'", None, False)} and connection.become == "sudo"


@pytest.mark.parametrize(("args", "check_mode"), [({}, False), ({"progress_file": "/nowhere/load.json"}, True)])
def test_nothing_is_followed_where_nobody_asks_or_nothing_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: Json, check_mode: bool) -> None:
    calls: list[Json] = []
    action = image_load.ActionModule(task({"name": "x:1", **args}, check_mode), Connection(tmp_path), types.SimpleNamespace(), None, None, None)
    monkeypatch.setattr(action, "_execute_module", lambda **call: calls.append(call["module_args"]) or {"changed": False})
    assert action.run(task_vars={}) == {"changed": False} and calls == [{"name": "x:1"}]
