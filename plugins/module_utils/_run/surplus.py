# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases, images and sets that nothing on a host needs any more: neither what is current or staged, nor what a rollback goes back to.

This file is private to the collection.
"""

from __future__ import annotations

import os
import shutil
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import LOCAL_REGISTRY, local_image
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed, host_blobs
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine

Folder = t.Mapping[str, t.Any]
Surplus = dict[str, t.Any]


def surplus(
    folders: t.Mapping[str, Folder], sets: t.Iterable[str], images: t.Mapping[str, int], used: t.Collection[str], switch: t.Mapping[str, str]
) -> Surplus:
    """releases ([[container, id]]), images (names), models (digests of sets) and bytes (of the images) that may go.

    :param folders: what ``deployed.containers`` tells
    :param images: size of each image in the engine by name; only those with our name are looked at
    :param used: names of images that some container has
    :param switch: release that a container gets in this run: in check mode it has not got it yet
    """
    kept = {(name, release) for name, folder in folders.items() for release in _roots(folder, switch.get(name))}
    releases = [[name, release] for name, folder in folders.items() for release in folder["releases"] if (name, release) not in kept]
    needed = [folders[name]["releases"].get(release) or {} for name, release in kept]
    known = {local_image(item["service"], item["image"]) for item in needed if item.get("image") and item.get("service")} | set(used)
    gone = sorted(name for name in images if name.startswith(LOCAL_REGISTRY + "/") and name not in known)
    placed = {item[kind] for item in needed for kind in ("models", "files") if item.get(kind)}
    return {
        "releases": sorted(releases),
        "images": gone,
        "models": sorted(set(sets) - placed),
        "bytes": sum(images[name] for name in gone),
    }


def foreseen(have: t.Mapping[str, t.Any], switch: t.Mapping[str, str], coming: t.Collection[str]) -> Surplus:
    """What may go once a plan was carried out, and why (``reason``).

    :param have: what airgap.azure_ai.host_info returns
    :param coming: names of images and digests of sets that the plan needs: they may be there already
    """
    sizes = {image["name"]: int(image.get("size") or 0) for image in have["images"]}
    used = {container.get("image", "") for container in have["containers"] if container["name"] not in switch}
    found = surplus(have["deployed"], [digest for digest in have["models"] if digest not in coming], sizes, used | set(coming), switch)
    return {**found, "reason": reason(found)}


def line(found: Surplus, switching: bool) -> str:
    """For the plan's readers: what goes, and by which names."""
    names = [f"{container} {release}" for container, release in found["releases"]] + found["images"] + found["models"]
    when = "removed when what is switched has proved itself" if switching else "nothing needs it, removed"
    return f"former: {found['reason']}: {when} ({', '.join(names)})"


def look(root: str, engine: Engine, switch: t.Mapping[str, str]) -> Surplus:
    """What may go from a host."""
    sizes = {name: int(image.get("Size") or 0) for image in engine.images() for name in image.get("RepoTags") or []}
    used = {str(container.get("Image")) for container in engine.containers()}
    return surplus(deployed.containers(root), deployed.models(root), sizes, used, switch)


def remove(root: str, engine: Engine, found: Surplus) -> None:
    """Remove it. Releases go last, as they say what the others were for."""
    for name in found["images"]:
        engine.remove_image(name)
    host_blobs.remove_sets(root, found["models"])
    for name, release in found["releases"]:
        shutil.rmtree(os.path.join(root, "containers", name, "releases", release))


def reason(found: Surplus) -> t.Optional[str]:
    """What goes, in words, or None."""
    parts = [
        (found["releases"], f"{_count(found['releases'], 'former release')} with {'its license' if len(found['releases']) == 1 else 'their licenses'}"),
        (found["images"], f"{_count(found['images'], 'image')} ({human(found['bytes'])})"),
        (found["models"], f"{_count(found['models'], 'set')} of models or files"),
    ]
    return ", ".join(text for items, text in parts if items) or None


def _count(items: t.Sequence[t.Any], what: str) -> str:
    return f"{len(items)} {what}{'' if len(items) == 1 else 's'}"


def _roots(folder: Folder, soon: t.Optional[str]) -> set[str]:
    """Releases of a container that stay."""
    current, previous, staged = folder["current"], folder["previous"], folder.get("staged")
    if current is None and soon is None:
        return set(folder["releases"])  # staged, and never switched to
    if soon is not None and soon != current:
        # As proof.py notes it once it has proved itself: what did so before is what a rollback goes back to, no former one stands, and what was
        # staged before a switch waits for none after it.
        return {release for release in (soon, current, folder.get("proved") or folder.get("former")) if release}
    back = folder.get("rollback") or {}  # what a standing rollback left is what the next rollout may go on to
    kept = {current, previous, staged, folder.get("former"), *(item["release"] for item in back.get("left", ()))}
    return {release for release in kept if release}
