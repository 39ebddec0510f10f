# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module over a real endpoint: lists, the compact string, and what stops it."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.airgap.azure_ai.plugins.doc_fragments._asking import ModuleDocFragment
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import spool
from ansible_collections.airgap.azure_ai.plugins.modules import usage_info, usage_spool
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.faults import ALL, Endpoint, report


def params(url: str, **more: t.Any) -> dict[str, t.Any]:
    given = {name: option.get("default") for name, option in usage_info.argument_spec().items()}
    return {**given, "endpoints": [{"name": "stt", "url": url, "container": "stt"}], "retries": 0, "timeout": 1, **more}


def test_lists_and_the_compact_string_hold_the_same() -> None:
    with Endpoint({ALL: report()}) as server:
        plain = usage_info.ask(params(server.url, since="2026-01", until="2026-01"))
        text = usage_info.ask(params(server.url, since="2026-01", until="2026-01", compact=True))
    assert set(text) == {"compact"}
    compact = spool.load_answer(text["compact"], "it")
    for part in (plain, compact):
        for reading in part["readings"]:
            reading.pop("observed_at")
    assert compact == plain
    assert [(item["scope"], item["outcome"]) for item in plain["readings"]] == [("all", "usage"), ("2026-01", "no_usage")]


def test_a_broken_source_file_fails_its_container_alone(tmp_path: Path) -> None:
    folder = tmp_path / "containers/stt"
    folder.mkdir(parents=True)
    (folder / "source.json").write_text("{")
    with Endpoint({ALL: report()}) as server:
        endpoints = [{"name": name, "url": server.url, "container": name} for name in ("stt", "tts")]
        found = usage_info.ask(params(server.url, endpoints=endpoints, root=str(tmp_path), since="2026-01", until="2026-01"))
    assert [(item["name"], item["scope"], item["kind"]) for item in found["failures"]] == [("stt", "2026-01", "bad_answer"), ("stt", "all", "bad_answer")]
    assert "source.json" in found["failures"][0]["reason"]
    assert {item["name"] for item in found["readings"]} == {"tts"}
    assert [item["name"] for item in found["endpoints"]] == ["stt", "tts"]


@pytest.mark.parametrize("more", [{"timeout": 0}, {"concurrency": 0}, {"since": "x"}, {"endpoints": [{"name": "a", "url": "http://h"}] * 2}])
def test_wrong_options_are_named(more: dict[str, t.Any]) -> None:
    with pytest.raises(InputError):
        usage_info.ask(params("http://127.0.0.1:1", **more))


def test_the_action_takes_every_option_of_the_module() -> None:
    shared, ours, action = (yaml.safe_load(text)["options"] for text in (ModuleDocFragment.DOCUMENTATION, usage_info.DOCUMENTATION, usage_spool.DOCUMENTATION))
    ours, action = {**shared, **ours}, {**shared, **action}
    assert set(ours) - set(action) == {"compact"}
    assert {name: ours[name].get("default") for name in ours if name in action and name != "endpoints"} == {
        name: action[name].get("default") for name in ours if name in action and name != "endpoints"
    }
    assert json.dumps(sorted(usage_info.argument_spec())) == json.dumps(sorted(ours))
