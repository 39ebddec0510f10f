# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalog: what is known about every service, from the files of the folder ``catalog`` and from the inventory.

This file is private to the collection.
"""

from __future__ import annotations

import json
import os
import typing as t

import yaml

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import schema

DEFAULT_REGISTRY = "mcr.microsoft.com"  # host of every repository whose entry names none
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "catalog")
OVERRIDES = "azure_ai_catalog"


def load(overrides: t.Mapping[str, t.Any] | None = None) -> dict[str, dict[str, t.Any]]:
    """Every service's entry, with what the inventory's ``azure_ai_catalog`` adds or changes.

    Mappings are merged key by key, anything else is replaced. Left-out keys with an obvious value are filled in.

    :raises Problems: entries that do not keep to the schema, each fault led by its service and place.
    """
    entries = {name: _read(os.path.join(FOLDER, name + ".yml")) for name in services()}
    if overrides is not None and not isinstance(overrides, dict):
        raise InputError(OVERRIDES, "not a mapping of services", "write service names as keys")
    for name, change in (overrides or {}).items():
        if not isinstance(change, dict):
            raise InputError(f"{OVERRIDES}.{name}", "not a mapping", "give the keys of a catalog entry")
        entries[str(name)] = _merged(entries.get(str(name), {}), change)
    found = [f"{name}: {fault}" for name in sorted(entries) for fault in faults(entries[name])]
    if found:
        raise Problems("catalog", found)
    return {name: {"registry": DEFAULT_REGISTRY, "cpu_flags": [], "needs": [], "legacy": False, **entry} for name, entry in entries.items()}


def services() -> list[str]:
    """Names of the services that the collection ships."""
    return sorted(name[: -len(".yml")] for name in os.listdir(FOLDER) if name.endswith(".yml"))


def entry_schema() -> dict[str, t.Any]:
    """The JSON Schema of an entry."""
    with open(os.path.join(FOLDER, "schema.json"), encoding="utf-8") as stream:
        return json.load(stream)


def faults(entry: t.Mapping[str, t.Any]) -> list[str]:
    """What is wrong with one entry."""
    found = schema.faults(entry, entry_schema())
    if found:
        return found
    found = [f"options use {keyword}, which is not checked here" for keyword in schema.unknown_keywords(entry["options"])]
    if not any("license" in step["produces"] for step in entry["online"]):
        found.append("no online step produces a license")
    if any("models" in step["produces"] for step in entry["online"]) and "models" not in entry["mounts"]:
        found.append("an online step produces models, but mounts.models is missing")
    announced = {name for step in entry["online"] for name in step.get("capture", {})}
    found += [f"offline.captured names {name}, which no online step captures" for name in entry["offline"].get("captured", []) if name not in announced]
    return found


def _read(path: str) -> dict[str, t.Any]:
    with open(path, encoding="utf-8") as stream:
        return yaml.safe_load(stream)


def _merged(base: t.Mapping[str, t.Any], change: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    result = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both else value
    return result
