# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our runs are the documented ones, argument for argument; what is ours besides is written down with its reason."""

from __future__ import annotations

import csv
import shlex
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import entries, groups, sizes
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.declaration import declarations, selector_of
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.online import Account, steps
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.render import docker_run
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.settings import folded
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.spec import spec
from ansible_collections.airgap.azure_ai.tests.unit.plugins.plugin_utils.catalog_kit import CATALOG, IMAGES

Json = dict[str, t.Any]
DATA: Json = yaml.safe_load((Path(__file__).parent / "documented.yml").read_text())
COMMANDS: list[Json] = DATA["commands"]
ACCOUNT = Account("{endpoint}", "{key}")
HEX = "sha256:" + "7" * 64


def label(command: Json) -> str:
    return "-".join([command["service"], *command.get("options", {}), *(item["name"] for item in command.get("with", ())), command.get("member", "")])


def declared(command: Json) -> Json:
    """The container that the command is about, as a declaration of its host makes it."""
    name = "it" if command.get("member") in (None, "proxy") else f"it-{command['member']}"
    raws = [{"name": "it", **command}, *command.get("with", ())]
    found = declarations({"azure_ai_containers": [_raw(raw, 5001 + 10 * number) for number, raw in enumerate(raws)]}, CATALOG)
    return next(item for item in found if item["name"] == name)


def _raw(raw: Json, port: int) -> Json:
    chosen = raw.get("options", {})
    entry = CATALOG[raw["service"]]
    head = {"name": raw["name"], "service": raw["service"], "options": chosen, "port": port, "resource": "any-dc0"}
    if not groups.is_group(entry):
        return {**head, "tag": entries.resolved(entry, chosen)["example_tag"]}
    return {**head, "members": {member["name"]: {"tag": "1.0"} for member in groups.chosen(entry, chosen)}}


def rendered(command: Json) -> tuple[Json, Json, dict[str, list[str]]]:
    """(entry, declaration, the arguments of its docker run line; the image is argument ``image``)."""
    declaration = declared(command)
    entry = entries.resolved(CATALOG[declaration["service"]], declaration["options"])
    documented = {folded(name): str(value) for name, value in command["offline"]["settings"].items()}
    release = Release(
        selector=selector_of(declaration),
        service=declaration["service"],
        tag=declaration["tag"],
        resource=declaration["resource"],
        options=declaration["options"],
        image=HEX,
        license=HEX if entry["online"] else None,
        models=HEX if any("models" in step["produces"] for step in entry["online"]) else None,
        files=HEX if any(item["option"] in declaration["options"] for item in entry.get("files", ())) else None,
        settings={name: documented[folded(name)] for name in entry["offline"].get("captured", ())},
    )
    return entry, declaration, arguments(docker_run(spec(entry, declaration, release)))


def arguments(line: str) -> dict[str, list[str]]:
    """Every argument of a docker run line with its values."""
    words = shlex.split(line)
    assert words[:2] == ["docker", "run"]
    found: dict[str, list[str]] = {"image": [words[-1]]}
    rest = iter(words[2:-1])
    for word in rest:
        assert word.startswith("--"), word
        found.setdefault(word[2:], []).append("" if word == "--detach" else next(rest))
    return found


def environment(values: t.Iterable[str]) -> dict[str, str]:
    return {folded(name): text for name, _equals, text in (value.partition("=") for value in values)}


def targets(values: t.Iterable[str]) -> dict[str, bool]:
    """Path in the container to whether it may only be read."""
    rows = [next(csv.reader([value])) for value in values]
    return {field[7:]: "readonly" in row for row in rows for field in row if field.startswith("target=")}


@pytest.mark.parametrize("command", COMMANDS, ids=label)
def test_the_offline_run_is_the_documented_one(command: Json) -> None:
    page, ours = command["offline"], command.get("ours", {})
    entry, declaration, found = rendered(command)
    assert entry["repository"] == command["image"]
    settings = environment(found.get("env", []))
    own = {folded(name) for name in ours.get("settings", {})}
    assert {name: text for name, text in settings.items() if name not in own} == {folded(name): str(text) for name, text in page["settings"].items()}
    assert own <= set(settings)
    assert sorted(targets(found.get("mount", []))) == sorted([*page["mounts"], *ours.get("mounts", {})])
    (published,) = found["publish"]
    assert published == f"127.0.0.1:{declaration['port']}:{page['port']}"
    best = entry["size"]["recommended"]
    assert found["cpus"] == [str(page.get("cpus", best["cpus"]))]
    assert found["memory"] == [str(sizes.memory(page.get("memory", best["memory"])))]


@pytest.mark.parametrize("command", COMMANDS, ids=label)
def test_no_argument_is_there_without_a_reason(command: Json) -> None:
    page, ours = command["offline"], command.get("ours", {})
    _entry, _declaration, found = rendered(command)
    documented = {"publish", "cpus", "memory", "image", *(name for name in ("gpus", "network", "user") if name in page)}
    documented |= {"env"} if page["settings"] else set()
    documented |= {"mount"} if page["mounts"] or ours.get("mounts") else set()
    assert set(found) == documented | set(DATA["ours"]) | set(ours.get("arguments", {}))
    for name in ("gpus", "network", "user"):
        assert name not in page or found[name] == [page[name]]
    assert found["pull"] == ["never"] and found["restart"] == ["unless-stopped"]
    assert found["cap-drop"] == ["ALL"] and found["security-opt"] == ["no-new-privileges:true"]
    assert found["image"] == [f"azure-ai.invalid/{_declaration['service']}:{'7' * 16}"], "ours, by digest: a tag may move"


@pytest.mark.parametrize("command", COMMANDS, ids=label)
def test_only_results_records_and_state_are_written(command: Json) -> None:
    entry, _declaration, found = rendered(command)
    writable = {target for target, read_only in targets(found.get("mount", [])).items() if not read_only}
    assert writable == {entry["mounts"][name] for name in ("output", "shared") if name in entry["mounts"]} | set(entry.get("state", ()))
    reasoned = {entry["mounts"].get(kind) for kind in DATA["read_only"]} | {item["mount"] for item in entry.get("files", ())}
    assert set(targets(found.get("mount", []))) - writable <= reasoned | {item["target"] for item in entry.get("config", ())}


@pytest.mark.parametrize("command", [command for command in COMMANDS if "online" in command], ids=label)
def test_the_online_steps_are_the_documented_ones(command: Json) -> None:
    declaration = declared(command)
    entry = entries.resolved(CATALOG[declaration["service"]], declaration["options"])
    found = steps(entry, declaration["options"], ACCOUNT)
    assert len(found) == len(command["online"])
    for step, page in zip(found, command["online"]):
        assert {folded(name): text for name, text in step.settings.items()} == {folded(name): text for name, text in page["settings"].items()}
        assert list(step.arguments) == page.get("words", [])
        assert (
            {entry["mounts"][kind] for kind in step.produces}
            <= set(page["mounts"])
            <= {entry["mounts"][kind] for kind in ("license", "models") if kind in entry["mounts"]}
        )
        assert (step.cpus, step.memory) == (page.get("cpus", 0), sizes.memory(page["memory"]) if "memory" in page else 0)


def test_every_service_is_held_against_its_page() -> None:
    held = {declared(command)["service"] for command in COMMANDS}
    assert held == set(IMAGES)
    licensed = {declared(command)["service"] for command in COMMANDS if "online" in command}
    assert licensed == {service for service in IMAGES if entries.licensed(CATALOG[service])}


def test_every_reason_is_a_sentence() -> None:
    told = [reason for kind in ("ours", "read_only", "ours_online", "left_out") for reason in DATA[kind].values()]
    for command in COMMANDS:
        told += [command["wrong"]] if "wrong" in command else []
        told += [reason for kind in command.get("ours", {}).values() for reason in kind.values()]
    assert [reason for reason in told if not reason.endswith(".")] == []
