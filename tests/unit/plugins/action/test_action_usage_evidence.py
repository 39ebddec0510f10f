# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action: asks until nothing is left, keeps what comes, survives hosts that fail or lie; content never in its result."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError

from ansible_collections.airgap.azure_ai.plugins.action.usage_evidence import ActionModule
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import evidence

CANARY = b"content-canary-4711"
Json = dict[str, t.Any]


class Action(ActionModule):
    """The action with the host replaced by the module's own code on a folder, or by ``answer``."""

    def __init__(self, args: Json, root: Path, answer: t.Callable[[Json], Json] | None = None, check: bool = False) -> None:
        self._task = SimpleNamespace(args=args, check_mode=check, async_val=0)
        self._root, self._answer, self.calls = root, answer, 0

    def _execute_module(self, **given: t.Any) -> Json:
        self.calls += 1
        args = given["module_args"]
        if self._answer:
            return self._answer(args)
        limits = evidence.Limits(args["chunk"], args.get("max_file", 10**6), args.get("max_files", 100))
        found = evidence.look(str(self._root), args["containers"], json.loads(args["known"]), limits, not self._task.check_mode)
        return {"compact": json.dumps(found)}

    def start(self) -> Json:
        return self.run(None, {"inventory_hostname": "h1"})


@pytest.fixture(autouse=True)
def no_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda self, tmp, task_vars: {})


@pytest.fixture
def args(tmp_path: Path) -> Json:
    return {"containers": [{"name": "stt"}], "path": str(tmp_path / "evidence"), "site": "s"}


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "root" / "containers" / "stt" / "output"
    folder.mkdir(parents=True)
    return folder


def kept(args: Json) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(args["path"]).rglob("*") if path.is_file() and path.suffix not in (".json", ".jsonl")}


def test_all_of_it_comes_in_bounded_calls_and_never_into_the_result(args: Json, output: Path, tmp_path: Path) -> None:
    (output / "big").write_bytes(CANARY * 100)
    (output / "small").write_bytes(b"x")
    action = Action({**args, "chunk": 1000}, tmp_path / "root")
    result = action.start()
    assert action.calls == 2
    assert kept(args) == {"big": CANARY * 100, "small": b"x"}
    assert (result["changed"], result["bytes"], result["problems"]) == (True, 1901, [])
    assert CANARY.decode() not in json.dumps(result)
    again = Action(args, tmp_path / "root").start()
    assert (again["changed"], again["bytes"], again["pieces"]) == (False, 0, 0)


def test_the_bound_of_a_run_is_told_and_the_rest_comes_next_time(args: Json, output: Path, tmp_path: Path) -> None:
    (output / "big").write_bytes(b"x" * 250)
    result = Action({**args, "chunk": 100, "max_run": 150}, tmp_path / "root").start()
    assert result["bytes"] == 150 and "rest comes with the next harvest" in result["problems"][0]
    assert Action(args, tmp_path / "root").start()["bytes"] == 100
    assert kept(args) == {"big": b"x" * 250}


def test_check_mode_writes_nothing(args: Json, output: Path, tmp_path: Path) -> None:
    (output / "usage").write_bytes(b"one")
    result = Action(args, tmp_path / "root", check=True).start()
    assert (result["changed"], result["bytes"], result["msg"]) == (True, 3, "h1: 3 B of evidence would be fetched")
    assert not Path(args["path"]).exists()


def test_signals_tell_reset_and_restored(args: Json, output: Path, tmp_path: Path) -> None:
    (output / "usage").write_bytes(b"one\ntwo\n")
    Action(args, tmp_path / "root").start()
    (output / "usage").write_bytes(b"one\n")
    assert Action(args, tmp_path / "root").start()["signals"] == [{"host": "h1", "container": "stt", "kind": "restored"}]
    (output / "usage").unlink()
    assert Action(args, tmp_path / "root").start()["signals"] == [{"host": "h1", "container": "stt", "kind": "reset"}]
    assert Action(args, tmp_path / "root").start()["signals"] == []


@pytest.mark.parametrize("failing", [lambda _args: {"failed": True, "msg": "sudo: a password is required"}, None])
def test_a_host_that_fails_does_not_fail_the_task(args: Json, tmp_path: Path, failing: t.Callable[[Json], Json] | None) -> None:
    def broken(_args: Json) -> Json:
        raise AnsibleError("Incorrect sudo password")

    result = Action(args, tmp_path, failing or broken).start()
    assert not result.get("failed") and "sudo" in result["problems"][0] and result["signals"] == []


def test_an_unreachable_host_stays_unreachable(args: Json, tmp_path: Path) -> None:
    def gone(_args: Json) -> Json:
        raise AnsibleConnectionFailure("no route")

    with pytest.raises(AnsibleConnectionFailure):
        Action(args, tmp_path, gone).start()


@pytest.mark.parametrize(
    "lie", ["", "[]", "{}", '{"pieces": [1], "containers": {}}', '{"pieces": [], "containers": {"stt": {"files": "x"}}}', None, "[" * 10**5]
)
def test_a_host_that_lies_fails_in_one_line(args: Json, tmp_path: Path, lie: str | None) -> None:
    result = Action(args, tmp_path, lambda _args: {"compact": lie}).start()
    assert result["failed"] and "\n" not in result["msg"]


def test_a_host_that_never_ends_is_not_asked_for_ever(args: Json, tmp_path: Path) -> None:
    action = Action(args, tmp_path, lambda _args: {"compact": json.dumps({"pieces": [], "containers": {}, "more": True})})
    assert "more than one run may fetch" in action.start()["problems"][0]
    assert action.calls == 1


def test_damaged_evidence_of_one_container_is_a_problem_of_that_one(args: Json, output: Path, tmp_path: Path) -> None:
    (output / "usage").write_bytes(b"one\n")
    Action(args, tmp_path / "root").start()
    (Path(args["path"]) / "s" / "h1" / "stt" / "known.json").write_text("{")
    result = Action(args, tmp_path / "root").start()
    assert not result.get("failed") and "known.json" in result["problems"][0]


def test_missing_options_are_named(args: Json, tmp_path: Path) -> None:
    for name in ("path", "site"):
        result = Action({key: value for key, value in args.items() if key != name}, tmp_path).start()
        assert result["failed"] and name in result["msg"]
