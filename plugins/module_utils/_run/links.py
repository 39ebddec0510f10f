# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which container of a host needs which other one, and how it reaches it: by name, over a Docker network of their own.

This file is private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import entries, groups, settings

NETWORK = "azure-ai"

Declaration = dict[str, t.Any]
Raw = t.Mapping[str, t.Any]
Step = dict[str, t.Any]
Ports = t.Mapping[str, frozenset[int]]
TOLD = ("container", "service", "url", "metered")  # what stopping a container, and reading it before, takes


def options_of(entry: Raw) -> set[str]:
    """Names of the options that name a container. They say nothing about a license, so no release depends on them."""
    forms = [entry, *entry.get("variants", ())]
    return {need["option"] for form in forms for need in form.get("needs", ()) if "option" in need}


def resolve(found: t.Sequence[Declaration], catalog: t.Mapping[str, Raw], unsure: t.Collection[str] = ()) -> list[str]:
    """Fill ``links``, ``network`` and ``after`` of every declaration; return what is wrong, a line each.

    :param found: each with ``named``: options that name a container, and their values
    :param unsure: services of containers whose declarations are faulty, so that nobody can say whether they are missing
    """
    problems: list[str] = []
    for item in found:
        for need in entries.resolved(catalog[item["service"]], item["options"]).get("needs", ()):
            if any(settings.folded(name) == settings.folded(need["setting"]) for name in item["settings"]):
                continue  # the user wired it by hand, perhaps to another host
            target, problem = _target(item, need, found, unsure)
            if problem:
                problems.append(f"container {item['name']} ({item['variable']}): {problem}")
            if target is not None:
                _tie(item, need, target, catalog)
    for item in found:
        _join_group(item, found, catalog)
    return problems


def ordered(names: t.Sequence[str], after: t.Mapping[str, t.Collection[str]]) -> list[str]:
    """``names`` with every one behind those that it comes after; otherwise, and in a circle, as they stand."""
    result: list[str] = []

    def place(name: str, path: tuple[str, ...]) -> None:
        if name in result or name in path:
            return
        for other in names:
            if other in after.get(name, ()):
                place(other, (*path, name))
        result.append(name)

    for name in names:
        place(name, ())
    return result


def needing(name: str, after: t.Mapping[str, t.Collection[str]]) -> set[str]:
    """Everything that needs a container, at however many removes."""
    found: set[str] = set()
    fresh = {name}
    while fresh:
        fresh = {other for other, needs in after.items() if fresh.intersection(needs)} - found - {name}
        found |= fresh
    return found


def handing_over(after: t.Mapping[str, t.Collection[str]], takes: Ports, holds: Ports) -> dict[str, set[str]]:
    """``after`` with whoever takes a port also behind the one that holds it, unless that one comes behind it anyway, as where two swap theirs."""
    result = {name: set(needs) for name, needs in after.items()}
    for name, wanted in takes.items():
        for other, held in holds.items():
            if other != name and other in takes and wanted & held and other not in needing(name, result):
                result.setdefault(name, set()).add(other)
    return result


def stopping(
    order: t.Sequence[str],
    after: t.Mapping[str, t.Collection[str]],
    running: t.Collection[str],
    takes: t.Optional[Ports] = None,
    holds: t.Optional[Ports] = None,
) -> dict[str, tuple[list[str], list[str]]]:
    """Which others stop before each container does, and which are still stopped for it or a former one when it is done: what is needed stops last.

    Whoever still holds a port that it takes stops as well, and what needs that one.

    :param order: the containers that are started anew, each behind those that it needs
    :param running: those of them that run now
    """
    stopped: set[str] = set()
    result = {}
    takes, holds = takes or {}, holds or {}
    for place, name in enumerate(order):
        later = [other for other in order[place + 1 :] if other in running or holds.get(other)]  # one that starts again and again holds ports, too
        holders = {other for other in later if takes.get(name, frozenset()) & holds.get(other, frozenset())}
        freed = holders.union(*(needing(other, after) for other in holders)) if holders else set()
        behind = (freed | (needing(name, after) if name in running else set())) - stopped
        stops = [other for other in reversed(later) if other in behind]
        stopped.update(stops)
        result[name] = (stops, [other for other in order[place + 1 :] if other in stopped])
    return result


def sequence(
    steps: t.Mapping[str, t.Optional[Step]], after: t.Mapping[str, t.Collection[str]], running: t.Collection[str], holds: t.Optional[Ports] = None
) -> list[Step]:
    """The steps that start containers anew, forward or back, each behind those that it needs and, where it can be, those whose ports it takes.

    Each gets ``stops`` (what runs and needs it, or holds a port of its, is stopped before it), ``stopped`` (it is such a one itself) and ``waiting``
    (those that are stopped by then and have their own turn later: where this one fails, they are started again as they were).

    :param steps: by the name of every container that is looked at; None where it is left alone
    :param holds: ports of the host that containers hold now
    """
    takes = {name: ports(step) for name, step in steps.items() if step is not None}
    found = {name: step for name in ordered(list(steps), handing_over(after, takes, holds or {})) for step in [steps[name]] if step is not None}
    places = stopping(list(found), after, running, takes, holds)
    stopped = {name for stops, _waiting in places.values() for name in stops}
    for name, step in found.items():
        stops, waiting = places[name]
        told = [{**{key: found[other][key] for key in TOLD if key in found[other]}, "before": found[other].get("before")} for other in stops]
        step.update(stops=told, waiting=waiting, stopped=name in stopped)
    return list(found.values())


def ports(step: Raw) -> frozenset[int]:
    """The host's ports that a step publishes, out of ``<address>:<port>:<container's port>``."""
    found = [str(each).partition("/")[0].split(":")[-2] for each in step.get("docker_container", {}).get("published_ports", ()) if ":" in str(each)]
    return frozenset(int(port) for port in found if port.isdigit())


def holder(name: str, step: Raw, steps: t.Mapping[str, t.Optional[Raw]], holds: Ports) -> t.Optional[tuple[int, str]]:
    """A port that a step takes and the container that holds it and is left alone; None where all are free by then."""
    staying = {other: ports(step) & found for other, found in holds.items() if other != name and steps.get(other) is None}
    return next(((min(shared), other) for other, shared in staying.items() if shared), None)


def held(containers: t.Iterable[Raw]) -> dict[str, frozenset[int]]:
    """The host's ports that containers hold, by name."""
    return {each["name"]: frozenset(int(found[1]) for found in each.get("published", ())) | frozenset(each.get("ports", ())) for each in containers}


def _target(item: Declaration, need: Raw, found: t.Sequence[Declaration], unsure: t.Collection[str]) -> tuple[t.Optional[Declaration], t.Optional[str]]:
    """The container that serves a need and, where there is none, what is wrong about it."""
    what = _words(need)
    option = need.get("option")
    fitting = [
        other for other in found if other is not item and other["service"] == need["service"] and entries.fits(need.get("options", {}), other["options"])
    ]
    wanted = item["named"].get(option)
    if wanted is not None:
        target = next((other for other in fitting if other["name"] == wanted), None)
        if target is not None or need["service"] in unsure:
            return target, None
        there = any(other["name"] == wanted for other in found)
        problem = "a container of another kind" if there else "not declared on this host"
        return None, f"options.{option} names {wanted!r}, which is {problem}; name a container of service {what}"
    kin = [other for other in fitting if item["group"] is not None and other["group"] == item["group"]]
    fitting = kin or fitting
    if len(fitting) == 1:
        return fitting[0], None
    name_it = f"name one by options.{option}" if option else f"set {need['setting']} in settings"
    if fitting:
        return None, f"{' and '.join(other['name'] for other in fitting)} could both be its {what}; {name_it}"
    if need.get("required", True) and need["service"] not in unsure:
        way_out = f", or set {need['setting']} in settings to the URL of one elsewhere"
        return None, f"{item['service']} needs a container of service {what} on the same host; declare one with this host's containers{way_out}"
    return None, None


def _words(need: Raw) -> str:
    wanted = ", ".join(f"{name}: {entries.flat(value)}" for name, value in need.get("options", {}).items())
    return need["service"] + (f" with options {{{wanted}}}" if wanted else "")


def _tie(item: Declaration, need: Raw, target: Declaration, catalog: t.Mapping[str, Raw]) -> None:
    port = entries.container_port(entries.resolved(catalog[target["service"]], target["options"]))
    url = need.get("url", f"http://{{name}}:{port}").replace("{name}", str(target["name"]))
    item["links"][need["setting"]] = url
    item["network"] = target["network"] = NETWORK
    item["after"] = sorted({*item["after"], target["name"]})


def _join_group(item: Declaration, found: t.Sequence[Declaration], catalog: t.Mapping[str, Raw]) -> None:
    """Members of a group reach one another; one whose config file names others, a proxy, proves itself only when they answer."""
    if item["group"] is None:
        return
    item["network"] = NETWORK
    there = {other["name"] for other in found}
    for config in entries.resolved(catalog[item["service"]], item["options"]).get("config", ()):
        spoken = {name for name in groups.named(config["text"], item["members"]) if name != item["name"] and name in there}
        item["after"] = sorted({*item["after"], *spoken})
