# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalog: what is known about every service, from the files of the folder ``catalog`` and from the inventory.

This file is private to the collection.
"""

from __future__ import annotations

import functools
import json
import os
import re
import typing as t

import yaml

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import entries as _entries
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import schema

DEFAULT_REGISTRY = "mcr.microsoft.com"  # host of every repository whose entry names none
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "catalog")
OVERRIDES = "azure_ai_catalog"
OBVIOUS: dict[str, t.Any] = {
    "registry": DEFAULT_REGISTRY,
    "cpu_flags": [],
    "cpu_flags_recommended": [],
    "needs": [],
    "legacy": False,
    "metered": True,
    "gpu": False,
    "container_port": _entries.CONTAINER_PORT,
}
# A group has no image of its own; a variant may bring what the entry itself leaves open.
_IMAGE = ("repository", "example_tag", "size", "mounts", "online", "offline", "health", "smoke", "hardening")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, and every host of a rollout reads all entries

Entry = t.Mapping[str, t.Any]


def load(overrides: t.Mapping[str, t.Any] | None = None) -> dict[str, dict[str, t.Any]]:
    """Every service's entry, with what the inventory's ``azure_ai_catalog`` adds or changes.

    Mappings are merged key by key, anything else is replaced. Left-out keys with an obvious value are filled in.

    :raises Problems: entries that do not keep to the schema, each fault led by its service and place.
    """
    found = {name: dict(entry) for name, entry in _shipped().items()}
    if overrides is not None and not isinstance(overrides, dict):
        raise InputError(OVERRIDES, "not a mapping of services", "write service names as keys")
    for name, change in (overrides or {}).items():
        if not isinstance(change, dict):
            raise InputError(f"{OVERRIDES}.{name}", "not a mapping", "give the keys of a catalog entry")
        found[str(name)] = _entries.merged(found.get(str(name), {}), change)
    problems = [f"{name}: {fault}" for name in sorted(found) for fault in faults(found[name]) or _member_faults(found[name], found)]
    if problems:
        raise Problems("catalog", problems)
    return {name: {**OBVIOUS, **entry} for name, entry in found.items()}


def services() -> list[str]:
    """Names of the services that the collection ships."""
    return sorted(name[: -len(".yml")] for name in os.listdir(FOLDER) if name.endswith(".yml"))


@functools.cache
def entry_schema() -> dict[str, t.Any]:
    """The JSON Schema of an entry."""
    with open(os.path.join(FOLDER, "schema.json"), encoding="utf-8") as stream:
        return json.load(stream)


def faults(entry: Entry) -> list[str]:
    """What is wrong with one entry, in whatever form its options give it."""
    found = schema.faults(entry, entry_schema())
    if found:
        return found
    found = [f"options use {keyword}, which is not checked here" for keyword in schema.unknown_keywords(entry["options"])]
    known = entry["options"].get("properties", {})
    found += [fault for name, item in known.items() for fault in _pattern_faults(f"options.properties.{name}.pattern", item.get("pattern"))]
    found += [
        fault for name, item in known.items() for fault in _pattern_faults(f"options.properties.{name}.items.pattern", item.get("items", {}).get("pattern"))
    ]
    asked = [name for variant in entry.get("variants", ()) for name in (*variant.get("when", ()), *variant.get("given", ()))]
    found += [f"a variant asks for option {name}, which is none" for name in asked if name not in known]
    named = [(kind, item) for form in (entry, *entry.get("variants", ())) for kind in ("needs", "files") for item in form.get(kind, ()) if _stray(item, known)]
    found += [f"{kind} names option {item['option']}, which is none" for kind, item in named]
    if not entry.get("members"):
        for options in _entries.combinations(entry):
            found += _form_faults(_entries.resolved(entry, options))
    return list(dict.fromkeys(found))


def _pattern_faults(where: str, pattern: str | None) -> list[str]:
    """Why a pattern is none; better told here than by a download that has run for an hour."""
    try:
        re.compile(pattern or "")
    except re.error as exc:
        return [f"{where} is not a regular expression ({exc})"]
    return []


def _stray(item: Entry, known: Entry) -> bool:
    return "option" in item and item["option"] not in known


def _form_faults(entry: Entry) -> list[str]:
    """What is wrong with one form of an entry."""
    found = [f"{key} is missing" for key in _IMAGE if key not in entry] or schema.faults(entry, entry_schema())
    if found:
        return found
    if _entries.licensed(entry):
        found += ["resource_kind is missing"] if "resource_kind" not in entry else []
        found += [f"mounts.{key} is missing" for key in ("license", "output") if key not in entry["mounts"]]
        if not any("license" in step["produces"] for step in entry["online"]):
            found.append("no online step produces a license")
    if any("models" in step["produces"] for step in entry["online"]) and "models" not in entry["mounts"]:
        found.append("an online step produces models, but mounts.models is missing")
    found += _pattern_faults("tag_pattern", entry.get("tag_pattern"))
    captures = [(step["name"], name, pattern) for step in entry["online"] for name, pattern in step.get("capture", {}).items()]
    found += [fault for step, name, pattern in captures for fault in _pattern_faults(f"online step {step}: capture of {name}", pattern)]
    announced = {name for step in entry["online"] for name in step.get("capture", {})}
    return found + [f"offline.captured names {name}, which no online step captures" for name in entry["offline"].get("captured", []) if name not in announced]


def _member_faults(entry: Entry, found: t.Mapping[str, Entry]) -> list[str]:
    """What is wrong with the services that an entry names."""
    members = [f"member {item['name']} is a {item['service']}, which is no service with an image" for item in entry.get("members", ()) if _hollow(item, found)]
    needs = [item for form in (entry, *entry.get("variants", ())) for item in form.get("needs", ()) if _hollow(item, found)]
    return members + [f"needs names {item['service']}, which is no service with an image" for item in needs]


def _hollow(item: Entry, found: t.Mapping[str, Entry]) -> bool:
    return item["service"] not in found or bool(found[item["service"]].get("members"))


@functools.cache
def _shipped() -> dict[str, dict[str, t.Any]]:
    return {name: _read(os.path.join(FOLDER, name + ".yml")) for name in services()}


def _read(path: str) -> dict[str, t.Any]:
    with open(path, encoding="utf-8") as stream:
        return yaml.load(stream, Loader=_LOADER)
