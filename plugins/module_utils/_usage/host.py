# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host knows about its own containers without become: the source id of the output folder, the current release.

The output folder itself belongs to the image's user; ``source.json`` and ``release.json`` lie beside it, world-readable.
This file is private to the collection.
"""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import is_dns_label

_MAX_BYTES = 1024 * 1024


def complete(endpoint: t.Mapping[str, t.Any], root: t.Optional[str]) -> dict[str, t.Any]:
    """The endpoint with ``source``, ``reporter``, ``release``, ``resource`` and ``service`` filled in from ``<root>/containers/<container>``.

    What the endpoint already says is kept, except ``resource`` and ``service``: the release that runs knows them better than the
    inventory, which may be ahead of it. A file that is not there leaves its value None.

    :raises InputError: the container's name is no DNS label; IntegrityError: a file is there and cannot be read or understood
        (taking that for an unknown source would count its usage a second time).
    """
    result = dict(endpoint)
    container = endpoint.get("container")
    if root and container:
        if not is_dns_label(container):
            raise InputError(f"container {container!r}", "not a DNS label")
        folder = os.path.join(root, "containers", container)
        release = _read(os.path.join(folder, "current", "release.json"))
        result["source"] = endpoint.get("source") or _text(_read(os.path.join(folder, "source.json")).get("id"))
        result["release"] = endpoint.get("release") or _text(release.get("id"))
        for key in ("resource", "service"):
            result[key] = _text(release.get(key)) or endpoint.get(key)
    result["reporter"] = endpoint.get("reporter") or container or endpoint["name"]
    return result


def without_closed(endpoint: dict[str, t.Any], months: t.Sequence[str]) -> dict[str, t.Any]:
    """The endpoint with its own ``months``: those that the ledger has closed for this very source are left out."""
    closed = endpoint.get("closed") or {}
    if closed.get("months") and closed.get("source") == endpoint.get("source"):
        done = set(closed["months"])
        endpoint["months"] = [month for month in months if month not in done]
    return endpoint


def _text(value: t.Any) -> t.Optional[str]:
    return value if isinstance(value, str) and value else None


def _read(path: str) -> dict[str, t.Any]:
    try:
        with open(path, "rb") as stream:
            data = json.loads(stream.read(_MAX_BYTES).decode("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as exc:
        raise IntegrityError(path, f"cannot be read ({exc})", "run airgap.azure_ai.rollout on this host again") from exc
    if not isinstance(data, dict):
        raise IntegrityError(path, "not a JSON object")
    return data
