# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control kit that travels in a bundle's folder or on a part: files at fixed names, and its files among the blobs.

It has a signature of its own, so it is judged apart from ``bundle.json``, and before a byte of it is parsed.
The normative description is docs/control-kit.md. This file is private to the collection.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest, copy_hashing
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, MissingError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import atomic_file, open_regular, read_regular, write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import SUFFIX, Trust, verify_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import control, countersign, shape
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import BLOBS

FILES = (control.NAME, control.NAME + SUFFIX, "install.sh")
WHAT = "control kit"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~%-]{0,199}")

Record = dict[str, t.Any]
_RECORD: dict[str, shape.Check] = {
    "format": lambda value: value == control.FORMAT and value is not True,
    "kind": lambda value: value == control.KIND,
    "id": shape.is_digest,
    "version": shape.matches(_NAME),
    "created": shape.is_text,
    "collection": shape.matches(_NAME),
    "target": lambda value: isinstance(value, dict) and sorted(value) == ["arch", "os", "python"] and all(map(shape.is_text, value.values())),
    "install": lambda value: not shape.record(value, {"digest": shape.is_digest, "size": shape.number(control.MAX_SCRIPT)}, "install"),
    "files": lambda value: isinstance(value, list) and len(value) <= shape.MAX_RECORDS,
}
_FILE: dict[str, shape.Check] = {
    "kind": lambda value: value in ("installer", "wheel", "collection", "package"),
    "name": shape.matches(_NAME),
    "version": shape.is_text,
    "filename": shape.matches(_NAME),
    "digest": shape.is_digest,
    "size": shape.number(shape.MAX_BLOB),
    "requested": lambda value: isinstance(value, bool),
}


class Found(t.NamedTuple):
    """The kit beside a bundle: its manifest and who signed it, or what is wrong with it; nothing where there is none."""

    record: t.Optional[Record] = None
    problem: str = ""
    signer: str = ""

    @property
    def sizes(self) -> dict[str, int]:
        """Digest to size of its files."""
        return {entry["digest"]: entry["size"] for entry in self.record["files"]} if self.record else {}


NONE = Found()


def is_name(name: str) -> bool:
    """Whether a file of that name belongs to a kit: those above, and further signatures of its manifest."""
    return name in FILES or countersign.is_name(name, control.NAME)


def look(path: str, trust: Trust) -> Found:
    """Judge the kit in the folder ``path`` by its signature and its form."""
    if not present(path):
        return NONE
    try:
        record, signer = _judged(path, trust)
        return Found(record, signer=signer)
    except AirgapError as exc:
        return Found(problem=str(exc))


def own(path: str) -> Found:
    """The kit in a folder that this machine laid down itself: nothing is verified."""
    return Found(control.read(path))


def present(path: str) -> list[str]:
    """Names of a kit's files that lie in the folder."""
    return [name for name in FILES if os.path.lexists(os.path.join(path, name))]


def blob_problems(path: str, found: Found, advance: t.Optional[t.Callable[[int], object]] = None) -> list[str]:
    """Read every file of the kit; name each whose bytes are not what ``control.json`` says."""
    problems = []
    for entry in found.record["files"] if found.record else []:
        try:
            with open_regular(_blob(path, entry["digest"])) as stream:
                read, size = copy_hashing(stream, None, entry["size"], advance)
            if (str(read), size) != (entry["digest"], entry["size"]):
                problems.append(f"{entry['filename']} of the {WHAT} is damaged")
        except MissingError:
            continue  # verify.tree_problems names it
        except IntegrityError as exc:
            problems.append(f"{entry['filename']} of the {WHAT}: {exc.problem}")
    return problems


def reason(kit: str, folder: str) -> str | None:
    """Why the kit in the folder ``kit`` has to be laid into the bundle's ``folder``, or None."""
    for name in FILES:
        try:
            if read_regular(os.path.join(folder, name), control.MAX_MANIFEST) != read_regular(os.path.join(kit, name), control.MAX_MANIFEST):
                return "its control kit has changed"
        except AirgapError:
            return "the control kit is not in it yet"
    return None


def lay(kit: str, folder: str) -> None:
    """Put the kit in the folder ``kit`` into a bundle's ``folder``: hard links where the file system can; blobs that are there already serve both.

    :raises AirgapError: there is no kit, or it is damaged.
    """
    record = control.read(kit)
    if record is None:
        raise MissingError(f"{WHAT} {kit}", f"has no {control.NAME} that can be read", "make it with airgap.azure_ai.control_kit")
    for entry in record["files"]:
        target = _blob(folder, entry["digest"])
        if not os.path.lexists(target):
            _link(_blob(kit, entry["digest"]), target, entry)
    for name in FILES:
        data = read_regular(os.path.join(kit, name), control.MAX_MANIFEST)
        write_bytes(os.path.join(folder, name), data, 0o755 if name == "install.sh" else 0o644)


def _link(source: str, target: str, entry: Record) -> None:
    try:
        os.link(source, target)
    except OSError:
        with open_regular(source) as stream, atomic_file(target) as copy:
            if copy_hashing(stream, copy, entry["size"]) != (Digest.parse(entry["digest"]), entry["size"]):
                raise IntegrityError(f"{entry['filename']} of the {WHAT}", f"damaged at {source}", "remove the kit's folder and run again") from None


def news(path: str, found: Found, trust: Trust) -> Record:
    """What a site is told of the kit that came: {version, in_use, newer, command}; empty where none came.

    :param trust: gives the signers file and the number of signatures for the line to type
    """
    if not found.record:
        return {}
    used = control.read(sys.prefix)  # an installed kit is a Python environment with its manifest in it
    newer = used is None or (found.record["id"] != used["id"] and found.record["created"] > used["created"])
    options: tuple[str, ...] = ("--revoked", shlex.quote(trust.revoked_keys)) if trust.revoked_keys else ()
    options += ("--signatures", str(trust.signatures)) if trust.signatures > 1 else ()
    command = f"cd {shlex.quote(path)} && {control.command(found.signer, shlex.quote(trust.allowed_signers), options)}"
    return {"version": found.record["version"], "in_use": used["version"] if used else "", "newer": newer, "command": command}


def _judged(path: str, trust: Trust) -> tuple[Record, str]:
    missing = [name for name in FILES if name not in present(path)]
    if missing:
        raise IntegrityError(WHAT, f"{' and '.join(missing)} missing", "copy it from the medium again")
    manifest = os.path.join(path, control.NAME)
    data = read_regular(manifest, control.MAX_MANIFEST)
    what = f"{WHAT} in {path}"
    signer = verify_bytes(data, manifest + SUFFIX, control.NAMESPACE, trust, what, role="builder")
    countersign.check(manifest, data, control.NAMESPACE, trust, signer, what)
    record = parse(data, WHAT, control.MAX_MANIFEST)
    if isinstance(record, dict) and isinstance(record.get("format"), int) and record["format"] > control.FORMAT:
        raise InputError(WHAT, f"has format {record['format']}, this collection reads {control.FORMAT}", "install it first: docs/control-kit.md")
    problems = shape.record(record, _RECORD, "") or [
        problem for index, entry in enumerate(record["files"]) for problem in shape.record(entry, _FILE, f"files[{index}]")
    ]
    if problems:
        raise Problems(WHAT, problems[: shape.MAX_PROBLEMS])
    script = read_regular(os.path.join(path, "install.sh"), control.MAX_SCRIPT)
    if str(Digest.of(script)) != record["install"]["digest"]:
        raise IntegrityError(WHAT, "install.sh is not the one that control.json names", "copy it from the medium again")
    return record, signer


def _blob(folder: str, digest: str) -> str:
    return os.path.join(folder, BLOBS, Digest.parse(digest).hex)
