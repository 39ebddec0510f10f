# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site's hosts have installed, as wants carry it out: each kind of host once, and no word of which host it is.

A package is its version, or a list of the version and the fields that may stand in the way of newer packages. Of what it depends on only
clauses with an upper bound count: the others hold now, and newer packages do not break them.
This file is private to the collection.
"""

from __future__ import annotations

import re
import subprocess
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import canonical, parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import read_regular
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import ENGINE_PACKAGES, OTHER_ENGINES, REGISTRY_PACKAGE
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import shape

MAX_SYSTEMS = 16
MAX_KINDS = 64  # of hosts of one system; of more, what they all have in common is told
MAX_PACKAGES = 20_000  # of one kind
MAX_NOTE = 4 * 1024 * 1024  # bytes of what is noted of one host
BOUND = ("Depends", "Pre-Depends")
WHOLE = ("Provides", "Conflicts", "Breaks", "Multi-Arch")

Record = dict[str, t.Any]
Kind = dict[str, t.Any]
"""Packages of one kind of host: name to version, or to [version, field, …]."""

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{1,199}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+~:-]{0,199}")
_FIELD = re.compile(rf"(?:{'|'.join(BOUND + WHOLE)}): [0-9A-Za-z +.:,()|<>=~_-]{{1,16384}}")
_UPPER = re.compile(r"\((?:=|<<|<=|<) ")
_UNIT, _END = "\x1f", "\x1e"  # between fields and after a package, which no field holds
QUERY = _UNIT.join(["${db:Status-Status}", "${Package}", "${Architecture}", "${Version}", *(f"${{{name}}}" for name in BOUND + WHOLE)]) + _END


def query() -> str:
    """What dpkg knows of this host.

    :raises MissingError: the host has no dpkg.
    """
    try:
        done = subprocess.run(["dpkg-query", "--show", f"--showformat={QUERY}"], capture_output=True, check=False, encoding="utf-8", errors="replace")
    except FileNotFoundError as exc:
        raise MissingError("dpkg-query", "not on this host, so nothing is known of its packages", "take it out of wants_hosts") from exc
    if done.returncode != 0:
        raise InputError("dpkg-query", f"failed: {(done.stderr.splitlines() or ['no message'])[0][:300]}", "look at /var/lib/dpkg on this host")
    return done.stdout


def installed(text: str) -> tuple[str, Kind]:
    """(architecture, installed packages) of an answer of ``query``; packages of other architectures are left out."""
    rows = [row.split(_UNIT) for row in text.split(_END) if row.strip()]
    found = [row for row in rows if len(row) == 4 + len(BOUND + WHOLE) and row[0] == "installed"]
    arch = next((row[2] for row in found if row[1] == "dpkg"), "")
    kind = {row[1]: _package(row[3], dict(zip(BOUND + WHOLE, row[4:]))) for row in found if row[2] in (arch, "all")}
    return arch, dict(sorted(kind.items()))


def _package(number: str, fields: t.Mapping[str, str]) -> t.Any:
    said = {name: " ".join(value.split()) for name, value in fields.items()}
    for name in BOUND:
        said[name] = ", ".join(clause for clause in said[name].split(", ") if _UPPER.search(clause))
    if said["Multi-Arch"] != "allowed":  # the others matter only where packages of two architectures meet
        said["Multi-Arch"] = ""
    lines = [f"{name}: {value}" for name, value in said.items() if value]
    return [number, *lines] if lines else number


def read_notes(paths: t.Iterable[str]) -> list[Record] | None:
    """What was noted of each host, or None where one of them was never looked at: it may lack anything."""
    notes = []
    for path in paths:
        try:
            note = parse(read_regular(path, MAX_NOTE), path, MAX_NOTE)
        except MissingError:
            return None
        wrong = shape.record(note, {"os": shape.is_text, "arch": shape.is_text, "packages": _is_kind}, "")
        if wrong:
            raise Problems(path, wrong[: shape.MAX_PROBLEMS])
        notes.append(note)
    return notes


def told(given: t.Mapping[str, t.Any]) -> Record:
    """What wants are made of, from the options of a module: the paths in ``packages`` become what they tell."""
    notes = read_notes(given.get("packages") or [])
    return {**given, "packages": gather(notes or [], given.get("os") or [])}


def gather(notes: t.Sequence[Record], systems: t.Collection[str]) -> list[Record]:
    """The member ``packages`` of wants: for each of the systems that hosts have, the kinds of them."""
    found: dict[tuple[str, str], dict[bytes, Kind]] = {}
    for note in notes:
        if note["os"] in systems and note["packages"]:
            found.setdefault((note["os"], note["arch"]), {})[canonical(note["packages"])] = note["packages"]
    return [{"os": system, "arch": arch, **_shared([several[key] for key in sorted(several)])} for (system, arch), several in sorted(found.items())]


def _shared(several: t.Sequence[Kind]) -> Record:
    first, others = several[0], several[1:]
    everywhere = {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}
    if not others or len(several) > MAX_KINDS:
        return {"all": everywhere, "each": []}
    return {"all": everywhere, "each": [{name: value for name, value in kind.items() if name not in everywhere} for kind in several]}


def kinds(entry: t.Mapping[str, t.Any]) -> list[Kind]:
    """The kinds of hosts that an entry tells of."""
    return [{**entry["all"], **more} for more in entry["each"]] or [dict(entry["all"])]


def version(kind: t.Mapping[str, t.Any], name: str) -> str | None:
    """Version of a package on such a host, None where it has none."""
    found = kind.get(name)
    return found[0] if isinstance(found, list) else found


def problems(value: t.Any) -> list[str]:
    """Everything that is wrong with the member ``packages``, a line each."""
    if not isinstance(value, list) or len(value) > MAX_SYSTEMS:
        return ["packages is not a list of at most 16 systems"]
    checks: dict[str, shape.Check] = {"os": shape.matches(shape.SYSTEM), "arch": shape.matches(_NAME), "all": _is_kind, "each": _are_kinds}
    lines = [line for position, entry in enumerate(value) for line in shape.record(entry, checks, f"packages[{position}]")]
    if not lines:
        lines += [f"packages: {entry['os']} {entry['arch']} twice" for entry in value if [other["os"] for other in value].count(entry["os"]) > 1]
        both = [(entry["os"], name) for entry in value for kind in entry["each"] for name in sorted(entry["all"].keys() & kind)]
        lines += [f"packages: {name} of {system} is in all and in each" for system, name in both]
    return lines


def _are_kinds(value: t.Any) -> bool:
    return isinstance(value, list) and len(value) <= MAX_KINDS and all(map(_is_kind, value))


def _is_kind(value: t.Any) -> bool:
    return isinstance(value, dict) and len(value) <= MAX_PACKAGES and all(_NAME.fullmatch(name) and _is_package(item) for name, item in value.items())


def _is_package(value: t.Any) -> bool:
    number, *fields = value if isinstance(value, list) and value else [value]
    return isinstance(number, str) and bool(_VERSION.fullmatch(number)) and all(isinstance(line, str) and _FIELD.fullmatch(line) for line in fields)


def status(kind: t.Mapping[str, t.Any], arch: str) -> str:
    """A dpkg status that apt takes for that of such a host, without what is never installed from the hosts' packages."""
    stanzas = []
    for name, value in sorted(kind.items()):
        number, *fields = value if isinstance(value, list) else [value]
        if name != REGISTRY_PACKAGE:
            head = [f"Package: {name}", "Status: install ok installed", f"Version: {number}", f"Architecture: {arch}"]
            stanzas.append("\n".join([*head, *fields, "Maintainer: nobody", "Description: installed"]) + "\n")
    return "\n".join(stanzas)


def asked(names: t.Iterable[str], kind: t.Mapping[str, t.Any]) -> list[str]:
    """What a rollout would install or upgrade on such a host: what it lacks by name, and its engine unless that is of another origin."""
    if any(name in kind for name in OTHER_ENGINES):
        return sorted(name for name in set(names) if name not in ENGINE_PACKAGES and (name not in kind or name == REGISTRY_PACKAGE))
    wanted = {name for name in names if name not in kind or name == REGISTRY_PACKAGE or name in ENGINE_PACKAGES}
    return sorted(wanted | {name for name in ENGINE_PACKAGES if name in kind})
