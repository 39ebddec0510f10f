# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Catalog entries as one declaration sees them: its options filled up with their defaults, variants merged in.

This file is private to the collection.
"""

from __future__ import annotations

import itertools
import re
import typing as t

NO_RESOURCE = "none"  # resource of a service that needs no license
CONTAINER_PORT = 5000  # where every image listens, in plain HTTP, unless its entry says otherwise
PLACEHOLDER = re.compile(r"\{options\.([A-Za-z0-9_]+)\}")

Entry = t.Mapping[str, t.Any]
Options = t.Mapping[str, t.Any]


def resolved(entry: Entry, options: Options) -> dict[str, t.Any]:
    """The entry without ``variants``: each whose ``when`` equals the options, and whose ``given`` are all there, is merged in, in order.

    Mappings are merged key by key, anything else is replaced. Options that are not given have their schema's default.
    """
    chosen = with_defaults(entry, options)
    result = {key: value for key, value in entry.items() if key != "variants"}
    for variant in entry.get("variants", ()):
        if fits(variant.get("when", {}), chosen) and all(name in chosen for name in variant.get("given", ())):
            result = merged(result, {key: value for key, value in variant.items() if key not in ("when", "given")})
    return result


def with_defaults(entry: Entry, options: Options) -> dict[str, t.Any]:
    """Options with the defaults of the entry's schema where they are not given."""
    properties = entry.get("options", {}).get("properties", {})
    return {**{name: schema["default"] for name, schema in properties.items() if "default" in schema}, **options}


def fits(when: Options, options: Options) -> bool:
    """Whether the options are what ``when`` asks for."""
    return all(name in options and _alike(options[name], value) for name, value in when.items())


def merged(base: Entry, change: Entry) -> dict[str, t.Any]:
    """``base`` with ``change`` over it: mappings key by key, anything else replaced."""
    result = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def licensed(entry: Entry) -> bool:
    """Whether the service needs a license: it has online steps."""
    return bool(entry.get("online"))


def metered(entry: Entry) -> bool:
    """Whether its containers keep usage records."""
    return bool(entry.get("metered", True))


def container_port(entry: Entry) -> int:
    """The port on which the container listens."""
    return int(entry.get("container_port", CONTAINER_PORT))


def flat(value: t.Any) -> str:
    """A value as a container setting spells it: lists with commas, booleans in lower case."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(flat(item) for item in value)
    return str(value)


def filled(settings: t.Mapping[str, t.Any], options: Options) -> dict[str, str]:
    """Settings with ``{options.x}`` filled in; one that takes an option nobody declared is left out."""
    wanted = {name: flat(value) for name, value in settings.items()}
    return {
        name: PLACEHOLDER.sub(lambda match: flat(options[match[1]]), value)
        for name, value in wanted.items()
        if all(option in options for option in PLACEHOLDER.findall(value))
    }


def combinations(entry: Entry) -> list[dict[str, t.Any]]:
    """Options enough to see every form of the entry: each value, of each option that a variant asks about, with each of the others.

    An option whose value no variant asks for is left out or has any value of its type. Other options have their defaults.
    """
    schema = entry.get("options", {})
    properties, required = schema.get("properties", {}), schema.get("required", ())
    asked: dict[str, list[t.Any]] = {}
    for variant in entry.get("variants", ()):
        for name in variant.get("given", ()):
            asked.setdefault(name, [None, _any(properties.get(name, {}))])
        for name, value in variant.get("when", {}).items():
            known = asked.setdefault(name, _values(properties.get(name, {}), name in required))
            if not any(fits({name: value}, {name: other}) for other in known):
                known.append(value)
    found = [dict(zip(asked, values)) for values in itertools.product(*asked.values())]
    return [with_defaults(entry, {name: value for name, value in options.items() if value is not None}) for options in found]


def _alike(one: t.Any, other: t.Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)  # to Python, 1 equals true


def _values(schema: t.Mapping[str, t.Any], required: bool) -> list[t.Any]:
    """The values that a schema lists, and None for an option that may be left out."""
    listed = list(schema.get("enum", [False, True] if schema.get("type") == "boolean" else []))
    return listed if required or "default" in schema else [None, *listed]


def _any(schema: t.Mapping[str, t.Any]) -> t.Any:
    if "enum" in schema:
        return schema["enum"][0]
    made = {"boolean": True, "integer": 1, "number": 1, "object": {}}
    return [_any(schema.get("items", {}))] if schema.get("type") == "array" else made.get(schema.get("type", ""), "x")
