# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image that the host's engine cannot read as it is: unpacked by a program that is there, comes along, or is asked for before anything is sent."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import local_image
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.plan import plan
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, have, item, sha, want

IMAGE = Image(b"base", b"app", kind="application/vnd.oci.image.layer.v1.tar+zstd")
WITHOUT = {"rsync": True, "requests": True, "zstd": False}
NEWER = {**have()["engine"], "version": "26.1.5"}
PLACE = "plant-7.example:5000"


def package(name: str, version: str, system: str = "debian-12") -> dict[str, t.Any]:
    more = {"filename": f"{name}.deb", "digest": sha(name.encode()), "size": 1, "requested": True}
    return {"os": system, "arch": "amd64", "name": name, "version": version, **more}


def found(host: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    return plan(have(**{"tools": WITHOUT, **host}), want(item(IMAGE), **more))


@pytest.mark.parametrize(
    ("host", "packages", "told"),
    [
        ({}, [], "image of sent-en is packed with zstd, which Docker 20.10.24 does not read, and this host has no program zstd to unpack it; install it, or"),
        ({}, [package("rsync", "3")], "; have a bundle built with azure_ai_packages: [zstd] in the connected zone, or install it"),
        ({"os": "rocky-9"}, [package("zstd", "1")], "; install it, or Docker 26 or newer"),
        ({}, [package("zstd", "1")], None),
        ({"tools": have()["tools"]}, [], None),
        ({"engine": NEWER}, [], None),
        ({"engine": None, "packages": {}}, [package("docker.io", "20.10.24+dfsg1-1")], "which Docker 20.10.24+dfsg1-1 does not read"),
        ({"engine": None, "packages": {}}, [package("docker.io", "26.1.5+dfsg1-9")], None),
        ({"engine_ours": True}, [package("docker.io", "26.1.5+dfsg1-9")], None),
    ],
)
def test_the_program_is_there_or_comes_or_is_a_problem_of_the_plan(host: dict[str, t.Any], packages: list[dict[str, t.Any]], told: str | None) -> None:
    steps = found(host, packages=packages)
    assert len(steps["problems"]) == (0 if told is None else 1), steps["problems"]
    assert told is None or told in steps["problems"][0]


def test_the_program_is_installed_where_something_needs_it_and_nowhere_else() -> None:
    def installed(image: Image, **host: t.Any) -> list[str]:
        packages = [package("zstd", "1"), package("rsync", "3")]
        return [each["name"] for each in plan(have(**{"tools": WITHOUT, **host}), want(item(image), packages=packages))["engine"]["packages"]]

    assert installed(IMAGE) == ["zstd"]
    assert installed(Image(b"base")) == installed(IMAGE, engine=NEWER) == installed(IMAGE, tools=have()["tools"]) == []


def test_an_image_that_is_there_needs_no_program() -> None:
    chain = [layer["diff_id"] for layer in IMAGE.record["layers"]]
    name = local_image("sentiment", IMAGE.record["manifest"])
    there = {"name": name, "id": IMAGE.record["config"], "user": "", "chain": chain, "usable": True}
    assert found({"images": [there]})["problems"] == []
    assert found({"images": [{**there, "name": "other:1"}]})["problems"] == [], "all of its layers are left out"


def test_an_engine_that_could_not_pull_it_gets_it_over_ssh() -> None:
    steps = found({"tools": have()["tools"], "registry_error": None}, registry=PLACE)
    assert steps["registry"] is None and steps["pull_bytes"] == 0 and steps["send_bytes"] > 0 and steps["problems"] == []
    assert len([line for line in steps["warnings"] if line.startswith(f"registry {PLACE}: the image of sent-en is packed with zstd")]) == 1
    newer = found({"engine": NEWER, "registry_error": None}, registry=PLACE)
    assert newer["registry"] == PLACE and newer["warnings"] == found({"engine": NEWER})["warnings"]
