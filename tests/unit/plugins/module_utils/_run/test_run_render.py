# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The renderings say the same: what docker run and compose say is read back and held against the arguments of docker_container."""

from __future__ import annotations

import argparse
import csv
import shlex
import typing as t

import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import render
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.spec import spec
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, declaration, release

CATALOG = _catalog.load()
TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]))
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, blacklist_characters="="), min_size=1).map("S_".__add__)
ROOTS = st.sampled_from(["/var/lib/azure-ai", "/srv/with blank", '/srv/a,b"c', "/srv/$HOME/'x'"])


@st.composite
def specs(draw: st.DrawFn) -> dict[str, t.Any]:
    image = Image(b"x", service="text_translation")
    captured = {"MODELS": draw(TEXT)}
    changes = {
        "name": draw(st.sampled_from(["a", "no", "on", "stt-en", "x0"])),
        "port": draw(st.integers(1, 65535)),
        "bind": draw(st.sampled_from(["127.0.0.1", "0.0.0.0", "::1"])),
        "cpus": draw(st.sampled_from([1, 1.5, 8])),
        "memory": draw(st.integers(1, 2**40)),
        "settings": draw(st.dictionaries(NAMES, TEXT, max_size=4)),
    }
    entry = {
        **CATALOG["text_translation"],
        "gpu": draw(st.booleans()),
        "user": draw(st.sampled_from([None, "0:0", "1000:1000"])),
        "state": draw(st.sampled_from([[], ["/db", "/x/y"]])),
        "config": [{"target": f"/etc/{number}", "text": text} for number, text in enumerate(draw(st.lists(TEXT, max_size=2)))],
    }
    changes["network"] = draw(st.sampled_from([None, "azure-ai"]))
    found = Release.load(release(image, "sha256:" + "c" * 64, settings=captured))
    return spec(entry, declaration(image=image, **changes), found, draw(ROOTS))


def from_docker_run(line: str) -> dict[str, t.Any]:
    words = shlex.split(line)
    assert words[:2] == ["docker", "run"]
    parser = argparse.ArgumentParser()
    for single in ("pull", "name", "hostname", "cpus", "memory", "restart", "log-driver", "network", "gpus", "user"):
        parser.add_argument(f"--{single}")
    for several in ("env", "mount", "publish", "security-opt", "cap-drop", "label", "log-opt"):
        parser.add_argument(f"--{several}", action="append", default=[])
    parser.add_argument("--detach", action="store_true")
    parser.add_argument("image")
    found = parser.parse_args(joined(words[2:]))
    assert found.detach
    return {
        **{key: getattr(found, key) for key in ("name", "hostname", "image", "pull")},
        "env": pairs(found.env),
        "mounts": [mount(text) for text in found.mount],
        "published_ports": found.publish,
        "cpus": float(found.cpus),
        "memory": found.memory,
        "restart_policy": found.restart,
        "security_opts": found.security_opt,
        "cap_drop": found.cap_drop,
        "labels": pairs(found.label),
        "log_driver": found.log_driver,
        "log_options": pairs(found.log_opt),
        **extras(found.network, found.gpus, found.user),
    }


def extras(network: str | None, gpus: str | None, user: str | None) -> dict[str, t.Any]:
    """Arguments that only some containers have."""
    found: dict[str, t.Any] = {"networks": [{"name": network}], "network_mode": network} if network else {}
    if gpus:
        assert gpus == "all"
        found["device_requests"] = [{"count": -1, "capabilities": [["gpu"]]}]
    return {**found, "user": user} if user else found


def joined(words: list[str]) -> list[str]:
    """argparse takes no value that begins with a hyphen unless it is tied to its option."""
    found, rest = [], iter(words)
    for word in rest:
        found.append(f"{word}={next(rest)}" if word.startswith("--") and word != "--detach" else word)
    return found


def pairs(texts: list[str]) -> dict[str, str]:
    return dict(text.split("=", 1) for text in texts)


def mount(text: str) -> dict[str, t.Any]:
    (fields,) = csv.reader([text])
    values = dict(field.split("=", 1) for field in fields if "=" in field)
    return {**values, "read_only": "readonly" in fields}


def from_compose(text: str) -> dict[str, t.Any]:
    whole = undoubled(yaml.safe_load(text))
    (service,) = whole["services"].values()
    (network,) = service.get("networks") or [None]
    assert whole.get("networks") == ({network: {"external": True}} if network else None)
    devices = service.get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices", [])
    assert [device["capabilities"] for device in devices] in ([], [["gpu"]])
    return {
        "name": service["container_name"],
        "hostname": service["hostname"],
        "image": service["image"],
        "pull": service["pull_policy"],
        "env": service["environment"],
        "mounts": service["volumes"],
        "published_ports": [published(port) for port in service["ports"]],
        "cpus": float(service["cpus"]),
        "memory": str(service["mem_limit"]),
        "restart_policy": service["restart"],
        "security_opts": service["security_opt"],
        "cap_drop": service["cap_drop"],
        "labels": service["labels"],
        "log_driver": service["logging"]["driver"],
        "log_options": service["logging"]["options"],
        **extras(network, devices[0]["count"] if devices else None, service.get("user")),
    }


def published(port: dict[str, t.Any]) -> str:
    address = f"[{port['host_ip']}]" if ":" in port["host_ip"] else port["host_ip"]
    return f"{address}:{port['published']}:{port['target']}"


def undoubled(value: t.Any) -> t.Any:
    if isinstance(value, str):
        return value.replace("$$", "$")
    if isinstance(value, dict):
        return {key: undoubled(item) for key, item in value.items()}
    return [undoubled(item) for item in value] if isinstance(value, list) else value


@given(specs())
def test_the_renderings_agree(value: dict[str, t.Any]) -> None:
    arguments = render.docker_container(value)
    wanted = {key: item for key, item in arguments.items() if key not in ("state", "image_name_mismatch")}
    assert from_docker_run(render.docker_run(value)) == wanted
    assert from_compose(render.compose_text(value)) == wanted
    assert list(yaml.safe_load(render.compose_text(value))["services"]) == [value["name"]]


@given(specs())
def test_compose_brings_the_line_for_docker_run_unless_it_breaks(value: dict[str, t.Any]) -> None:
    *_before, head, last, end = render.compose_text(value).split("\n")
    assert end == ""
    if last.startswith("# docker run "):
        assert head == "# The same without Compose:"
        assert last[2:] == render.docker_run(value)
    else:
        assert last == "# A setting holds a line break or the like, so there is no line for docker run."
        assert not render.docker_run(value).isprintable()


def test_the_line_for_docker_run_is_there_for_usual_settings() -> None:
    image = Image(b"x")
    value = spec(CATALOG["sentiment"], declaration(image=image, settings={"A": "b c 'd' ü €"}), Release.load(release(image)))
    assert render.compose_text(value).endswith(f"\n# {render.docker_run(value)}\n")


@given(specs())
def test_the_arguments_hold_the_whole_spec(value: dict[str, t.Any]) -> None:
    found = render.docker_container(value)
    assert found["env"] == value["env"]
    assert [{key: item for key, item in one.items() if key != "type"} for one in found["mounts"]] == value["mounts"]
    assert found["pull"] == "never"
    assert (found.get("network_mode"), found.get("user"), "device_requests" in found) == (value["network"], value["user"], value["gpus"] is not None)
    assert (found["cap_drop"], found["security_opts"], found["labels"]) == (value["cap_drop"], value["security_opt"], value["labels"])


@given(specs())
def test_compose_fills_nothing_in(value: dict[str, t.Any]) -> None:
    assert all(text.replace("$$", "").count("$") == 0 for text in render.compose(value)["services"][value["name"]]["environment"].values())
