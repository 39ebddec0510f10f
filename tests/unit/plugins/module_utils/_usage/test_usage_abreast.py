# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes ask what one would: the same answers, none twice, none lost; and none outlives who takes them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import abreast, client
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage import faults
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.faults import ALL, Endpoint, report

BEFORE: list[int] = []  # other tests' helpers
LIMITS = client.Limits(timeout=1, retries=0, max_body=100_000)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three processes from six endpoints on, on any machine."""
    monkeypatch.setattr(abreast, "LEAST", 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    BEFORE[:] = []
    BEFORE[:] = children()


def endpoints(server: Endpoint, count: int) -> list[dict[str, t.Any]]:
    return [{"name": str(index), "url": f"{server.url}/{index}", "source": f"s{index}"} for index in range(count)]


def table(count: int) -> dict[str, t.Any]:
    """One of three hangs up, one does not know the path, one answers."""
    return {f"/{index}{ALL}": (faults.cut, 404, report(index))[index % 3] for index in range(count)}


def children() -> list[int]:
    """Processes of this one that the test began."""
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in found if int(pid) not in BEFORE]


def timeless(answers: client.Answers) -> tuple[t.Any, ...]:
    return [{**reading, "observed_at": ""} for reading in answers.readings], answers.failures


def test_the_same_answers_as_of_one_process() -> None:
    with Endpoint(table(50)) as server:
        asking = endpoints(server, 50)
        one = dict(client.stream(asking, ["2026-01"], LIMITS, 4))
        several = list(abreast.stream(asking, ["2026-01"], LIMITS, 7))
    assert sorted(index for index, _answers in several) == list(range(50))
    assert {index: timeless(answers) for index, answers in several} == {index: timeless(answers) for index, answers in one.items()}
    assert children() == []


def test_processes_share_the_work_where_it_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with Endpoint(table(9)) as server:
        answered = abreast.stream(endpoints(server, 9), [], LIMITS, 4)
        next(answered)
        several = len(children())
        answered.close()
        monkeypatch.setattr(abreast, "LEAST", 5)
        answered = abreast.stream(endpoints(server, 9), [], LIMITS, 4)
        next(answered)
        assert (several, len(children())) == (3, 0)
        assert len(list(answered)) == 8


def test_a_process_that_is_ended_from_outside_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with Endpoint({f"/{index}{ALL}": faults.hang for index in range(30)}) as server:
        answered = abreast.stream(endpoints(server, 30), [], LIMITS, 3)
        monkeypatch.setattr(abreast.multiprocessing.connection, "wait", lambda pipes, real=abreast.multiprocessing.connection.wait: _killed(pipes, real))
        with pytest.raises(RemoteError, match="a process that asked endpoints was ended"):
            list(answered)
    assert children() == []


def _killed(pipes: t.Sequence[t.Any], wait: t.Callable[..., t.Any]) -> t.Any:
    os.kill(children()[0], signal.SIGKILL)
    return wait(pipes)


def test_who_stops_taking_ends_the_processes() -> None:
    with Endpoint(table(90)) as server:
        answered = abreast.stream(endpoints(server, 90), [], LIMITS, 3)
        next(answered)
        assert len(children()) == 3
        answered.close()
    assert children() == []


def test_nobody_asks_far_ahead_of_who_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abreast, "_AHEAD", 4)
    with Endpoint({f"/{index}{ALL}": report() for index in range(300)}) as server:
        answered = abreast.stream(endpoints(server, 300), [], LIMITS, 3)
        next(answered)
        time.sleep(0.5)
        asked = len(server.asked)
        assert len(list(answered)) == 299
    assert asked <= 13


def test_a_wrong_url_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(InputError):
        abreast.stream([{"name": "a", "url": "ftp://h"}] * 20, [], LIMITS, 4)


PARENT = """
import os, sys
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import abreast, client
abreast.LEAST = 1
os.cpu_count = lambda: 2
asking = [{"name": str(index), "url": f"{sys.argv[1]}/{index}"} for index in range(50)]
answered = abreast.stream(asking, [], client.Limits(30, 0, 1000), 4)
next(answered)
print(*open(f"/proc/self/task/{os.getpid()}/children").read().split(), flush=True)
list(answered)
"""


def test_processes_end_with_a_parent_that_is_killed() -> None:
    answers: dict[str, t.Any] = {f"/{index}{ALL}": report() if index < 20 else faults.hang for index in range(50)}
    with Endpoint(answers) as server:
        # Not by a shell: what is killed is who takes the answers.
        with subprocess.Popen([sys.executable, "-c", PARENT, server.url], stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout
            pids = [int(pid) for pid in parent.stdout.readline().split()]
            parent.kill()
        until = time.monotonic() + 20
        while time.monotonic() < until and any(running(pid) for pid in pids):
            time.sleep(0.05)
    assert len(pids) == 2
    assert [pid for pid in pids if running(pid)] == []


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
