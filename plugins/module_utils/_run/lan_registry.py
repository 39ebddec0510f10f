# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's registry as a host sees it: whether it is reached and trusted, and an image out of it under our name.

This file is private to the collection.
"""

from __future__ import annotations

import http.client
import re
import ssl
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import INDEXES, MANIFESTS
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import loading
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine

TRANSPORTS = ("ssh", "registry", "auto")
_NAME = re.compile(r"([a-zA-Z0-9.-]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})")
_MANIFESTS = ", ".join(MANIFESTS + INDEXES)  # without them a registry denies holding what is not in the oldest form
_WAIT = 5  # seconds that a registry on the LAN may take to answer

Record = t.Mapping[str, t.Any]


def chosen(transport: str, name: str, hosts: int, begin: int) -> t.Optional[str]:
    """The registry to ask, or None where images go over ssh.

    :param hosts: how many there are; ``auto`` takes the registry from ``begin`` on
    :raises InputError: another transport, or a registry that has no name.
    """
    if transport not in TRANSPORTS:
        raise InputError(f"azure_ai_transport {transport}", f"is none of {', '.join(TRANSPORTS)}")
    if transport == "registry" and not name:
        raise InputError("azure_ai_transport registry", "no registry is named", "set azure_ai_registry to <address>:<port> of the control node")
    if name and not _NAME.fullmatch(name):
        raise InputError(f"azure_ai_registry {name}", "is not <address>:<port>")
    return name if name and (transport == "registry" or (transport == "auto" and hosts >= begin)) else None


def trouble(name: str, authority: str, wait: float = _WAIT, images: t.Sequence[str] = ()) -> t.Optional[str]:
    """Why this machine cannot use the registry, or None.

    :param authority: certificate of the site's own authority (PEM)
    :param images: what it must hold, as ``<repository>@<digest>``; it was filled before the store changed where it lacks one
    """
    if not authority.strip():
        return "the control node has no certificate for it; run airgap.azure_ai.registry there"
    try:
        # ssl takes ASCII alone; words around a certificate may be others.
        context = ssl.create_default_context(cadata=authority.encode("ascii", "replace").decode("ascii"))
        connection = http.client.HTTPSConnection(name, timeout=wait, context=context)  # it knows no proxies
        try:
            status = _asked(connection, "GET", "/v2/")
            if status != 200:
                return f"it answers {status}"
            lacking = [each for each in images if _asked(connection, "HEAD", "/v2/{}/manifests/{}".format(*each.split("@"))) != 200]
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as exc:
        return f"{exc.__class__.__name__}: {exc}"
    if not lacking:
        return None
    first = lacking[0][: lacking[0].index(":") + 13]
    return f"it lacks {first}" if len(lacking) == 1 else f"it lacks {len(lacking)} images, the first is {first}"


def _asked(connection: http.client.HTTPSConnection, method: str, path: str) -> int:
    """The status that it answers with."""
    connection.request(method, path, headers={"Accept": _MANIFESTS})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def wanted(images: t.Mapping[str, str], there: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """Of images by their names in the engine those that it does not hold as whole ones, each once."""
    whole = {each["name"] for each in there if each["usable"]}
    return sorted({reference for name, reference in images.items() if name not in whole})


def pull(engine: Engine, registry: str, record: Record, name: str) -> dict[str, t.Any]:
    """Have the engine pull an image by its digest and give it our name alone; return its state.

    :raises RemoteError: the engine cannot, or holds something else afterwards.
    """
    reference = f"{registry}/{record['repository']}@{record['manifest']}"
    engine.pull(reference)
    repository, _colon, tag = name.rpartition(":")
    engine.tag(reference, repository, tag)
    engine.remove_image(reference)
    return loading.proved(engine, record, name)
