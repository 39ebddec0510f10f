# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a container's options name (glossaries, packages), as a set that travels like models do.

Below one folder of the builder, regular files only: a link could let anything of the builder leave in a bundle.
This file is private to the collection.
"""

from __future__ import annotations

import os
import stat
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import copy_hashing
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import shape
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store

MAX_FILES = 10_000
MAX_BYTES = 64 * 10**9  # of a whole set
MAX_DEPTH = 32  # folders below one another

Record = dict[str, t.Any]


class Found(t.NamedTuple):
    """One file: its path in the set, where it lies, bytes."""

    path: str
    place: str
    size: int


def option_of(entry: t.Mapping[str, t.Any], options: t.Mapping[str, t.Any]) -> tuple[str, str] | None:
    """(name, value) of the option that names declared files, or None when none does.

    :raises InputError: two of them at once, or a value that is no text.
    """
    named = [(item["option"], options[item["option"]]) for item in entry.get("files", ()) if options.get(item["option"]) not in (None, "")]
    if len(named) > 1:
        raise InputError(f"options {' and '.join(name for name, _value in named)}", "name files both, a release carries one set", "leave one of them out")
    if named and not isinstance(named[0][1], str):
        raise InputError(f"option {named[0][0]}", f"{named[0][1]!r} is not a path", "name a folder or file below azure_ai_files")
    return named[0] if named else None


def survey(root: str, wanted: str, what: str) -> list[Found]:
    """The files of the folder or file ``wanted`` below ``root``, sorted by path; nothing is read.

    :param what: how errors name it, for example ``option glossary of text_translation``
    :raises MissingError: it is not there, or empty; InputError: it leads out of ``root``, holds something else than files, or too much.
    """
    wanted = wanted.rstrip("/")
    if not shape.is_path(wanted):
        raise InputError(what, f"{wanted!r} is not a path below {root}", "write it relative, without `..`")
    place = os.path.join(root, wanted)
    if not os.path.lexists(place):
        raise MissingError(what, f"{place} is not there", "put the files there on the builder, or set azure_ai_files to the folder that holds them")
    if os.path.realpath(place) != os.path.join(os.path.realpath(root), wanted):
        raise InputError(what, f"{place} leads through a link to {os.path.realpath(place)}", "put the files themselves there")
    found = sorted(_regular(place, what))
    if not found:
        raise MissingError(what, f"{place} holds no files", "put the files there on the builder")
    return found


def collect(files: t.Sequence[Found], store: Store | None, advance: t.Callable[[int], object] | None = None) -> list[Record]:
    """The set as {path, digest, size}, sorted by path; the files become blobs of ``store``, if one is given.

    :raises InputError: a file changed while it was read.
    """
    records = []
    for file in files:
        with _open(file) as stream:
            if store is None:
                digest, size = copy_hashing(stream, None, file.size, advance)
            else:
                digest, size = store.put_stream(stream, size=file.size, advance=advance, what=f"declared file {file.place}")
        records.append({"path": file.path, "digest": str(digest), "size": size})
    return records


def _regular(place: str, what: str) -> t.Iterator[Found]:
    info = os.lstat(place)
    if stat.S_ISREG(info.st_mode):
        yield Found(os.path.basename(place), place, info.st_size)
        return
    count = total = 0
    for file in _walk(place, "", what, 0):
        count, total = count + 1, total + file.size
        if count > MAX_FILES or total > MAX_BYTES:
            raise InputError(what, f"{place} holds more than {MAX_FILES} files or {MAX_BYTES // 10**9} GB", "name the folder that holds just what it needs")
        yield file


def _walk(folder: str, prefix: str, what: str, depth: int) -> t.Iterator[Found]:
    if depth > MAX_DEPTH:
        raise InputError(what, f"{folder} lies more than {MAX_DEPTH} folders deep", "flatten it")
    with os.scandir(folder) as entries:
        for entry in entries:
            path, info = prefix + entry.name, entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                yield from _walk(entry.path, f"{path}/", what, depth + 1)
            elif not stat.S_ISREG(info.st_mode) or not shape.is_path(path):
                raise InputError(what, f"{entry.path!r} is not a regular file with a plain name", "only such may cross; put the file itself there")
            else:
                yield Found(path, entry.path, info.st_size)


def _open(file: Found) -> t.BinaryIO:
    handle = os.open(file.place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InputError(f"declared file {file.place}", "changed while it was looked at", "run it again")
    return t.cast(t.BinaryIO, os.fdopen(handle, "rb", buffering=0))
