# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two documents that a site sends out, wants and holdings: no addresses, no secrets, signed.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import canonical, parse, pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError, Problems, TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import TEMPORARY_PREFIX, read_regular
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import is_dns_label
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import SUFFIX, Trust, fingerprint, sign_file, signed_by, verify_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings as _holdings
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import registry, shape, states

FORMAT = 1  # of both documents
WITH_PACKAGES = 2  # of wants that tell what hosts have installed, which readers of format 1 do not know
MAX_DOCUMENT = 16 * 1024 * 1024
WANTS, WANTS_NAMESPACE = "wants.json", "azure-ai-wants"
HOLDINGS, HOLDINGS_NAMESPACE = "holdings.json", "azure-ai-holdings"  # the namespace is that of missing lists too

Record = dict[str, t.Any]
WANTS_OPTIONS: dict[str, t.Any] = {  # of modules that write wants
    "containers": {"type": "list", "elements": "dict", "default": []},
    "os": {"type": "list", "elements": "str", "default": []},
    "control": {"type": "dict", "default": {}},
    "packages": {"type": "list", "elements": "path", "default": []},
}
_CONTAINER: dict[str, shape.Check] = {
    "service": shape.SHAPES["images"]["service"],
    "tag": registry.is_tag,
    "resource": shape.is_text,
    "options": lambda value: isinstance(value, dict),
}
_CONTROL: dict[str, shape.Check] = dict.fromkeys(("os", "python", "arch"), shape.is_text)


def wants(site: str, given: t.Mapping[str, t.Any]) -> Record:
    """The wants document of ``site`` from {containers, os, control} and, if hosts were looked at, {packages}; order and repetition do not matter.

    :raises InputError: a member is missing, wrong or one that may not leave the site.
    """
    told = given.get("packages") or []
    document = {
        "format": WITH_PACKAGES if told else FORMAT,
        "kind": "airgap.azure_ai/wants",
        "site": site,
        "containers": _sorted(given.get("containers") or []),
        "os": sorted(set(given.get("os") or [])),
        "control": dict(given.get("control") or {}),
        **({"packages": told} if told else {}),
    }
    extra = sorted(set(given) - {"containers", "os", "control", "packages"})
    problems = [f"{name} may not leave the site" for name in extra] + wants_problems(document)
    if problems:
        raise Problems(f"wants of {site}", problems)
    return document


def wants_problems(document: t.Any) -> list[str]:
    """Everything that is wrong with a wants document, a line each."""
    if not isinstance(document, dict):
        return ["it is not an object"]
    header: dict[str, shape.Check] = {
        "format": lambda value: value in (FORMAT, WITH_PACKAGES) and not isinstance(value, (bool, float)),
        "kind": lambda value: value == "airgap.azure_ai/wants",
        "site": is_dns_label,
        "containers": shape.is_list,
        "os": lambda value: shape.is_list(value) and all(shape.matches(shape.SYSTEM)(item) for item in value),
        "control": lambda value: isinstance(value, dict),
        **({"packages": shape.is_list} if document.get("format") == WITH_PACKAGES else {}),
    }
    problems = shape.record(document, header, "")
    if not problems:
        for position, container in enumerate(document["containers"]):
            problems += shape.record(container, _CONTAINER, f"containers[{position}]")
        problems += [problem for problem in shape.record(document["control"], _CONTROL, "control") if not problem.endswith("is missing")]
        problems += states.problems(document.get("packages", []))
    return problems[: shape.MAX_PROBLEMS]


def holdings(held: Record) -> Record:
    """The holdings document: which blobs the site has, as of which counter and bundle; the base of the next delta.

    Blobs that are noted as lacking (``Store.note_lacking``) are left out, and the counter has grown with the note.
    """
    site = held["site"]
    named = {reference.digest for reference in _holdings.references(held)}
    return {
        "format": FORMAT,
        "kind": "airgap.azure_ai/holdings",
        "site": site,
        "counter": held["counter"],
        "bundle": held["bundles"].get(site),
        "blobs": sorted(named - set(held.get("lacking", ()))),
    }


def reason(folder: str, name: str, document: Record, namespace: str, key: str) -> str | None:
    """Why ``<folder>/<name>`` has to be written, or None when it and its signature will do."""
    path = os.path.join(folder, name)
    try:
        same = read_regular(path, MAX_DOCUMENT) == pretty(document)
    except MissingError:
        return f"{name} is not there"
    if not same:
        return f"{name} has changed"
    if signed_by(pretty(document), path + SUFFIX, namespace) != fingerprint(key):
        return f"{name} is not signed by {key}"
    return None


def write(folder: str, name: str, document: Record, namespace: str, key: str) -> None:
    """Write and sign ``<folder>/<name>``; between the two files a power cut leaves a signature that does not fit."""
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder) as work:
        path = os.path.join(work, name)
        with open(path, "wb") as stream:
            stream.write(pretty(document))
        sign_file(path, key, namespace)
        for suffix in (SUFFIX, ""):
            os.chmod(path + suffix, 0o644)
            os.replace(path + suffix, os.path.join(folder, name + suffix))


def withdraw(folder: str, name: str) -> None:
    """Remove a document and its signature from the outbox, if they are there."""
    for path in (os.path.join(folder, name), os.path.join(folder, name + SUFFIX)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def read_wants(path: str, trust: Trust) -> tuple[Record, str]:
    """A site's wants and the principal that signed them.

    :raises TrustError: not signed by a site that we trust, or by another site than it speaks for.
    """
    what = f"wants {path}"
    data = read_regular(path, MAX_DOCUMENT)
    signer = verify_bytes(data, path + SUFFIX, WANTS_NAMESPACE, trust, what, role="site")
    document = parse(data, what, MAX_DOCUMENT)
    if isinstance(document, dict) and isinstance(document.get("format"), int) and document["format"] > WITH_PACKAGES:
        raise InputError(what, f"has format {document['format']}, this collection reads {WITH_PACKAGES} and earlier", "update the collection on the builder")
    problems = wants_problems(document)
    if problems:
        raise Problems(what, problems)
    if signer != f"site@{document['site']}":
        raise TrustError(what, f"speaks for site {document['site']} but was signed by {signer}", "ask both sites which of them made it")
    return document, signer


def _sorted(containers: t.Sequence[t.Any]) -> list[t.Any]:
    plain = [{**container, "options": container.get("options") or {}} if isinstance(container, dict) else container for container in containers]
    unique = {canonical(container): container for container in plain}
    return [unique[key] for key in sorted(unique)]
