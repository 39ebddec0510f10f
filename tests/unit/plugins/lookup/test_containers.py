# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup's face; what it does to declarations is tested with them, how Ansible calls it with rollout_plan."""

from __future__ import annotations

import types
import typing as t

import pytest
from ansible.errors import AnsibleError

from ansible_collections.airgap.azure_ai.plugins.lookup.containers import LookupModule

RAW = {"name": "a", "service": "sentiment", "tag": "3.0-en", "port": 5001, "resource": "r"}


@pytest.fixture
def lookup(monkeypatch: pytest.MonkeyPatch) -> LookupModule:
    found = LookupModule(templar=types.SimpleNamespace(template=lambda value: value))
    chosen = {"unique": True, "allow_latest": False, "entries": False}
    monkeypatch.setattr(found, "set_options", lambda var_options, direct: chosen.update(entries=False) or chosen.update(direct))
    monkeypatch.setattr(found, "get_option", lambda name: chosen[name])
    return found


def test_declarations_of_the_host(lookup: LookupModule) -> None:
    assert [item["name"] for item in lookup.run([], {"azure_ai_containers": [RAW]})] == ["a"]
    assert lookup.run([], None) == []


@pytest.mark.parametrize(
    ("terms", "change", "told"), [(["x"], {}, "takes no terms"), ([], {"port": 0}, "port 0 is not a port"), ([], {"tag": "latest"}, "tag latest")]
)
def test_errors_are_ansibles(lookup: LookupModule, terms: list[str], change: dict[str, t.Any], told: str) -> None:
    with pytest.raises(AnsibleError, match=told):
        lookup.run(terms, {"azure_ai_containers": [{**RAW, **change}]})


def test_options_come_from_the_call(lookup: LookupModule) -> None:
    bare = {key: value for key, value in RAW.items() if key not in ("name", "port")}
    assert len(lookup.run([], {"azure_ai_containers": [bare, bare]}, unique=False)) == 1


def test_entries_come_with_the_containers(lookup: LookupModule) -> None:
    override = {"sentiment": {"variants": [{"when": {}, "repository": "azure-cognitive-services/other"}]}}
    (item,) = lookup.run([], {"azure_ai_containers": [RAW], "azure_ai_catalog": override}, entries=True)
    assert item["entry"]["repository"] == "azure-cognitive-services/other" and item["entry"]["registry"] and "variants" not in item["entry"]
    assert "entry" not in lookup.run([], {"azure_ai_containers": [RAW]})[0]
