# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's ``daemon.json``: what is there and what is wanted, put together; why it must change, and what the engine must do then.

This file is private to the collection.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError

PATH = "/etc/docker/daemon.json"

Json = dict[str, t.Any]

# The engine takes these over while it runs, on SIGHUP; all others want a restart. (dockerd reference, "configuration reloading")
RELOADABLE = frozenset(
    ("debug", "labels", "live-restore", "max-concurrent-downloads", "max-concurrent-uploads", "max-download-attempts", "default-runtime", "runtimes")
    + ("authorization-plugins", "insecure-registries", "registry-mirrors", "shutdown-timeout", "features")
)  # fmt: skip


def parse(data: bytes, path: str) -> Json:
    """The configuration in a file; an empty file is an empty configuration.

    :raises InputError: not a JSON object.
    """
    if not data.strip():
        return {}
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise InputError(path, f"not JSON ({exc})", "mend it by hand; the engine would not start with it either") from exc
    if not isinstance(found, dict):
        raise InputError(path, "not a JSON object", "mend it by hand")
    return found


def merged(have: t.Mapping[str, t.Any], want: t.Mapping[str, t.Any]) -> Json:
    """``have`` with what ``want`` says: mappings key by key, anything else replaced; what ``want`` does not name stays."""
    result = dict(have)
    for key, value in want.items():
        inner = result.get(key)
        result[key] = merged(inner, value) if isinstance(value, dict) and isinstance(inner, dict) else value
    return result


def changed_keys(have: t.Mapping[str, t.Any], want: t.Mapping[str, t.Any]) -> list[str]:
    """Keys of the first level that ``want`` changes, sorted."""
    after = merged(have, want)
    return sorted(key for key in want if key not in have or have[key] != after[key])


def reason(have: t.Mapping[str, t.Any], want: t.Mapping[str, t.Any]) -> t.Optional[str]:
    """Why the file must be written, or None."""
    keys = changed_keys(have, want)
    return f"{', '.join(keys)} {'differs' if len(keys) == 1 else 'differ'}" if keys else None


def apply(have: t.Mapping[str, t.Any], want: t.Mapping[str, t.Any]) -> str:
    """What a running engine must do to take ``want`` over: ``nothing``, ``reload`` or ``restart``."""
    keys = changed_keys(have, want)
    if not keys:
        return "nothing"
    return "reload" if RELOADABLE.issuperset(keys) else "restart"


def text(config: t.Mapping[str, t.Any]) -> bytes:
    """The file's bytes."""
    return (json.dumps(config, indent=2, sort_keys=True) + "\n").encode()


def survey(want: t.Mapping[str, t.Any], path: str = PATH) -> Json:
    """What stands between the file and ``want``: reason, apply and error. Its content, which may hold a proxy's password, is not told."""
    try:
        with open(path, "rb") as stream:
            have = parse(stream.read(), path)
    except FileNotFoundError:
        have = {}
    except (AirgapError, OSError) as exc:
        return {"reason": None, "apply": "nothing", "error": str(exc)}
    return {"reason": reason(have, want), "apply": apply(have, want), "error": None}
