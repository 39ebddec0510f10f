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
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import entries, extras, groups, settings

DEFAULT_ROOT = "/var/lib/azure-ai"
SPEC_LABEL = LABEL_PREFIX + "spec"
_PLACEHOLDER = re.compile(r"\{options\.([A-Za-z0-9_]+)(?:\[(-?\d+)\])?\}")
_YOUNGER = ("network", "gpus", "user", "config")  # keys that specs have not always had

Spec = dict[str, t.Any]
Entry = t.Mapping[str, t.Any]
Declaration = t.Mapping[str, t.Any]


def container_folder(root: str, name: str) -> str:
    """Where a container's releases and output lie on its host."""
    return f"{root.rstrip('/')}/containers/{name}"


def model_folder(root: str, digest: str) -> str:
    """Where a set of models or files lies on a host: a colon would split a bind mount's short form, so hex digits only."""
    return f"{root.rstrip('/')}/models/{digest.rpartition(':')[2]}"


def spec(entry: Entry, declaration: Declaration, release: Release, root: str = DEFAULT_ROOT) -> Spec:
    """The engine-neutral spec: name, hostname, image, env, mounts, ports, cpus, memory (bytes), restart, security_opt,
    cap_drop, labels, log, network (or None), gpus ("all" or None), user (or None), config ([{source, target, text}], files
    to lay down; they are among the mounts). It holds no key, no billing endpoint and no proxy, whatever the arguments say.

    :param entry: the catalog entry in the form that the declaration's options give it
    :raises InputError: the release has something that the service has no place for, or a config file names a member that is not there.
    """
    name, hardening = declaration["name"], {**entry["hardening"], **declaration.get("hardening", {})}
    config = _config(entry, declaration, root)
    result: Spec = {
        "name": name,
        "hostname": name,  # services name their output folder by it: a recreated container must find its own again
        "image": local_image(declaration["service"], release.image),
        "env": _environment(entry, declaration, release),
        "mounts": _mounts(entry, declaration, release, root) + [{"source": item["source"], "target": item["target"], "read_only": True} for item in config],
        "ports": [{"host_ip": declaration["bind"], "host_port": declaration["port"], "container_port": entries.container_port(entry)}],
        "cpus": declaration["cpus"],
        "memory": declaration["memory"],
        "restart": "unless-stopped",
        "security_opt": ["no-new-privileges:true"] if hardening.get("no_new_privileges", True) else [],
        "cap_drop": list(hardening.get("drop_capabilities", [])),
        "labels": {
            LABEL_PREFIX + "container": name,
            LABEL_PREFIX + "service": declaration["service"],
            LABEL_PREFIX + "release": release.id,
        },
        "log": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
        "network": declaration.get("network"),
        "gpus": "all" if entry.get("gpu") else None,
        "user": entry.get("user"),
        "config": config,
    }
    result["labels"][SPEC_LABEL] = spec_hash(result)
    return result


def spec_hash(value: t.Mapping[str, t.Any]) -> str:
    """16 hex digits over a spec without its own label: another value means another container."""
    labels = {key: text for key, text in value["labels"].items() if key != SPEC_LABEL}
    # A container that has nothing of the younger keys must not start anew because there are such keys.
    known = {key: item for key, item in value.items() if item or key not in _YOUNGER}
    # Canonical JSON knows no floats; the order of variables says nothing.
    return digest_of({**known, "labels": labels, "cpus": str(value["cpus"])}).short


def writable(value: t.Mapping[str, t.Any], root: str = DEFAULT_ROOT) -> list[str]:
    """The folders that a spec's container writes into, relative to ``<root>/containers``."""
    base = container_folder(root, "")
    return [mount["source"][len(base) :] for mount in value["mounts"] if not mount["read_only"]]


def smoke(entry: Entry, declaration: Declaration) -> dict[str, t.Any] | None:
    """The entry's smoke request with ``{options.x}`` and ``{options.x[0]}`` filled in path, headers, text and json; None without one."""

    def value(match: re.Match[str]) -> str:
        try:
            option = declaration["options"][match[1]]
            option = option[int(match[2])] if match[2] is not None else option
        except (KeyError, IndexError, TypeError) as exc:
            raise InputError(f"container {declaration['name']}", f"its smoke request needs option {match[1]}", "declare it in options") from exc
        return entries.flat(option)

    def filled(item: t.Any) -> t.Any:
        if isinstance(item, str):
            return _PLACEHOLDER.sub(value, item)
        if isinstance(item, dict):
            return {key: filled(inner) for key, inner in item.items()}
        return [filled(inner) for inner in item] if isinstance(item, list) else item

    if not entry.get("smoke"):
        return None
    return {key: filled(item) if key in ("path", "headers", "text", "json") else item for key, item in entry["smoke"].items()}


def _environment(entry: Entry, declaration: Declaration, release: Release) -> dict[str, str]:
    fixed = entries.filled(entry["offline"]["settings"], declaration["options"])
    captured = {name: release.settings[name] for name in entry["offline"].get("captured", []) if name in release.settings}
    return settings.merge(fixed, captured, declaration.get("links", {}), extras.environment(declaration), declaration["settings"])


def _mounts(entry: Entry, declaration: Declaration, release: Release, root: str) -> list[dict[str, t.Any]]:
    name, places = declaration["name"], entry["mounts"]
    folder = container_folder(root, name)
    mounts = []
    if release.license is not None:
        read_only = entry["hardening"].get("read_only_license", True)
        mounts.append({"source": f"{folder}/releases/{release.id}/license", "target": _place(places, "license", name), "read_only": read_only})
    if "output" in places:
        mounts.append({"source": f"{folder}/output", "target": places["output"], "read_only": False})
    if release.models is not None:
        mounts.append({"source": model_folder(root, release.models), "target": _place(places, "models", name), "read_only": True})
    if release.files is not None:
        mounts.append({"source": model_folder(root, release.files), "target": _files_place(entry, declaration), "read_only": True})
    if "shared" in places:  # results that any member of a group may be asked for
        mounts.append({"source": f"{container_folder(root, declaration.get('group') or name)}/shared", "target": places["shared"], "read_only": False})
    for path in entry.get("state", ()):
        mounts.append({"source": f"{folder}/state/{path.strip('/').replace('/', '_')}", "target": path, "read_only": False})
    return mounts


def _place(places: t.Mapping[str, str], kind: str, name: str) -> str:
    if kind not in places:
        what = "a license" if kind == "license" else kind
        raise InputError(f"container {name}", f"its release has {what}, its service no place for them", f"add mounts.{kind} to the catalog entry")
    return places[kind]


def _files_place(entry: Entry, declaration: Declaration) -> str:
    """Where the declared files go: a release carries one set, that of the option which is given."""
    for item in entry.get("files", ()):
        if declaration["options"].get(item["option"]) not in (None, ""):
            return item["mount"]
    raise InputError(f"container {declaration['name']}", "its release has files, its options name none", "bundle it again")


def _config(entry: Entry, declaration: Declaration, root: str) -> list[dict[str, str]]:
    folder, result = container_folder(root, declaration["name"]), []
    for number, item in enumerate(entry.get("config", ())):
        try:
            text = groups.filled(item["text"], declaration["name"], declaration.get("members", {}))
        except KeyError as exc:
            raise InputError(
                f"container {declaration['name']}", f"its file {item['target']} names member {exc}, which its group does not have", "mend the catalog entry"
            ) from exc
        result.append({"source": f"{folder}/config/{number}", "target": item["target"], "text": text})
    return result
