# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action: silence first, then the answer; readings never in its result."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.airgap.azure_ai.plugins.action.usage_spool import ActionModule
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import spool
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.answer import compact

SECRET = "quantity-canary-4711"


class Action(ActionModule):
    """The action with the host replaced by ``answer``."""

    def __init__(self, args: dict[str, t.Any], answer: t.Callable[[], dict[str, t.Any]], check: bool = False) -> None:
        self._task = SimpleNamespace(args=args, check_mode=check, async_val=0)
        self._answer, self.sent = answer, {}

    def _execute_module(self, **given: t.Any) -> dict[str, t.Any]:
        self.sent = given
        return self._answer()

    def start(self) -> dict[str, t.Any]:
        return self.run(None, {"inventory_hostname": "h1"})


@pytest.fixture(autouse=True)
def no_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda self, tmp, task_vars: {})


@pytest.fixture
def args(tmp_path: Path) -> dict[str, t.Any]:
    container = {"name": "stt", "port": 5001, "bind": "127.0.0.1", "service": "speech_to_text", "resource": "r0"}
    return {"spool": str(tmp_path / "spool"), "site": "s", "harvest": "x", "containers": [container], "since": "2026-01", "until": "2026-01", "timeout": 3}


def spooled(args: dict[str, t.Any]) -> dict[str, t.Any]:
    return spool.load_document((Path(args["spool"]) / "x--h1.json").read_bytes(), "it")["answer"]


def good() -> dict[str, t.Any]:
    reading = {"name": "stt", "source": None, "url": "u", "scope": "all", "outcome": "usage", "http_status": 200, "api_type": "", "service_name": ""}
    reading.update(meters=[{"name": SECRET, "quantity": "1", "billed_unit": None}], extra={}, observed_at="2026-01-01T00:00:00Z", body_sha256=None)
    return {"compact": compact([{"name": "stt", "url": "u"}], [reading], [])}


def test_the_answer_is_spooled_and_only_counts_come_back(args: dict[str, t.Any]) -> None:
    action = Action(args, good)
    result = action.start()
    assert result == {"changed": False, "usage": 1, "no_usage": 0, "failures": 0}
    assert SECRET not in json.dumps(result)
    assert spooled(args)["readings"][0]["meters"][0]["name"] == SECRET
    assert action.sent["module_name"] == "airgap.azure_ai.usage_info"
    assert action.sent["module_args"]["compact"] is True
    assert "spool" not in action.sent["module_args"]


def test_an_unreachable_host_leaves_silence_and_stays_unreachable(args: dict[str, t.Any]) -> None:
    def answer() -> dict[str, t.Any]:
        raise AnsibleConnectionFailure("no route")

    with pytest.raises(AnsibleConnectionFailure):
        Action(args, answer).start()
    assert [(item["scope"], item["kind"], item["reason"]) for item in spooled(args)["failures"]] == [
        ("2026-01", "no_answer", "host not reached"),
        ("all", "no_answer", "host not reached"),
    ]


def test_a_module_that_fails_is_recorded_and_warned_about(args: dict[str, t.Any]) -> None:
    result = Action(args, lambda: {"failed": True, "msg": "no python\nhere"}).start()
    assert (result["failures"], result["warnings"]) == (2, ["usage of h1: no python here"])
    assert spooled(args)["failures"][0]["reason"] == "usage_info failed: no python here"


@pytest.mark.parametrize("text", [None, "{}", "[" * 5000, '{"endpoints":[],"readings":[{}],"failures":[]}'])
def test_an_answer_that_is_none_fails_and_silence_stays(args: dict[str, t.Any], text: object) -> None:
    result = Action(args, lambda: {"compact": text}).start()
    assert result["failed"] is True
    assert len(spooled(args)["failures"]) == 2


def test_check_mode_asks_and_writes_nothing(args: dict[str, t.Any]) -> None:
    assert Action(args, good, check=True).start()["usage"] == 1
    assert not Path(args["spool"]).exists()


@pytest.mark.parametrize("name", ["spool", "site", "harvest"])
def test_missing_options_are_named_before_anything_is_written(args: dict[str, t.Any], name: str) -> None:
    folder = Path(args["spool"])
    del args[name]
    action = Action(args, good)
    assert name in action.start()["msg"]
    assert action.sent == {}
    assert not folder.exists()


def test_with_direct_no_host_is_asked_and_nothing_is_spooled(args: dict[str, t.Any]) -> None:
    action = Action({**args, "direct": "http://h1:{port}"}, good)
    result = action.start()
    assert [target["url"] for target in result["targets"]] == ["http://h1:5001"]
    assert action.sent == {} and not Path(args["spool"]).exists()
