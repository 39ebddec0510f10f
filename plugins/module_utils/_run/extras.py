# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a declaration that most do without: hardening other than the catalog's, logs on the output mount, a container to adopt.

This file is private to the collection.
"""

from __future__ import annotations

import posixpath
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import schema, settings

KEYS = ("hardening", "disk_logging", "adopt")
DISK_FORMAT, DISK_SIZE = "Logging:Disk:Format", "Logging:Disk:MaxFileSize"
_FOLDER = r"^/[^/\x00-\x1f]"
_CONTAINER = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$"
_SCHEMAS: dict[str, dict[str, t.Any]] = {
    "hardening": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "no_new_privileges": {"type": "boolean"},
            "drop_capabilities": {"type": "array", "items": {"type": "string", "pattern": "^[A-Z_]+$"}},
        },
    },
    "disk_logging": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"max_file_mb": {"type": "integer", "minimum": 1}, "warn_above_mb": {"type": "integer", "minimum": 1}},
    },
    "adopt": {
        "type": "object",
        "additionalProperties": False,
        "required": ["output"],
        "properties": {"output": {"type": "string", "pattern": _FOLDER}, "container": {"type": "string", "pattern": _CONTAINER}},
    },
}
WARN_ABOVE_MB = 500  # of an output folder, unless disk_logging says otherwise
_LOGGING = {"max_file_mb": 10, "warn_above_mb": WARN_ABOVE_MB}

Raw = t.Mapping[str, t.Any]


def faults(raw: Raw, form: Raw) -> list[str]:
    """What is wrong with these parts of a declaration.

    :param form: the catalog entry in the form that the options give it
    """
    found = []
    for key in KEYS:
        if raw.get(key) is not None:
            found += [f"{fault}; docs/site.md says what it takes" for fault in schema.faults(raw[key], _SCHEMAS[key], key)]
    if found:
        return found
    for key in ("disk_logging", "adopt"):
        if raw.get(key) is not None and "output" not in form["mounts"]:
            found.append(f"{key}: service {raw['service']} has no output mount; leave it out")
    told = {settings.folded(name) for name in raw.get("settings") or {} if isinstance(name, str)}
    if raw.get("disk_logging") is not None and told & {settings.folded(DISK_FORMAT), settings.folded(DISK_SIZE)}:
        found.append("disk_logging and settings both say how it logs to its output folder; leave one of them")
    folder = (raw.get("adopt") or {}).get("output")
    if folder is not None and posixpath.normpath(folder) != folder.rstrip("/"):
        found.append(f"adopt.output {folder!r} is not a plain absolute path; write it without . and .. and double slashes")
    return found


def filled(raw: Raw) -> dict[str, t.Any]:
    """These parts with their defaults: hardening (what differs from the catalog's), disk_logging and adopt ({output, container} or None)."""
    adopt, logging = raw.get("adopt"), raw.get("disk_logging")
    return {
        "hardening": dict(raw.get("hardening") or {}),
        "disk_logging": None if logging is None else {**_LOGGING, **logging},
        "adopt": None if adopt is None else {"output": adopt["output"].rstrip("/"), "container": adopt.get("container")},
    }


def environment(declaration: Raw) -> dict[str, str]:
    """Settings by which a service logs to its output mount; none where nobody asked for it."""
    logging = declaration.get("disk_logging")
    return {} if logging is None else {DISK_FORMAT: "json", DISK_SIZE: str(logging["max_file_mb"])}


def doubles(found: t.Sequence[Raw]) -> list[str]:
    """Lines about two containers of a host that adopt one folder, a folder in the other's, or one container."""
    problems = []
    adopting = [item for item in found if item["adopt"] is not None]
    for index, one in enumerate(adopting):
        for other in adopting[:index]:
            mine, theirs = one["adopt"], other["adopt"]
            label = f"container {one['name']} ({one['variable']}): adopt"
            if overlap(mine["output"], theirs["output"]):
                problems.append(f"{label}.output {mine['output']} is that of {other['name']} ({other['variable']}) as well; each container has its own folder")
            if mine["container"] is not None and mine["container"] == theirs["container"]:
                problems.append(f"{label}.container {mine['container']} is that of {other['name']} ({other['variable']}) as well; name another one")
    return problems


def overlap(one: str, other: str) -> bool:
    """Whether two absolute paths are the same folder, or one lies in the other."""
    first, second = f"{one.rstrip('/')}/", f"{other.rstrip('/')}/"
    return first.startswith(second) or second.startswith(first)
