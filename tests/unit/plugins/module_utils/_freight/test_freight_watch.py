# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that fetch: their bytes are counted, and they end when none come any more."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import watch
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 0.02)


def test_status_output_and_environment(tmp_path: Path) -> None:
    done = watch.run(["sh", "-c", 'echo "$WORD $LC_ALL"; echo bad >&2; exit 3'], 20, environment={"WORD": "hello"})
    assert done == (3, b"hello C\n", "bad\n")


def test_every_byte_that_comes_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"12345")
    steps: list[int] = []
    script = f"cd {tmp_path}; printf abc > new; sleep 0.4; printf defg >> new; mkdir deep; printf hi > deep/more"
    watch.run(["sh", "-c", script], 20, [str(tmp_path)], steps.append)
    assert sum(steps) == 9
    assert len(steps) >= 2


def test_a_program_that_brings_nothing_is_ended_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with pytest.raises(RemoteError, match=r"sh: no byte came in 1 s"):
        watch.run(["sh", "-c", f"sleep 60 & echo $! > {note}; wait"], 1)
    assert freight_kit.ends(int(note.read_text()))


def test_a_program_ends_with_whoever_started_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"from {watch.__name__} import run; run(['sh', '-c', 'echo $$ > {note}.new; mv {note}.new {note}; exec sleep 60'], 60)"
    assert freight_kit.ends_with(code, note), "nobody would end it any more"


def test_one_that_goes_on_bringing_may_take_longer_than_the_time_limit(tmp_path: Path) -> None:
    script = f"for i in 1 2 3 4 5 6; do printf x >> {tmp_path}/file; sleep 0.2; done"
    assert watch.run(["sh", "-c", script], 1, [str(tmp_path)]).returncode == 0


def test_a_missing_program_is_named() -> None:
    with pytest.raises(MissingError, match="install the package that brings no-such-program"):
        watch.run(["no-such-program"], 1)


def test_a_program_that_is_ahead_of_its_bandwidth_is_paused(tmp_path: Path) -> None:
    script = f"for i in $(seq 40); do head -c 1000 /dev/zero >> {tmp_path}/file; sleep 0.01; done"
    start = time.monotonic()
    assert watch.run(["sh", "-c", script], 20, [str(tmp_path)], limit=20_000).returncode == 0
    assert 1.5 < time.monotonic() - start < 10
    assert (tmp_path / "file").stat().st_size == 40_000
