# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups: one declared item, one container a member."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import groups
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.declaration import declarations
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog

SHIPPED = _catalog.load()
IMAGE = SHIPPED["sentiment"]
GROUP: dict[str, t.Any] = {
    "title": "Forms",
    "options": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"version": {"type": "string", "enum": ["3.0", "3.1"], "default": "3.1"}, "studio": {"type": "boolean", "default": False}},
    },
    "members": [
        {"name": "proxy", "service": "proxy", "primary": True},
        {"name": "custom", "service": "custom", "main": True, "options": {"version": "{options.version}"}},
        {"name": "layout", "service": "layout", "options": {"version": "{options.version}", "fixed": "a"}},
        {"name": "studio", "service": "studio", "when": {"studio": True}},
    ],
    "sources": ["none"],
}
VERSIONED = {"type": "object", "properties": {"version": {"type": "string"}, "fixed": {"type": "string"}, "layout": {"type": "string"}}}
NEEDS = [{"service": "layout", "options": {"version": "3.1"}, "setting": "LayoutHost", "option": "layout", "required": True}]
CATALOG: dict[str, t.Any] = {
    "forms": GROUP,
    "proxy": {**IMAGE, "online": [], "mounts": {}, "metered": False, "config": [{"target": "/etc/x", "text": "{members.custom} {members.layout}"}]},
    "custom": {**IMAGE, "options": VERSIONED, "needs": NEEDS},
    "layout": {**IMAGE, "options": VERSIONED},
    "studio": {**IMAGE, "online": [], "mounts": {}, "metered": False, "container_port": 5001},
}
RAW: dict[str, t.Any] = {
    "name": "dt",
    "service": "forms",
    "tag": "c1",
    "port": 5100,
    "resource": "form-dc0",
    "cpus": 3,
    "members": {"proxy": {"tag": "p1"}, "layout": {"tag": "l1"}},
}


def made(raw: dict[str, t.Any], **how: t.Any) -> dict[str, dict[str, t.Any]]:
    return {item["member"]: item for item in declarations({"azure_ai_containers": [raw]}, CATALOG, **how)}


def problems(*raw: dict[str, t.Any]) -> list[str]:
    with pytest.raises(Problems) as caught:
        declarations({"azure_ai_containers": list(raw)}, CATALOG)
    return caught.value.problems


def test_a_group_in_full() -> None:
    found = made({**RAW, "bind": "0.0.0.0"})
    assert {name: (item["name"], item["port"], item["tag"], item["bind"]) for name, item in found.items()} == {
        "proxy": ("dt", 5100, "p1", "0.0.0.0"),
        "custom": ("dt-custom", 5101, "c1", "127.0.0.1"),
        "layout": ("dt-layout", 5102, "l1", "127.0.0.1"),
    }
    assert [found[name]["resource"] for name in ("proxy", "custom", "layout")] == ["none", "form-dc0", "form-dc0"]
    assert (found["custom"]["cpus"], found["layout"]["cpus"]) == (3, 4), "the group's sizes are its main member's"
    assert found["layout"]["options"] == {"version": "3.1", "fixed": "a"}
    assert found["custom"]["links"] == {"LayoutHost": "http://dt-layout:5000"}
    assert {item["network"] for item in found.values()} == {"azure-ai"}
    assert (found["proxy"]["after"], found["custom"]["after"], found["layout"]["after"]) == (["dt-custom", "dt-layout"], ["dt-layout"], [])
    assert all((item["group"], item["group_service"]) == ("dt", "forms") for item in found.values())
    assert found["proxy"]["members"] == {"proxy": "dt", "custom": "dt-custom", "layout": "dt-layout"}
    assert [item["metered"] for item in found.values()] == [False, True, True]


def test_options_choose_members_and_reach_them() -> None:
    found = made({**RAW, "options": {"studio": True}, "members": {**RAW["members"], "studio": {"tag": "s1", "port": 8080, "bind": "0.0.0.0"}}})
    assert (found["studio"]["name"], found["studio"]["port"], found["studio"]["bind"], found["studio"]["network"]) == ("dt-studio", 8080, "0.0.0.0", "azure-ai")
    assert found["layout"]["port"] == 5102


def test_overrides_of_members() -> None:
    changes = {"custom": {"tag": "c2", "memory": "9g"}, "layout": {"tag": "l1", "resource": "other-dc0", "settings": {"A": 1}, "cpus": 2}}
    found = made({**RAW, "members": {**RAW["members"], **changes}})
    assert (found["custom"]["tag"], found["custom"]["memory"]) == ("c2", 9 * 1024**3)
    assert (found["layout"]["resource"], found["layout"]["settings"], found["layout"]["cpus"]) == ("other-dc0", {"A": "1"}, 2)


def test_bundling_needs_no_names() -> None:
    bare = {key: value for key, value in RAW.items() if key not in ("name", "port")}
    found = declarations({"azure_ai_containers": [bare, bare, RAW]}, CATALOG, unique=False)
    assert [(item["member"], item["name"], item["tag"]) for item in found] == [("proxy", None, "p1"), ("custom", None, "c1"), ("layout", None, "l1")]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"members": {"proxy": {"tag": "p1"}}}, "container dt (azure_ai_containers): member layout (layout) has no tag; write members.layout.tag"),
        ({"tag": None}, "member custom (custom) has no tag; write members.custom.tag or tag"),
        ({"members": {**RAW["members"], "studio": {}}}, "members.studio is no member with these options; members are proxy, custom, layout"),
        ({"members": {**RAW["members"], "layout": 1}}, "members.layout is not a mapping"),
        ({"members": {**RAW["members"], "layout": {"tag": "l", "prot": 1}}}, "members.layout.prot is unknown; known are tag"),
        ({"members": []}, "member proxy (proxy) has no tag"),
        ({"members": [1]}, "members is not a mapping"),
        ({"options": {"studios": True}}, "options.studios is unknown"),
        ({"options": [1]}, "options is not a mapping"),
        ({"name": "D"}, "name 'D' is not a DNS label"),
        ({"port": None}, "port None is not a port"),
        ({"prot": 1}, "key prot is unknown"),
        ({"port": 65535}, "member custom: port 65536 is not a port"),
        ({"name": "d" * 60}, "member custom: name 'dddd"),
        ({"members": {**RAW["members"], "layout": {"tag": "latest"}}}, "member layout: tag latest names another image"),
        ({"resource": None}, "member layout: resource is missing"),
        ({"options": {"version": "3.0"}}, "container dt-custom (azure_ai_containers): custom needs a container of service layout with options {version: 3.1}"),
    ],
)
def test_problems_of_groups(change: dict[str, t.Any], told: str) -> None:
    raw = {key: value for key, value in {**RAW, **change}.items() if value is not None or key == "port"}
    assert [line for line in problems(raw) if told in line]


def test_names_and_ports_of_members_count() -> None:
    other = {"name": "dt-layout", "service": "layout", "tag": "x", "port": 5101, "resource": "r"}
    lines = problems(RAW, other)
    assert [line for line in lines if line.startswith("container dt-layout: declared 2 times")]
    assert [line for line in lines if "port 5101 is that of dt-custom" in line]


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, unique=True), st.integers(1, 65000), st.booleans())
def test_names_and_ports_are_one_each(names: list[str], port: int, first: bool) -> None:
    entry = {"options": {}, "members": [{"name": name, "service": "s", "primary": not first and name == names[-1]} for name in names]}
    found = groups.expand({"name": "g", "service": "x", "port": port}, entry)
    face = names[0] if first else names[-1]
    assert {raw["name"] for raw, _place in found} == {"g"} | {f"g-{name}" for name in names if name != face}
    assert sorted(raw["port"] for raw, _place in found) == list(range(port, port + len(names)))
    assert [raw["port"] for raw, place in found if place["member"] == face] == [port]


def test_texts_name_members() -> None:
    text = "a {members.x} b {members.y-1} {name} {other} $x {{}}"
    members = {"x": "g", "y-1": "g-y-1"}
    assert groups.filled(text, "me", members) == "a g b g-y-1 me {other} $x {{}}"
    assert groups.named(text, {"x": "g"}) == ["g"]
    with pytest.raises(KeyError):
        groups.filled(text, "me", {})


def test_the_shipped_group_runs() -> None:
    tags = {member["name"]: {"tag": "1"} for member in SHIPPED["document_intelligence_custom_template"]["members"]}
    raw = {"name": "dt", "service": "document_intelligence_custom_template", "port": 5100, "resource": "r", "options": {"studio": True}, "members": tags}
    found = declarations({"azure_ai_containers": [raw]}, SHIPPED)
    assert [item["name"] for item in found] == ["dt", "dt-custom", "dt-layout", "dt-studio"]
    assert next(item for item in found if item["member"] == "custom")["links"] == {"AzureCognitiveServiceLayoutHost": "http://dt-layout:5000"}
