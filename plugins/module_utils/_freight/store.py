# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content-addressed store: an OCI image layout whose blobs are never changed, only added.

This file is private to the collection.
"""

from __future__ import annotations

import copy
import fcntl
import io
import os
import stat
import tempfile
import typing as t
from contextlib import contextmanager

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import parse, pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest, copy_hashing, digest_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import TEMPORARY_PREFIX, fsync_folder, remove_leftovers, write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings as _holdings

BLOBS = os.path.join("blobs", "sha256")
ASIDE = "damaged"
OCI_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}\n'
SECRET_MODE = 0o600  # licenses, though they are ciphertext
PUBLIC_MODE = 0o644


class Store:
    """The store in the folder ``path``: blobs by digest, ``holdings.json`` for what they are."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)

    def create(self) -> Store:
        """Make the folders; a store that is there stays as it is."""
        os.makedirs(os.path.join(self.path, BLOBS), mode=0o755, exist_ok=True)
        write_bytes(os.path.join(self.path, "oci-layout"), OCI_LAYOUT)
        return self

    # -- blobs ---------------------------------------------------------------------------------------------

    def path_of(self, digest: Digest) -> str:
        """Where the blob lies or would lie."""
        return os.path.join(self.path, BLOBS, digest.hex)

    def has(self, digest: Digest, size: int | None = None) -> bool:
        """Whether the blob is there as a regular file, of ``size`` bytes if given; its bytes are not read."""
        try:
            info = os.lstat(self.path_of(digest))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return stat.S_ISREG(info.st_mode) and (size is None or info.st_size == size)

    def put_stream(
        self,
        stream: t.BinaryIO,
        expected: Digest | None = None,
        size: int | None = None,
        mode: int = PUBLIC_MODE,
        advance: t.Callable[[int], object] | None = None,
        what: str = "",
    ) -> tuple[Digest, int]:
        """Copy ``stream`` into the store, hashing on the way; return (digest, size in bytes).

        :param what: what the blob belongs to, for the error
        :raises IntegrityError: other bytes than ``expected`` and ``size`` say; nothing of them stays.
        """
        with self.writing():
            handle, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=os.path.join(self.path, BLOBS))
            try:
                with os.fdopen(handle, "wb") as target:
                    found = _copy(stream, target, expected, size, advance, what)
                    target.flush()
                    os.fchmod(target.fileno(), mode)
                    os.fsync(target.fileno())
                self._settle(temporary, *found)
            finally:
                if os.path.exists(temporary):
                    os.unlink(temporary)
        return found

    def put_bytes(self, data: bytes, expected: Digest | None = None, mode: int = PUBLIC_MODE, what: str = "") -> Digest:
        """Keep ``data``; return its digest. Raise IntegrityError when it is not ``expected``."""
        digest = Digest.of(data)
        if (expected is None or expected == digest) and self.has(digest, len(data)):
            return digest
        return self.put_stream(io.BytesIO(data), expected, mode=mode, what=what)[0]

    def put_file(self, path: str, expected: Digest | None = None, size: int | None = None, mode: int = PUBLIC_MODE, what: str = "") -> tuple[Digest, int]:
        """Copy the file at ``path``; return (digest, size). A good blob of that digest is not touched."""
        with open(path, "rb", buffering=0) as stream:
            return self.put_stream(t.cast(t.BinaryIO, stream), expected, size, mode, what=what)

    def adopt(self, path: str, expected: Digest, size: int, mode: int = PUBLIC_MODE, what: str = "") -> None:
        """Move the file at ``path`` (same file system) in as a blob after hashing it.

        :raises IntegrityError: it is something else; the file is removed, so that it is fetched again.
        """
        found = digest_file(path)
        if found != (expected, size):
            os.unlink(path)
            raise IntegrityError(_name(expected, what), _difference(found, expected, size), "run again: it is fetched anew")
        with self.writing():
            with open(path, "rb") as stream:
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            self._settle(path, *found)

    def open(self, digest: Digest) -> t.BinaryIO:
        """Open the blob for reading, unbuffered. Raise MissingError when it is not here."""
        try:
            handle = os.open(self.path_of(digest), os.O_RDONLY | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise MissingError(f"blob {digest}", f"not in the store {self.path}", "fetch or receive it again") from exc
        return t.cast(t.BinaryIO, os.fdopen(handle, "rb", buffering=0))

    def read(self, digest: Digest, limit: int) -> bytes:
        """A small blob whole, checked against its digest. Raise InputError when it is larger than ``limit`` bytes."""
        with self.open(digest) as stream:
            if os.fstat(stream.fileno()).st_size > limit:
                raise InputError(f"blob {digest}", f"larger than the {limit} bytes allowed for what it is")
            data = stream.read(limit)
        if Digest.of(data) != digest:
            raise IntegrityError(f"blob {digest}", f"damaged in the store {self.path}", "remove it and fetch or receive it again")
        return data

    def set_aside(self, digest: Digest) -> str:
        """Move a damaged blob to ``damaged/``, so that the next run gets it again; return the new path."""
        folder = os.path.join(self.path, ASIDE)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        target = os.path.join(folder, digest.hex)
        os.replace(self.path_of(digest), target)
        return target

    # -- what the blobs are --------------------------------------------------------------------------------

    def holdings(self) -> dict[str, t.Any]:
        """What ``holdings.json`` says; empty holdings when there is no store yet."""
        path = os.path.join(self.path, "holdings.json")
        try:
            with open(path, "rb") as stream:
                value = parse(stream.read(), path)
        except (FileNotFoundError, NotADirectoryError):
            return _holdings.empty()
        if not isinstance(value, dict) or value.get("format") != _holdings.FORMAT:
            raise InputError(path, f"not holdings of format {_holdings.FORMAT}", "use the collection version that wrote it, or a later one")
        return {**_holdings.empty(), **value}

    @contextmanager
    def changing(self) -> t.Iterator[dict[str, t.Any]]:
        """Give the holdings to change in place, alone; written when the block ends well and they differ.

        ``counter`` grows by one with each change and only then.
        """
        with self.locked("lock"):
            before = self.holdings()
            after = copy.deepcopy(before)
            yield after
            after["counter"] = before["counter"]
            after = _holdings.ordered(after)
            if after != _holdings.ordered(before):
                after["counter"] += 1
            write_bytes(os.path.join(self.path, "oci-layout"), OCI_LAYOUT)
            write_bytes(os.path.join(self.path, "index.json"), pretty(_holdings.index(after["images"])))
            if after["counter"] != before["counter"]:
                write_bytes(os.path.join(self.path, "holdings.json"), pretty(after))

    def lacking(self, holdings: dict[str, t.Any], good: t.Collection[str] = (), bad: t.Collection[str] = ()) -> list[str]:
        """Digests that these holdings name and that cannot be counted on; ``good`` and ``bad`` were read just now."""
        return _holdings.lacking(holdings, lambda digest: self.has(Digest.parse(digest)), good, bad)

    def note_lacking(self, good: t.Collection[str] = (), bad: t.Collection[str] = ()) -> dict[str, t.Any]:
        """Note what is lacking, and return the holdings: with other blobs the counter is another one, too."""
        held = self.holdings()
        if self.lacking(held, good, bad) != held.get("lacking", []):
            with self.changing() as changed:
                _holdings.mark(changed, self.lacking(changed, good, bad))
        return self.holdings()

    def find_image(self, repository: str, tag: str) -> dict[str, t.Any] | None:
        """The image record fetched last under that tag of the repository, or None."""
        return _holdings.find_image(self.holdings(), repository, tag)

    def find_release(self, selector: str, image: str | None = None) -> dict[str, t.Any] | None:
        """The release bound last for the selector (and manifest digest), or None."""
        return _holdings.find_release(self.holdings(), selector, image)

    # -- working in it -------------------------------------------------------------------------------------

    @contextmanager
    def working(self, name: str) -> t.Iterator[str]:
        """Give the folder ``work/<name>`` for half-fetched things that a later run may use; one run at a time.

        :raises InputError: another run holds it.
        """
        folder = os.path.join(self.path, "work", name)
        os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
        with self.locked(os.path.join("work", f"{name}.lock"), wait=False):
            os.makedirs(folder, mode=0o700, exist_ok=True)  # under the lock: who holds it may remove the folder
            self.clean()
            yield folder

    @contextmanager
    def locked(self, name: str, wait: bool = True) -> t.Iterator[None]:
        """Hold ``<store>/<name>`` exclusively (flock: a killed run lets go of it by itself)."""
        handle = os.open(os.path.join(self.path, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError as exc:
                raise InputError(f"store {self.path}", f"another run holds {name}", "wait for it to end") from exc
            yield
        finally:
            os.close(handle)

    def clean(self) -> list[str]:
        """Remove temporary blobs of killed runs, unless somebody writes just now; return their names."""
        handle = self._writers()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return remove_leftovers(os.path.join(self.path, BLOBS))
        except BlockingIOError:
            return []
        finally:
            os.close(handle)

    def sweep(self) -> None:
        """Remove all that killed runs left behind, of blobs and of the files around them."""
        self.clean()
        with self.locked("lock"):
            for folder in (self.path, os.path.join(self.path, "received")):
                if os.path.isdir(folder):
                    remove_leftovers(folder)

    @contextmanager
    def writing(self) -> t.Iterator[None]:
        """Keep ``clean`` from taking temporary blobs away; shared among writers."""
        handle = self._writers()
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield
        finally:
            os.close(handle)

    def _writers(self) -> int:
        try:
            return os.open(os.path.join(self.path, "writers"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError as exc:
            raise MissingError(f"store {self.path}", "no such folder", "create it first") from exc

    def _settle(self, temporary: str, digest: Digest, size: int) -> None:
        """Give a whole temporary file its name, unless a good blob has it already."""
        if self.has(digest, size) and digest_file(self.path_of(digest)) == (digest, size):
            os.unlink(temporary)
            return
        os.replace(temporary, self.path_of(digest))
        fsync_folder(os.path.join(self.path, BLOBS))


def _copy(
    stream: t.BinaryIO, target: t.BinaryIO, expected: Digest | None, size: int | None, advance: t.Callable[[int], object] | None, what: str
) -> tuple[Digest, int]:
    try:
        found = copy_hashing(stream, target, size, advance)
    except IntegrityError as exc:
        raise IntegrityError(_name(expected, what), exc.problem) from exc
    if (expected is not None and found[0] != expected) or (size is not None and found[1] != size):
        raise IntegrityError(_name(expected, what), _difference(found, expected, size))
    return found


def _name(digest: Digest | None, what: str) -> str:
    name = f"blob {digest}" if digest else "blob"
    return f"{name} ({what})" if what else name


def _difference(found: tuple[Digest, int], expected: Digest | None, size: int | None) -> str:
    if size is not None and found[1] != size:
        return f"{found[1]} bytes instead of {size}"
    return f"its bytes are {found[0]}" if expected else "not what was announced"
