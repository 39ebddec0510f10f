# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planned, and what is refused, where a container that was run by hand is adopted."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import adoption
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.plan import plan
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, have, item, want

IMAGE = Image(b"base")
OUTPUT = "/srv/old/output"
OURS = {"airgap.azure_ai.container": "sent-en"}


def container(name: str = "sent-en", **more: t.Any) -> dict[str, t.Any]:
    """One that somebody started by hand."""
    published = [["0.0.0.0", 5001, 5000], ["::", 5001, 5000]]
    base = {"name": name, "id": name, "image": "mcr/x:1", "state": "running", "labels": {}, "ports": [5001], "published": published, "sources": [OUTPUT]}
    return {**base, **more}


def wish(**adopt: t.Any) -> dict[str, t.Any]:
    return want(item(IMAGE, adopt={"output": OUTPUT, "container": None, **adopt}))


def host(*containers: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    listening = [22, *(port for each in containers for port in each["ports"])]
    return have(**{"containers": list(containers), "listening": listening, "folders": {OUTPUT: "folder"}, **more})


def folder(**more: t.Any) -> dict[str, t.Any]:
    empty = {"current": None, "previous": None, "releases": {}, "source": None, "proven": None, "former": None, "rollback": None, "output": None}
    return {"sent-en": {**empty, **more}}


@pytest.mark.parametrize(
    ("found", "adopt", "name", "url"),
    [
        (container(), {}, "sent-en", "http://127.0.0.1:5001"),
        (container("old"), {}, "old", "http://127.0.0.1:5001"),
        (container("old", ports=[7], published=[["10.0.0.1", 7, 5000], ["10.0.0.1", 8, 9]]), {"container": "old"}, "old", "http://10.0.0.1:7"),
        (container("old", published=[["::1", 5001, 5000]]), {}, "old", "http://[::1]:5001"),
        (container("old", published=[["::", 5001, 5000]]), {}, "old", "http://[::1]:5001"),
        (container("old", ports=[], published=[]), {"container": "old"}, "old", None),
    ],
)
def test_the_old_container_is_found_and_asked_where_it_answers(found: dict[str, t.Any], adopt: dict[str, t.Any], name: str, url: str | None) -> None:
    steps = plan(host(found), wish(**adopt))
    assert steps["problems"] == []
    (step,) = steps["switch"]
    assert step["adopt"] == {"container": name, "running": True, "output": OUTPUT, "url": url}
    assert step["restart"] is False, "what runs under its name is not ours to stop there"
    (line,) = [line for line in steps["lines"] if line.startswith("container")]
    assert f"takes over {name} and its output {OUTPUT}" in line and ", restart" in line


def test_the_output_folder_is_not_made_where_one_is_adopted() -> None:
    (step,) = plan(host(container()), wish())["releases"]
    assert step["folders"] == []


def test_what_was_taken_over_is_left_alone() -> None:
    first = plan(host(container()), wish())["switch"][0]
    spec = first["spec"]["labels"]["airgap.azure_ai.spec"]
    release = wish()["containers"][0]["release"]
    done = folder(current=first["to"], releases={first["to"]: {**release, "complete": True}}, proven=spec, output=OUTPUT)
    ours = container(labels=first["spec"]["labels"], sources=["/var/lib/azure-ai/containers/sent-en/output", OUTPUT])
    images = [{"name": first["spec"]["image"], "id": IMAGE.record["config"], "user": "", "chain": [], "usable": True}]
    steps = plan(host(ours, deployed=done, images=images), wish(container="old"))
    assert steps["empty"] and steps["problems"] == [] and steps["warnings"] == []
    aside = container("sent-en.adopted", state="exited", ports=[], published=[])
    (again,) = plan(host(ours, aside, deployed=done, images=images), wish())["switch"]
    assert again["adopt"]["container"] is None, "set aside by a run that was cut off: it is finished"


@pytest.mark.parametrize(
    ("containers", "adopt", "more", "told"),
    [
        ([], {}, {"folders": {OUTPUT: "missing"}}, f"adopt.output {OUTPUT} is not on this host"),
        ([], {}, {"folders": {OUTPUT: "link"}}, "is a link, or lies behind one"),
        ([], {}, {"folders": {OUTPUT: "other"}}, "is not a folder"),
        ([], {"output": "/var/lib/azure-ai/old"}, {"folders": {"/var/lib/azure-ai/old": "folder"}}, "the collection's own folder, lie in one another"),
        ([], {"output": "/var/lib/docker/volumes/x/_data"}, {"folders": {"/var/lib/docker/volumes/x/_data": "folder"}}, "where Docker removes"),
        ([], {}, {"deployed": folder(output="used")}, "it has an output folder of its own, with records in it"),
        ([], {}, {"deployed": folder(output="/srv/other")}, "its output is /srv/other already"),
        ([container(sources=["/a", "/b"])], {}, {}, f"does not write into {OUTPUT} (its folders: /a, /b)"),
        ([container(), container("two", sources=["/srv/old"], ports=[])], {}, {}, f"two uses {OUTPUT} as well"),
        ([container("two", sources=[f"{OUTPUT}/sub"], ports=[], state="exited")], {}, {}, f"two uses {OUTPUT} as well"),
        ([container("two", labels={"airgap.azure_ai.container": "two"}, ports=[])], {"container": "two"}, {}, "is one of this collection"),
    ],
)
def test_what_cannot_be_adopted_is_told_beforehand(containers: list[t.Any], adopt: dict[str, t.Any], more: dict[str, t.Any], told: str) -> None:
    (line,) = plan(host(*containers, **more), wish(**adopt))["problems"]
    assert told in line and line.startswith("container sent-en: ") and ";" in line


def test_a_port_of_somebody_else_is_still_refused() -> None:
    found = [container("old", ports=[7]), container("stranger", sources=[])]
    (line,) = plan(host(*found), wish(container="old"))["problems"]
    assert "port 5001 is taken by container stranger" in line


def test_what_is_not_read_is_told() -> None:
    steps = plan(host(container(state="exited", ports=[], published=[])), wish())
    assert any("sent-en is exited, so its usage is not read" in line for line in steps["warnings"])
    assert steps["switch"][0]["adopt"] == {"container": "sent-en", "running": False, "output": OUTPUT, "url": None}
    steps = plan(host(), wish(container="gone"))
    assert any("there is no container gone to adopt" in line for line in steps["warnings"])
    assert "takes over its output" in steps["lines"][-1]


def test_without_adoption_nothing_of_it_is_asked_or_planned() -> None:
    plain = want(item(IMAGE))
    assert adoption.folders(plain["containers"]) == [] and adoption.folders(wish()["containers"]) == [OUTPUT]
    assert plan(have(), plain)["switch"][0]["adopt"] is None
    assert adoption.judge(have(), plain, plain["containers"][0]) == ([], [])


def test_logs_beyond_the_bound_are_warned_of() -> None:
    wanted = want(item(IMAGE, disk_logging={"max_file_mb": 10, "warn_above_mb": 1}))
    assert not any("output folder holds" in line for line in plan(have(outputs={"sent-en": 1024**2}), wanted)["warnings"])
    (line,) = [line for line in plan(have(outputs={"sent-en": 1024**2 + 1}), wanted)["warnings"] if "output folder holds" in line]
    assert line.startswith("container sent-en: ") and "never usage records" in line


def test_a_large_folder_is_warned_of_where_nobody_asked_for_logs_as_well() -> None:
    most = 500 * 1024**2
    assert plan(have(outputs={"sent-en": most}), want(item(IMAGE)))["warnings"] == plan(have(), want(item(IMAGE)))["warnings"]
    (line,) = [line for line in plan(have(outputs={"sent-en": most + 1}), want(item(IMAGE)))["warnings"] if "output folder holds" in line]
    assert "more than 500 MB, and it was not asked to log there; see what it writes, and remove old logs by hand, never usage records" in line
