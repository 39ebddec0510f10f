# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came out of a site, read on the builder: wants, holdings and missing lists, each named or found in a folder.

Each is verified before it is parsed. This file is private to the collection.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import replace

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import MAX_BYTES, parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, MissingError, Problems, TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import read_regular
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import is_dns_label
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import SUFFIX, Trust, fingerprint, signed_by, verify_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import delta, outbox, shape, verify

FORMAT = 1
MAX_DOCUMENT = 16 * 1024 * 1024
MAX_DEPTH = 4  # folders below the one that was named
MAX_FOUND = 5000

Record = dict[str, t.Any]
_BUNDLE: dict[str, shape.Check] = {"sequence": shape.number(2**53), "id": shape.is_digest}


def _header(kind: str) -> dict[str, shape.Check]:
    return {
        "format": lambda value: value == FORMAT and value is not True,
        "kind": lambda value: value == f"airgap.azure_ai/{kind}",
        "site": is_dns_label,
        "counter": shape.number(2**53),
        "bundle": lambda value: value is None or not shape.record(value, _BUNDLE, "bundle"),
        "blobs": lambda value: shape.is_list(value) and all(map(shape.is_digest, value)),
    }


_SHAPES: dict[str, dict[str, shape.Check]] = {
    "holdings": _header("holdings"),
    "missing": {**_header("missing"), "code": lambda value: isinstance(value, str) and delta.read_code(value) == value},
}


def find(path: str, name: str) -> list[str]:
    """Files called ``name``: ``path`` itself when it is a file, else those in the folder and below, sorted.

    :raises MissingError: there is no such file or folder.
    """
    if os.path.isfile(path):
        return [path]
    if not os.path.isdir(path):
        raise MissingError(path, "no such file or folder", f"name {name} or a folder that holds such files")
    found = []
    for folder, folders, names in os.walk(path):
        if os.path.relpath(folder, path).count(os.sep) >= MAX_DEPTH - 1:
            folders.clear()
        folders.sort()
        if name in names:
            found.append(os.path.join(folder, name))
    if len(found) > MAX_FOUND:
        raise InputError(path, f"holds more than {MAX_FOUND} files {name}", "name the folder that holds just what came out of the sites")
    return sorted(found)


def document(path: str, kind: str, trust: Trust) -> tuple[Record, bytes]:
    """Holdings or a missing list (``kind``) and its bytes.

    :raises TrustError: not signed by the site that it speaks for.
    """
    what = f"{kind} {path}"
    data = read_regular(path, MAX_DOCUMENT)
    signer = verify_bytes(data, path + SUFFIX, outbox.HOLDINGS_NAMESPACE, trust, what, role="site")
    value = parse(data, what, MAX_DOCUMENT)
    if isinstance(value, dict) and isinstance(value.get("format"), int) and value["format"] > FORMAT:
        raise InputError(what, f"has format {value['format']}, this collection reads {FORMAT}", "update the collection on the builder")
    problems = shape.record(value, _SHAPES[kind], "")
    if problems:
        raise Problems(what, problems[: shape.MAX_PROBLEMS])
    if signer != f"site@{value['site']}":
        raise TrustError(what, f"speaks for site {value['site']} but was signed by {signer}", "ask both sites which of them made it")
    return value, data


def holdings(path: str, site: str, trust: Trust) -> tuple[delta.Base | None, list[str]]:
    """The site's latest holdings as a base, None when the folder has none of it; and why files that may be its were passed over.

    The latest are those of the newest bundle. Of several only what all of them name is counted on: a store that was begun anew
    or came out of a backup counts from a lower number, so the counter does not say which of them is the later one.

    :raises AirgapError: ``path`` is one file, and it cannot be used.
    """
    own: list[tuple[Record, bytes]] = []
    notes = []
    for found in find(path, "holdings.json"):
        try:
            value, data = document(found, "holdings", trust)
        except AirgapError as exc:
            if found == path:
                raise
            notes.append(str(exc))
            continue
        if value["site"] == site:
            own.append((value, data))
        elif found == path:
            raise InputError(
                f"holdings {path}", f"are of site {value['site']}, the bundle is for {site}", "name this site's, or a folder with those of all sites"
            )
    return _latest(own), notes


def _latest(found: list[tuple[Record, bytes]]) -> delta.Base | None:
    newest = max((_sequence(value) for value, _data in found), default=0)
    last = [(value, data) for value, data in found if _sequence(value) == newest]
    if not last:
        return None
    common = frozenset.intersection(*(frozenset(value["blobs"]) for value, _data in last))
    return replace(delta.on_holdings(*max(last, key=lambda entry: t.cast(int, entry[0]["counter"]))), held=common)


def _sequence(value: Record) -> int:
    return int(value["bundle"]["sequence"]) if value["bundle"] else 0


def former(path: str, site: str, trust: Trust, key: str) -> delta.Base:
    """A former bundle as a base, for sites that send nothing out: its ``bundle.json``, or the folder with it.

    :param key: the builder's own; what it signed needs no entry in the signers file
    """
    path = os.path.join(path, verify.NAME) if os.path.isdir(path) else path
    what = f"bundle {path}"
    data = read_regular(path, MAX_BYTES)
    if signed_by(data, path + SUFFIX, verify.NAMESPACE) != fingerprint(key):
        verify_bytes(data, path + SUFFIX, verify.NAMESPACE, trust, what, role="builder")
    value = parse(data, what)
    problems = shape.validate(value)
    if problems:
        raise Problems(what, problems)
    if value["site"] != site:
        raise InputError(what, f"was made for site {value['site']}, not for {site}", "name a former bundle of this site")
    return delta.on_bundle(value)


def missing(
    given: str, wanted: Record, last: Record | None, base: delta.Base | None, trust: Trust, kept: t.Callable[[], t.Sequence[Record]] = tuple
) -> delta.Base:
    """The base of a bundle for exactly what a site lacks.

    :param given: path of ``missing.json``, or its code
    :param last: the manifest built last
    :param kept: gives the manifests of earlier bundles, newest first: the one that the site refuses need not be the last
    :param base: the site's holdings, if they are known
    """
    site = wanted["site"]
    if os.path.exists(given) or os.sep in given:
        value, data = document(given, "missing", trust)
        if value["site"] != site:
            raise InputError(f"missing list {given}", f"is of site {value['site']}, the bundle is for {site}", "build that site's bundle with it")
        return replace(delta.for_missing(delta.on_holdings(value, data).record, wanted, last, value["blobs"]), received=value["bundle"])
    bundles = ([last] if last else []) + [manifest for manifest in kept() if last is None or manifest["id"] != last["id"]]
    if not bundles:
        raise InputError(f"code {given!r}"[:80], f"the last bundle of {site} is not known here", "name the file missing.json")
    refused, found = delta.find_missing(bundles, given, [base.held] if base else [])
    on = delta.on_bundle(refused)
    return replace(delta.for_missing(on.record, wanted, refused, found), received=on.received)


def read_any(path: str, trust: Trust, read: t.Callable[[str, Trust], tuple[Record, str]]) -> tuple[list[Record], list[str]]:
    """Every site's wants at ``path``: {path, wants, signer} of the good ones, and what is wrong with the others; of two of a site the later file."""
    good: dict[str, Record] = {}
    problems = []
    for found in sorted(find(path, "wants.json"), key=lambda name: (os.stat(name).st_mtime_ns, name)):
        try:
            wants, signer = read(found, trust)
            good[wants["site"]] = {"path": found, "wants": wants, "signer": signer}
        except AirgapError as exc:
            problems.append(str(exc))
    return [good[site] for site in sorted(good)], problems
