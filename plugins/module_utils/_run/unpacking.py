# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host needs for images that its engine cannot read as they are: packed with zstd, where Docker is older than 26.

This file is private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import zstd

Have = t.Mapping[str, t.Any]
Want = t.Mapping[str, t.Any]
Steps = t.Mapping[str, t.Any]


def wanted(have: Have, want: Want, packages: t.Iterable[t.Mapping[str, t.Any]]) -> bool:
    """Whether the host needs the program at all: for the engine that is there or that ``packages`` may bring, and some image that is declared for it."""
    layers = [layer for item in want["containers"] if item["image"] is not None for layer in item["image"]["layers"]]
    versions = [str((have["engine"] or {}).get("version", "")), *(str(item["version"]) for item in packages if item["name"] == "docker.io")]
    return any(zstd.unread(layers, version) for version in versions)


def unread(have: Have, steps: Steps) -> list[t.Mapping[str, t.Any]]:
    """Images to load of which a layer that is not left out must be unpacked first.

    :param steps: of the plan, with ``images`` and ``engine``
    """
    loads = [item for item in steps.get("images", ()) if item["reason"]]
    version = _engine(have, steps)
    return [item for item in loads if zstd.unread([layer for layer in item["record"]["layers"] if layer["digest"] not in item["leave_out"]], version)]


def judge(have: Have, want: Want, steps: Steps) -> tuple[list[str], list[str]]:
    """(problems, warnings): told before gigabytes are sent."""
    items = unread(have, steps)
    if not items:
        return [], []
    names = ", ".join(sorted({name for item in items for name in item["containers"]}))
    line = f"the image of {names} is packed with zstd, which Docker {_engine(have, steps)} does not read"
    found: tuple[list[str], list[str]] = ([], [])
    if want.get("registry") and not have.get("registry_error"):
        found[1].append(f"registry {want['registry']}: {line}, so this host's images go over ssh and are unpacked for it")
    if not have["tools"].get(zstd.PROGRAM) and zstd.PROGRAM not in {item["name"] for item in steps["engine"]["packages"]}:
        found[0].append(f"images: {line}, and this host has no program {zstd.PROGRAM} to unpack it; {_way_out(have, want)}")
    return found


def _way_out(have: Have, want: Want) -> str:
    if any(item["os"] == have["os"] for item in want["packages"]):
        return f"have a bundle built with azure_ai_packages: [{zstd.PROGRAM}] in the connected zone, or install it"
    return f"install it, or Docker {zstd.READER} or newer"


def _engine(have: Have, steps: Steps) -> str:
    """Version of the engine that will load: the one to be installed, else the one that is there."""
    coming = [str(item["version"]) for item in steps["engine"]["packages"] if item["name"] == "docker.io"]
    return next(iter(coming), str((have["engine"] or {}).get("version", "")))
