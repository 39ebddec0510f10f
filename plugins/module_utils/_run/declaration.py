# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared containers: every inventory variable that holds some, joined, checked and completed.

A declaration is a dictionary: name, service, tag, port, bind, resource, cpus (number), memory (bytes), options (with their
defaults, without those that name a container), settings (text to text), variable (where it was declared), metered,
group, member, group_service and members ({member: container}) for a member of a group, else None and {},
links ({setting: URL of another container}), after (names of the containers that it needs), network (None or a name),
hardening, disk_logging and adopt (see extras.py).
This file is private to the collection.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import is_dns_label
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import selector
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import entries, extras, groups, links, schema, settings, sizes

VARIABLE = re.compile(r"azure_ai_containers(__\w+)?")
DEFAULT_BIND = "127.0.0.1"  # the APIs have no authentication
ALONE: dict[str, t.Any] = {"group": None, "member": None, "group_service": None, "members": {}}
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_KEYS = ("name", "service", "tag", "port", "bind", "resource", "cpus", "memory", "options", "settings", *extras.KEYS)
_EVERYWHERE = ("0.0.0.0", "::")

Declaration = dict[str, t.Any]
Catalog = t.Mapping[str, t.Mapping[str, t.Any]]
Draft = tuple[dict[str, t.Any], str, str, dict[str, t.Any]]  # declared item, variable, what errors call it, its place in a group


def declarations(variables: t.Mapping[str, t.Any], catalog: Catalog, unique: bool = True, allow_latest: bool = False) -> list[Declaration]:
    """The containers that ``variables`` declare, in the order of the variables' names; a group gives one for each member.

    :param unique: check names, ports and what containers need of one another as one host needs them. Without it (bundling,
        over many hosts) name and port may be missing, and one of each (service, tag, resource, options) is returned.
    :raises Problems: everything that is wrong, each line with container, variable and the way out.
    """
    problems: list[str] = []
    drafts = list(_drafts(variables, catalog, unique, problems))
    completed = [_complete(draft, catalog, unique, allow_latest, problems) for draft in drafts]
    found = [item for item in completed if item is not None]
    if unique:
        unsure = {str(draft[0].get("service")) for draft, item in zip(drafts, completed) if item is None}
        problems += _doubles(drafts) + _port_clashes(found) + extras.doubles(found) + links.resolve(found, catalog, unsure)
    for item in found:
        del item["named"]
    if problems:
        raise Problems("containers", problems)
    return found if unique else _one_of_each(found)


def selector_of(declaration: t.Mapping[str, t.Any]) -> str:
    """What a release must be made for to serve this declaration."""
    return selector(declaration["service"], declaration["tag"], declaration["resource"], declaration["options"])


def variables_of(variables: t.Mapping[str, t.Any]) -> list[str]:
    """Names of the variables that declare containers, sorted."""
    return sorted(name for name in variables if isinstance(name, str) and VARIABLE.fullmatch(name))


def _drafts(variables: t.Mapping[str, t.Any], catalog: Catalog, unique: bool, problems: list[str]) -> t.Iterator[Draft]:
    """Every declared item, groups as their members, with the lines about groups themselves."""
    for variable, index, raw in _items(variables, problems):
        place = f"{variable}[{index}]"
        label = f"container {raw['name']} ({variable})" if raw.get("name") else f"container without a name ({place})"
        entry = catalog.get(raw["service"]) if isinstance(raw.get("service"), str) else None
        if entry is None or not groups.is_group(entry):
            yield raw, variable, label, ALONE
            continue
        found = _group_faults(raw, entry, unique)
        problems += [f"{label}: {fault}" for fault in found]
        if not found:
            for member, told in groups.expand(raw, entry):
                yield member, variable, f"{label}, member {told['member']}", told


def _items(variables: t.Mapping[str, t.Any], problems: list[str]) -> t.Iterator[tuple[str, int, dict[str, t.Any]]]:
    for variable in variables_of(variables):
        value = variables[variable]
        if not isinstance(value, list):
            problems.append(f"{variable} is not a list; write one item for each container")
            continue
        for index, raw in enumerate(value):
            if isinstance(raw, dict):
                yield variable, index, raw
            else:
                problems.append(f"{variable}[{index}] is {raw!r}, not a mapping; write name, service, tag, port and resource")


def _group_faults(raw: dict[str, t.Any], entry: t.Mapping[str, t.Any], unique: bool) -> list[str]:
    """What is wrong with a group as a whole; the rest shows in its members."""
    found = _name_faults(raw, groups.KEYS, unique)
    if unique and not 1 <= _port(raw.get("port")) <= 65535:
        found.append(f"port {raw.get('port')!r} is not a port; use a free one from 1 to 65535, the next ones are its other members'")
    if not isinstance(raw.get("options") or {}, dict):
        return [*found, "options is not a mapping; write names as keys"]
    return found + _option_faults(raw, entry) + _legacy_faults(raw, entry) + groups.faults(raw, entry)


def _complete(draft: Draft, catalog: Catalog, unique: bool, allow_latest: bool, problems: list[str]) -> t.Optional[Declaration]:
    """One declaration with defaults filled in, or None after naming its problems."""
    raw, variable, label, told = draft
    found = _shape_faults(raw, catalog, unique, allow_latest)
    entry = catalog.get(raw["service"]) if isinstance(raw.get("service"), str) else None
    result: Declaration = {}
    if entry is not None and isinstance(raw.get("options") or {}, dict):
        form = entries.resolved(entry, raw.get("options") or {})
        found += _option_faults(raw, entry) + _legacy_faults(raw, form) + _form_faults(raw, form) + extras.faults(raw, form)
        if not found:
            try:
                result = {**_filled(raw, variable, form, links.options_of(entry)), **told}
                selector_of(result)
            except AirgapError as exc:
                found.append(str(exc))
    problems += [f"{label}: {fault}" for fault in found]
    return None if found or entry is None else result


def _option_faults(raw: t.Mapping[str, t.Any], entry: t.Mapping[str, t.Any]) -> list[str]:
    filled = entries.with_defaults(entry, raw.get("options") or {})
    return [f"{fault}; see the catalog entry {raw['service']}" for fault in schema.faults(filled, entry["options"], "options")]


def _legacy_faults(raw: t.Mapping[str, t.Any], form: t.Mapping[str, t.Any]) -> list[str]:
    if form.get("legacy") and (raw.get("options") or {}).get("allow_legacy") is not True:
        return [f"service {raw['service']} is legacy, its vendor has retired it; set options.allow_legacy to true to run it all the same"]
    return []


def _form_faults(raw: t.Mapping[str, t.Any], form: t.Mapping[str, t.Any]) -> list[str]:
    """What does not fit the entry in the form that the options give it."""
    found = []
    if entries.licensed(form) and (not isinstance(raw.get("resource"), str) or not raw.get("resource")):
        found.append("resource is missing; name the Azure resource (a key of azure_ai_resources) whose license it uses")
    pattern = form.get("tag_pattern")
    if pattern is not None and isinstance(raw.get("tag"), str) and not re.search(pattern, raw["tag"]):
        found.append(f"tag {raw['tag']!r} does not fit its options; {form.get('tag_help', f'use one that matches {pattern}')}")
    return found


def _name_faults(raw: t.Mapping[str, t.Any], known: t.Sequence[str], unique: bool) -> list[str]:
    found = [f"key {key} is unknown; known are {', '.join(known)}" for key in raw if key not in known]
    if (unique or "name" in raw) and not is_dns_label(raw.get("name")):
        found.append(f"name {raw.get('name')!r} is not a DNS label; use up to 63 of a-z, 0-9 and hyphen, like stt-en")
    return found


def _shape_faults(raw: t.Mapping[str, t.Any], catalog: Catalog, unique: bool, allow_latest: bool) -> list[str]:
    found = _name_faults(raw, _KEYS, unique)
    service = raw.get("service")
    if not isinstance(service, str) or service not in catalog:
        found.append(f"service {service!r} is unknown; use one of {', '.join(sorted(catalog))} or add it to azure_ai_catalog")
    found += _tag_faults(raw.get("tag"), allow_latest)
    if (unique or "port" in raw) and not 1 <= _port(raw.get("port")) <= 65535:
        found.append(f"port {raw.get('port')!r} is not a port; use a free one from 1 to 65535")
    if not _is_address(raw.get("bind", DEFAULT_BIND)):
        found.append(f"bind {raw.get('bind')!r} is not an address; use 127.0.0.1 or an address of the host")
    for key in ("options", "settings"):
        if not isinstance(raw.get(key) or {}, dict):
            found.append(f"{key} is not a mapping; write names as keys")
    if isinstance(raw.get("settings"), dict):
        found += [fault for fault in (settings.fault(name, value) for name, value in raw["settings"].items()) if fault]
    return found


def _tag_faults(tag: t.Any, allow_latest: bool) -> list[str]:
    if not isinstance(tag, str) or not _TAG.fullmatch(tag):
        return [f"tag {tag!r} is not an image tag; write it in quotes if it looks like a number"]
    if tag == "latest" and not allow_latest:
        return ["tag latest names another image every month; write the version, or set azure_ai_allow_latest"]
    return []


def _filled(raw: t.Mapping[str, t.Any], variable: str, form: t.Mapping[str, t.Any], naming: set[str]) -> Declaration:
    recommended = form["size"]["recommended"]
    options = entries.with_defaults(form, raw.get("options") or {})
    return {
        "name": raw.get("name"),
        "service": raw["service"],
        "tag": raw["tag"],
        "port": _port(raw["port"]) if "port" in raw else None,
        "bind": str(raw.get("bind", DEFAULT_BIND)),
        "resource": raw["resource"] if entries.licensed(form) else entries.NO_RESOURCE,
        "cpus": sizes.cpus(raw.get("cpus", recommended["cpus"])),
        "memory": sizes.memory(raw.get("memory", recommended["memory"])),
        "options": {name: value for name, value in options.items() if name not in naming},
        "settings": {name: settings.text(value) for name, value in (raw.get("settings") or {}).items()},
        "variable": variable,
        "metered": entries.metered(form),
        "named": {name: options[name] for name in sorted(naming & set(options))},
        "links": {},
        "after": [],
        "network": None,
        **extras.filled(raw),
    }


def _doubles(drafts: t.Sequence[Draft]) -> list[str]:
    places: dict[str, list[str]] = {}
    for raw, variable, _label, _told in drafts:
        if isinstance(raw.get("name"), str):
            places.setdefault(raw["name"], []).append(variable)
    return [
        f"container {name}: declared {len(found)} times, in {' and '.join(sorted(set(found)))}; names are unique on a host, rename or remove one"
        for name, found in places.items()
        if len(found) > 1
    ]


def _port_clashes(found: t.Sequence[Declaration]) -> list[str]:
    problems = []
    for index, one in enumerate(found):
        for other in found[:index]:
            everywhere = one["bind"] in _EVERYWHERE or other["bind"] in _EVERYWHERE
            if one["name"] != other["name"] and one["port"] == other["port"] and (one["bind"] == other["bind"] or everywhere):
                line = f"container {one['name']} ({one['variable']}): port {one['port']} is that of {other['name']} ({other['variable']}) as well"
                problems.append(f"{line}; give one of them another port")
    return problems


def _one_of_each(found: t.Sequence[Declaration]) -> list[Declaration]:
    kept: dict[str, Declaration] = {}
    for item in found:
        kept.setdefault(selector_of(item), item)
    return list(kept.values())


def _port(value: t.Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return 0
    try:
        return int(value)
    except ValueError:
        return 0


def _is_address(value: t.Any) -> bool:
    try:
        ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True
