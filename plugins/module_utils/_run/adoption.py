# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that somebody ran by hand, and the folder that it writes into: what taking them over means, and what stands in its way. Pure.

The declaration says ``adopt: {output, container}``. The folder becomes the container's output by a link to it and stays where it is; the
old container is set aside under the name ``<name>.adopted`` until the new one has proved itself. See takeover.py for the doing.
This file is private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import LABEL_PREFIX, published_url
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import entries, extras

ASIDE = ".adopted"  # no declared container has a dot in its name
EMPTY, USED = "empty", "used"
_ALIVE = ("running", "restarting", "paused")
_WRONG = {
    "missing": "is not on this host; name the folder that the old container writes into",
    "link": "is a link, or lies behind one; name the folder itself",
    "other": "is not a folder; name the folder that the old container writes into",
}

Have = t.Mapping[str, t.Any]
Want = t.Mapping[str, t.Any]
Item = t.Mapping[str, t.Any]
Found = tuple[list[str], list[str]]


def folders(items: t.Iterable[Item]) -> list[str]:
    """The folders that a host must be asked about."""
    return sorted(item["declaration"]["adopt"]["output"] for item in items if item["declaration"]["adopt"] is not None)


def old(have: Have, declaration: t.Mapping[str, t.Any]) -> t.Optional[Item]:
    """The container to adopt: the one that the declaration names, else one of its own name, else the one that holds its port. Never one of ours."""
    if declaration["adopt"] is None:
        return None
    foreign = [found for found in have["containers"] if not _ours(found) and not found["name"].endswith(ASIDE)]
    named = {found["name"]: found for found in foreign}
    if declaration["adopt"]["container"] is not None:
        return named.get(declaration["adopt"]["container"])
    return named.get(declaration["name"]) or next((found for found in foreign if declaration["port"] in found["ports"]), None)


def step(have: Have, item: Item) -> t.Optional[dict[str, t.Any]]:
    """{container, running, output, url}: what is to be taken over, or None where nothing is (any more).

    ``container`` is None where only the folder is, or where the old container was set aside by a run that was cut off.
    """
    declaration = item["declaration"]
    if declaration["adopt"] is None:
        return None
    found, output = old(have, declaration), declaration["adopt"]["output"]
    if found is None and _aside(have, declaration) is None and _output(have, declaration) == output:
        return None
    running = found is not None and found["state"] in _ALIVE
    url = published_url(found["published"], entries.container_port(item["entry"])) if found is not None and running else None
    return {"container": found["name"] if found is not None else None, "running": running, "output": output, "url": url}


def words(taken: t.Mapping[str, t.Any]) -> str:
    """Why a container is started anew that takes something over."""
    return f"takes over {taken['container'] + ' and ' if taken['container'] else ''}its output {taken['output']}"


def judge(have: Have, want: Want, item: Item) -> Found:
    """(problems, warnings) of one container that adopts."""
    declaration = item["declaration"]
    if declaration["adopt"] is None:
        return [], []
    label, output = f"container {declaration['name']}", declaration["adopt"]["output"]
    kind = have["folders"].get(output, "missing")
    problems = [f"{label}: adopt.output {output} {_WRONG[kind]}"] if kind in _WRONG else []
    problems += [f"{label}: {line}" for line in (*_places(have, want, output), *_owned(have, declaration), *_users(have, declaration))]
    named, found = declaration["adopt"]["container"], old(have, declaration)
    warnings = []
    if found is not None and found["state"] not in _ALIVE:
        warnings.append(f"{label}: {found['name']} is {found['state']}, so its usage is not read before it is taken over; what it recorded lies in {output}")
    if named is not None and found is None and step(have, item) is not None and _aside(have, declaration) is None:
        warnings.append(f"{label}: there is no container {named} to adopt on this host, so only {output} is taken over")
    return problems, warnings


def _places(have: Have, want: Want, output: str) -> t.Iterator[str]:
    """Why a folder cannot be any container's output."""
    if extras.overlap(output, want["root"]):
        yield f"adopt.output {output} and {want['root']}, the collection's own folder, lie in one another; name the folder that the old container writes into"
    data = (have["engine"] or {}).get("root_dir")
    if data and extras.overlap(output, data):
        yield f"adopt.output {output} lies in {data}, where Docker removes what it thinks is unused; stop the old one, move the folder out and name it there"


def _owned(have: Have, declaration: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """What there is already where the folder shall be."""
    there, output = _output(have, declaration), declaration["adopt"]["output"]
    if there == USED:
        yield f"it has an output folder of its own, with records in it, so it cannot adopt {output}; take adopt out, or retire it first"
    elif there not in (None, EMPTY, output):
        yield f"its output is {there} already, so it cannot adopt {output}; name that one, or take adopt out"


def _users(have: Have, declaration: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Containers that write where they should not, or not where they should."""
    name, output, found = declaration["name"], declaration["adopt"]["output"], old(have, declaration)
    for each in have["containers"]:
        sources = [source.rstrip("/") for source in each["sources"]]
        if found is not None and each["name"] == found["name"]:
            if output not in sources:
                told = ", ".join(sources) or "none"
                yield f"{found['name']}, which it adopts, does not write into {output} (its folders: {told}); name the right one in adopt.output"
        elif each["name"] == name and _ours(each):
            continue
        elif each["name"] == declaration["adopt"]["container"] and _ours(each):
            yield f"{each['name']}, which it adopts, is one of this collection; name the container that was run by hand"
        elif each["name"] != name + ASIDE and any(extras.overlap(source, output) for source in sources if source):
            yield f"{each['name']} uses {output} as well; name it in adopt.container, or remove it"


def _ours(found: Item) -> bool:
    return bool(found["labels"].get(LABEL_PREFIX + "container"))


def _aside(have: Have, declaration: t.Mapping[str, t.Any]) -> t.Optional[Item]:
    return next((found for found in have["containers"] if found["name"] == declaration["name"] + ASIDE), None)


def _output(have: Have, declaration: t.Mapping[str, t.Any]) -> t.Optional[str]:
    return t.cast("t.Optional[str]", (have["deployed"].get(declaration["name"]) or {}).get("output"))
