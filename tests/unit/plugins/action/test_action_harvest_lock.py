# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run holds the lock until it ends, however it ends; who comes second hears who it is."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.airgap.azure_ai.plugins.action import harvest_lock
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _run_lock


def words(run: str) -> dict[str, t.Any]:
    return {"who": "ops", "node": "control", "since": "2026-03-01T00:00:00Z", "run": run}


@pytest.fixture
def other() -> t.Iterator[subprocess.Popen[bytes]]:
    """Another run of ansible-playbook."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def until(free: t.Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not free() and time.monotonic() < end:
        time.sleep(0.05)
    return free()


def test_the_second_hears_who_holds_it_and_the_end_of_the_first_frees_it(tmp_path: Path, other: subprocess.Popen[bytes]) -> None:
    path = str(tmp_path / "ledger" / "harvest.lock")
    assert _run_lock.holder(path) is None
    assert _run_lock.take(path, other.pid, words("other")) is None
    assert _run_lock.take(path, os.getpid(), words("mine")) == words("other")
    assert _run_lock.holder(path) == words("other")
    other.kill()
    other.wait()
    assert until(lambda: _run_lock.holder(path) is None)


def test_the_same_run_may_take_it_again(tmp_path: Path, other: subprocess.Popen[bytes]) -> None:
    path = str(tmp_path / "harvest.lock")
    for _time in range(2):
        assert _run_lock.take(path, other.pid, words("same")) is None


def test_waiting_ends_with_the_lock(tmp_path: Path, other: subprocess.Popen[bytes]) -> None:
    path = str(tmp_path / "harvest.lock")
    assert _run_lock.take(path, other.pid, words("other")) is None
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.7)"]) as short:
        subprocess.Popen(["sh", "-c", f"sleep 0.7; kill {other.pid}"])
        assert _run_lock.take(path, short.pid, words("second"), wait=20) is None


def test_any_flock_of_another_program_counts(tmp_path: Path) -> None:
    path = tmp_path / "harvest.lock"
    with open(path, "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        found = _run_lock.take(str(path), os.getpid(), words("mine"))
    assert found is not None and found["who"] == "somebody"


def test_a_folder_that_cannot_be_written_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="lock .*file/harvest.lock"):
        _run_lock.take(str(tmp_path / "file" / "harvest.lock"), os.getpid(), words("mine"))


class Action(harvest_lock.ActionModule):
    """The action without Ansible around it."""

    def __init__(self, check: bool = False, **args: t.Any) -> None:
        self._task = SimpleNamespace(args=args, check_mode=check, async_val=0)

    def start(self) -> dict[str, t.Any]:
        return self.run(None, {})


@pytest.fixture(autouse=True)
def no_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda self, tmp, task_vars: {})


def test_the_action_names_the_holder_and_check_mode_only_tells(tmp_path: Path, other: subprocess.Popen[bytes]) -> None:
    path = str(tmp_path / "harvest.lock")
    assert Action(check=True, path=path).start()["msg"] == "would be held" and not os.path.exists(path)
    assert _run_lock.take(path, other.pid, words("other")) is None
    refused = Action(path=path).start()
    assert refused["failed"] and "held by ops from control since 2026-03-01T00:00:00Z" in refused["msg"]
    told = Action(check=True, path=path).start()
    assert not told["failed"] and told["holder"] == words("other")


@pytest.mark.parametrize("wrong", [{}, {"path": "relative"}, {"path": "/x", "wait": "long"}, {"path": "/x", "wait": -1}])
def test_wrong_options_are_refused(wrong: dict[str, t.Any]) -> None:
    assert Action(**wrong).start()["failed"]
