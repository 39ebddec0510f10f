# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What retiring takes: only what is ours, only what nothing else needs."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import local_image
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import retire
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
IMAGE, OTHER = local_image("sentiment", ONE), local_image("sentiment", TWO)
FULL = ["current", "output", "releases", "source.json"]


def container(name: str, **more: t.Any) -> dict[str, t.Any]:
    own = {"ours": True, "state": "running", "image": IMAGE, "service": "sentiment", "sources": [], "networks": [], "published": [("127.0.0.1", 5003)]}
    return {"name": name, "id": f"id-{name}", **own, **more}


def folder(image: str = ONE, models: str | None = None) -> dict[str, t.Any]:
    return {"current": "r1", "previous": None, "releases": {"r1": {"service": "sentiment", "image": image, "models": models, "files": None}}}


def have(**more: t.Any) -> dict[str, t.Any]:
    """Two containers of ours on one image, one with an image of its own, all whole."""
    deployed = {"a": folder(), "b": folder(), "c": folder(TWO, models="sha256:" + "3" * 64)}
    return {
        "deployed": deployed,
        "folders": {name: {"entries": FULL, "files": 2, "bytes": 10} for name in deployed},
        "models": ["sha256:" + "3" * 64],
        "store": 0,
        "packages": ["docker.io"],
        "engine_ours": True,
        "engine_packages": ["docker.io", "runc"],
        "front": False,
        "engine_error": None,
        "containers": [container("a"), container("b"), container("c", image=OTHER)],
        "images": [IMAGE, OTHER, "debian:12"],
        "networks": ["bridge"],
        **more,
    }


def want(*names: str, **more: t.Any) -> dict[str, t.Any]:
    base = {"root": "/r", "declared": [], "allow_declared": False, "output": "archive", "engine": False}
    return {**base, "containers": list(names), **more}


def test_the_front_goes_with_the_last_container_and_the_whole_host() -> None:
    whole = retire.plan(have(front=True), want())
    assert whole["front"] and "front: stop it, and remove its certificate and key" in whole["lines"]
    assert not retire.plan(have(front=True), want("a", "b", "c"))["front"], "named containers are not the host"
    bare = have(front=True, deployed={}, folders={}, containers=[], images=[], models=[])
    assert retire.plan(bare, want())["empty"] is False


def test_an_image_goes_with_its_last_user() -> None:
    assert retire.plan(have(), want("a"))["images"] == []
    assert retire.plan(have(), want("a", "b"))["images"] == [IMAGE]
    alone = retire.plan(have(), want("c"))
    assert (alone["images"], alone["models"], alone["left"]) == ([OTHER], ["sha256:" + "3" * 64], ["a", "b"])


def test_an_image_that_another_container_has_stays() -> None:
    found = have(containers=[*have()["containers"], container("theirs", ours=False, image=OTHER)])
    assert retire.plan(found, want("c"))["images"] == []
    assert retire.plan(found, want())["images"] == [IMAGE]


def test_a_whole_host_leaves_what_others_brought() -> None:
    found = have(store=7, networks=["bridge", "azure-ai"])
    plan = retire.plan(found, want())
    assert [step["name"] for step in plan["containers"]] == ["a", "b", "c"]
    assert (plan["images"], plan["store"], plan["networks"], plan["packages"], plan["problems"]) == ([IMAGE, OTHER], True, ["azure-ai"], [], [])
    assert retire.plan(found, want(engine=True))["packages"] == ["docker.io"]
    assert retire.plan({**found, "engine_ours": False}, want(engine=True))["packages"] == []
    beside = {**found, "packages": ["containerd", "docker.io"]}
    assert retire.plan(beside, want(engine=True))["packages"] == ["docker.io"], "what was there before stays"
    older = {**beside, "engine_packages": None, "packages": ["containerd", "docker-ce", "docker.io"]}
    assert retire.plan(older, want(engine=True))["packages"] == ["containerd", "docker.io"], "an older note names none"


SIMULATED = """Reading package lists...
The following packages will be REMOVED:
  containerd* docker.io* kubelet*
Purg kubelet [1.30]
Purg docker.io:amd64 [20.10.24+dfsg1-1+b3]
Purg containerd [1.6.20~ds1-1+b1]
Remv libx [1]
Purg
"""


def test_packages_that_would_go_as_well_are_found() -> None:
    assert retire.dragged(SIMULATED, ["docker.io", "containerd"]) == ["kubelet", "libx"]
    assert retire.dragged("", ["docker.io"]) == retire.dragged(SIMULATED, ["docker.io", "containerd", "kubelet", "libx"]) == []


def test_what_others_need_stops_last() -> None:
    deployed = have()["deployed"]
    plan = retire.plan(have(deployed={**deployed, "c": {**deployed["c"], "after": ["b"]}, "b": {**deployed["b"], "after": ["a"]}}), want())
    assert [step["name"] for step in plan["containers"]] == ["c", "b", "a"]


@pytest.mark.parametrize("user", [container("b", networks=["azure-ai"]), container("x", ours=False, networks=["azure-ai"])])
def test_a_network_in_use_stays(user: dict[str, t.Any]) -> None:
    found = have(networks=["azure-ai"], containers=[container("a", networks=["azure-ai"]), user])
    assert retire.plan(found, want("a"))["networks"] == []
    assert retire.plan(have(networks=["azure-ai"]), want("a"))["networks"] == ["azure-ai"]


@pytest.mark.parametrize(
    ("change", "wish", "words"),
    [
        ({}, {"declared": ["a"]}, "container a: still declared"),
        ({"engine_error": "nobody listens"}, {}, "engine: it does not answer"),
        ({"containers": [container("a", ours=False)], "deployed": {}, "folders": {}}, {}, "container a: not one of this collection"),
        ({"containers": [container("a"), container("b", sources=["/r/containers/a/shared"])]}, {}, "container a: b, which stays, uses its folder"),
        ({}, {"engine": True}, "engine: b, c would lose it"),
    ],
)
def test_what_stands_in_the_way(change: dict[str, t.Any], wish: dict[str, t.Any], words: str) -> None:
    problems = retire.plan(have(**change), want("a", **wish))["problems"]
    assert [line for line in problems if line.startswith(words)], problems
    assert not retire.plan(have(), want("a", declared=["a", "b"], allow_declared=True))["problems"]


@pytest.mark.parametrize("output", ["archive", "keep"])
def test_a_second_run_has_nothing_to_do(output: str) -> None:
    after = {"deployed": {}, "folders": {}} if output == "archive" else {"folders": {"a": {"entries": ["output", "source.json"], "files": 2, "bytes": 10}}}
    if output == "keep":
        after["deployed"] = {"a": {"current": None, "previous": None, "releases": {}}}
    gone = have(containers=[], images=["debian:12"], models=[], **after)
    for wish in (want(output=output), want("a", output=output), want("never-there", output=output)):
        plan = retire.plan(gone, wish)
        assert plan["empty"] and plan["lines"] == [] and plan["problems"] == []


def test_a_run_that_was_cut_off_goes_on() -> None:
    """The container is gone, its release still tells which image was meant."""
    plan = retire.plan(have(containers=[container("a"), container("b")]), want("c"))
    assert ([step["reason"] for step in plan["containers"]], plan["images"]) == (["its releases are there"], [OTHER])


def test_the_last_reading_is_asked_of_what_runs() -> None:
    found = have(containers=[container("a", published=[("0.0.0.0", 5003)]), container("b", state="exited"), container("c", published=[])])
    assert retire.plan(found, want())["endpoints"] == [{"name": "a", "container": "a", "reporter": "a", "service": "sentiment", "url": "http://127.0.0.1:5003"}]


def test_a_bare_host(tmp_path: Path) -> None:
    found = retire.look(str(tmp_path), Engine(str(tmp_path / "none")))
    assert "no such socket" in found["engine_error"]
    assert retire.plan(found, want())["empty"]
