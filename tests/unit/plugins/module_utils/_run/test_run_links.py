# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which container needs which other one."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import links
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.declaration import declarations, selector_of
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog

IMAGE = _catalog.load()["sentiment"]
OPTIONS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"version": {"type": "string", "default": "3.1"}, "layout": {"type": "string"}, "read": {"type": "string"}},
}
LAYOUT = {"service": "layout", "options": {"version": "3.1"}, "setting": "LayoutHost", "option": "layout", "required": True}
READ = {"service": "read", "setting": "ReadHost", "option": "read", "required": False, "url": "http://{name}:5000/api"}
CATALOG: dict[str, t.Any] = {
    "invoice": {**IMAGE, "options": OPTIONS, "needs": [LAYOUT, READ]},
    "layout": {**IMAGE, "options": OPTIONS},
    "read": {**IMAGE, "options": OPTIONS, "container_port": 5005},
}


def raw(name: str, service: str, **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "service": service, "tag": "1", "port": 5000 + sum(map(ord, name)), "resource": "r", **more}


def made(*raws: dict[str, t.Any], catalog: dict[str, t.Any] | None = None) -> dict[str, dict[str, t.Any]]:
    return {item["name"]: item for item in declarations({"azure_ai_containers": list(raws)}, catalog or CATALOG)}


def problems(*raws: dict[str, t.Any]) -> list[str]:
    with pytest.raises(Problems) as caught:
        made(*raws)
    return caught.value.problems


def test_the_only_one_that_fits_serves() -> None:
    found = made(raw("inv", "invoice"), raw("old", "layout", options={"version": "3.0"}), raw("new", "layout"))
    assert found["inv"]["links"] == {"LayoutHost": "http://new:5000"}
    assert (found["inv"]["network"], found["new"]["network"], found["old"]["network"]) == ("azure-ai", "azure-ai", None)
    assert (found["inv"]["after"], found["new"]["after"], found["new"]["links"]) == (["new"], [], {})


def test_one_that_need_not_be_is_linked_where_it_is() -> None:
    found = made(raw("inv", "invoice"), raw("lay", "layout"), raw("rea", "read"))
    assert found["inv"]["links"] == {"LayoutHost": "http://lay:5000", "ReadHost": "http://rea:5000/api"}
    assert found["inv"]["after"] == ["lay", "rea"]


def test_a_member_of_the_own_group_comes_before_any_other() -> None:
    forms = "document_intelligence_"
    group = {**raw("forms", forms + "custom_template"), "port": 7000, "members": {"proxy": {"tag": "1"}, "layout": {"tag": "1"}}}
    alone = {**raw("alone", forms + "layout", options={"version": "3.1"}), "port": 7100}
    found = made(group, alone, catalog=_catalog.load())
    assert found["forms-custom"]["links"] == {"AzureCognitiveServiceLayoutHost": "http://forms-layout:5000"}
    assert found["alone"]["network"] is None


def test_the_port_is_the_needed_services_own() -> None:
    catalog = {**CATALOG, "invoice": {**CATALOG["invoice"], "needs": [{"service": "read", "setting": "ReadHost"}]}}
    assert made(raw("inv", "invoice"), raw("rea", "read"), catalog=catalog)["inv"]["links"] == {"ReadHost": "http://rea:5005"}


def test_an_option_chooses_and_no_license_depends_on_it() -> None:
    both = [raw("a", "layout"), raw("b", "layout")]
    found = made(raw("inv", "invoice", options={"layout": "b"}), *both)
    assert found["inv"]["links"] == {"LayoutHost": "http://b:5000"}
    assert found["inv"]["options"] == {"version": "3.1"}
    assert selector_of(found["inv"]) == selector_of(made(raw("inv", "invoice"), both[0])["inv"])
    bundled = declarations({"azure_ai_containers": [raw("inv", "invoice", options={"layout": "b"})]}, CATALOG, unique=False)
    assert [selector_of(item) for item in bundled] == [selector_of(found["inv"])]


def test_a_setting_by_hand_needs_no_container_here() -> None:
    found = made(raw("inv", "invoice", settings={"layouthost": "http://elsewhere:5000"}))
    assert (found["inv"]["links"], found["inv"]["network"], found["inv"]["settings"]) == ({}, None, {"layouthost": "http://elsewhere:5000"})


@pytest.mark.parametrize(
    ("raws", "told"),
    [
        ([raw("inv", "invoice")], "invoice needs a container of service layout with options {version: 3.1} on the same host; declare one"),
        (
            [raw("inv", "invoice"), raw("a", "layout"), raw("b", "layout")],
            "a and b could both be its layout with options {version: 3.1}; name one by options.layout",
        ),
        ([raw("inv", "invoice", options={"layout": "x"}), raw("a", "layout")], "options.layout names 'x', which is not declared on this host"),
        (
            [raw("inv", "invoice", options={"layout": "r"}), raw("a", "layout"), raw("r", "read")],
            "options.layout names 'r', which is a container of another kind",
        ),
        ([raw("inv", "invoice"), raw("a", "layout"), raw("r", "read"), raw("s", "read")], "r and s could both be its read; name one by options.read"),
    ],
)
def test_problems_name_the_way_out(raws: list[dict[str, t.Any]], told: str) -> None:
    (line,) = problems(*raws)
    assert line.startswith("container inv (azure_ai_containers): ")
    assert told in line


def test_a_faulty_declaration_is_not_told_as_a_missing_one() -> None:
    (line,) = problems(raw("inv", "invoice"), raw("a", "layout", cpus="x"))
    assert "not a number of CPUs" in line


NAMES = [f"c{number}" for number in range(6)]


@given(st.permutations(NAMES), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=9))
def test_what_is_needed_comes_first(names: list[str], pairs: list[tuple[int, int]]) -> None:
    after: dict[str, list[str]] = {}
    for one, other in pairs:
        if one != other:
            after.setdefault(NAMES[max(one, other)], []).append(NAMES[min(one, other)])
    found = links.ordered(names, after)
    assert sorted(found) == NAMES
    assert all(found.index(needed) < found.index(name) for name, needs in after.items() for needed in needs)
    assert links.ordered(names, {}) == names


def test_a_circle_loses_nobody() -> None:
    assert sorted(links.ordered(["a", "b", "c"], {"a": ["b"], "b": ["a"], "c": ["gone"]})) == ["a", "b", "c"]


def test_options_of_every_form_name_containers() -> None:
    assert links.options_of({"needs": [LAYOUT], "variants": [{"needs": [READ, {"service": "x", "setting": "X"}]}]}) == {"layout", "read"}


@given(
    st.permutations(NAMES),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=9),
    st.sets(st.sampled_from(NAMES)),
    st.sets(st.sampled_from(NAMES)),
)
def test_what_is_needed_stops_last_and_starts_first(names: list[str], pairs: list[tuple[int, int]], there: set[str], unchanged: set[str]) -> None:
    after: dict[str, list[str]] = {}
    for one, other in pairs:
        if one != other:
            after.setdefault(NAMES[max(one, other)], []).append(NAMES[min(one, other)])
    order = [name for name in links.ordered(names, after) if name not in unchanged]
    running, stopped = set(there), []
    for name, (stops, waiting) in links.stopping(order, after, there & set(order)).items():
        for other in stops:
            assert not (links.needing(other, after) & running & set(order)), "nobody that is started anew loses what it needs"
            running.remove(other)
        assert not (name in there and links.needing(name, after) & running & set(order))
        stopped += stops
        running.add(name)
        assert waiting == [other for other in order if other in stopped and other not in running], "who is stopped and when it fails starts again"
    assert running == there | set(order) and len(stopped) == len(set(stopped))


def test_who_needs_it_at_several_removes() -> None:
    after = {"a": ["b"], "b": ["c"], "d": ["c"]}
    assert links.needing("c", after) == {"a", "b", "d"} and links.needing("a", after) == set()
    assert links.needing("a", {"a": ["b"], "b": ["a"]}) == {"b"}, "a circle ends"
    assert links.stopping(["c", "b", "a", "d"], after, ["a", "b", "c"]) == {
        "c": (["a", "b"], ["b", "a"]),
        "b": ([], ["a"]),
        "a": ([], []),
        "d": ([], []),
    }
    assert links.stopping(["c", "b"], after, ["b"]) == {"c": ([], []), "b": ([], [])}, "for one that does not run nobody is stopped"


def step(name: str, port: int) -> dict[str, t.Any]:
    return {"container": name, "docker_container": {"published_ports": [f"127.0.0.1:{port}:5000"]}}


@given(
    st.permutations(NAMES),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=6),
    st.permutations(range(5000, 5008)),
    st.permutations(range(5000, 5008)),
    st.sets(st.sampled_from(NAMES)),
)
def test_nobody_starts_while_another_holds_its_port(names: list[str], pairs: list[tuple[int, int]], old: list[int], new: list[int], there: set[str]) -> None:
    """Whoever needs whom, whoever runs, and however ports change hands: chains, circles and swaps."""
    after: dict[str, list[str]] = {}
    for one, other in pairs:
        if one != other:
            after.setdefault(NAMES[max(one, other)], []).append(NAMES[min(one, other)])
    holds = {name: frozenset([port]) for name, port in zip(NAMES, old) if name in there}
    found = links.sequence({name: step(name, port) for name, port in zip(names, new)}, after, there, holds)
    assert sorted(each["container"] for each in found) == NAMES
    order = [each["container"] for each in found]
    assert all(order.index(needed) < order.index(name) for name, needs in after.items() for needed in needs)
    now = {name: set(ports) for name, ports in holds.items()}
    stopped: set[str] = set()
    for each in found:
        name = each["container"]
        for other in (told["container"] for told in each["stops"]):
            assert not links.needing(other, after) & (set(now) - set(order[: order.index(name)])), "what needs it stops before it"
            del now[other]
            stopped.add(other)
        assert each["stopped"] == (name in stopped)
        now.pop(name, None)
        stopped.discard(name)
        assert not any(ports & links.ports(each) for ports in now.values()), "its port is free"
        assert set(each["waiting"]) == stopped
        now[name] = set(links.ports(each))
    assert set(now) == set(NAMES)


def test_who_hands_a_port_over_moves_first_and_only_a_swap_stops_both() -> None:
    holds = {"a": frozenset([5001]), "b": frozenset([5002]), "c": frozenset([5009])}
    moved = links.sequence({"a": step("a", 5002), "b": step("b", 5003), "c": None}, {}, ["a", "b", "c"], holds)
    assert [(each["container"], each["stops"], each["stopped"]) for each in moved] == [("b", [], False), ("a", [], False)]
    swapped = links.sequence({"a": step("a", 5002), "b": step("b", 5001)}, {}, ["a", "b"], holds)
    told = [(each["container"], [other["container"] for other in each["stops"]], each["waiting"], each["stopped"]) for each in swapped]
    assert told == [("b", ["a"], ["a"], False), ("a", [], [], True)]


def test_ports_of_a_step_are_the_hosts() -> None:
    published = ["127.0.0.1:5000:80", "[::1]:5001:80/tcp", "5002:80"]
    assert links.ports({"docker_container": {"published_ports": published}}) == {5000, 5001, 5002}
    assert links.ports({}) == frozenset()
    assert links.held([{"name": "a", "published": [["::", 6000, 5000]], "ports": [6001]}, {"name": "b"}]) == {"a": {6000, 6001}, "b": frozenset()}
    assert links.holder("a", step("a", 5000), {"b": None}, {"b": frozenset([5000])}) == (5000, "b")
    assert links.holder("a", step("a", 5000), {"b": step("b", 1)}, {"a": frozenset([5000]), "b": frozenset([5000])}) is None
