# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an engine holds, in the words of host_info.

This file is private to the collection.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import LOCAL_REGISTRY
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import loading
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine

CONTAINERD = "containerd"
CLASSIC = "classic"


def survey(engine: Engine) -> dict[str, t.Any]:
    """engine (None when there is none, then ``engine_error`` says why), images, containers and names of networks."""
    try:
        told = engine.version()
        about = facts(told, engine.info())
        return {
            "engine": about,
            "engine_error": None,
            "images": images(engine, about["store"]),
            "containers": containers(engine.containers(), engine.inspect),
            "networks": sorted(item["Name"] for item in engine.networks()),
        }
    except AirgapError as exc:
        return {"engine": None, "engine_error": str(exc), "images": [], "containers": [], "networks": []}


def facts(version: t.Mapping[str, t.Any], info: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """version, api, id, store, root_dir, rootless, userns, runtimes, live_restore."""
    options = info.get("SecurityOptions") or []
    containerd = any("io.containerd.snapshotter" in str(value) for _key, value in info.get("DriverStatus") or [])
    return {
        "version": version.get("Version", ""),
        "api": version.get("ApiVersion", ""),
        "id": info.get("ID", ""),
        "store": CONTAINERD if containerd else CLASSIC,
        "root_dir": info.get("DockerRootDir", ""),
        "rootless": "name=rootless" in options,
        "userns": "name=userns" in options,
        "runtimes": sorted(info.get("Runtimes") or {}),
        "live_restore": bool(info.get("LiveRestoreEnabled")),
    }


def images(engine: Engine, store: str) -> list[dict[str, t.Any]]:
    """Every image with a name or layers: name, id, size, user, chain (diff IDs, base first), usable."""
    found = []
    for short in engine.images():
        for name in [name for name in short.get("RepoTags") or [] if name != "<none>:<none>"] or [short["Id"]]:
            found.append(_image(engine, name, store, int(short.get("Size") or 0)))
    return [image for image in found if image is not None]


def _image(engine: Engine, name: str, store: str, size: int) -> dict[str, t.Any] | None:
    full = engine.image(name)
    if full is None:
        return None
    # A classic store drops the record of an image together with its layers; containerd may keep it without them.
    doubtful = store == CONTAINERD and name.startswith(LOCAL_REGISTRY + "/")
    return {
        "name": name,
        "id": full["Id"],
        "size": size,
        "user": (full.get("Config") or {}).get("User") or "",
        "chain": list((full.get("RootFS") or {}).get("Layers") or []),
        "usable": loading.state(engine, name)["usable"] if doubtful else True,
    }


def containers(listed: t.Iterable[t.Mapping[str, t.Any]], inspect: t.Callable[[str], t.Optional[t.Mapping[str, t.Any]]]) -> list[dict[str, t.Any]]:
    """Every container but probes: name, id, image, state, labels, ports on the host, published ([address, port, port in it]), sources of its
    mounts (as they were given, and where links lead to).

    One that starts again and again holds its ports for a moment each time, so it has them although the engine's list shows none.
    """
    return [
        {
            "name": (item.get("Names") or ["/"])[0].lstrip("/"),
            "id": item["Id"],
            "image": item.get("Image", ""),
            "state": item.get("State", ""),
            "labels": dict(item.get("Labels") or {}),
            "ports": sorted({port["PublicPort"] for port in item.get("Ports") or [] if port.get("PublicPort")} | _bound(item, inspect)),
            "published": sorted(
                [port.get("IP") or "", port["PublicPort"], port.get("PrivatePort") or 0] for port in item.get("Ports") or [] if port.get("PublicPort")
            ),
            "sources": _sources(item.get("Mounts") or []),
        }
        for item in listed
        if loading.PROBE_LABEL not in (item.get("Labels") or {})
    ]


def _bound(item: t.Mapping[str, t.Any], inspect: t.Callable[[str], t.Optional[t.Mapping[str, t.Any]]]) -> set[int]:
    """Ports of the host that a restarting container is to have."""
    found = (inspect(item["Id"]) if item.get("State") == "restarting" else None) or {}
    bindings = ((found.get("HostConfig") or {}).get("PortBindings") or {}).values()
    return {int(each["HostPort"]) for bound in bindings for each in bound or [] if each.get("HostPort")}


def _sources(mounts: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    given = [mount["Source"] for mount in mounts if mount.get("Source")]
    return sorted({*given, *map(os.path.realpath, given)})
