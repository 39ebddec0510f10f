# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect a bundle from media, one after the other in any order; what is damaged or still to come is named with its part.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import MAX_BYTES, canonical, parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, Problems, TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import atomic_file, make_folder, read_regular, remove_leftovers, write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import ahead, kits, medium, parts, received, room, verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.part import Part, find
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import BLOBS, PUBLIC_MODE, SECRET_MODE, Store

Record = dict[str, t.Any]
Advance = t.Optional[t.Callable[[int], object]]
ENDING = ".collecting"
_JOURNAL = "chunks.json"


class Collection:
    """What has come of one bundle: ``<dest>/<bundle>.collecting/`` while parts are missing, ``<dest>/<bundle>/`` when none is.

    Blobs lie in it under their names once they are whole. A blob that comes in pieces grows in ``pieces/``; which of them are
    good is remembered after they are on the disk.
    """

    def __init__(self, listed: Record, dest: str) -> None:
        self.listed = listed
        self.name = parts.name(listed)
        self.path = os.path.join(os.path.abspath(dest), self.name)
        self._staging = self.path + ENDING
        self._bundle = os.path.join(self._staging, "bundle")
        self._pieces = parts.by_blob(listed)
        self._whole = {blob: sum(piece["size"] for piece in pieces) for blob, pieces in self._pieces.items()}
        self._journal: set[str] = set()
        self.complete = self._arrived()
        if not self.complete:
            self._begun()

    # -- what is here --------------------------------------------------------------------------------------

    def has(self, piece: Record) -> bool:
        """Whether a piece is here, verified when it came."""
        if self.complete or _size(self._blob(piece["blob"])) == self._whole[piece["blob"]]:
            return True
        return piece["file"] in self._journal and (_size(self._growing(piece["blob"])) or 0) >= piece["offset"] + piece["size"]

    def has_fixed(self, entry: Record) -> bool:
        """Whether one of the files at fixed names is here."""
        return self.complete or _size(os.path.join(self._bundle, entry["file"])) == entry["size"]

    @property
    def ready(self) -> bool:
        """Whether everything is here."""
        return self.complete or (all(self.has_fixed(entry) for entry in self.listed["files"]) and not any(self.parts().values()))

    def parts(self) -> dict[int, list[Record]]:
        """The pieces that lack, by number of the part; an empty list for a part that is here."""
        return {part["number"]: [piece for piece in part["pieces"] if not self.has(piece)] for part in self.listed["parts"]}

    def report(self) -> Record:
        """How far it is, for people and programs."""
        lacking = self.parts()
        here = [number for number, pieces in lacking.items() if not pieces]
        missing = sorted(set(lacking) - set(here))
        left = self._to_come()
        if self.complete:
            line = f"{self.name}: all {len(lacking)} parts are here, the bundle is {self.path}"
        else:
            have = f"{'parts' if len(here) > 1 else 'part'} {parts.numbers(here)}" if here else "none"
            have = f"{have} of {len(lacking)} {'are' if len(here) > 1 else 'is'} here"
            line = f"{self.name}: {have}; part{'s' if len(missing) > 1 else ''} {parts.numbers(missing)} still to come ({human(left)})"
        return {
            "name": self.name,
            "site": self.listed["site"],
            "sequence": self.listed["sequence"],
            "id": self.listed["bundle"],
            "path": self.path if self.complete else "",
            "complete": self.complete,
            "parts": len(lacking),
            "here": here,
            "missing": missing,
            "missing_bytes": left,
            "line": line,
        }

    def base(self, part: Part, trust: Trust, store: Store) -> Record:
        """What the bundle builds on and is not here, as ``ahead.base`` tells it; ``part`` may be all that there is of it yet."""
        try:
            manifest, _signer = verify.open_manifest(self._bundle, trust)
        except AirgapError:
            manifest, _signer = verify.open_manifest(part.path, trust)
        return ahead.base(manifest, ahead.lacking(manifest, store, ahead.beside(self.path)))

    def _to_come(self) -> int:
        return sum(piece["size"] for pieces in self.parts().values() for piece in pieces)

    # -- taking in -----------------------------------------------------------------------------------------

    def wanted(self, part: Part) -> list[Record]:
        """What a part brings that is not here yet, in order."""
        return [piece for piece in part.pieces if not self.has(piece)]

    def take(self, part: Part, trust: Trust, advance: Advance = None, store: Store | None = None) -> tuple[int, list[str]]:
        """Copy from a part what is not here yet, verified on the way; return how many pieces came and what is damaged, a line each.

        :param store: the site's, which will take in the bundle
        :raises AirgapError: the part's bundle may not be used, or there is no room for all parts and for the import.
        """
        make_folder(os.path.join(self._bundle, BLOBS))
        make_folder(os.path.join(self._staging, "pieces"))
        with medium.alone(self._staging), room.told(f"folder {self._staging}"):
            self._clear()
            ahead.check_room(self._staging, self._to_come())
            write_bytes(os.path.join(self._staging, medium.LIST), part.raw)
            problems = self._fixed(part)
            if problems:
                return 0, problems
            manifest = self._manifest(trust)
            ahead.check_room(self._staging, self._to_come(), store, manifest)
            secrets = {blob["digest"] for blob in manifest["blobs"] if blob["kind"] == "license"}
            pieces = self.wanted(part)
            problems = [problem for problem in (self._piece(part, piece, piece["blob"] in secrets, advance) for piece in pieces) if problem]
            return len(pieces) - len(problems), problems

    def finish(self, trust: Trust) -> bool:
        """Make the folder a bundle once nothing lacks; return whether it was done now.

        :raises Problems: the parts do not make the bundle that they say they make.
        """
        if self.complete:
            if os.path.isdir(self._staging):  # a run was cut off just before its end
                shutil.rmtree(self._staging)
            return False
        if not self.ready:
            return False
        with medium.alone(self._staging):
            manifest = self._manifest(trust)
            secrets = {blob["digest"] for blob in manifest["blobs"] if blob["kind"] == "license"}
            for blob in self._whole:
                self._named(blob, blob in secrets)
            problems = verify.tree_problems(self._bundle, manifest, kits.look(self._bundle, trust))
            if problems:
                raise Problems(f"parts of {self.name}", problems)
            os.rename(self._bundle, self.path)
        shutil.rmtree(self._staging)
        self.complete = True
        return True

    def _arrived(self) -> bool:
        """Whether the bundle lies there whole already; leftovers of the collecting are removed then."""
        if not os.path.lexists(self.path):
            return False
        wanted = next(entry["digest"] for entry in self.listed["files"] if entry["file"] == verify.NAME)
        try:
            found = str(Digest.of(read_regular(os.path.join(self.path, verify.NAME), MAX_BYTES)))
        except AirgapError:
            found = ""
        if found != wanted:
            raise InputError(self.path, f"is there and is not the bundle {self.listed['bundle'][:19]}", "move it away and run again")
        return True

    def _begun(self) -> None:
        """Read what earlier runs left."""
        try:
            data = read_regular(os.path.join(self._staging, medium.LIST), MAX_BYTES)
        except AirgapError:
            return
        if data != parts.encoded(self.listed):
            raise InputError(
                self._staging, f"holds parts of {self.name} that was split another way", "collect the parts of one split, or remove that folder first"
            )
        try:
            self._journal = set(parse(read_regular(os.path.join(self._staging, _JOURNAL), MAX_BYTES), _JOURNAL))
        except (AirgapError, TypeError):
            self._journal = set()

    def _clear(self) -> None:
        for folder in (self._staging, self._bundle, os.path.join(self._bundle, BLOBS)):
            remove_leftovers(folder)

    def _fixed(self, part: Part) -> list[str]:
        problems = []
        for entry in self.listed["files"]:
            if not self.has_fixed(entry):
                try:
                    write_bytes(os.path.join(self._bundle, entry["file"]), part.fixed(entry))
                except IntegrityError as exc:
                    problems.append(f"{part.title}: {exc}")
        return problems

    def _manifest(self, trust: Trust) -> Record:
        """The bundle's own manifest, trusted by its own signature, and the same that the list of parts is of."""
        manifest, _signer = verify.open_manifest(self._bundle, trust)
        kit = kits.look(self._bundle, trust)
        if kit.problem:
            raise IntegrityError(f"parts of {self.name}", kit.problem)
        carried = {blob["digest"]: blob["size"] for blob in manifest["blobs"] if blob.get("carried", True)}
        if manifest["id"] != self.listed["bundle"] or {**kit.sizes, **carried} != self._whole:
            raise IntegrityError(f"parts of {self.name}", "not the parts of the bundle.json that is with them", "have the bundle split again")
        return manifest

    def _piece(self, part: Part, piece: Record, secret: bool, advance: Advance) -> str | None:
        try:
            if piece["digest"] == piece["blob"]:
                with atomic_file(self._blob(piece["blob"]), SECRET_MODE if secret else PUBLIC_MODE) as stream:
                    part.copy(piece, stream, advance)
            else:
                self._chunk(part, piece, secret, advance)
        except IntegrityError as exc:
            return f"{part.title}: {exc}"
        return None

    def _chunk(self, part: Part, piece: Record, secret: bool, advance: Advance) -> None:
        """Write a piece to its place in the blob, then remember it; the last one gives the blob its name."""
        path = self._growing(piece["blob"])
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, SECRET_MODE)
        with os.fdopen(handle, "wb") as stream:
            stream.seek(piece["offset"])
            part.copy(piece, stream, advance)
            stream.flush()
            os.fsync(stream.fileno())
        self._journal.add(piece["file"])
        write_bytes(os.path.join(self._staging, _JOURNAL), canonical(sorted(self._journal)))
        self._named(piece["blob"], secret)

    def _named(self, blob: str, secret: bool) -> None:
        if os.path.exists(self._growing(blob)) and all(self.has(piece) for piece in self._pieces[blob]):
            os.chmod(self._growing(blob), SECRET_MODE if secret else PUBLIC_MODE)
            os.replace(self._growing(blob), self._blob(blob))

    def _blob(self, digest: str) -> str:
        return verify.blob_path(self._bundle, Digest.parse(digest))

    def _growing(self, digest: str) -> str:
        return os.path.join(self._staging, "pieces", Digest.parse(digest).hex)


@dataclass
class Gathered:
    """What came of looking at media.

    :param problems: what is damaged or cannot be used, a line each
    :param remake: numbers of parts that have to be made again, by bundle; ``advice`` says how
    :param reasons: what came, or would
    :param foreign: names of what lies on the media and is not ours
    :param notes: what there is to say of bundles that are not whole yet
    :param passed: folders of parts of bundles that were accepted before, by whoever is not trusted any more
    """

    reports: list[Record] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    remake: dict[str, list[int]] = field(default_factory=dict)
    advice: dict[str, str] = field(default_factory=dict)
    foreign: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    finished: int = 0
    copied: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Target:
    """Where parts go, and which.

    :param site: parts for other sites are refused, where given
    :param oldest: parts of bundles with a lower sequence are passed over
    :param check: look only; no piece is read
    :param store: the site's; parts of what it accepted before stop nothing, whoever signed them
    """

    dest: str
    site: str | None
    oldest: int
    trust: Trust
    check: bool = False
    store: str | None = None


def gather(paths: t.Sequence[str], target: Target, told: t.Callable[[str, int], Advance]) -> Gathered:
    """Take in all parts on the media at ``paths``; one that cannot be used does not keep the others out.

    :param told: begins a piece of work of so many bytes and returns its counter
    :raises MissingError: a medium is not there or has no part on it.
    """
    found = Gathered()
    collections: dict[str, Collection] = {}
    folders: list[str] = []
    for path in paths:
        inside, others = find(path)
        folders += inside
        found.foreign += [os.path.join(path, name) for name in others]
    for folder in dict.fromkeys(folders):
        try:
            part = Part(folder, target.trust)
            found.foreign += [os.path.join(folder, name) for name in part.foreign()]
            collection = _collection(collections, part, target)
            if collection:
                _take(found, collection, part, target, told)
                _foresee(found, collection, part, target)
        except AirgapError as exc:
            if isinstance(exc, TrustError) and received.before(target.store, medium.Tree(folder).find(verify.NAME)):
                found.passed.append(folder)
            else:
                found.problems.append(str(exc))
    for collection in collections.values():
        _finish(found, collection, target)
    found.reports = [collection.report() for _name, collection in sorted(collections.items())]
    return found


def _collection(collections: dict[str, Collection], part: Part, target: Target) -> Collection | None:
    if target.site and part.listed["site"] != target.site:
        raise InputError(part.title, f"made for site {part.listed['site']}, this is {target.site}", "take it to its own site")
    if part.listed["sequence"] < target.oldest:
        return None
    name = parts.name(part.listed)
    if name not in collections:
        collections[name] = Collection(part.listed, target.dest)
    elif collections[name].listed != part.listed:
        raise InputError(part.path, f"holds a part of {name} that was split another way", "collect the parts of one split")
    return collections[name]


def _take(found: Gathered, collection: Collection, part: Part, target: Target, told: t.Callable[[str, int], Advance]) -> None:
    wanted = collection.wanted(part)
    if not wanted and (collection.complete or all(collection.has_fixed(entry) for entry in collection.listed["files"])):
        return
    size = sum(piece["size"] for piece in wanted)
    found.reasons.append(f"{part.title} brings {human(size)}")
    if target.check:
        found.copied, found.bytes = found.copied + len(wanted), found.bytes + size
        return
    came, problems = collection.take(part, target.trust, told(part.title, size), Store(target.store) if target.store else None)
    found.copied += came
    found.bytes += size - sum(piece["size"] for piece in collection.wanted(part))
    found.problems += problems
    if problems:
        again = found.remake.setdefault(collection.name, [])
        again.append(part.number)
        size = collection.listed["part_size"]
        options = f"-e bundle_source=<folder of {collection.name}> -e bundle_part_size={size} -e '{{\"bundle_parts\": {sorted(again)}}}'"
        found.advice[collection.name] = f"on the builder, ansible-playbook airgap.azure_ai.split {options}"


def _foresee(found: Gathered, collection: Collection, part: Part, target: Target) -> None:
    """Tell of a base that is missing while there is time: before the other media are copied."""
    if target.store and not collection.ready:
        with contextlib.suppress(AirgapError):  # what cannot be read or trusted was told when it was to be taken
            line = collection.base(part, target.trust, Store(target.store)).get("line")
            if line and line not in found.notes:
                found.notes.append(line)


def _finish(found: Gathered, collection: Collection, target: Target) -> None:
    try:
        if not target.check and collection.finish(target.trust):
            found.finished += 1
    except AirgapError as exc:
        found.problems.append(str(exc))


def _size(path: str) -> int | None:
    """Bytes of a regular file, or None."""
    try:
        return os.lstat(path).st_size if os.path.isfile(path) and not os.path.islink(path) else None
    except FileNotFoundError:
        return None
