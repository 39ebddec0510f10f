# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine is changed where it is ours or where somebody asked for it, and nowhere else."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import manage
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import have, sha, want

NO_TOOLS = {"rsync": False, "requests": False, "zstd": False}
BARE: dict[str, t.Any] = {"engine": None, "packages": {}, "tools": NO_TOOLS, "engine_error": "no such socket"}
STOPPED = {**BARE, "engine_program": "/usr/bin/dockerd"}
ENGINE = have()["engine"]
DIFFERS = {"reason": "log-opts differs", "apply": "restart", "error": None}
CONFIG = {"log-opts": {"max-size": "10m"}}


def packages(version: str = "2") -> list[dict[str, t.Any]]:
    rows = (("docker.io", True), ("containerd", False), ("rsync", True), ("python3-requests", True))
    common = {"os": "debian-12", "arch": "amd64", "version": version, "size": 1}
    return [{**common, "name": name, "filename": f"{name}.deb", "digest": sha(name.encode()), "requested": asked} for name, asked in rows]


def wish(asked: bool | None = None, **more: t.Any) -> dict[str, t.Any]:
    return want(engine={"manage": asked, "config": CONFIG}, **{"packages": packages(), **more})


def names(step: dict[str, t.Any]) -> list[str]:
    return [item["name"] for item in step["packages"]]


@pytest.mark.parametrize(
    ("host", "asked", "managed"),
    [
        (BARE, None, True),
        (STOPPED, None, False),
        (STOPPED, True, False),
        ({**STOPPED, "engine_ours": True}, None, True),
        ({}, None, False),
        ({"engine_ours": True}, None, True),
        ({"engine_ours": True}, False, False),
        ({}, True, True),
        (BARE, False, False),
    ],
)
def test_whose_engine_it_is(host: dict[str, t.Any], asked: bool | None, managed: bool) -> None:
    assert manage.managed(have(**host), wish(asked)) is managed


def test_a_bare_host_gets_all_of_it() -> None:
    step = manage.step(have(**BARE), wish())
    assert names(step) == ["docker.io", "containerd", "rsync", "python3-requests"]
    assert (step["new"], step["config"], step["apply"]) == (True, CONFIG, "nothing")


def test_the_registry_that_came_along_is_for_the_control_node() -> None:
    extra = {**packages()[0], "name": "docker-registry", "filename": "docker-registry.deb"}
    step = manage.step(have(**BARE), wish(packages=[*packages(), extra]))
    assert names(step) == ["docker.io", "containerd", "rsync", "python3-requests"]
    there = have(packages={"docker.io": "2", "containerd": "2", "rsync": "2", "python3-requests": "2"}, engine_ours=True)
    assert manage.step(there, wish(packages=[*packages(), extra]))["reason"] is None


def test_a_foreign_engine_is_left_alone() -> None:
    host = have(packages={"docker.io": "1", "containerd": "1"}, daemon=DIFFERS)
    step = manage.step(host, wish())
    assert (names(step), step["config"], step["apply"]) == (["rsync", "python3-requests"], {}, "nothing")
    assert manage.judge(host, wish(), step) == ([], [])


@pytest.mark.parametrize("host", [{"engine_ours": True}, {}])
def test_a_managed_engine_is_upgraded_and_set(host: dict[str, t.Any]) -> None:
    found = have(packages={"docker.io": "1", "containerd": "3", "rsync": "1", "python3-requests": "2"}, daemon=DIFFERS, **host)
    step = manage.step(found, wish(None if host else True))
    assert names(step) == ["docker.io"], "neither a newer one nor what is no part of the engine"
    assert [item["name"] for item in step["besides"]] == ["rsync"] and step["upgrades"] == ["docker.io"], "at hand where apt cannot do without"
    assert step["reason"] == "packages to upgrade: docker.io 2; settings: log-opts differs"
    assert (step["config"], step["apply"], step["new"]) == (CONFIG, "restart", False)


def test_a_second_run_has_nothing_to_do() -> None:
    step = manage.step(have(packages={"docker.io": "2", "containerd": "2", "rsync": "1", "python3-requests": "1"}, engine_ours=True), wish())
    assert (step["reason"], names(step), step["config"]) == (None, [], {})


@pytest.mark.parametrize(
    ("host", "asked", "told"),
    [
        (BARE, False, "azure_ai_engine_manage is false"),
        ({**STOPPED, "tools": have()["tools"]}, None, "not by this collection, and does not answer; start it"),
        ({**STOPPED, "tools": have()["tools"]}, True, "not by this collection, and does not answer; start it"),
        ({"engine_ours": True, "daemon": {"reason": None, "apply": "nothing", "error": "/etc/docker/daemon.json: not JSON"}}, None, "not JSON"),
        ({"engine": {**ENGINE, "rootless": True}}, None, "it runs rootless"),
        ({"engine": {**ENGINE, "version": "19.03.1"}}, None, "older than 20.10"),
        ({"engine_ours": True, "routes": [{"interface": "eth0", "network": "10.1.0.0/16"}]}, None, "10.1.2.0/24 overlap"),
        ({"engine_ours": True, "engine": {**ENGINE, "root_dir": "/data/"}}, None, "engine_data_root says /srv"),
    ],
)
def test_what_stands_in_the_way(host: dict[str, t.Any], asked: bool | None, told: str) -> None:
    found = have(**host)
    wanted = wish(asked)
    wanted["engine"]["config"] = {"bip": "10.1.2.1/24", **({"data-root": "/srv"} if "data_root" in told else {})}
    problems, _warnings = manage.judge(found, wanted, manage.step(found, wanted))
    assert len(problems) == 1 and told in problems[0], problems
    assert ";" in problems[0] or "not JSON" in problems[0]


def test_a_host_that_wants_did_not_tell_of_is_named_with_what_it_lacks_and_the_way_out() -> None:
    few = [item for item in packages() if item["name"] == "containerd"]
    told = [*few, {**few[0], "name": "python3-requests", "filename": "r.deb"}]
    wanted = wish(packages=told)
    problems, _warnings = manage.judge(have(**BARE), wanted, manage.step(have(**BARE), wanted))
    assert len(problems) == 2 and "bring no docker.io; write wants again with this host" in problems[0] and "has no rsync, and" in problems[1]
    assert all("(airgap.azure_ai.wants)" in problem for problem in problems)
    there = have(packages={"docker.io": "2", "rsync": "1"}, engine_ours=True)
    assert manage.judge(there, wanted, manage.step(there, wanted)) == ([], [])
    elsewhere = have(**{**BARE, "os": "debian-13"})
    problems, _warnings = manage.judge(elsewhere, wanted, manage.step(elsewhere, wanted))
    assert len(problems) == 1 and "has no packages for debian-13" in problems[0]


def test_an_engine_of_ones_own_packages_is_one() -> None:
    own = {**packages()[0], "name": "docker-ce", "filename": "docker-ce.deb"}
    wanted = wish(packages=[*packages()[2:], own])
    assert manage.judge(have(**BARE), wanted, manage.step(have(**BARE), wanted)) == ([], [])


def test_other_problems_of_foreign_settings_are_nobodys() -> None:
    found = have(daemon={"reason": None, "apply": "nothing", "error": "broken"}, engine={**ENGINE, "root_dir": "/data"})
    wanted = want(engine={"manage": None, "config": {"data-root": "/srv"}})
    assert manage.judge(found, wanted, manage.step(found, wanted)) == ([], [])


@pytest.mark.parametrize(("now", "soon", "warned"), [(False, False, True), (True, False, False), (False, True, False)])
def test_a_restart_that_stops_containers_is_told(now: bool, soon: bool, warned: bool) -> None:
    found = have(engine_ours=True, daemon=DIFFERS, engine={**ENGINE, "live_restore": now})
    wanted = want(engine={"manage": None, "config": {**CONFIG, "live-restore": soon}})
    _problems, warnings = manage.judge(found, wanted, manage.step(found, wanted))
    assert bool(warnings) is warned


def test_what_was_not_there_before_is_noted_before_it_is_installed() -> None:
    bare = manage.step(have(**BARE), wish())
    assert bare["note"] == ["containerd", "docker.io"], "rsync is no part of the engine"
    beside = have(**{**BARE, "packages": {"containerd": "2", "runc": "1"}})
    step = manage.step(beside, wish())
    assert step["note"] == ["docker.io"] and "containerd" not in names(step)
    cut_off = have(**{**STOPPED, "engine_ours": True, "engine_packages": ["containerd", "docker.io"], "packages": {"containerd": "2"}})
    assert manage.step(cut_off, wish())["note"] is None, "it was noted by the run that was cut off"


@pytest.mark.parametrize(
    ("host", "note"),
    [
        ({"engine_ours": True, "engine_packages": ["containerd", "docker.io"]}, None),
        ({"engine_ours": True, "engine_packages": ["docker.io"]}, ["containerd", "docker.io"]),
        ({"engine_ours": True, "engine_packages": None}, None),
        ({}, None),
    ],
)
def test_a_note_grows_and_somebody_elses_engine_gets_none(host: dict[str, t.Any], note: list[str] | None) -> None:
    found = have(packages={"docker.io": "2"}, tools=NO_TOOLS, **host)
    assert manage.step(found, wish(True))["note"] == note
    assert manage.step(have(**STOPPED), wish(True))["note"] is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, (False, None)),
        ('{"installed_by": "airgap.azure_ai"}', (True, None)),
        ('{"packages": ["runc", "docker.io"]}', (True, ["docker.io", "runc"])),
        ('{"packages": [1]}', (True, None)),
        ("[]", (True, None)),
        ("", (True, None)),
    ],
)
def test_notes_of_any_form_say_whose_engine_it_is(tmp_path: Path, text: str | None, found: tuple[bool, list[str] | None]) -> None:
    path = tmp_path / "note.json"
    if text is not None:
        path.write_text(text)
    assert manage.note(str(path)) == found


def test_an_engine_of_another_origin_is_set_and_gets_no_second_one() -> None:
    found = have(packages={"docker-ce": "5:28", "containerd.io": "1", "rsync": "1", "python3-requests": "1"}, daemon=DIFFERS)
    step = manage.step(found, wish(True))
    assert (names(step), step["besides"], step["upgrades"]) == ([], [packages()[2], packages()[3]], [])
    assert (step["reason"], step["config"], step["apply"]) == ("settings: log-opts differs", CONFIG, "restart")
    same = have(packages={"docker-ce": "5:28", "rsync": "2", "python3-requests": "2"})
    assert manage.step(same, wish(True))["reason"] is None
    assert manage.judge(found, wish(True), step)[0] == []


@pytest.mark.parametrize(
    ("system", "there", "tools", "told"),
    [
        ("rocky-9", {}, NO_TOOLS, "packages: this host has no rsync and no python3-requests, and the store has no packages for rocky-9; install"),
        ("rocky-9", {}, {"rsync": True, "requests": False}, "packages: this host has no python3-requests, and the store has no packages"),
        ("rocky-9", {}, {"rsync": True, "requests": True}, None),
        ("debian-12", {}, NO_TOOLS, None),
        (
            "debian-12",
            {"python3-requests": "2"},
            {"rsync": True, "requests": False},
            "python3-requests is installed, and the Python that",
        ),
    ],
)
def test_tools_are_there_by_any_means_or_come_or_are_told(system: str, there: dict[str, str], tools: dict[str, bool], told: str | None) -> None:
    found = have(os=system, packages=there, tools=tools)
    problems, _warnings = manage.judge(found, wish(), manage.step(found, wish()))
    assert len(problems) == (0 if told is None else 1), problems
    assert told is None or told in problems[0]
