# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in a plan's way, and what is worth knowing."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import checks
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.plan import plan
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, have, item, want

GIB = 1024**3
IMAGE = Image(b"x")
SPEECH = Image(b"x", service="speech_to_text", tag="4.9.0-amd64-en-us")
NO_ENGINE: dict[str, t.Any] = {"engine": None, "packages": {}}


def judged(host: dict[str, t.Any], wish: dict[str, t.Any]) -> tuple[list[str], list[str]]:
    found = plan(host, wish)
    return found["problems"], found["warnings"]


def test_a_fitting_host_has_none() -> None:
    assert judged(have(), want(item(IMAGE))) == ([], [])


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ({"arch": "arm64"}, "the images run on amd64 only"),
        ({"cpus": 2}, "cpus 4, the host has 2"),
        ({"memory": GIB}, "1g of memory, its containers need 2g at least"),
        ({"now": "2000-01-01T00:00:00Z"}, "before 2026-02-01T00:00:00Z when the store's content was fetched"),
        ({"listening": [5001]}, "port 5001 is taken by another program"),
        ({"containers": [{"name": "web", "id": "1", "image": "i", "state": "running", "labels": {}, "ports": [5001]}]}, "port 5001 is taken by container web"),
        ({"disk": {"root": {"free": 10}, "docker": {"free": 10**12}}}, "10 B free for root"),
        ({"disk": {"root": {"free": 10**12}, "docker": {"free": 10}}}, "10 B free for docker"),
        ({"engine": {**have()["engine"], "userns": True}}, "runs with userns-remap"),
        (NO_ENGINE, "the store has no packages for debian-12 amd64"),
    ],
)
def test_a_host_that_does_not_fit(host: dict[str, t.Any], told: str) -> None:
    problems, _warnings = judged(have(**host), want(item(IMAGE)))
    assert len(problems) == 1
    assert told in problems[0]
    assert ";" in problems[0] or "," in problems[0]


def test_cpu_flags() -> None:
    problems, _warnings = judged(have(cpu_flags=[]), want(item(SPEECH, cpus=8)))
    assert problems == ["container sent-en: the host's CPU lacks avx2; place it on another host"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"release": None, "image": None}, "no license/release for sentiment:3.0-en@lang-dc0#44136fa355b3 in the store; bundle it"),
        ({"image": None}, "is not in the store; bundle it"),
    ],
)
def test_a_store_that_lacks_something(change: dict[str, t.Any], told: str) -> None:
    problems, _warnings = judged(have(), want({**item(IMAGE), **change}))
    assert len(problems) == 1
    assert problems[0].startswith("container sent-en: ")
    assert told in problems[0]


def test_models_that_are_not_in_the_store() -> None:
    wanted = item(IMAGE)
    wanted["release"] = {**wanted["release"], "models": "sha256:" + "c" * 64}
    assert checks.judge(have(), want(wanted), {"send_bytes": 0, "engine": {"packages": []}})[0] == [
        "container sent-en: its models sha256:cccccccccccc are not in the store; bundle them"
    ]


@pytest.mark.parametrize(("expires", "problem"), [("2026-05-31", True), ("2026-06-01", False), ("2026-06-02", False)])
def test_a_license_serves_to_the_end_of_its_last_day(expires: str, problem: bool) -> None:
    problems, _warnings = judged(have(), want(item(IMAGE, release_more={"expires": expires})))
    assert bool(problems) is problem
    assert not problem or "its license ended on 2026-05-31" in problems[0]


@pytest.mark.parametrize(("expires", "told"), [("2026-07-01", "its license ends in 30 days, on 2026-07-01; bundle a new one"), ("2026-07-02", None)])
def test_a_license_that_ends_soon_is_told_in_time(expires: str, told: str | None) -> None:
    _problems, warnings = judged(have(), want(item(IMAGE, release_more={"expires": expires})))
    assert warnings == ([f"container sent-en: {told}"] if told else [])


def test_an_ended_license_may_be_asked_for() -> None:
    problems, warnings = judged(have(), want(item(IMAGE, release_more={"expires": "2026-05-31"}), allow_expired=True))
    assert problems == [] and "its license ended on 2026-05-31" in warnings[0]


def test_who_changes_the_host_now_is_told() -> None:
    holder = {"who": "eve", "node": "laptop", "since": "2026-06-01T00:00:00Z", "run": "1"}
    _problems, warnings = judged(have(lock=holder), want(item(IMAGE)))
    assert warnings == ["lock: held by eve from laptop since 2026-06-01T00:00:00Z; another run changes this host"]


def test_an_undeclared_end_is_a_warning() -> None:
    problems, warnings = judged(have(), want(item(IMAGE, release_more={"expires": None})))
    assert problems == []
    assert "nobody declared when its license ends" in warnings[0]


@pytest.mark.parametrize("small", [False, True])
def test_below_the_minimum(small: bool) -> None:
    problems, warnings = judged(have(memory=GIB), want(item(IMAGE, memory=GIB // 2, cpus=0.5), allow_small=small))
    lines = warnings if small else problems
    assert [line for line in lines if "cpus 0.5 is less than the 1 that sentiment needs" in line]
    assert [line for line in lines if "memory 0.5g is less than the 2g that sentiment needs" in line]
    assert (problems == []) is small


def test_below_the_recommended() -> None:
    problems, warnings = judged(have(), want(item(IMAGE, memory=2 * GIB, cpus=1)))
    assert problems == []
    assert [line.partition(": ")[2] for line in warnings] == ["cpus 1 is less than the recommended 4", "memory 2g is less than the recommended 8g"]


def test_memory_of_all_containers_together() -> None:
    wanted = [item(IMAGE, name=f"c{number}", port=5000 + number) for number in range(3)]
    assert judged(have(memory=20 * GIB), want(*wanted)) == ([], ["host: 20g of memory, its containers may take 24g; lower memory or move some"])
    assert "need 6g at least" in judged(have(memory=5 * GIB), want(*wanted))[0][0]


def test_a_small_difference_of_clocks_is_none_and_a_larger_one_told() -> None:
    assert judged(have(now="2026-06-01T00:04:00Z"), want(item(IMAGE))) == ([], [])
    assert "clock: the host's is" in judged(have(now="2026-06-01T00:06:00Z"), want(item(IMAGE)))[1][0]
    assert "the control node's is" in judged(have(), want(item(IMAGE), control_now="2020-01-01T00:00:00Z"))[0][0]


@pytest.mark.parametrize(("now", "told"), [("2025-06-01T00:00:00Z", "when the store's content was fetched"), ("2027-06-01T00:00:00Z", "licenses depend on it")])
def test_a_clock_a_year_off_stands_in_the_way(now: str, told: str) -> None:
    problems, _warnings = judged(have(now=now), want(item(IMAGE)))
    assert problems[0].startswith(f"clock: the host's is {now}") and told in problems[0]


@pytest.mark.parametrize("name", ["sent-en", "other"])
def test_a_port_held_by_a_declared_container_is_free(name: str) -> None:
    held = {"name": name, "id": "1", "image": "i", "state": "running", "labels": {"airgap.azure_ai.container": name}, "ports": [5001]}
    wanted = want(item(IMAGE), item(IMAGE, name="other", port=5002))
    assert judged(have(containers=[held], listening=[5001]), wanted)[0] == []


def test_a_port_of_a_declared_container_that_stays_where_it_is_is_taken() -> None:
    held = {"name": "other", "id": "1", "image": "i", "state": "running", "labels": {"airgap.azure_ai.container": "other"}, "ports": [5001]}
    mine, other = item(IMAGE), item(IMAGE, name="other", port=5002)
    (line,), _warnings = checks._port(have(containers=[held]), {**want(mine, other), "starting": {"sent-en"}}, mine)
    assert line.startswith("container sent-en: port 5001 is taken by container other, which this rollout leaves as it is; give it another port, or let ")
    assert "azure_ai_unpin=true" in line
    assert checks._port(have(containers=[held]), {**want(mine, other), "starting": {"other"}}, mine) == ([], []), "who does not start needs no port"


GPU: dict[str, t.Any] = {"entry_more": {"gpu": True}}


@pytest.mark.parametrize(
    ("gpus", "told"),
    [
        ({"count": 0, "runtime": True}, "needs an NVIDIA GPU and the host shows none; place it on another host, or take the service's CPU image"),
        ({"count": 2, "runtime": False}, "Docker no NVIDIA runtime for it; install the NVIDIA container toolkit"),
        ({"count": 1, "runtime": True}, None),
    ],
)
def test_a_gpu_where_one_is_needed(gpus: dict[str, t.Any], told: str | None) -> None:
    problems, _warnings = judged(have(gpus=gpus), want(item(IMAGE, **GPU)))
    assert problems == [] if told is None else len(problems) == 1 and told in problems[0]
    assert judged(have(gpus=gpus), want(item(IMAGE))) == ([], [])


def test_cpu_flags_that_would_help_are_a_warning() -> None:
    wanted = item(IMAGE, entry_more={"cpu_flags_recommended": ["avx512f", "avx2"]})
    assert judged(have(), want(wanted)) == ([], ["container sent-en: the host's CPU lacks avx512f, which sentiment runs better with"])


@pytest.mark.parametrize(
    ("version", "old"), [("19.03.15", True), ("20.10.24+dfsg1", False), ("20.9", True), ("26.1.5+dfsg1", False), ("28.0.0-rc.1", False), ("dev", False)]
)
def test_an_engine_that_is_too_old(version: str, old: bool) -> None:
    problems, _warnings = judged(have(engine={**have()["engine"], "version": version}), want(item(IMAGE)))
    assert problems == ([f"engine: Docker {version} is older than 20.10; install a newer one"] if old else [])


def test_a_member_of_a_group_without_its_license_is_told_with_its_group() -> None:
    member = {"name": "dt-layout", "group": "dt", "member": "layout", "group_service": "custom_template"}
    problems, _warnings = judged(have(), want({**item(IMAGE, **member), "release": None, "image": None}))
    assert problems == [
        (
            "container dt-layout: custom_template dt needs layout's license besides those of its other members, and there is "
            "no license/release for sentiment:3.0-en@lang-dc0#44136fa355b3 in the store; bundle it"
        )
    ]
    free = {**item(IMAGE, entry_more={"online": [], "mounts": {}, "offline": {"settings": {}}}, **member), "release": None, "image": None}
    assert "needs layout's image besides" in judged(have(), want(free))[0][0]


def test_files_that_are_not_in_the_store() -> None:
    wanted = item(IMAGE)
    wanted["release"] = {**wanted["release"], "files": "sha256:" + "c" * 64}
    assert checks.bound(have(), want(wanted), wanted)[0] == ["container sent-en: its files sha256:cccccccccccc are not in the store; bundle them"]


def test_all_problems_of_a_host_come_at_once() -> None:
    host = have(cpus=2, memory=GIB, listening=[5001], cpu_flags=[], engine={**have()["engine"], "version": "19.03"})
    problems, _warnings = judged(host, want(item(SPEECH, **GPU)))
    for word in ("19.03", "its containers need", "lacks avx2", "the host has 2", "NVIDIA", "port 5001"):
        assert [line for line in problems if word in line], word


@pytest.mark.parametrize("change", [{"license": "sha256:" + "d" * 64}, {"image": "sha256:" + "e" * 64}, {"resource": "other"}])
def test_a_release_that_does_not_hold_together_is_not_planned_in_silence(change: dict[str, str]) -> None:
    wanted = item(IMAGE)
    wanted["release"] = {**wanted["release"], **change}
    (problem,) = checks.bound(have(), want(wanted), wanted)[0]
    assert problem.startswith(f"container sent-en: release {wanted['release']['id']} of sentiment:3.0-en does not hold together")
    assert "receive the bundle that brought it again" in problem
