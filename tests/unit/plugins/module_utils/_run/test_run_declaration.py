# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared containers: joined, checked all at once, completed."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.declaration import declarations, selector_of
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog

CATALOG = _catalog.load()
GOOD: dict[str, t.Any] = {"name": "stt-en", "service": "speech_to_text", "tag": "4.9.0-amd64-en-us", "port": 5001, "resource": "speech-dc0"}


def problems(*raw: t.Any, **options: t.Any) -> list[str]:
    with pytest.raises(Problems) as caught:
        declarations({"azure_ai_containers": list(raw)}, CATALOG, **options)
    return caught.value.problems


def test_defaults_are_filled_in() -> None:
    (found,) = declarations({"azure_ai_containers": [GOOD]}, CATALOG)
    filled = {"bind": "127.0.0.1", "cpus": 8, "memory": 8 * 1024**3, "options": {}, "settings": {}, "variable": "azure_ai_containers"}
    alone = {"metered": True, "links": {}, "after": [], "network": None, "group": None, "member": None, "group_service": None, "members": {}}
    assert found == {**GOOD, **filled, **alone, "hardening": {}, "disk_logging": None, "adopt": None}


def test_every_variable_of_the_family_counts_and_no_other() -> None:
    names = ["azure_ai_containers", "azure_ai_containers__text", "azure_ai_containers_x", "azure_ai_containers__", "my_azure_ai_containers"]
    variables = {name: [{**GOOD, "name": f"c{place}", "port": 5000 + place}] for place, name in enumerate(names)}
    assert [item["name"] for item in declarations(variables, CATALOG)] == ["c0", "c1"]


def test_one_name_twice_names_both_variables() -> None:
    with pytest.raises(Problems, match="stt-en: declared 2 times, in azure_ai_containers and azure_ai_containers__speech"):
        declarations({"azure_ai_containers": [GOOD], "azure_ai_containers__speech": [{**GOOD, "port": 5002}]}, CATALOG)


@pytest.mark.parametrize(("one", "other", "clash"), [("127.0.0.1", "127.0.0.1", True), ("127.0.0.1", "0.0.0.0", True), ("127.0.0.1", "10.0.0.1", False)])
def test_two_containers_on_one_port(one: str, other: str, clash: bool) -> None:
    variables = {"azure_ai_containers": [{**GOOD, "bind": one}, {**GOOD, "name": "b", "bind": other}]}
    if not clash:
        assert len(declarations(variables, CATALOG)) == 2
        return
    with pytest.raises(Problems, match="container b .*port 5001 is that of stt-en"):
        declarations(variables, CATALOG)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"service": "tea"}, f"service 'tea' is unknown; use one of {', '.join(sorted(CATALOG))} or add it to azure_ai_catalog"),
        ({"name": "Stt_EN"}, "name 'Stt_EN' is not a DNS label"),
        ({"tag": "latest"}, "tag latest names another image every month"),
        ({"tag": 4.9}, "tag 4.9 is not an image tag"),
        ({"tag": "../x"}, "tag '../x' is not an image tag"),
        ({"port": 0}, "port 0 is not a port"),
        ({"port": "x"}, "port 'x' is not a port"),
        ({"bind": "lo"}, "bind 'lo' is not an address"),
        ({"resource": None}, "resource is missing"),
        ({"cpus": "many"}, "cpus 'many': not a number of CPUs"),
        ({"memory": "8 gallons"}, "memory '8 gallons': not a size"),
        ({"options": {"x": 1}}, "options.x is unknown"),
        ({"options": [1]}, "options is not a mapping"),
        ({"settings": {"ApiKey": "k"}}, "setting ApiKey does not belong"),
        ({"sevice": 1}, "key sevice is unknown; known are name, service"),
    ],
)
def test_a_problem_names_container_variable_and_way_out(change: dict[str, t.Any], told: str) -> None:
    (line,) = [line for line in problems({**GOOD, **change}) if told in line]
    assert line.startswith(f"container {change.get('name', 'stt-en')} (azure_ai_containers): ")
    assert ";" in line


def test_options_follow_the_services_schema() -> None:
    translator = {**GOOD, "service": "text_translation"}
    assert "options.languages is missing" in problems(translator)[0]
    assert "must contain 'en'" in problems({**translator, "options": {"languages": ["fr", "de"]}})[0]
    (found,) = declarations({"azure_ai_containers": [{**translator, "options": {"languages": ["en", "fr"]}}]}, CATALOG)
    assert selector_of(found).startswith("text_translation:4.9.0-amd64-en-us@speech-dc0#")


def test_all_problems_are_told_at_once() -> None:
    found = problems({**GOOD, "tag": "latest", "port": 0}, "text", {"service": "tea"})
    assert [word for word in ("latest", "port 0", "[1] is 'text'", "tea", "(azure_ai_containers[2])") if not any(word in line for line in found)] == []


@pytest.mark.parametrize("value", [{"a": 1}, "text", None])
def test_a_variable_that_is_no_list(value: t.Any) -> None:
    with pytest.raises(Problems, match="azure_ai_containers is not a list"):
        declarations({"azure_ai_containers": value}, CATALOG)


def test_latest_where_it_is_allowed() -> None:
    assert declarations({"azure_ai_containers": [{**GOOD, "tag": "latest"}]}, CATALOG, allow_latest=True)[0]["tag"] == "latest"


def test_bundling_takes_one_of_each_and_needs_no_name() -> None:
    bare = {key: value for key, value in GOOD.items() if key not in ("name", "port")}
    other = {**bare, "tag": "4.9.0-amd64-de-de"}
    found = declarations({"azure_ai_containers": [GOOD, GOOD, bare, other]}, CATALOG, unique=False)
    assert [item["tag"] for item in found] == ["4.9.0-amd64-en-us", "4.9.0-amd64-de-de"]


FORM: dict[str, t.Any] = {
    **CATALOG["sentiment"],
    "options": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "gpu": {"type": "boolean", "default": False},
            "mode": {"type": "string", "enum": ["a", "b"]},
            "allow_legacy": {"type": "boolean"},
        },
    },
    "variants": [
        {"when": {"gpu": True}, "tag_pattern": "gpu", "tag_help": "name an image for GPUs", "size": {"recommended": {"cpus": 2, "memory": "24g"}}},
        {"when": {"gpu": False}, "tag_pattern": "^(?!.*gpu)"},
        {"when": {"mode": "b"}, "legacy": True},
    ],
}
FREE = {**CATALOG["sentiment"], "online": [], "mounts": {}, "metered": False}


def formed(**change: t.Any) -> dict[str, t.Any]:
    (found,) = declarations({"azure_ai_containers": [{**GOOD, "service": "form", **change}]}, {"form": FORM, "free": FREE})
    return found


def test_options_get_their_defaults_and_choose_the_form() -> None:
    plain, chosen = formed(), formed(options={"gpu": False})
    assert plain["options"] == {"gpu": False}
    assert selector_of(plain) == selector_of(chosen), "a default that is written out is the same wish"
    found = formed(options={"gpu": True}, tag="4-gpu")
    assert (found["cpus"], found["memory"]) == (2, 24 * 1024**3)
    assert selector_of(found) != selector_of(formed(tag="4"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"options": {"gpu": True}}, "tag '4.9.0-amd64-en-us' does not fit its options; name an image for GPUs"),
        ({"tag": "4-gpu"}, "tag '4-gpu' does not fit its options; use one that matches ^(?!.*gpu)"),
        ({"options": {"mode": "b"}}, "service form is legacy, its vendor has retired it; set options.allow_legacy to true"),
        ({"options": {"mode": "b", "allow_legacy": False}}, "service form is legacy"),
    ],
)
def test_forms_refuse_what_does_not_fit_them(change: dict[str, t.Any], told: str) -> None:
    with pytest.raises(Problems) as caught:
        formed(**change)
    (line,) = caught.value.problems
    assert line.startswith("container stt-en (azure_ai_containers): ")
    assert told in line


def test_a_retired_service_runs_for_those_who_ask_for_it() -> None:
    assert formed(options={"mode": "b", "allow_legacy": True})["options"] == {"gpu": False, "mode": "b", "allow_legacy": True}


def test_a_service_without_license_has_no_resource() -> None:
    bare = {key: value for key, value in GOOD.items() if key != "resource"}
    assert formed(service="free")["resource"] == "none"
    (found,) = declarations({"azure_ai_containers": [{**bare, "service": "free"}]}, {"free": FREE})
    assert (found["resource"], found["metered"]) == ("none", False)
