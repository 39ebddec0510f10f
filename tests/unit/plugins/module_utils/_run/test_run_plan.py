# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan, against a model of a host that does what the plan says."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import local_image
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.plan import plan
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.carried_out import applied
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, have, item, sha, want

MODELS = {"digest": sha(b"set"), "files": [{"path": "a/b", "digest": sha(b"model"), "size": 5}, {"path": "c", "digest": sha(b"model"), "size": 5}]}
PACKAGES = [
    {"os": system, "arch": "amd64", "name": name, "version": "1", "filename": f"{name}.deb", "digest": sha(name.encode()), "size": 1, "requested": asked}
    for system in ("debian-12", "debian-13")
    for name, asked in (("docker.io", True), ("runc", False), ("rsync", True), ("libpopt0", False))
]


CHAINS = st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=4)


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, t.Any]:
    items = []
    for number in range(draw(st.integers(0, 3))):
        service = draw(st.sampled_from(["sentiment", "text_translation"]))
        options = {"languages": ["en", "fr"]} if service == "text_translation" else {}
        image = Image(*draw(CHAINS), service=service)
        more = {"name": f"c{number}", "port": 5000 + number, "options": options, "settings": {"A": draw(st.sampled_from(["1", "2"]))}}
        more["network"] = draw(st.sampled_from([None, "azure-ai"]))
        more["after"] = draw(st.lists(st.sampled_from([f"c{place}" for place in range(3) if place != number]), unique=True))
        items.append(item(image, MODELS if options and draw(st.booleans()) else None, {"options": options}, **more))
    return want(*items, packages=draw(st.sampled_from([[], PACKAGES])))


@st.composite
def hosts(draw: st.DrawFn) -> dict[str, t.Any]:
    store = {sha(data)[7:]: draw(st.sampled_from([1, 5])) for data in draw(st.lists(st.sampled_from([b"a", b"b", b"model"])))}
    images = []
    for chain in draw(st.lists(CHAINS, max_size=2)):
        image = Image(*chain)
        name = local_image("sentiment", image.record["manifest"])
        diffs = [layer["diff_id"] for layer in image.record["layers"]]
        images.append(
            {"name": name, "id": draw(st.sampled_from([image.record["config"], "sha256:x"])), "user": "", "chain": diffs, "usable": draw(st.booleans())}
        )
    bare = draw(st.booleans())
    return have(store=store, **({"engine": None, "packages": {}} if bare else {"images": images}))


@given(hosts(), wishes())
def test_a_plan_that_ran_leaves_nothing_to_do(host: dict[str, t.Any], wish: dict[str, t.Any]) -> None:
    steps = plan(host, wish)
    if host["engine"] is None and not steps["engine"]["packages"]:
        assert steps["problems"]
    after = applied(host, steps)
    again = plan(after, wish)
    assert again["empty"]
    assert again["staged"]
    assert [again[key] for key in ("send", "images", "models", "releases", "switch", "lines")] == [[]] * 6


@given(hosts(), wishes(), wishes())
def test_a_second_wish_over_a_first_ends_too(host: dict[str, t.Any], first: dict[str, t.Any], second: dict[str, t.Any]) -> None:
    middle = applied(host, plan(host, first))
    assert plan(applied(middle, plan(middle, second)), second)["empty"]


@given(hosts(), wishes())
def test_nothing_is_sent_twice_and_the_sum_is_right(host: dict[str, t.Any], wish: dict[str, t.Any]) -> None:
    steps = plan(host, wish)
    digests = [blob["digest"] for blob in steps["send"]]
    assert len(set(digests)) == len(digests)
    assert steps["send_bytes"] == sum(blob["size"] for blob in steps["send"])
    assert plan(host, wish) == steps


IMAGE = Image(b"base", b"app")


def done() -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    wish = want(item(IMAGE))
    return applied(have(), plan(have(), wish)), wish


def test_the_first_rollout_in_full() -> None:
    steps = plan(have(), want(item(IMAGE)))
    size = sum(map(len, IMAGE.blobs.values()))
    (switch,) = steps["switch"]
    assert (switch["from"], switch["reason"], switch["restart"], switch["url"]) == (None, "first release", False, "http://127.0.0.1:5001")
    assert switch["docker_container"]["image"] == steps["images"][0]["name"]
    assert "pull_policy" in switch["compose"]
    assert steps["lines"] == [f"container sent-en: none -> {switch['to']} (first release), {size} B to send, start, license 213 days"]
    assert (steps["staged"], steps["empty"], steps["undeclared"]) == (False, False, [])


def test_an_image_tells_which_containers_it_is_for() -> None:
    two = want(item(IMAGE), item(IMAGE, name="sent-two", port=5002))
    assert [step["containers"] for step in plan(have(), two)["images"]] == [["sent-en", "sent-two"]]


def test_a_new_license_sends_nothing_and_asks_for_the_user() -> None:
    host, _wish = done()
    steps = plan(host, want(item(IMAGE, release_more={"license": sha(b"new")})))
    assert (steps["send"], len(steps["releases"]), steps["switch"][0]["reason"], steps["switch"][0]["restart"]) == ([], 1, "another release", True)
    assert [(step["reason"], step["leave_out"]) for step in steps["images"]] == [(None, [])]


def test_a_new_image_leaves_shared_layers_out() -> None:
    host, _wish = done()
    new = Image(b"base", b"other")
    steps = plan({**host, "store": {}}, want(item(new)))
    assert steps["images"][0]["leave_out"] == [new.record["layers"][0]["digest"]]
    assert {blob["digest"] for blob in steps["send"]} == set(new.blobs) - set(steps["images"][0]["leave_out"])


@pytest.mark.parametrize("store", ["classic", "containerd"])
def test_what_new_images_share_is_loaded_once(store: str) -> None:
    host = have()
    host["engine"]["store"] = store
    wish = want(*(item(Image(b"base", name), name=f"c{name.decode()}") for name in (b"1", b"2", b"3")))
    first, *others = plan(host, wish)["images"]
    shared = first["record"]["layers"][0]["digest"]
    assert first["leave_out"] == [] and [step["leave_out"] for step in others] == [[shared]] * 2
    assert [blob["digest"] for blob in plan(host, wish)["send"]].count(shared) == 1


def test_settings_restart_and_state_starts() -> None:
    host, wish = done()
    assert plan(host, want(item(IMAGE, settings={"A": "1"})))["switch"][0]["reason"] == "other settings"
    host["deployed"]["sent-en"]["proven"] = None
    assert plan(host, wish)["switch"][0]["reason"] == "it has not proved that it works"
    host["containers"][0]["state"] = "exited"
    assert plan(host, wish)["switch"][0]["reason"] == "it is exited"
    host["containers"] = []
    assert plan(host, wish)["switch"][0]["reason"] == "no container"


def rolled_back(kind: str, to: str, left: str) -> dict[str, t.Any]:
    return {"kind": kind, "to": {"release": to, "spec": to}, "left": [{"release": left, "spec": left}], "since": "2026-05-01T00:00:00Z"}


def test_what_was_rolled_back_by_hand_stays_until_something_else_is_declared() -> None:
    host, _wish = done()
    now = host["deployed"]["sent-en"]["current"]
    newer = want(item(IMAGE, release_more={"license": sha(b"new")}))
    wanted = newer["containers"][0]["release"]["id"]
    host["deployed"]["sent-en"]["rollback"] = rolled_back("manual", now, wanted)
    steps = plan(host, newer)
    assert steps["switch"] == []
    assert steps["lines"][0] == f"container sent-en: stays at {now}, rolled back by hand on 2026-05-01; azure_ai_unpin=true goes on to {wanted}"
    assert plan(host, {**newer, "unpin": True})["switch"][0]["reason"] == "another release; ends the rollback of 2026-05-01"
    newest = want(item(IMAGE, release_more={"license": sha(b"newest")}))
    assert plan(host, newest)["switch"][0]["reason"] == "another release; ends the rollback of 2026-05-01"
    host["deployed"]["sent-en"]["current"] = "0" * 16
    assert len(plan(host, newer)["switch"]) == 1, "it never came to this rollback"


def test_what_failed_before_is_told_and_tried_again() -> None:
    host, _wish = done()
    newer = want(item(IMAGE, release_more={"license": sha(b"new")}))
    host["deployed"]["sent-en"]["rollback"] = rolled_back("automatic", "0" * 16, newer["containers"][0]["release"]["id"])
    assert plan(host, newer)["switch"][0]["reason"] == "another release; it failed on 2026-05-01 and was rolled back"


def test_a_license_that_ended_stands_in_the_way_of_a_start_alone() -> None:
    host, wish = done()
    later = {**wish, "control_now": "2027-01-01T00:00:00Z"}
    running = {**host, "now": later["control_now"]}
    steps = plan(running, later)
    assert (steps["problems"], steps["switch"]) == ([], []) and "ended on 2026-12-31" in steps["warnings"][0]
    steps = plan({**running, "containers": []}, later)
    assert len(steps["problems"]) == 1 and "azure_ai_allow_expired" in steps["problems"][0]
    steps = plan({**running, "containers": []}, {**later, "allow_expired": True})
    assert steps["problems"] == [] and "license -1 days" in steps["lines"][0]


def test_a_torn_release_is_staged_again() -> None:
    host, wish = done()
    for found in host["deployed"]["sent-en"]["releases"].values():
        found["complete"] = False
    assert plan(host, wish)["switch"][0]["reason"] == "its release was not whole", "it is proved with what is laid down anew"
    stopped = {**host, "containers": [{**found, "state": "restarting"} for found in host["containers"]]}
    assert "(it is restarting), staged anew (its last staging did not end, or its license was changed since), 0 B to send" in plan(stopped, wish)["lines"][0]
    assert [step["reason"] for step in plan(host, wish)["releases"]] == ["its last staging did not end, or its license was changed since"]


def test_what_is_not_declared_is_told_and_left() -> None:
    host, _wish = done()
    steps = plan(host, want())
    assert (steps["undeclared"], steps["empty"]) == (["sent-en"], True)
    assert steps["lines"] == ["container sent-en: not declared any more and left as it is; declare it, or retire it"]


def test_packages_by_state_of_the_engine() -> None:
    def names(**host: t.Any) -> list[str]:
        return [package["name"] for package in plan(have(**host), want(packages=PACKAGES))["engine"]["packages"]]

    assert names(engine=None, packages={}) == ["docker.io", "runc", "rsync", "libpopt0"]
    assert names(packages={"docker-ce": "26"}) == ["rsync", "libpopt0"], "a foreign engine is left alone"
    assert names(packages={"docker.io": "20", "rsync": "3"}) == [], "what nobody asked for is not missed"
    stopped = plan(have(engine=None, packages={package["name"]: "1" for package in PACKAGES}), want(packages=PACKAGES))
    assert (stopped["engine"]["reason"], stopped["engine"]["packages"]) == ("the Docker Engine does not answer", [])


FILES = {"digest": sha(b"files"), "files": [{"path": "words.txt", "digest": sha(b"words"), "size": 5}]}
GLOSSARY = {"files": [{"option": "glossary", "mount": "/glossary"}]}
FREE: dict[str, t.Any] = {"online": [], "mounts": {}, "offline": {"settings": {}}}


def with_files() -> dict[str, t.Any]:
    wanted = item(IMAGE, release_more={"files": FILES["digest"], "options": {"glossary": "w"}}, entry_more=GLOSSARY, options={"glossary": "w"})
    return {**wanted, "files": FILES}


def test_declared_files_travel_and_lie_as_models_do() -> None:
    steps = plan(have(), want(with_files()))
    assert steps["models"] == [FILES]
    assert {"digest": sha(b"words"), "size": 5, "container": "sent-en"} in steps["send"]
    host = applied(have(), steps)
    assert plan(host, want(with_files()))["empty"]
    assert steps["switch"][0]["spec"]["mounts"][-1]["target"] == "/glossary"


def test_other_files_are_another_release_with_the_same_license() -> None:
    host, _wish = done()
    steps = plan(host, want(with_files()))
    assert (steps["switch"][0]["reason"], len(steps["releases"]), steps["send"]) == (
        "another release",
        1,
        [{"digest": sha(b"words"), "size": 5, "container": "sent-en"}],
    )


def test_a_service_without_license() -> None:
    wanted = item(IMAGE, release_more={"license": None, "expires": None}, entry_more={**FREE, "user": "1000:1000", "state": ["/db"]})
    steps = plan(have(), want(wanted))
    (staged,), (switch,) = steps["releases"], steps["switch"]
    assert (staged["license"], staged["user"], staged["folders"], switch["folders"]) == (None, "1000:1000", ["sent-en/state/db"], ["sent-en/state/db"])
    assert (steps["problems"], steps["warnings"]) == ([], [])
    assert "license" not in steps["lines"][0]
    assert plan(applied(have(), steps), want(wanted))["empty"]


def linked(*names: str, **more: t.Any) -> list[dict[str, t.Any]]:
    """Containers of which each needs the next one."""
    pairs = list(zip(names, [*names[1:], None]))
    return [
        item(
            IMAGE,
            name=name,
            port=5001 + place,
            network="azure-ai",
            after=[other] if other else [],
            links={"Host": f"http://{other}:5000"} if other else {},
            **more,
        )
        for place, (name, other) in enumerate(pairs)
    ]


def test_what_others_need_is_started_first_over_a_network_that_is_made() -> None:
    steps = plan(have(networks=["bridge"]), want(*linked("proxy", "custom", "layout")))
    assert [step["container"] for step in steps["switch"]] == ["layout", "custom", "proxy"]
    assert [step["after"] for step in steps["switch"]] == [[], ["layout"], ["custom"]], "kept for the way back"
    assert steps["networks"] == ["azure-ai"]
    assert "network azure-ai: make it" in steps["lines"]
    assert steps["switch"][1]["docker_container"]["networks"] == [{"name": "azure-ai"}]
    assert plan(have(networks=["azure-ai"]), want(*linked("a", "b")))["networks"] == []
    assert plan(have(), want(item(IMAGE)))["networks"] == []


def test_what_others_need_stops_last() -> None:
    host = applied(have(), plan(have(), want(*linked("proxy", "custom", "layout"))))
    steps = {step["container"]: step for step in plan(host, want(*linked("proxy", "custom", "layout", settings={"A": "1"})))["switch"]}
    assert {name: ([each["container"] for each in step["stops"]], step["waiting"], step["stopped"]) for name, step in steps.items()} == {
        "layout": (["proxy", "custom"], ["custom", "proxy"], False),
        "custom": ([], ["proxy"], True),
        "proxy": ([], [], True),
    }
    assert steps["layout"]["stops"][0] == {key: steps["proxy"][key] for key in ("container", "service", "url", "metered", "before")}
    first = plan(have(), want(*linked("proxy", "custom", "layout")))["switch"]
    assert [(step["stops"], step["waiting"], step["stopped"]) for step in first] == [([], [], False)] * 3


def test_what_runs_is_asked_where_it_is_published_now() -> None:
    """A rollout that moves a container to another port would else miss the reading before it stops."""
    host = applied(have(), plan(have(), want(*linked("proxy", "layout"))))
    for number, found in enumerate(host["containers"]):
        found["published"] = [["0.0.0.0", 6001 + number, 5000], ["::", 6001 + number, 5000]]
    steps = {step["container"]: step for step in plan(host, want(*linked("proxy", "layout", settings={"A": "1"})))["switch"]}
    places = {found["name"]: found["published"][0][1] for found in host["containers"]}
    assert {name: step["before"] for name, step in steps.items()} == {name: f"http://127.0.0.1:{port}" for name, port in places.items()}
    assert steps["layout"]["stops"][0]["before"] == steps["proxy"]["before"] != steps["proxy"]["url"]
    assert [step["before"] for step in plan(have(), want(*linked("proxy", "layout")))["switch"]] == [None, None]


def test_a_network_that_went_away_is_made_again() -> None:
    wish = want(*linked("a", "b"))
    host = applied(have(), plan(have(), wish))
    assert plan(host, wish)["empty"]
    steps = plan({**host, "networks": []}, wish)
    assert (steps["empty"], steps["networks"], steps["switch"]) == (False, ["azure-ai"], [])


def test_config_files_come_with_the_switch() -> None:
    wanted = item(IMAGE, entry_more={"config": [{"target": "/etc/x", "text": "for {name}"}]})
    (switch,) = plan(have(), want(wanted))["switch"]
    assert switch["config"] == [{"source": "/var/lib/azure-ai/containers/sent-en/config/0", "target": "/etc/x", "text": "for sent-en"}]


def test_a_service_without_a_smoke_request_is_asked_for_its_health_alone() -> None:
    (found,) = plan(have(), want(item(IMAGE, entry_more={"smoke": None, "health": {"ready": "/"}})))["verify"]
    assert (found["smoke"], found["health"]) == (None, {"ready": "/"})


def test_nobody_waits_for_a_container_that_does_not_run() -> None:
    wanted = want(item(IMAGE))
    for found, runs in (([], False), ([("other", "running")], False), ([("sent-en", "exited")], False), ([("sent-en", "running")], True)):
        containers = [{"name": name, "state": state, "labels": {}, "ports": []} for name, state in found]
        assert plan(have(containers=containers), wanted)["verify"][0]["runs"] is runs
