# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What another process does is written down while it runs."""

from __future__ import annotations

import json
import os
import subprocess
import time
import typing as t
from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _follow


def state(path: Path) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads(path.read_text()))


def until(true: t.Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_counts_what_is_seen_and_ends_with_the_work(tmp_path: Path) -> None:
    path, seen = tmp_path / "progress" / "a.json", iter([None, 10, 40, 30, 40])
    with _follow.Follower(Progress("text-1, sending", 50, str(path)), lambda: next(seen, 40), 0.001):
        until(path.exists)
        assert not state(path)["finished"]
        until(lambda: next(seen, "end") == "end")
    assert (state(path)["label"], state(path)["done"], state(path)["total"], state(path)["finished"]) == ("text-1, sending", 40, 50, True)


def test_work_that_was_done_ends_at_its_total(tmp_path: Path) -> None:
    for complete, done in ((True, 9), (False, 4)):
        path = tmp_path / f"{complete}.json"
        with _follow.Follower(Progress("x", 9, str(path)), lambda: 4, 0.001) as follower:
            until(path.exists)
            if complete:
                follower.complete()
        assert (state(path)["done"], state(path)["finished"]) == (done, True)


def test_short_work_and_work_that_nothing_is_known_of_leave_no_file(tmp_path: Path) -> None:
    def refuse() -> int:
        raise OSError("gone")

    for number, (look, pause) in enumerate([(lambda: 9, 60.0), (lambda: None, 0.001), (refuse, 0.001)]):
        path = tmp_path / f"{number}.json"
        with _follow.Follower(Progress("x", 9, str(path)), look, pause):
            time.sleep(0.05)
        assert not path.exists()
    with _follow.Follower(None, refuse):
        pass


def test_only_what_this_process_started_is_counted() -> None:
    assert _follow.written(os.getpid(), "dd") is None
    with subprocess.Popen(["sh", "-c", "dd if=/dev/zero bs=1000 count=70 status=none; sleep 60 & dd bs=1 status=none"], stdin=-1, stdout=-1) as shell:
        assert len(t.cast(t.IO[bytes], shell.stdout).read(70000)) == 70000
        t.cast(t.IO[bytes], shell.stdin).write(b"12345")
        t.cast(t.IO[bytes], shell.stdin).flush()
        until(lambda: _follow.written(os.getpid(), "dd") == 5)
        assert _follow.written(shell.pid, "dd") == 5 and _follow.written(1 << 30, "dd") is None and _follow.written(os.getpid(), "no-such") is None
        subprocess.run(["pkill", "-P", str(shell.pid)], check=True)
        t.cast(t.IO[bytes], shell.stdin).close()
