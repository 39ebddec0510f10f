# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports as they arrive at headquarters: found, verified before a byte is parsed, read line by line. Normative text: docs/usage-export.md.

This file is private to the collection.
"""

from __future__ import annotations

import hashlib
import io
import os
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest, copy_hashing
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, MissingError, Problems, TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import open_regular, read_regular
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import SUFFIX, Trust, verify_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import state, wire

_DEPTH = 2  # folders below a source in which exports are looked for
_AGAIN = "copy it from the medium again, or have the site export again"

Record = dict[str, t.Any]


class Parcel(t.NamedTuple):
    """A verified export: ``state`` as read, ``ignored`` names in the folder that are not part of it."""

    folder: str
    manifest: Record
    signer: str
    state: Record
    ignored: list[str]


def find(sources: t.Iterable[str]) -> list[str]:
    """Folders of exports among the sources and up to two levels below them, sorted, each once; links to folders are not followed.

    :raises MissingError: a source is no folder.
    """
    found = set()
    for source in sources:
        if not os.path.isdir(source):
            raise MissingError(f"source {source}", "no such folder", "name the folder of an export, or one that holds some")
        found |= _below(os.path.realpath(source), _DEPTH)
    return sorted(found)


def read(folder: str, trust: Trust) -> Parcel:
    """Verify the export in ``folder``: signature, manifest, signer, size and digest of every file.

    :raises TrustError: not signed by the site it speaks for; nothing was parsed. InputError, IntegrityError, MissingError, Problems: not whole.
    """
    what = f"export {folder}"
    path = os.path.join(folder, wire.NAME)
    data = read_regular(path, wire.MAX_MANIFEST)
    signer = verify_bytes(data, path + SUFFIX, wire.NAMESPACE, trust, what, role="site")
    manifest = wire.load_manifest(data, what)
    if signer != f"site@{manifest['site']}":
        raise TrustError(what, f"speaks for site {manifest['site']} but was signed by {signer}", "ask both sites which of them made it")
    problems = [problem for entry in manifest["files"] for problem in _problems(folder, entry)]
    if problems:
        raise IntegrityError(what, problems[0], _AGAIN) if len(problems) == 1 else Problems(what, problems)
    state_path = os.path.join(folder, wire.STATE)
    found = read_regular(state_path, wire.MAX_STATE)
    if str(Digest.of(found)) != manifest["files"][-1]["digest"]:
        raise IntegrityError(what, f"{wire.STATE} changed while it was read")
    ours = {wire.NAME, wire.NAME + SUFFIX, *(entry["name"] for entry in manifest["files"])}
    ignored = [ascii(name)[1:-1] for name in sorted(os.listdir(folder)) if name not in ours]
    return Parcel(folder, manifest, signer, state.load(found, f"{what}, {wire.STATE}", manifest), ignored)


def lines(parcel: Parcel, name: str) -> t.Iterator[bytes]:
    """Lines of one file of a verified export, one in memory at a time; the last act is to see that its bytes are still those that were verified.

    :raises InputError: a line is too long or does not end; IntegrityError: the file cannot be read, or has changed.
    """
    entry = {item["name"]: item for item in parcel.manifest["files"]}[name]
    what = f"{name} of export {parcel.folder}"
    digest = hashlib.sha256()
    with open_regular(os.path.join(parcel.folder, name)) as raw, io.BufferedReader(t.cast(io.RawIOBase, raw), 1024 * 1024) as stream:
        number = 0
        while True:
            try:
                line = stream.readline(wire.MAX_LINE + 1)
            except OSError as exc:
                raise IntegrityError(what, f"cannot be read ({exc.strerror})", _AGAIN) from exc
            if not line:
                break
            number += 1
            if not line.endswith(b"\n"):
                raise InputError(f"{what}, line {number}", f"more than {wire.MAX_LINE} bytes" if len(line) > wire.MAX_LINE else "cut off", _AGAIN)
            digest.update(line)
            yield line
    if f"sha256:{digest.hexdigest()}" != entry["digest"]:
        raise IntegrityError(what, "changed while it was read", _AGAIN)


def _problems(folder: str, entry: Record) -> list[str]:
    """Why a listed file is not what the manifest says: one line or none."""
    try:
        with open_regular(os.path.join(folder, entry["name"])) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size != entry["size"]:
                return [f"{entry['name']} has {size} bytes instead of {entry['size']}"]
            digest, _size = copy_hashing(stream, None, entry["size"])
    except MissingError:
        return [f"{entry['name']} is missing"]
    except IntegrityError as exc:
        return [f"{entry['name']}: {exc.problem}"]
    except OSError as exc:
        return [f"{entry['name']} cannot be read ({exc.strerror})"]
    return [] if str(digest) == entry["digest"] else [f"{entry['name']} is damaged or altered: its bytes are {digest}"]


def _below(folder: str, depth: int) -> set[str]:
    if os.path.lexists(os.path.join(folder, wire.NAME)):
        return {folder}
    if not depth:
        return set()
    with os.scandir(folder) as entries:
        inner = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")]
    return {path for item in inner for path in _below(item, depth - 1)}
