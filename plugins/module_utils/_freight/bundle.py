# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build a bundle folder out of the store: blobs linked where possible, all of them read once, signed.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import MAX_BYTES, parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest, copy_hashing
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import TEMPORARY_PREFIX, flush_files, fsync_folder, read_regular
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import SUFFIX, fingerprint, sign_file, signed_by
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import control, countersign, delta, kits, room, shape, verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings as _holdings
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import manifest as _manifest
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import BLOBS, OCI_LAYOUT, PUBLIC_MODE, SECRET_MODE, Store
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.verified import Verified

MAX_RECEIPT = 16 * 1024 * 1024
PUBLIC = ".pub"
_KEYS = (b"ssh-", b"ecdsa-", b"sk-")  # how an OpenSSH public key begins

Record = dict[str, t.Any]
Advance = t.Optional[t.Callable[[int], object]]


class Bundles:
    """The folder ``bundles/`` of a builder: ``<site>-<sequence>/`` and ``<site>.json``, the manifest built last."""

    def __init__(self, path: str, store: Store) -> None:
        self.path = os.path.abspath(path)
        self._store = store

    def last(self, site: str) -> Record | None:
        """The manifest built last for the site, or None."""
        path = os.path.join(self.path, f"{site}.json")
        try:
            with open(path, "rb") as stream:
                value = parse(stream.read(), path)
        except FileNotFoundError:
            return None
        if not isinstance(value, dict) or not isinstance(value.get("sequence"), int) or not isinstance(value.get("blobs"), list):
            raise InputError(path, "not the manifest built last", "put it back from a backup; without it the site would refuse the next sequence")
        return value

    def kept(self, site: str) -> list[Record]:
        """Manifests of the site's bundles whose folders are still here, newest first; what cannot be read is left out."""
        found = []
        for name in os.listdir(self.path) if os.path.isdir(self.path) else ():
            start, _dash, number = name.rpartition("-")
            if start == site and number.isdigit():
                with contextlib.suppress(AirgapError, OSError):
                    value = parse(read_regular(os.path.join(self.path, name, verify.NAME), MAX_BYTES), name)
                    if not shape.validate(value) and value["site"] == site:
                        found.append(value)
        return sorted(found, key=lambda value: t.cast(int, value["sequence"]), reverse=True)

    def next_sequence(self, site: str, last: Record | None) -> int:
        """One more than the highest sequence that the folder or the store remembers."""
        remembered = self._store.holdings()["bundles"].get(site, {}).get("sequence", 0)
        return max(remembered, last["sequence"] if last else 0) + 1

    def folder(self, manifest: Record) -> str:
        """Where the bundle of a manifest lies."""
        return os.path.join(self.path, f"{manifest['site']}-{manifest['sequence']}")

    def reason(self, wanted: Record, last: Record | None, key: str, kit: str | None = None) -> str | None:
        """Why a bundle has to be built, or None when the last one will do.

        :param kit: folder of the control kit that it has to bring
        """
        if last is None:
            return "no bundle was built for this site yet"
        if not _manifest.same_contents(wanted, last):
            return "the contents have changed"
        if not delta.serves(last, wanted):
            return "the last bundle leaves out more than the site holds"
        if wanted["format"] < last["format"]:
            return f"format {wanted['format']} is wanted, the last bundle has {last['format']}"
        folder = self.folder(last)
        if not os.path.isdir(folder):
            return f"{folder} is gone"
        try:
            same = read_regular(os.path.join(folder, verify.NAME), MAX_BYTES) == _manifest.encoded(last)
        except AirgapError:
            same = False
        problems = verify.tree_problems(folder, last, kits.own(folder)) if same else [f"{verify.NAME} is not the manifest built last"]
        if problems:
            return f"{folder} is damaged: {problems[0]}"
        if signed_by(_manifest.encoded(last), os.path.join(folder, verify.NAME + SUFFIX), verify.NAMESPACE) != fingerprint(key):
            return f"{folder} is not signed by {key}"
        return kits.reason(kit, folder) if kit else None

    def brought(self, site: str, received: Record | None, kit: str) -> bool:
        """Whether the control kit in the folder ``kit`` came with a bundle that the site has taken in and whose folder is still here."""
        if not received:
            return False
        folder = os.path.join(self.path, f"{site}-{received['sequence']}")
        before, wanted = kits.own(folder).record, kits.own(kit).record
        if not before or not wanted or before["id"] != wanted["id"]:
            return False
        try:
            manifest = parse(read_regular(os.path.join(folder, verify.NAME), MAX_BYTES), folder)
        except AirgapError:  # a folder that somebody thinned out: then the kit goes along once more
            return False
        return isinstance(manifest, dict) and manifest.get("id") == received["id"]

    def serves(self, wanted: Record, last: Record | None) -> bool:
        """Whether the bundle built last needs no other number: its folder may have to be made again all the same."""
        return last is not None and delta.serves(last, wanted) and wanted["format"] >= last["format"]

    def unsigned(self, manifest: Record, kit: str | None) -> list[str]:
        """Names of further signatures that a folder made anew will lack, as they are of other bytes."""
        return [name for name, stands in countersign.standing(self.folder(manifest), self._signed(manifest, kit)).items() if not stands]

    def build(self, manifest: Record, key: str, advance: Advance = None, full: bool = False, kit: str | None = None) -> str:
        """Make, sign and name the folder of ``manifest``; return its path. A folder of that name is replaced.

        :param full: read blobs again that were found good before
        :param kit: folder of the control kit that it brings
        :raises IntegrityError, Problems: blobs of the store are damaged; they are set aside there, nothing is built.
        """
        target = self.folder(manifest)
        temporary = os.path.join(self.path, f"{TEMPORARY_PREFIX}{os.path.basename(target)}")
        note = temporary + ".json"
        with self._alone(), room.told(f"bundles folder {self.path}"):
            self._sweep()
            self._store.sweep()
            try:
                os.makedirs(os.path.join(temporary, BLOBS))
                self._room(manifest)
                copies = self._lay_blobs(temporary, manifest, advance, full)
                if kit:
                    kits.lay(kit, temporary)
                written = self._lay_files(temporary, manifest, key)
                written += countersign.carry(target, temporary, self._signed(manifest, kit))
                shutil.copy(written[0], note)
                # At once: a flush for each costs more than the rest.
                flush_files([*copies, *written, note, os.path.join(temporary, BLOBS), temporary])
                _remove(target)
                os.rename(temporary, target)
                os.replace(note, os.path.join(self.path, f"{manifest['site']}.json"))
                fsync_folder(self.path)
            finally:
                _remove(temporary)
                _remove(note)
        self.remember(manifest)
        return target

    def remember(self, manifest: Record) -> None:
        """Let the store know the number too, in case this folder gets lost."""
        with self._store.changing() as held:
            held["bundles"][manifest["site"]] = {"sequence": manifest["sequence"], "id": manifest["id"]}

    @staticmethod
    def _signed(manifest: Record, kit: str | None) -> dict[str, bytes]:
        """The bytes of what others sign as well, by name."""
        found = {verify.NAME: _manifest.encoded(manifest)}
        with contextlib.suppress(AirgapError):
            if kit:
                found[control.NAME] = read_regular(os.path.join(kit, control.NAME), control.MAX_MANIFEST)
        return found

    def _sweep(self) -> None:
        """Remove what killed runs left behind; the lock is ours."""
        for name in os.listdir(self.path):
            if name.startswith(TEMPORARY_PREFIX):
                _remove(os.path.join(self.path, name))

    def _room(self, manifest: Record) -> None:
        """Blobs need room only where they cannot be linked."""
        if os.stat(self.path).st_dev == os.stat(self._store.path).st_dev:
            return
        room.check(f"bundles folder {self.path}", self.path, sum(size for _digest, size, _kind in _manifest.carried(manifest)))

    def _lay_files(self, folder: str, manifest: Record, key: str) -> list[str]:
        """Everything but the blobs, signed; returns the paths, that of the manifest first. Nobody looks at the folder before it has its name."""
        path = os.path.join(folder, verify.NAME)
        files = {verify.NAME: _manifest.encoded(manifest), "index.json": _manifest.index_bytes(manifest), "oci-layout": OCI_LAYOUT}
        for name, data in files.items():
            with open(os.path.join(folder, name), "xb") as stream:
                os.fchmod(stream.fileno(), PUBLIC_MODE)
                stream.write(data)
        return [*(os.path.join(folder, name) for name in files), sign_file(path, key, verify.NAMESPACE)]

    def _lay_blobs(self, folder: str, manifest: Record, advance: Advance, full: bool) -> list[str]:
        """Link or copy the blobs; returns the paths of copies."""
        whose = _holdings.owners(manifest)
        step = verify.together(advance)
        verified = Verified(self._store, full)
        copies: list[str] = []

        def lay(item: tuple[Digest, int, str]) -> AirgapError | None:
            digest = item[0]
            try:
                copies.extend(_lay(self._store, folder, item, verified, step))
            except IntegrityError as exc:
                aside = self._store.set_aside(digest)
                return IntegrityError(f"blob {digest} ({whose[str(digest)]})", f"damaged in the store: {exc.problem}", f"set aside as {aside}; fetch again")
            except AirgapError as exc:
                return exc
            return None

        items = list(_manifest.carried(manifest))
        known = {item: None for item in items if verified.knows(item[0], item[1])}
        unread = [item for item in items if item not in known]
        try:
            # Of many sites' bundles most blobs have been read for the first: to link those is quicker than to hand them to threads.
            errors = [error for error in [*map(lay, known), *(verify.parallel(lay, unread) if unread else ())] if error]
        finally:
            verified.save()
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise Problems(f"store {self._store.path}", [str(error) for error in errors])
        return copies

    @contextlib.contextmanager
    def _alone(self) -> t.Iterator[None]:
        os.makedirs(self.path, exist_ok=True)
        handle = os.open(os.path.join(self.path, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def receipts(store: Store, paths: t.Sequence[str], keep: bool) -> list[Record]:
    """Records of the receipt files at ``paths`` and their signatures; kept as blobs if ``keep``.

    A public key (``.pub``) has none of its own: the bundle's vouches for it.
    """
    records = []
    for path in sorted({name for base in paths for name in ((base,) if base.endswith(PUBLIC) else (base, base + SUFFIX))}):
        data = read_regular(path, MAX_RECEIPT)
        if path.endswith(PUBLIC) and not data.startswith(_KEYS):
            raise InputError(f"key {path}"[:200], "not an OpenSSH public key", "lay the .pub file there that ssh-keygen made, and never the private one")
        digest = store.put_bytes(data, what=f"receipt {path}") if keep else Digest.of(data)
        records.append({"name": os.path.basename(path), "digest": str(digest), "size": len(data)})
    return records


def _lay(store: Store, folder: str, item: tuple[Digest, int, str], verified: Verified, advance: Advance) -> list[str]:
    """Link the blob, and read it unless it is known as good; copy it, hashing on the way, where links are not to be had. Returns copies made."""
    digest, size, kind = item
    target = verify.blob_path(folder, digest)
    if verified.knows(digest, size):
        with contextlib.suppress(OSError):
            os.link(store.path_of(digest), target)
            if advance:
                advance(size)
            return []
    with store.open(digest) as source:
        try:
            os.link(store.path_of(digest), target)
        except OSError:
            with open(target, "xb") as copy:
                os.fchmod(copy.fileno(), SECRET_MODE if kind == "license" else PUBLIC_MODE)
                _compare(copy_hashing(source, copy, size, advance), digest, size)
            return [target]
    problem = verified.problem(digest, size, advance)
    if problem:
        raise IntegrityError(f"blob {digest}", problem)
    return []


def _compare(found: tuple[Digest, int], digest: Digest, size: int) -> None:
    if found != (digest, size):
        raise IntegrityError(f"blob {digest}", f"{found[1]} of {size} bytes" if found[1] != size else f"its bytes are {found[0]}")


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
