# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of this collection is on a host, and what retiring it takes: ``look`` reads, ``plan`` and ``dragged`` are pure.

This file is private to the collection.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import LABEL_PREFIX, LOCAL_REGISTRY, OTHER_ENGINES, local_image, local_url
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed, front, host, links, loading, manage
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine

KEPT = frozenset(("output", "shared", "state", "source.json"))  # what a container wrote, and who it was

Have = dict[str, t.Any]
Want = t.Mapping[str, t.Any]
Plan = dict[str, t.Any]


def look(root: str, engine: Engine) -> Have:
    """deployed, folders {name: {entries, files, bytes}}, models, store (bytes), packages (installed ones of engines), engine_ours, engine_packages,
    front, engine_error, containers, images, networks.
    """
    names = deployed.containers(root)
    ours, noted = manage.note(manage.NOTE)
    found: Have = {
        "deployed": names,
        "folders": {name: _folder(os.path.join(root, "containers", name)) for name in names},
        "models": deployed.models(root),
        "store": sum(deployed.store(root).values()),
        "packages": sorted(host.installed(sorted(manage.PACKAGES | OTHER_ENGINES))),
        "engine_ours": ours,
        "engine_packages": noted,
        "front": front.look() is not None,
        "engine_error": None,
        "containers": [],
        "images": [],
        "networks": [],
    }
    try:
        found["containers"] = [_container(item) for item in engine.containers() if loading.PROBE_LABEL not in (item.get("Labels") or {})]
        found["images"] = sorted({name for image in engine.images() for name in image.get("RepoTags") or []})
        found["networks"] = sorted(item["Name"] for item in engine.networks())
    except AirgapError as exc:
        found["engine_error"] = str(exc)
    return found


def plan(have: Have, want: Want) -> Plan:
    """What is to be done and what stands in its way.

    :param want: root, containers (names; none means all of the host), declared (names), allow_declared, output (``archive`` or ``keep``),
        engine (whether Docker goes as well)
    """
    ours = {item["name"]: item for item in have["containers"] if item["ours"]}
    names = sorted(set(ours) | set(have["folders"]))
    needs = {name: found.get("after", ()) for name, found in have["deployed"].items()}
    known = links.ordered(names, {name: links.needing(name, needs) for name in names})  # what others need stops last
    chosen = [name for name in known if not want["containers"] or name in want["containers"]]
    left = [name for name in known if name not in chosen and _alive(have, ours, name)]
    steps = [_step(have, ours.get(name), name, want["output"]) for name in chosen]
    steps = [step for step in steps if step["reason"]]
    last = not left and (not want["containers"] or bool(steps))
    result: Plan = {
        "containers": steps,
        "images": _images(have, chosen, left, last),
        "models": _models(have, chosen, left, last),
        "store": last and have["store"] > 0,
        "networks": _networks(have, chosen) if steps or last else [],
        "packages": _packages(have) if want["engine"] and last else [],
        "front": have["front"] and last and not want["containers"],
        "left": left,
    }
    result["endpoints"] = [endpoint for step in steps for endpoint in _endpoints(ours.get(step["name"]))]
    result["problems"] = _problems(have, want, steps, left)
    result["empty"] = not any(result[key] for key in ("containers", "images", "models", "store", "networks", "packages", "front"))
    result["lines"] = _lines(result, want)
    return result


def _step(have: Have, container: t.Optional[t.Mapping[str, t.Any]], name: str, output: str) -> dict[str, t.Any]:
    """{name, id, running, archive, files, bytes, reason}; reason None when nothing of it is left to be done."""
    folder = have["folders"].get(name) or {"entries": [], "files": 0, "bytes": 0}
    archive = output == "archive" and bool(folder["entries"])
    why = None
    if container is not None:
        why = f"its container is {container['state']}"
    elif set(folder["entries"]) - KEPT:
        why = "its releases are there"
    elif archive:
        why = "what it wrote is there"
    running = container is not None and container["state"] in ("running", "restarting", "paused")
    return {
        "name": name,
        "id": container["id"] if container is not None else None,
        "running": running,
        "archive": archive,
        "files": folder["files"],
        "bytes": folder["bytes"],
        "reason": why,
    }


def _alive(have: Have, ours: t.Mapping[str, t.Any], name: str) -> bool:
    return name in ours or bool(set(have["folders"][name]["entries"]) - KEPT)


def _images(have: Have, chosen: t.Sequence[str], left: t.Sequence[str], last: bool) -> list[str]:
    """Our names of images that nothing which stays needs. Names that others gave are never taken away."""
    mine = {name for name in have["images"] if name.startswith(LOCAL_REGISTRY + "/")}
    gone = mine if last else mine & (_named(have, chosen) | {item["image"] for item in have["containers"] if item["ours"] and item["name"] in chosen})
    staying = {item["image"] for item in have["containers"] if not (item["ours"] and item["name"] in chosen)}
    return sorted(gone - _named(have, left) - staying)


def _named(have: Have, names: t.Sequence[str]) -> set[str]:
    releases = [release for name in names for release in have["deployed"].get(name, {"releases": {}})["releases"].values()]
    return {local_image(release["service"], release["image"]) for release in releases if release.get("service") and release.get("image")}


def _models(have: Have, chosen: t.Sequence[str], left: t.Sequence[str], last: bool) -> list[str]:
    """Sets of models and files that only retired containers use."""

    def used(names: t.Sequence[str]) -> set[str]:
        releases = [release for name in names for release in have["deployed"].get(name, {"releases": {}})["releases"].values()]
        return {release[kind] for release in releases for kind in ("models", "files") if release.get(kind)}

    there = set(have["models"])
    return sorted((there if last else there & used(chosen)) - used(left))


def _networks(have: Have, chosen: t.Sequence[str]) -> list[str]:
    users = [item for item in have["containers"] if links.NETWORK in item["networks"] and not (item["ours"] and item["name"] in chosen)]
    return [links.NETWORK] if links.NETWORK in have["networks"] and not users else []


def _packages(have: Have) -> list[str]:
    """The engine's packages that this collection installed: not those that were there before. An older note names none; then all of Debian's are meant."""
    named = have["engine_packages"] if have["engine_packages"] is not None else manage.PACKAGES
    return [name for name in have["packages"] if name in named] if have["engine_ours"] else []


def dragged(simulated: str, packages: t.Iterable[str]) -> list[str]:
    """From what ``apt-get --simulate purge`` tells: which other packages would go as well."""
    rows = [line.split() for line in simulated.splitlines()]
    return sorted({row[1].partition(":")[0] for row in rows if len(row) > 1 and row[0] in ("Remv", "Purg")} - set(packages))


def _endpoints(container: t.Optional[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Where a running container tells its usage, seen from its host; it need not be declared any more."""
    if container is None or container["state"] != "running" or not container["published"]:
        return []
    name, url = container["name"], local_url(*container["published"][0])
    return [{"name": name, "container": name, "reporter": name, "service": container["service"], "url": url}]


def _problems(have: Have, want: Want, steps: t.Sequence[t.Mapping[str, t.Any]], left: t.Sequence[str]) -> list[str]:
    names = {step["name"] for step in steps}
    found = []
    installed = "docker.io" in have["packages"] or any(have["deployed"][name]["current"] for name in names & set(have["deployed"]))
    if have["engine_error"] and names and installed:
        found.append(f"engine: it does not answer, so nobody knows what runs ({have['engine_error']}); start it")
    for name in sorted(names & set(want["declared"])):
        if not want["allow_declared"]:
            found.append(f"container {name}: still declared, so the next rollout would bring it back; take it out of the inventory, or -e retire_declared=true")
    for item in have["containers"]:
        if item["name"] in want["containers"] and not item["ours"]:
            found.append(f"container {item['name']}: not one of this collection; it is left as it is, so do not name it")
        if item["name"] in names and item["ours"]:
            continue
        into = sorted({name for name in names for source in item["sources"] if source.startswith(f"{want['root'].rstrip('/')}/containers/{name}/")})
        found += [f"container {name}: {item['name']}, which stays, uses its folder; retire both" for name in into]
    others = sorted(item["name"] for item in have["containers"] if not item["ours"])
    if want["engine"] and (others or left):
        found.append(f"engine: {', '.join(others or left)} would lose it; retire without retire_engine")
    return found


def _lines(result: Plan, want: Want) -> list[str]:
    lines = []
    for step in result["containers"]:
        words = ["stop and remove it"] if step["id"] else []
        words.append("wipe its licenses and releases")
        if step["archive"]:
            words.insert(len(words) - 1, f"archive {step['files']} files ({human(step['bytes'])}) to the control node and remove them here")
        elif want["output"] == "keep":
            words.append(f"keep {step['files']} files ({human(step['bytes'])}) where they are")
        lines.append(f"container {step['name']}: {', '.join(words)} ({step['reason']})")
    lines += [f"image {name}: remove it" for name in result["images"]]
    lines += [f"models {digest[:19]}: remove them" for digest in result["models"]]
    lines += ["front: stop it, and remove its certificate and key"] if result["front"] else []
    lines += ["store: remove it"] if result["store"] else []
    lines += [f"network {name}: remove it" for name in result["networks"]]
    lines += [f"packages: purge {', '.join(result['packages'])}; /var/lib/docker stays"] if result["packages"] else []
    return lines


def _container(item: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    labels = item.get("Labels") or {}
    name = (item.get("Names") or ["/"])[0].lstrip("/")
    return {
        "name": name,
        "id": item["Id"],
        "image": item.get("Image", ""),
        "state": item.get("State", ""),
        "ours": labels.get(LABEL_PREFIX + "container") == name,
        "service": labels.get(LABEL_PREFIX + "service", ""),
        "sources": sorted(mount["Source"] for mount in item.get("Mounts") or [] if mount.get("Source")),
        "networks": sorted((item.get("NetworkSettings") or {}).get("Networks") or {}),
        "published": sorted((port.get("IP") or "", port["PublicPort"]) for port in item.get("Ports") or [] if port.get("PublicPort")),
    }


def _folder(path: str) -> dict[str, t.Any]:
    """{entries, files, bytes}: what lies in a container's folder, and how much of it the container wrote."""
    files = size = 0
    for name in sorted(KEPT & set(os.listdir(path))):
        for place, _folders, found in os.walk(os.path.join(path, name)):
            for each in found:
                files, size = files + 1, size + os.lstat(os.path.join(place, each)).st_size
    return {"entries": sorted(os.listdir(path)), "files": files, "bytes": size}
