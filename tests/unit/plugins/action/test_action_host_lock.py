# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks for a lock, and when a lock of ours is a dead run's."""

from __future__ import annotations

import os
import subprocess
import sys
import types
import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.action import host_lock

Json = dict[str, t.Any]


def asked(answers: list[Json], monkeypatch: pytest.MonkeyPatch) -> tuple[Json, list[Json]]:
    """(result, arguments of each call of the module)."""
    calls: list[Json] = []
    task = types.SimpleNamespace(args={"root": "/x"}, async_val=0, check_mode=False, environment=None, collections=[])
    action = host_lock.ActionModule(task, types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=None)), types.SimpleNamespace(), None, None, None)
    monkeypatch.setattr(action, "_execute_module", lambda **call: calls.append(call["module_args"]) or answers[len(calls) - 1])
    return action.run(task_vars={}), calls


def held(run: str, **more: str) -> Json:
    return {"failed": True, "holder": {**host_lock.whoami(), "run": run, **more}}


def dead_run() -> str:
    """A run whose process is gone."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    run = host_lock.run_of(process.pid)
    assert not host_lock.is_dead(run)
    process.communicate()
    return run


def test_it_says_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    result, calls = asked([{"changed": True}], monkeypatch)
    assert result["changed"] and len(calls) == 1 and calls[0]["root"] == "/x"
    assert set(calls[0]["mine"]) == {"who", "since", "node", "run"} and calls[0]["mine"]["run"].startswith(f"{os.getppid()}-")


def test_a_dead_run_of_this_node_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    run = dead_run()
    result, calls = asked([held(run), {"changed": True}], monkeypatch)
    assert result["changed"] and [call["dead"] for call in calls] == [[], [run]]


@pytest.mark.parametrize("holder", [held(host_lock.run_of(os.getpid())), held("?"), held("1-1-a", node="elsewhere")])
def test_any_other_holder_stays(monkeypatch: pytest.MonkeyPatch, holder: Json) -> None:
    result, calls = asked([holder], monkeypatch)
    assert result["failed"] and len(calls) == 1


def test_a_process_id_that_was_used_again_is_another_run() -> None:
    process, started, boot = host_lock.run_of(os.getpid()).split("-", 2)
    assert host_lock.is_dead(f"{process}-{int(started) + 1}-{boot}")
    assert host_lock.is_dead(f"{process}-{started}-another-boot")
