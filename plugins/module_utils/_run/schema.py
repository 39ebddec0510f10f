# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of JSON Schema that the catalog uses: enough for options and entries, on any Python without a package.

Known keywords: type, enum, const, required, properties, additionalProperties, items, minItems, contains, pattern,
minimum, maximum, minLength, $ref into $defs; title, description, default, examples and $schema say nothing about a value.
This file is private to the collection.
"""

from __future__ import annotations

import re
import typing as t

CHECKED = frozenset(
    (
        "type",
        "enum",
        "const",
        "required",
        "properties",
        "additionalProperties",
        "items",
        "minItems",
        "contains",
        "pattern",
        "minimum",
        "maximum",
        "minLength",
        "$ref",
    )
)
SILENT = frozenset(("title", "description", "default", "examples", "$schema", "$id", "$defs"))
_TYPES: dict[str, t.Callable[[t.Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "null": lambda value: value is None,
}


def faults(value: t.Any, schema: t.Mapping[str, t.Any], where: str = "", root: t.Mapping[str, t.Any] | None = None) -> list[str]:
    """Everything that is wrong with ``value``, one line each, led by the dotted place in it."""
    root = schema if root is None else root
    if "$ref" in schema:
        return faults(value, root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], where, root)
    label = where or "value"
    wanted = schema.get("type")
    if wanted is not None:
        kinds = [wanted] if isinstance(wanted, str) else list(wanted)
        if not any(_TYPES[kind](value) for kind in kinds):
            return [f"{label} is {value!r}, not of type {' or '.join(kinds)}"]
    found = _value_faults(value, schema, label)
    if isinstance(value, dict):
        found += _object_faults(value, schema, where, root)
    if isinstance(value, list):
        found += _array_faults(value, schema, where, root)
    return found


def unknown_keywords(schema: t.Any) -> list[str]:
    """Keywords in ``schema`` that this checker would pass over in silence."""
    if not isinstance(schema, dict):
        return []
    found = [key for key in schema if key not in CHECKED | SILENT]
    for key in ("properties", "$defs"):
        for item in (schema.get(key) or {}).values():
            found += unknown_keywords(item)
    for key in ("items", "contains", "additionalProperties"):
        found += unknown_keywords(schema.get(key))
    return found


def _value_faults(value: t.Any, schema: t.Mapping[str, t.Any], label: str) -> list[str]:
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{label} is {value!r}, not one of {', '.join(map(str, schema['enum']))}")
    if "const" in schema and value != schema["const"]:
        found.append(f"{label} is {value!r}, not {schema['const']!r}")
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            found.append(f"{label} is {value!r}, which does not match {schema['pattern']}")
        if len(value) < schema.get("minLength", 0):
            found.append(f"{label} is too short")
    if _TYPES["number"](value):
        if value < schema.get("minimum", value):
            found.append(f"{label} is {value}, less than {schema['minimum']}")
        if value > schema.get("maximum", value):
            found.append(f"{label} is {value}, more than {schema['maximum']}")
    return found


def _object_faults(value: dict[str, t.Any], schema: t.Mapping[str, t.Any], where: str, root: t.Mapping[str, t.Any]) -> list[str]:
    found = [f"{_join(where, key)} is missing" for key in schema.get("required", []) if key not in value]
    properties = schema.get("properties", {})
    rest = schema.get("additionalProperties", True)
    for key, item in value.items():
        if key in properties:
            found += faults(item, properties[key], _join(where, key), root)
        elif rest is False:
            found.append(f"{_join(where, key)} is unknown" + (f"; known are {', '.join(properties)}" if properties else ""))
        elif isinstance(rest, dict):
            found += faults(item, rest, _join(where, key), root)
    return found


def _array_faults(value: list[t.Any], schema: t.Mapping[str, t.Any], where: str, root: t.Mapping[str, t.Any]) -> list[str]:
    found = []
    if len(value) < schema.get("minItems", 0):
        found.append(f"{where or 'value'} has {len(value)} items, fewer than {schema['minItems']}")
    if "items" in schema:
        for index, item in enumerate(value):
            found += faults(item, schema["items"], f"{where}[{index}]", root)
    if "contains" in schema and not any(not faults(item, schema["contains"], where, root) for item in value):
        found.append(f"{where or 'value'} must contain {schema['contains'].get('const', schema['contains'])!r}")
    return found


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
