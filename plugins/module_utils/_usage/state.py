# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state that a site tells with its usage: releases that run, when their licenses end, findings, versions. Pure.

With detail ``site`` no name of a host or container is in it: releases are counted, findings as well. Normative text: docs/usage-export.md.
This file is private to the collection.
"""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import wire

RELEASE = ("host", "container", "service", "tag", "release", "resource", "expires")
FINDING = ("kind", "host", "container", "meter", "month", "text")
_RELEASES = ("service", "tag", "resource", "expires")  # what releases are counted by with detail site
_FINDINGS = ("kind", "meter", "month")
_LISTED = {
    ("releases", "host"): RELEASE,
    ("findings", "host"): FINDING,
    ("releases", "site"): (*_RELEASES, "count"),
    ("findings", "site"): (*_FINDINGS, "count"),
}

Record = dict[str, t.Any]
Rows = t.Iterable[t.Mapping[str, t.Any]]


def compose(site: str, detail: str, collection: str, formats: t.Mapping[str, int], releases: Rows, findings: Rows) -> Record:
    """The state document.

    :param releases: objects with RELEASE; ``tag``, ``resource`` and ``expires`` may be missing or None, which says unknown
    :param findings: objects with FINDING
    """
    found = {"releases": _plain(releases, RELEASE), "findings": _plain(findings, FINDING)}
    if detail == "site":
        found = {"releases": _counted(found["releases"], _RELEASES), "findings": _counted(found["findings"], _FINDINGS)}
    return {"format": wire.FORMAT, "site": site, "detail": detail, "collection": collection, "formats": dict(formats), **found}


def bound(running: Rows, held: Rows) -> list[Record]:
    """Releases for ``compose``: what the ledger saw running (``summary.running``), with what the store's holdings know of it."""
    known = {release["id"]: release for release in held}
    rows = []
    for row in running:
        release = known.get(row["release"], {})
        rows.append({**row, **{name: release.get(name) for name in ("tag", "resource", "expires")}})
    return rows


def given(state: t.Mapping[str, t.Any]) -> dict[str, list[Record]]:
    """``releases`` and ``findings`` that a user gives in place of what ledger and store tell.

    :raises InputError: anything else is in it, or they are no lists of objects with known members.
    """
    extra = sorted(set(state) - {"releases", "findings"})
    if extra:
        raise InputError("state", f"{', '.join(extra)} may not leave the site", "give releases and findings only")
    problems = []
    for name, members in (("releases", RELEASE), ("findings", FINDING)):
        for place, row in enumerate(state.get(name) or []):
            if not isinstance(row, dict) or set(row) - set(members):
                problems.append(f"{name}[{place}] has other members than {', '.join(members)}")
    if problems:
        raise Problems("state", problems)
    return {name: list(rows) for name, rows in state.items()}


def load(data: bytes, what: str, manifest: t.Mapping[str, t.Any]) -> Record:
    """Read state.json of an export.

    :raises InputError: not such a document, or not of this export's site and detail.
    """
    state = parse(data, what, wire.MAX_STATE, 8)
    keys = ("format", "site", "detail", "collection", "formats", "releases", "findings")
    if not isinstance(state, dict) or sorted(state) != sorted(keys):
        raise InputError(what, f"its members are not {', '.join(keys)}")
    if (state["format"], state["site"], state["detail"]) != (wire.FORMAT, manifest["site"], manifest["detail"]):
        raise InputError(what, "format, site or detail are not those of the export")
    formats = state["formats"]
    if not wire.is_text(state["collection"]) or not isinstance(formats, dict) or not all(isinstance(number, int) for number in formats.values()):
        raise InputError(what, "collection or formats are not as documented")
    for name in ("releases", "findings"):
        members = _LISTED[name, state["detail"]]
        if not isinstance(state[name], list) or not all(_is_row(row, members) for row in state[name]):
            raise InputError(what, f"{name} are not as documented")
    return state


def _is_row(row: t.Any, members: tuple[str, ...]) -> bool:
    if not isinstance(row, dict) or sorted(row) != sorted(members):
        return False
    return all(isinstance(value, int) if name == "count" else value is None or wire.is_text(value) for name, value in row.items())


def _plain(rows: Rows, members: tuple[str, ...]) -> list[Record]:
    """The members alone, as lines of text or None, each row once and in order."""
    plain = {tuple(_text(row.get(name)) for name in members) for row in rows}
    return [dict(zip(members, row)) for row in sorted(plain, key=lambda row: tuple(value or "" for value in row))]


def _counted(rows: list[Record], members: tuple[str, ...]) -> list[Record]:
    counts = collections.Counter(tuple(row[name] for name in members) for row in rows)
    return [{**dict(zip(members, row)), "count": count} for row, count in sorted(counts.items(), key=lambda item: tuple(value or "" for value in item[0]))]


def _text(value: t.Any) -> t.Optional[str]:
    return None if value is None else "".join(char if char.isprintable() else " " for char in str(value))[:4096]
