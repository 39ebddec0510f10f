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
    process, started, rest = host_lock.run_of(os.getpid()).split("-", 2)
    assert host_lock.is_dead(f"{process}-{int(started) + 1}-{rest}")
    assert host_lock.is_dead(f"{process}-{started}-another-boot-{host_lock.here()}")


def test_nobody_can_say_that_a_run_of_another_laptop_of_the_same_name_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    run = dead_run()
    here = host_lock.place("a" * 32, "boot", FIRST)
    other = f"{run.rpartition('-')[0]}-{here}"
    assert host_lock.is_dead(run) and not host_lock.is_dead(other)
    result, calls = asked([held(other)], monkeypatch)
    assert result["failed"] and result["holder"]["run"] == other and len(calls) == 1


def test_a_lock_of_the_older_form_is_not_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    older = dead_run().rpartition("-")[0]
    assert not host_lock.is_dead(older)
    result, calls = asked([held(older)], monkeypatch)
    assert result["failed"] and result["holder"]["node"] and len(calls) == 1


def test_a_run_that_proc_hides_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    run, gone = host_lock.run_of(os.getpid()), dead_run()

    def hidden(process: int) -> str:
        raise FileNotFoundError(process)

    monkeypatch.setattr(host_lock, "run_of", hidden)
    assert not host_lock.is_dead(run) and host_lock.is_dead(gone)

    def forbidden(process: int, signal: int) -> None:
        raise PermissionError(process)

    monkeypatch.setattr(os, "kill", forbidden)
    assert not host_lock.is_dead(gone)


FIRST = "pid:[4026531836]"
INNER = "pid:[4026532301]"


def test_places_differ_by_machine_and_by_namespace() -> None:
    machines = ["a" * 32, "b" * 32, "", "uninitialized"]
    places = {host_lock.place(machine, "boot-1", namespace) for machine in machines for namespace in (FIRST, INNER)}
    assert len(places) == 4, "two machines, one that does not know its own, and its container"
    assert host_lock.place("a" * 32, "boot-1", FIRST) == host_lock.place("a" * 32, "boot-2", FIRST), "a machine stays itself when it starts anew"


@pytest.mark.parametrize(("machine", "namespace"), [("a" * 32, INNER), ("", FIRST), ("uninitialized\n", FIRST)])
def test_what_an_image_or_nobody_gave_tells_no_machine(machine: str, namespace: str) -> None:
    assert host_lock.place(machine, "boot-1", namespace) != host_lock.place(machine, "boot-2", namespace)
