# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Split a built bundle into parts, a folder for each medium; a part that is made again has the same bytes.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import MAX_BYTES, parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest, digest_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, MissingError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import make_folder, read_regular, remove_leftovers
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import SUFFIX, fingerprint, sign_file, signed_by
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import control, kits, label, medium, parts, parts_shape, room, shape, verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import PUBLIC_MODE, SECRET_MODE, Store

Record = dict[str, t.Any]
Told = t.Callable[[str, int], t.Callable[[int], object]]  # begins a piece of work of so many bytes


@dataclass(frozen=True)
class Source:
    """A bundle that can be split.

    :param files: the files at fixed names, by name
    :param paths: where each carried blob and each file of the control kit is read, by digest
    :param signer: fingerprint of the key that signed it
    :param kit: the control kit that lies in its folder
    :param store: the builder's; a damaged blob of it is set aside there
    """

    manifest: Record
    files: dict[str, bytes]
    paths: dict[str, str]
    signer: str
    kit: kits.Found = kits.NONE
    store: Store | None = None

    @property
    def sizes(self) -> list[tuple[Digest, int]]:
        """(digest, size) of the blobs that the bundle carries."""
        return [(Digest.parse(blob["digest"]), blob["size"]) for blob in self.manifest["blobs"] if blob["digest"] in self.paths]

    @property
    def pinned(self) -> dict[Digest, int]:
        """Digest to size of the control kit's files, which stay together."""
        return {Digest.parse(digest): size for digest, size in self.kit.sizes.items()}

    @property
    def fixed(self) -> list[Record]:
        """{file, digest, size} of the files at fixed names."""
        return [{"file": name, "digest": str(Digest.of(data)), "size": len(data)} for name, data in self.files.items()]


def source(path: str, key: str, store: Store | None = None, with_kit: bool = True) -> Source:
    """Look at the bundle in the folder ``path``; blobs that are gone from it may come from the store.

    :param with_kit: whether the control kit in that folder goes on the parts too
    :raises InputError, Problems: it was signed by another key, or is not whole.
    """
    what = f"bundle {path}"
    if not os.path.isdir(path):
        raise MissingError(what, "no such folder", "build it again with airgap.azure_ai.bundle")
    data = read_regular(os.path.join(path, verify.NAME), MAX_BYTES)
    signer = fingerprint(key)
    if signed_by(data, os.path.join(path, verify.NAME + SUFFIX), verify.NAMESPACE) != signer:
        raise InputError(what, f"not signed by {key}", "build it again, or split it with the key that signed it")
    manifest = parse(data, what)
    problems = shape.validate(manifest)
    if problems:
        raise Problems(what, problems)
    kit = kits.own(path) if with_kit else kits.NONE
    wanted = {blob["digest"]: blob["size"] for blob in manifest["blobs"] if blob.get("carried", True)} | kit.sizes
    paths = {digest: _where(path, store, digest, size) for digest, size in wanted.items()}
    missing = [f"blob {digest} is missing or cut short" for digest, found in paths.items() if not found]
    names = [name for name in sorted(os.listdir(path)) if parts_shape.is_fixed(name) and (kit.record or not kits.is_name(name))]
    files = {name: read_regular(os.path.join(path, name), parts_shape.MAX_FIXED) for name in names}
    missing += [f"{name} is missing" for name in verify.NEEDED if name not in files]
    if missing:
        raise Problems(what, missing)
    return Source(manifest, files, paths, signer, kit, store)


class Split:
    """The parts of one bundle in the folder ``dest``: ``<bundle>-part-01-of-05/`` and so on, and the list ``<bundle>-parts.json``."""

    def __init__(self, origin: Source, dest: str, key: str, part_size: int, classification: str = "", signer: str = control.UNKNOWN) -> None:
        """Plan the parts.

        :param signer: principal that the label tells to verify the control kit by
        """
        self._source = origin
        self._dest = os.path.abspath(dest)
        self._key = key
        self._classification = classification
        self._signer = signer
        self._secrets = {blob["digest"] for blob in origin.manifest["blobs"] if blob["kind"] == "license"}
        kit, sizes = origin.pinned, {**origin.pinned, **dict(origin.sizes)}
        space = parts.room(part_size, sum(entry["size"] for entry in origin.fixed), list(sizes.items()))
        self.listed = parts.document(origin.manifest, part_size, origin.fixed, parts.plan(origin.sizes, space, kit=kit), kit)
        self._list = os.path.join(self._dest, f"{parts.name(self.listed)}-{medium.LIST}")
        kept = self._kept()
        self.settled = kept is not None
        self.listed = kept or self.listed

    @property
    def numbers(self) -> list[int]:
        """Numbers of all parts."""
        return [part["number"] for part in self.listed["parts"]]

    def folder(self, number: int) -> str:
        """Where a part lies or would lie."""
        return os.path.join(self._dest, parts.folder(self.listed, number))

    def label_of(self, number: int) -> str:
        """The label of a part as text."""
        return label.text(self._facts(number))

    def reason(self, number: int, full: bool = False) -> str | None:
        """Why the part has to be made, or None. ``full`` reads every byte of it."""
        folder = self.folder(number)
        if not os.path.isdir(folder):
            return f"{os.path.basename(folder)} is not there"
        if not self.settled:
            return "the list of parts is new"
        tree = medium.Tree(folder)
        for name, data in self._small(number).items():
            if tree.size(name) != len(data) or read_regular(tree.find(name), len(data)) != data:
                return f"{name} is missing or not the same"
        for piece in self._pieces(number):
            if tree.size(piece["file"]) != piece["size"] or (full and not _good(tree.find(piece["file"]), piece, None)):
                return f"{piece['file']} is missing or damaged"
        wanted = {piece["file"] for piece in self._pieces(number)}
        stale = [name for name in tree.files if name.startswith("blobs/") and name not in wanted]
        return f"{stale[0]} is not of this part" if stale else None

    def stale(self) -> list[str]:
        """Folders of the same bundle, split another way before: nobody should carry them."""
        ours = {os.path.basename(self.folder(number)) for number in self.numbers}
        named = re.compile(re.escape(parts.name(self.listed)) + r"-part-[0-9]+-of-[0-9]+")
        names = os.listdir(self._dest) if os.path.isdir(self._dest) else []
        return sorted(name for name in names if named.fullmatch(name) and name not in ours)

    def make(self, numbers: t.Sequence[int], told: Told) -> None:
        """Make the parts. What a run that was cut off had finished stays.

        :raises IntegrityError: a blob of the bundle is damaged.
        """
        make_folder(self._dest)
        with medium.alone(self._dest, wait=True), room.told(f"folder {self._dest}"):
            remove_leftovers(self._dest)
            room.check(f"folder {self._dest}", self._dest, self._needed(numbers))
            self._settle(told)
            for number in numbers:
                advance = told(f"part {number} of {len(self.numbers)}", self.listed["parts"][number - 1]["bytes"])
                self._make(number, advance)

    def _make(self, number: int, advance: t.Callable[[int], object]) -> None:
        folder = self.folder(number)
        os.makedirs(folder, exist_ok=True)
        self._clear(folder, number)
        for piece in self._pieces(number):
            target = os.path.join(folder, piece["file"])
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if not (os.path.lexists(target) and _good(target, piece, advance)):
                self._place(target, piece, advance)
        for name, data in self._small(number).items():  # part.json is the last: without it, the part is not finished
            medium.put(os.path.join(folder, name), data)

    def _clear(self, folder: str, number: int) -> None:
        """Take away part.json until the part is whole, temporary files, and pieces that belong elsewhere."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, medium.PART))
        remove_leftovers(folder)
        wanted = {piece["file"] for piece in self._pieces(number)}
        tree = medium.Tree(folder)
        for name in [*tree.files, *tree.others]:
            if name.startswith("blobs/") and name not in wanted:
                os.unlink(os.path.join(folder, name))

    def _place(self, target: str, piece: Record, advance: t.Callable[[int], object]) -> None:
        origin = self._source.paths[piece["blob"]]
        with contextlib.suppress(FileNotFoundError):
            os.unlink(target)
        if self._one(piece):
            with contextlib.suppress(OSError):
                os.link(origin, target)
                if _good(target, piece, advance):
                    return
                os.unlink(target)
                raise self._damaged(piece["blob"])
        with medium.whole_file(target, SECRET_MODE if piece["blob"] in self._secrets else PUBLIC_MODE) as stream:
            found = medium.read_span(origin, piece["offset"], piece["size"], stream, advance)
            if str(found) != piece["digest"]:
                raise self._damaged(piece["blob"])

    def _settle(self, told: Told) -> None:
        """Hash the chunks, each blob whole on the way, and sign the list."""
        if not self.settled:
            self.listed = parts.fill(self.listed, self._chunks(told))
            medium.put(self._list, parts.encoded(self.listed))
            self.settled = True
        if signed_by(parts.encoded(self.listed), self._list + SUFFIX, verify.NAMESPACE) != self._source.signer:
            sign_file(self._list, self._key, verify.NAMESPACE)

    def _chunks(self, told: Told) -> dict[tuple[str, int], str]:
        split = {blob: pieces for blob, pieces in parts.by_blob(self.listed).items() if len(pieces) > 1}
        advance = verify.together(told("hashing what is cut", sum(piece["size"] for pieces in split.values() for piece in pieces))) if split else None

        def hashed(item: tuple[str, list[Record]]) -> tuple[str, list[Record], list[Digest]]:
            blob, pieces = item
            whole, chunks = medium.hash_chunks(self._source.paths[blob], [piece["size"] for piece in pieces], advance)
            if str(whole) != blob:
                raise self._damaged(blob)
            return blob, pieces, chunks

        found = verify.parallel(hashed, sorted(split.items()))
        return {parts.place(piece): str(chunk) for _blob, pieces, chunks in found for piece, chunk in zip(pieces, chunks)}

    def _damaged(self, blob: str) -> IntegrityError:
        path, whose = self._source.paths[blob], f"blob {blob}"
        problem = f"damaged at {path}"
        advice = "run airgap.azure_ai.bundle, which fetches it again and makes the bundle whole, then split again"
        if blob in self._source.kit.sizes:
            advice = f"remove the control kit's folder beside the bundle, {advice}"
        store = self._source.store
        if store is None:
            return IntegrityError(whose, problem, "name the store too, so that the same file is set aside there, and split again")
        held = store.path_of(Digest.parse(blob))
        same = os.path.exists(held) and os.path.samefile(path, held)
        if not same and _whole(held, blob):
            return IntegrityError(whose, problem, "remove that file and split again: the store has it whole")
        if os.path.lexists(held):
            problem += f", and in the store, where it was set aside as {store.set_aside(Digest.parse(blob))}"
        if same and os.path.lexists(path):
            os.unlink(path)  # the very file that was set aside; while it lay here, the bundle would pass for whole and never be made again
        return IntegrityError(whose, problem, advice if same else f"remove that file and {advice}")

    def _kept(self) -> Record | None:
        """The list of an earlier run, if it says what this one would."""
        try:
            data = read_regular(self._list, MAX_BYTES)
            kept = parts_shape.load(data, self._list)
        except AirgapError:
            return None
        same = parts.open_list(kept) == parts.open_list(self.listed) and parts.encoded(kept) == data
        signed = same and signed_by(data, self._list + SUFFIX, verify.NAMESPACE) == self._source.signer
        return kept if signed else None

    def _small(self, number: int) -> dict[str, bytes]:
        """Every file of the part that is no piece, in the order of writing."""
        listed = {medium.LIST: parts.encoded(self.listed), medium.LIST + SUFFIX: read_regular(self._list + SUFFIX, MAX_BYTES)}
        facts = self._facts(number)
        labels = dict(zip(medium.LABELS, (label.text(facts).encode(), label.html(facts).encode())))
        return {**self._source.files, **labels, **listed, medium.PART: parts.part_bytes(self.listed, number)}

    def _facts(self, number: int) -> label.Facts:
        return label.Facts(self._source.manifest, self.listed, number, self._source.signer, self._classification, self._source.kit.record, self._signer)

    def _pieces(self, number: int) -> list[Record]:
        return t.cast("list[Record]", self.listed["parts"][number - 1]["pieces"])

    def _one(self, piece: Record) -> bool:
        return bool(piece["digest"] == piece["blob"])

    def _needed(self, numbers: t.Sequence[int]) -> int:
        """Bytes to be written: what can be linked needs none."""
        device = os.stat(self._dest).st_dev
        linked = {digest for digest, path in self._source.paths.items() if os.stat(path).st_dev == device}
        pieces = [piece for number in numbers for piece in self._pieces(number) if not os.path.exists(os.path.join(self.folder(number), piece["file"]))]
        return sum(piece["size"] for piece in pieces if not (self._one(piece) and piece["blob"] in linked))


def _where(path: str, store: Store | None, name: str, size: int) -> str:
    """Path of a blob of the right size, or an empty string."""
    digest = Digest.parse(name)
    for candidate in (verify.blob_path(path, digest), store.path_of(digest) if store else ""):
        if candidate and os.path.isfile(candidate) and not os.path.islink(candidate) and os.path.getsize(candidate) == size:
            return candidate
    return ""


def _whole(path: str, blob: str) -> bool:
    """Whether the file at ``path`` is the blob, byte for byte."""
    try:
        return str(digest_file(path)[0]) == blob
    except OSError:
        return False


def _good(path: str, piece: Record, advance: t.Callable[[int], object] | None) -> bool:
    """Whether the file at ``path`` is the piece, byte for byte."""
    try:
        return os.lstat(path).st_size == piece["size"] and str(medium.read_span(path, 0, piece["size"], None, advance)) == piece["digest"]
    except (AirgapError, OSError):
        return False
