# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One part of a bundle as it lies on a medium: judged by the signed list that it carries, before anything else of it is read.

This file is private to the collection.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import MAX_BYTES
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, IntegrityError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import read_regular
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import SUFFIX, Trust, verify_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import medium, parts, parts_shape, verify

Record = dict[str, t.Any]
Advance = t.Optional[t.Callable[[int], object]]
_BUILDERS = re.compile(r"\.lock|.*-parts\.json(\.sig)?")  # what the builder keeps beside the parts it writes


class Part:
    """The part in the folder ``path``.

    :raises TrustError: its list of parts is not signed by a builder that we trust; nothing of it was parsed.
    :raises AirgapError: the list or ``part.json`` cannot be used.
    """

    def __init__(self, path: str, trust: Trust) -> None:
        self.path = os.path.abspath(path)
        self._tree = medium.Tree(self.path)
        what = f"part {self.path}"
        self.raw = self._read(medium.LIST, MAX_BYTES)
        self.signer = verify_bytes(self.raw, self._tree.find(medium.LIST + SUFFIX), verify.NAMESPACE, trust, what, role="builder")
        self.listed = parts_shape.load(self.raw, what)
        said = parts_shape.load_part(self._read(medium.PART, 65536), f"{what}: {medium.PART}")
        self.number = said["number"]
        if not 0 < self.number <= len(self.listed["parts"]) or said["parts"] != str(Digest.of(self.raw)):
            raise IntegrityError(what, f"{medium.PART} is not of the list of parts beside it", "copy the part again, or have it made again")
        self.title = f"{parts.name(self.listed)}, part {self.number}"

    @property
    def pieces(self) -> list[Record]:
        """The pieces that the list says are on it."""
        return t.cast("list[Record]", self.listed["parts"][self.number - 1]["pieces"])

    def fixed(self, entry: Record) -> bytes:
        """One of the files at fixed names; raise IntegrityError when it is damaged."""
        data = self._read(entry["file"], entry["size"])
        if (str(Digest.of(data)), len(data)) != (entry["digest"], entry["size"]):
            raise IntegrityError(entry["file"], "damaged")
        return data

    def copy(self, piece: Record, target: t.BinaryIO | None, advance: Advance = None) -> None:
        """Read a piece (into ``target``); raise IntegrityError when it is missing, damaged, a link or a device, or cannot be read."""
        name, found = piece["file"], self._tree.size(piece["file"])
        if name in self._tree.others:
            raise IntegrityError(name, "not a regular file")
        if found != piece["size"]:
            raise IntegrityError(name, "missing" if found is None else f"has {found} bytes instead of {piece['size']}")
        try:
            digest = medium.read_span(self._tree.find(name), 0, piece["size"], target, advance)
        except IntegrityError as exc:
            raise IntegrityError(name, exc.problem) from exc
        except MissingError as exc:
            raise IntegrityError(name, "gone while it was read") from exc
        if str(digest) != piece["digest"]:
            raise IntegrityError(name, "damaged: its bytes are not the ones that were signed")

    def foreign(self) -> list[str]:
        """Names of what is not ours; it is left alone."""
        names = [entry["file"] for entry in self.listed["files"]]
        ours = {*names, *(piece["file"] for piece in self.pieces), *medium.LABELS, medium.LIST, medium.LIST + SUFFIX, medium.PART}
        folders = {"blobs", *(os.path.dirname(piece["file"]) for piece in self.pieces)}
        return self._tree.foreign(ours, folders)

    def problems(self, full: bool = True, advance: Advance = None) -> list[str]:
        """Everything that is wrong with it, a line each; without ``full``, names and sizes only."""
        found = []
        for entry in self.listed["files"]:
            try:
                self.fixed(entry)
            except AirgapError as exc:
                found.append(f"{self.title}: {exc}")
        for piece in self.pieces:
            try:
                if full or self._tree.size(piece["file"]) != piece["size"]:
                    self.copy(piece, None, advance)
            except AirgapError as exc:
                found.append(f"{self.title}: {exc}")
        return found

    def _read(self, name: str, limit: int) -> bytes:
        try:
            return read_regular(self._tree.find(name), limit)
        except MissingError as exc:
            raise IntegrityError(name, "missing") from exc
        except OSError as exc:
            raise IntegrityError(name, f"cannot be read ({exc.strerror})") from exc


def is_part(path: str) -> bool:
    """Whether a folder holds a part: media may show its name in upper case."""
    try:
        return any(name.lower() == medium.PART for name in os.listdir(path))
    except (NotADirectoryError, FileNotFoundError):
        return False


def find(path: str) -> tuple[list[str], list[str]]:
    """Folders of parts on a medium: the folder itself or those in it; and the names of what else lies there.

    :raises MissingError: no such folder, or no part in it.
    """
    if not os.path.isdir(path):
        raise MissingError(f"medium {path}", "no such folder", "name the folder that the medium is mounted at")
    if is_part(path):
        return [path], []
    with os.scandir(path) as entries:
        found = {entry.name: entry.is_dir(follow_symlinks=False) and is_part(entry.path) for entry in entries}
    if not any(found.values()):
        raise MissingError(f"medium {path}", "no part of a bundle on it", "look for a folder with part.json and name that one")
    return [os.path.join(path, name) for name in sorted(found) if found[name]], sorted(
        name for name in found if not found[name] and not _BUILDERS.fullmatch(name)
    )
