# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How one container runs offline, in no engine's words: a pure function of entry, declaration and release.

This file is private to the collection.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import digest_of
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import LABEL_PREFIX, local_image
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import settings

CONTAINER_PORT = 5000  # every image listens there, in plain HTTP
DEFAULT_ROOT = "/var/lib/azure-ai"
SPEC_LABEL = LABEL_PREFIX + "spec"
_PLACEHOLDER = re.compile(r"\{options\.([A-Za-z0-9_]+)(?:\[(-?\d+)\])?\}")

Spec = dict[str, t.Any]


def container_folder(root: str, name: str) -> str:
    """Where a container's releases and output lie on its host."""
    return f"{root.rstrip('/')}/containers/{name}"


def model_folder(root: str, digest: str) -> str:
    """Where a model set lies on a host: a colon would split a bind mount's short form, so hex digits only."""
    return f"{root.rstrip('/')}/models/{digest.rpartition(':')[2]}"


def spec(entry: t.Mapping[str, t.Any], declaration: t.Mapping[str, t.Any], release: Release, root: str = DEFAULT_ROOT) -> Spec:
    """The engine-neutral spec: name, hostname, image, env, mounts, ports, cpus, memory (bytes), restart, security_opt,
    cap_drop, labels, log. It holds no key, no billing endpoint and no proxy, whatever the arguments say.

    :raises InputError: the release has models and the service no place for them.
    """
    name = declaration["name"]
    result: Spec = {
        "name": name,
        "hostname": name,  # services name their output folder by it: a recreated container must find its own again
        "image": local_image(declaration["service"], release.image),
        "env": _environment(entry, declaration, release),
        "mounts": _mounts(entry, release, root, name),
        "ports": [{"host_ip": declaration["bind"], "host_port": declaration["port"], "container_port": CONTAINER_PORT}],
        "cpus": declaration["cpus"],
        "memory": declaration["memory"],
        "restart": "unless-stopped",
        "security_opt": ["no-new-privileges:true"] if entry["hardening"].get("no_new_privileges", True) else [],
        "cap_drop": list(entry["hardening"].get("drop_capabilities", [])),
        "labels": {
            LABEL_PREFIX + "container": name,
            LABEL_PREFIX + "service": declaration["service"],
            LABEL_PREFIX + "release": release.id,
        },
        "log": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
    }
    result["labels"][SPEC_LABEL] = spec_hash(result)
    return result


def spec_hash(value: t.Mapping[str, t.Any]) -> str:
    """16 hex digits over a spec without its own label: another value means another container."""
    labels = {key: text for key, text in value["labels"].items() if key != SPEC_LABEL}
    # Canonical JSON knows no floats; the order of variables says nothing.
    return digest_of({**value, "labels": labels, "cpus": str(value["cpus"])}).short


def smoke(entry: t.Mapping[str, t.Any], declaration: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The entry's smoke request with ``{options.x}`` and ``{options.x[0]}`` in its path filled."""

    def value(match: re.Match[str]) -> str:
        try:
            option = declaration["options"][match[1]]
            option = option[int(match[2])] if match[2] is not None else option
        except (KeyError, IndexError, TypeError) as exc:
            raise InputError(f"container {declaration['name']}", f"its smoke request needs option {match[1]}", "declare it in options") from exc
        return ",".join(map(str, option)) if isinstance(option, list) else str(option)

    return {**entry["smoke"], "path": _PLACEHOLDER.sub(value, entry["smoke"]["path"])}


def _environment(entry: t.Mapping[str, t.Any], declaration: t.Mapping[str, t.Any], release: Release) -> dict[str, str]:
    captured = {name: release.settings[name] for name in entry["offline"].get("captured", []) if name in release.settings}
    return settings.merge(entry["offline"]["settings"], captured, declaration["settings"])


def _mounts(entry: t.Mapping[str, t.Any], release: Release, root: str, name: str) -> list[dict[str, t.Any]]:
    folder = container_folder(root, name)
    mounts = [
        {"source": f"{folder}/releases/{release.id}/license", "target": entry["mounts"]["license"], "read_only": True},
        {"source": f"{folder}/output", "target": entry["mounts"]["output"], "read_only": False},
    ]
    if release.models is not None:
        if "models" not in entry["mounts"]:
            raise InputError(f"container {name}", "its release has models, its service no place for them", "add mounts.models to the catalog entry")
        mounts.append({"source": model_folder(root, release.models), "target": entry["mounts"]["models"], "read_only": True})
    return mounts
