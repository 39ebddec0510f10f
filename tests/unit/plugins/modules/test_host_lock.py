# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_lock: check, take, take again, refuse another, give back."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import lock
from ansible_collections.airgap.azure_ai.plugins.modules import host_lock

Run = t.Callable[..., dict[str, t.Any]]
ANNE = {"who": "anne", "since": "2026-01-31T12:00:00Z", "node": "laptop-a", "run": "1-1-a"}
BERT = {"who": "bert", "since": "2026-01-31T12:05:00Z", "node": "laptop-b", "run": "2-2-b"}


def test_check_do_again(run: Run, tmp_path: Path) -> None:
    root = str(tmp_path / "root")
    assert run(host_lock.main, check=True, root=root, mine=ANNE)["changed"] is True
    assert not (tmp_path / "root").exists()
    assert [run(host_lock.main, root=root, mine=ANNE)["changed"] for _each in range(2)] == [True, False]
    assert [run(host_lock.main, root=root, mine=ANNE, state="released")["changed"] for _each in range(2)] == [True, False]


def test_another_run_is_named_in_check_mode_too(run: Run, tmp_path: Path) -> None:
    run(host_lock.main, root=str(tmp_path), mine=ANNE)
    for check in (True, False):
        refused = run(host_lock.main, check=check, root=str(tmp_path), mine=BERT)
        assert refused["failed"] and refused["holder"] == ANNE and "held by anne from laptop-a" in refused["msg"]
    assert run(host_lock.main, root=str(tmp_path), mine=BERT, state="released")["changed"] is False
    assert run(host_lock.main, root=str(tmp_path), mine=BERT, dead=["1-1-a"])["changed"] is True
    assert run(host_lock.main, root=str(tmp_path), mine=ANNE, break_lock=True)["changed"] is True


def test_it_tells_whether_another_run_was_there_since_a_look(run: Run, tmp_path: Path) -> None:
    root = str(tmp_path / "root")
    looked = lock.turn(root)
    taken = run(host_lock.main, root=root, mine=ANNE)
    assert taken["turn"] == looked == ""
    run(host_lock.main, root=root, mine=ANNE, state="released")
    looked = lock.turn(root)
    for _each in range(2):
        assert run(host_lock.main, check=True, root=root, mine=BERT)["turn"] == looked
    run(host_lock.main, root=root, mine=BERT)
    run(host_lock.main, root=root, mine=BERT, state="released")
    assert run(host_lock.main, root=root, mine=ANNE)["turn"] not in (looked, None)


def test_one_that_is_given_back_in_the_very_moment_is_noticed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, reason = str(tmp_path), lock.reason
    run(host_lock.main, root=root, mine=ANNE)
    os.utime(root, ns=(1, 1))  # long ago, as the clocks of file systems are coarse
    looked = lock.turn(root)

    def given_back(*args: t.Any) -> str | None:
        lock.give_back(root, lock.Holder(**ANNE))
        return reason(*args)

    monkeypatch.setattr(lock, "reason", given_back)
    assert run(host_lock.main, root=root, mine=BERT)["turn"] not in (looked, None)


def test_of_a_lock_that_is_taken_over_nothing_can_be_said(run: Run, tmp_path: Path) -> None:
    run(host_lock.main, root=str(tmp_path), mine=ANNE)
    assert run(host_lock.main, root=str(tmp_path), mine=ANNE)["turn"] is None
    assert run(host_lock.main, root=str(tmp_path), mine=BERT, dead=["1-1-a"])["turn"] is None


def test_without_the_action_plugin_it_says_so(run: Run, tmp_path: Path) -> None:
    assert "mine: not who, since, node and run" in run(host_lock.main, root=str(tmp_path))["msg"]
