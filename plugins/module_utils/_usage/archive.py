# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One archive of what a control node cannot fetch again: gathered, written with a list of hashes, judged before a byte of it is unpacked.

    <name>.tar.gz          the parts below their own names, ``manifest.json`` as the last member
    <name>.manifest.json   the same manifest with the digest of the archive, so that the next backup can tell whether anything changed

This file is private to the collection.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import tarfile
import typing as t
from dataclasses import dataclass

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import canonical, parse, pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import CHUNK, Digest, digest_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import IntegrityError, MissingError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import atomic_file, open_regular, read_regular, write_bytes

FORMAT = 1
KIND = "airgap.azure_ai/backup"
MANIFEST = "manifest.json"
VAULTED = ".vault"  # what a private file's ciphertext is called
PARTS = ("evidence", "ledger/spool", "ledger/closed", "outbox", "store/received", "keys")  # folders taken whole, below the control folder
SINGLE = ("store/holdings.json",)
LEDGER = "ledger/ledger.db"
_PUBLIC = re.compile(r"(?:.*\.pub|allowed_signers|revoked_keys|.*\.krl)")  # of keys/, what anybody may read
_NAME = re.compile(r"[^/\0]+(?:/[^/\0]+)*")
_MAX_MANIFEST = 64 * 1024 * 1024  # bytes
_MAX_SECRET = 1024 * 1024

Record = dict[str, t.Any]
Seal = t.Callable[[bytes], bytes]


@dataclass(frozen=True)
class Item:
    """One file: ``name`` in the archive, ``path`` on this machine, whether it is private."""

    name: str
    path: str
    secret: bool = False


def gather(home: str, ledger_copy: str | None, secrets: bool) -> tuple[list[Item], list[str]]:
    """Files to back up, and what is left out and why, in words. Links and other things that are no files are left out."""
    items = [Item(LEDGER, ledger_copy)] if ledger_copy else []
    notes: list[str] = []
    for name in SINGLE:
        if os.path.isfile(os.path.join(home, name)):
            items.append(Item(name, os.path.join(home, name)))
    for part in PARTS:
        for place, folders, names in os.walk(os.path.join(home, part)):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(place, name)
                inner = os.path.relpath(path, home)
                private = part == "keys" and not _PUBLIC.fullmatch(name)
                if not stat.S_ISREG(os.lstat(path).st_mode):
                    notes.append(f"{inner}: no regular file, left out")
                elif not name.startswith(".airgap-") and (secrets or not private):
                    items.append(Item(inner, path, private))
                elif private:
                    notes.append(f"{inner}: private, left out")
    return items, notes


def manifest_of(items: t.Iterable[Item], about: Record) -> Record:
    """The manifest as it would be written now; ``about`` holds site, heads and the like. Secrets have no digest here: it would help who guesses."""
    files = []
    for item in items:
        state = os.stat(item.path)
        entry: Record = {"name": item.name, "size": state.st_size, "mode": f"{stat.S_IMODE(state.st_mode):04o}"}
        entry.update({"secret": True, "changed": str(state.st_mtime_ns)} if item.secret else {"digest": str(digest_file(item.path)[0])})
        files.append(entry)
    return {"format": FORMAT, "kind": KIND, **about, "files": files}


def newest(dest: str, prefix: str) -> tuple[str, Record] | None:
    """Path and manifest of the last archive in ``dest`` whose sidecar can be read and whose archive is there."""
    names = (
        sorted((name for name in os.listdir(dest) if name.startswith(prefix) and name.endswith(".manifest.json")), reverse=True) if os.path.isdir(dest) else []
    )
    for name in names:
        path = os.path.join(dest, name)
        archive = path[: -len(".manifest.json")] + ".tar.gz"
        try:
            if os.path.isfile(archive):
                return archive, parse(read_regular(path, _MAX_MANIFEST), path)
        except (IntegrityError, MissingError, ValueError):
            continue
    return None


def same(before: Record, now: Record) -> bool:
    """Whether two manifests tell of the same content."""
    dropped = ("created", "archive")
    return canonical({key: value for key, value in before.items() if key not in dropped}) == canonical(
        {key: value for key, value in now.items() if key not in dropped}
    )


def write(path: str, items: t.Sequence[Item], manifest: Record, seal: Seal | None) -> Record:
    """Write the archive and its sidecar, 0600; return the manifest with the archive's digest.

    :param seal: encrypts a private file
    :raises IntegrityError: a file changed while it was read.
    """
    listed = {entry["name"]: entry for entry in manifest["files"]}
    final = []
    with atomic_file(path, 0o600) as stream, tarfile.open(fileobj=stream, mode="w:gz", compresslevel=6) as archive:
        for item in items:
            entry = dict(listed[item.name])
            if item.secret and seal is not None:
                data = seal(read_regular(item.path, _MAX_SECRET))
                entry.update(name=item.name + VAULTED, digest=str(Digest.of(data)), size=len(data), plain=item.name)
                _add(archive, entry["name"], io.BytesIO(data), len(data))
            else:
                _add_file(archive, item, entry)
            final.append(entry)
        data = pretty({**manifest, "files": final})
        _add(archive, MANIFEST, io.BytesIO(data), len(data))
    made = {**manifest, "archive": str(digest_file(path)[0])}
    write_bytes(path[: -len(".tar.gz")] + ".manifest.json", pretty(made), 0o600)
    return made


def _add_file(archive: tarfile.TarFile, item: Item, entry: Record) -> None:
    with open_regular(item.path) as source:
        reader = _Hashing(source)
        _add(archive, item.name, reader, entry["size"])
    if reader.digest() != entry["digest"]:
        raise IntegrityError(item.path, "changed while it was copied", "run again")


def _add(archive: tarfile.TarFile, name: str, stream: t.Any, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    archive.addfile(member, stream)


class _Hashing:
    """A file that remembers the hash of what was read of it."""

    def __init__(self, stream: t.BinaryIO) -> None:
        self._stream, self._state = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read and hash."""
        data = b""
        while len(data) < size:
            part = self._stream.read(size - len(data))
            if not part:
                break
            data += part
        self._state.update(data)
        return data

    def digest(self) -> str:
        """Of everything read so far."""
        return f"sha256:{self._state.hexdigest()}"


def unpack(path: str, folder: str) -> Record:
    """Unpack an archive into an empty folder, every file 0600, and hold each against the manifest; return it.

    :raises IntegrityError, MissingError, Problems: it is damaged, holds what no backup holds, or is none.
    """
    what = f"backup {path}"
    seen: dict[str, tuple[str, int]] = {}
    data = b""
    try:
        with open_regular(path) as raw, tarfile.open(fileobj=io.BufferedReader(t.cast(io.RawIOBase, raw), CHUNK), mode="r|gz") as archive:
            for member in archive:
                if not member.isreg() or not is_fit(member.name) or member.name in seen:
                    raise IntegrityError(what, f"holds {ascii(member.name)[:80]}, which no backup holds")
                source = t.cast(t.IO[bytes], archive.extractfile(member))
                if member.name == MANIFEST:
                    data = source.read(_MAX_MANIFEST)
                    continue
                seen[member.name] = _take(source, os.path.join(folder, member.name))
    except (tarfile.TarError, EOFError, OSError) as exc:
        raise IntegrityError(what, f"cannot be read to its end ({exc})"[:200], "fetch it again from where backups are kept") from exc
    if not data:
        raise IntegrityError(what, "holds no manifest", "it is no backup of this collection, or cut off")
    manifest = parse(data, f"{what}, {MANIFEST}", _MAX_MANIFEST)
    if not isinstance(manifest, dict) or (manifest.get("format"), manifest.get("kind")) != (FORMAT, KIND) or not isinstance(manifest.get("files"), list):
        raise IntegrityError(what, f"no backup of format {FORMAT}")
    listed = {entry["name"]: (entry["digest"], entry["size"]) for entry in manifest["files"]}
    problems = [f"{name} is {'missing' if name not in seen else 'damaged'}" for name in sorted(listed) if seen.get(name) != listed[name]]
    problems += [f"{name} is not in its manifest" for name in sorted(seen.keys() - listed.keys())]
    if problems:
        raise Problems(what, problems)
    return manifest


def is_fit(name: str) -> bool:
    """Whether an archive may hold a file of this name."""
    parts = name.split("/")
    inside = name in (MANIFEST, LEDGER, *SINGLE) or name.startswith(tuple(f"{part}/" for part in PARTS))
    return inside and _NAME.fullmatch(name) is not None and not {".", "..", ""} & set(parts)


def _take(source: t.IO[bytes], path: str) -> tuple[str, int]:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    state, size = hashlib.sha256(), 0
    with open(path, "xb") as target:
        os.fchmod(target.fileno(), 0o600)
        while True:
            data = source.read(CHUNK)
            if not data:
                break
            state.update(data)
            size += len(data)
            target.write(data)
    return f"sha256:{state.hexdigest()}", size
