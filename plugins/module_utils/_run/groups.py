# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups: one declared item that stands for several containers, as custom_template does for proxy, layout and itself.

The primary member bears the group's name and port, the main one its tag and sizes. This file is private to the collection.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import entries, extras

KEYS = ("name", "service", "tag", "port", "bind", "resource", "cpus", "memory", "options", "settings", *extras.KEYS, "members")
OVERRIDES = ("tag", "resource", "port", "bind", "cpus", "memory", "settings", *extras.KEYS)
_MAIN = ("tag", "cpus", "memory", "settings", *extras.KEYS)  # what the group's own keys say is said of its main member
_MEMBER = re.compile(r"\{members\.([A-Za-z0-9_-]+)\}")

Raw = t.Mapping[str, t.Any]


def is_group(entry: Raw) -> bool:
    """Whether a service is a group: it has members and no image."""
    return bool(entry.get("members"))


def chosen(entry: Raw, options: Raw) -> list[Raw]:
    """The members that these options ask for, in order."""
    filled = entries.with_defaults(entry, options)
    return [member for member in entry["members"] if entries.fits(member.get("when", {}), filled)]


def faults(raw: Raw, entry: Raw) -> list[str]:
    """What is wrong with ``members`` of a group's declaration, and which members have no tag."""
    told = raw.get("members") or {}
    if not isinstance(told, dict):
        return ["members is not a mapping; write names of members as keys"]
    members = chosen(entry, raw.get("options") or {})
    names = [member["name"] for member in members]
    found = []
    for name, change in told.items():
        if name not in names:
            found.append(f"members.{name} is no member with these options; members are {', '.join(names)}")
        elif not isinstance(change, dict):
            found.append(f"members.{name} is not a mapping; known keys are {', '.join(OVERRIDES)}")
        else:
            found += [f"members.{name}.{key} is unknown; known are {', '.join(OVERRIDES)}" for key in change if key not in OVERRIDES]
    for member in members:
        if _own(told, member).get("tag") is None and not (member.get("main") and raw.get("tag") is not None):
            place = f"members.{member['name']}.tag" + (" or tag" if member.get("main") else "")
            found.append(f"member {member['name']} ({member['service']}) has no tag; write {place}")
    return found


def expand(raw: Raw, entry: Raw) -> list[tuple[dict[str, t.Any], dict[str, t.Any]]]:
    """(declaration, what it is in its group) of each member, primary or not, in order. Bad overrides are passed over."""
    options = entries.with_defaults(entry, raw.get("options") or {})
    members = chosen(entry, options)
    face = next((member for member in members if member.get("primary")), members[0] if members else None)
    names = {member["name"]: name_of(raw.get("name"), member, face) for member in members}
    group = {"group": raw.get("name"), "group_service": raw["service"], "members": names}
    result = []
    step = 0
    for member in members:
        step += member is not face
        result.append((_member(raw, member, face, options, step), {**group, "member": member["name"]}))
    return result


def name_of(group: t.Any, member: Raw, face: t.Optional[Raw]) -> t.Any:
    """Name of a member's container; None where the group has none, as in bundling."""
    return group if group is None or member is face else f"{group}-{member['name']}"


def named(text: str, members: t.Mapping[str, str]) -> list[str]:
    """Names of the containers that a config file speaks of as ``{members.x}``, as far as they are there."""
    return [members[name] for name in _MEMBER.findall(text) if name in members]


def filled(text: str, name: str, members: t.Mapping[str, str]) -> str:
    """A config file's text with ``{members.x}`` and ``{name}`` filled in; KeyError of a member that is not there."""
    return _MEMBER.sub(lambda match: members[match[1]], text).replace("{name}", name)


def _member(raw: Raw, member: Raw, face: t.Optional[Raw], options: Raw, step: int) -> dict[str, t.Any]:
    found: dict[str, t.Any] = {"service": member["service"], "options": _options(member.get("options", {}), options)}
    if "name" in raw:
        found["name"] = name_of(raw["name"], member, face)
    if "port" in raw:
        found["port"] = raw["port"] if member is face else _raised(raw["port"], step)
    if "bind" in raw and member is face:  # the others are asked by the face, not by users
        found["bind"] = raw["bind"]
    if "resource" in raw:
        found["resource"] = raw["resource"]
    if member.get("main"):
        found.update({key: raw[key] for key in _MAIN if key in raw})
    told = raw.get("members")
    found.update({key: value for key, value in _own(told if isinstance(told, dict) else {}, member).items() if key in OVERRIDES})
    return found


def _own(told: Raw, member: Raw) -> Raw:
    change = told.get(member["name"])
    return change if isinstance(change, dict) else {}


def _options(wanted: Raw, options: Raw) -> dict[str, t.Any]:
    """A member's options: values, or ``{options.y}`` for the group's own; one that nobody declared is left out."""
    found = {}
    for name, value in wanted.items():
        match = entries.PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            found[name] = value
        elif match[1] in options:
            found[name] = options[match[1]]
    return found


def _raised(port: t.Any, step: int) -> t.Any:
    try:
        return int(port) + step
    except (TypeError, ValueError):
        return port  # it is told as the fault that it is
