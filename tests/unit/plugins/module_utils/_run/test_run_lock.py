# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a host: one holder, named to everybody else."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import lock

ANNE = lock.Holder("anne", "2026-01-31T12:00:00Z", "laptop-a", "1-1-a")
BERT = lock.Holder("bert", "2026-01-31T12:05:00Z", "laptop-b", "2-2-b")


def test_the_first_one_has_it_and_the_second_learns_who(tmp_path: Path) -> None:
    root = str(tmp_path / "root")
    assert lock.reason(root, ANNE, True) == "nobody holds it"
    lock.take(root, ANNE)
    assert lock.holder(root) == ANNE
    assert lock.reason(root, ANNE, True) is None
    for attempt in (lambda: lock.reason(root, BERT, True), lambda: lock.take(root, BERT)):
        with pytest.raises(lock.HeldError) as caught:
            attempt()
        assert "held by anne from laptop-a since 2026-01-31T12:00:00Z" in str(caught.value) and "azure_ai_break_lock=true" in str(caught.value)
        assert caught.value.holder == ANNE
    assert lock.holder(root) == ANNE


def test_only_the_holder_gives_it_back(tmp_path: Path) -> None:
    lock.take(str(tmp_path), ANNE)
    assert lock.reason(str(tmp_path), BERT, False) is None
    lock.give_back(str(tmp_path), BERT)
    assert lock.holder(str(tmp_path)) == ANNE
    assert lock.reason(str(tmp_path), ANNE, False) == "the run is over"
    lock.give_back(str(tmp_path), ANNE)
    assert (lock.holder(str(tmp_path)), os.listdir(tmp_path)) == (None, [])
    lock.give_back(str(tmp_path), ANNE)


@pytest.mark.parametrize("broken", [["1-1-a"], ["*"]])
def test_a_broken_lock_changes_hands(tmp_path: Path, broken: list[str]) -> None:
    lock.take(str(tmp_path), ANNE)
    assert "it was held by anne from laptop-a" in str(lock.reason(str(tmp_path), BERT, True, broken))
    lock.take(str(tmp_path), BERT, broken)
    assert lock.holder(str(tmp_path)) == BERT


def test_another_dead_run_does_not_break_this_one(tmp_path: Path) -> None:
    lock.take(str(tmp_path), ANNE)
    with pytest.raises(lock.HeldError):
        lock.take(str(tmp_path), BERT, ["3-3-c"])


def test_a_sign_of_life_is_told(tmp_path: Path) -> None:
    lock.alive(str(tmp_path))
    assert os.listdir(tmp_path) == [], "a sign of life makes no lock"
    lock.take(str(tmp_path), ANNE)
    os.utime(tmp_path / "lock", (0, 0))
    with pytest.raises(lock.HeldError, match="hours ago"):
        lock.reason(str(tmp_path), BERT, True)
    lock.alive(str(tmp_path))
    assert lock.quiet(str(tmp_path)) < 60
    os.utime(tmp_path / "lock", (0, 0))
    lock.take(str(tmp_path), ANNE)
    assert lock.quiet(str(tmp_path)) < 60, "taking it again is a sign of life"


@pytest.mark.parametrize("text", ["", "{}", "[1]", "\0", '{"who": 1}', "[" * 100_000])
def test_an_unreadable_lock_is_still_a_lock(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    with pytest.raises(lock.HeldError, match="held by somebody"):
        lock.take(str(tmp_path), ANNE)
    lock.take(str(tmp_path), ANNE, ["*"])
    assert lock.holder(str(tmp_path)) == ANNE


def test_of_many_at_once_one_gets_it(tmp_path: Path) -> None:
    got: list[str] = []
    start = threading.Barrier(8)

    def attempt(number: int) -> None:
        start.wait()
        try:
            lock.take(str(tmp_path), lock.Holder(f"user{number}", "now", "node", str(number)))
            got.append(str(number))
        except lock.HeldError:
            pass

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = lock.holder(str(tmp_path))
    assert found is not None and got == [found.run]
    assert os.listdir(tmp_path) == ["lock"]


def test_signs_of_life_come_as_long_as_the_work_takes(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock.take(str(tmp_path), ANNE)
    seen = set()
    with lock.heartbeat(str(tmp_path), seconds=0.01):
        end = time.monotonic() + 10
        while len(seen) < 3 and time.monotonic() < end:
            os.utime(path, (0, 0))
            while path.stat().st_mtime == 0 and time.monotonic() < end:
                time.sleep(0.001)
            seen.add(path.stat().st_mtime_ns)
    assert len(seen) == 3
    assert not [thread for thread in threading.enumerate() if thread.name == lock.FILE], "nobody beats on when the work is done"
    lock.give_back(str(tmp_path), ANNE)
    with lock.heartbeat(str(tmp_path), seconds=0.01):
        pass
    assert os.listdir(tmp_path) == [], "a sign of life makes no lock"


@pytest.mark.parametrize("place", ["", ".~tmp~/"])
def test_what_rsync_writes_is_a_sign_of_life(tmp_path: Path, place: str) -> None:
    incoming = tmp_path / "incoming"
    lock.take(str(tmp_path), ANNE, incoming=str(incoming))
    os.utime(tmp_path / "lock", (0, 0))
    with pytest.raises(lock.HeldError, match="hours ago"):
        lock.reason(str(tmp_path), BERT, True)
    (incoming / place).mkdir(parents=True)
    os.utime(incoming, (0, 0))
    blob = incoming / f"{place}.0123.aB3xYz"
    blob.write_bytes(b"half of it")
    assert lock.quiet(str(tmp_path)) < 60
    os.utime(blob, (0, 0))
    for folder in (incoming, incoming / place):
        os.utime(folder, (0, 0))
    assert lock.quiet(str(tmp_path)) > 7200
    assert lock.holder(str(tmp_path)) == ANNE


@pytest.mark.parametrize(
    ("path", "user", "home"),
    [
        ("~/in", "root", "/root/in"),
        ("/srv/in", "root", "/srv/in"),
        ("~/in", "", "/of/mine/in"),
        ("", "root", ""),
        ("~/in", "nobody-at-all", "~nobody-at-all/in"),
    ],
)
def test_the_home_is_that_of_who_logged_in(monkeypatch: pytest.MonkeyPatch, path: str, user: str, home: str) -> None:
    monkeypatch.setenv("HOME", "/of/mine")
    assert lock.at_home(path, user) == home
