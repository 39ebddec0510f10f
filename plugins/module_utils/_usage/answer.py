# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host answers for its endpoints: lists of endpoints, readings and failures. Small, as every host gets it with ``usage_info``.

Read back and checked by ``spool``. This file is private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.records import dumps

ATTRIBUTES = ("source", "reporter", "service", "container", "release", "resource")  # of an endpoint, besides name and url


def silence(endpoints: t.Sequence[t.Mapping[str, t.Any]], months: t.Sequence[str], reason: str) -> dict[str, t.Any]:
    """The answer of a host that gave none: a failure for every endpoint and scope."""
    failures = [
        {"name": endpoint["name"], "url": endpoint["url"], "scope": scope, "kind": "no_answer", "reason": reason[:200]}
        for endpoint in endpoints
        for scope in (*_open_months(endpoint, months), calendar.ALL)
    ]
    return {"endpoints": [_endpoint(endpoint) for endpoint in endpoints], "readings": [], "failures": failures}


def whole(endpoints: t.Sequence[t.Mapping[str, t.Any]], readings: list[dict[str, t.Any]], failures: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    """The answer of a host."""
    return {"endpoints": [_endpoint(endpoint) for endpoint in endpoints], "readings": readings, "failures": failures}


def compact(endpoints: t.Sequence[t.Mapping[str, t.Any]], readings: list[dict[str, t.Any]], failures: list[dict[str, t.Any]]) -> str:
    """The same as one string."""
    return dumps(whole(endpoints, readings, failures))


def _endpoint(endpoint: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {"name": endpoint["name"], "url": endpoint["url"], **{key: endpoint.get(key) for key in ATTRIBUTES}}


def _open_months(endpoint: t.Mapping[str, t.Any], months: t.Sequence[str]) -> t.Sequence[str]:
    own = endpoint.get("months")
    return months if own is None else own
