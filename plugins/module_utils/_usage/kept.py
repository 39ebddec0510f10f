# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence as it is kept on the control node: what hosts sent, whatever they call it, never altered afterwards.

    <evidence>/<site>/<host>/<container>/known.json               what is known of each file, to ask for what grew
    <evidence>/<site>/<host>/<container>/<YYYY-MM>/index.jsonl    a line for each piece that came in that month
    <evidence>/<site>/<host>/<container>/<YYYY-MM>/<name>         the pieces of one file of that month, one behind the other

A month is that of the control node's clock. Everything a host says is checked here. This file is private to the collection.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import typing as t
import zlib

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import flush_files, fsync_folder, make_folder, open_shared, shared_mode, write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.spool import file_name

INDEX = "index.jsonl"
KNOWN = "known.json"
_PATH = re.compile(r"(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})+(?:/(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})+)*")
_LONGEST = 4096  # characters of a path
_NAME = 180  # characters of a file's name
_ALTERED = "somebody altered the evidence; put it back from a backup or move the folder away"
_HEX = re.compile(r"[0-9a-f]{64}")

Record = dict[str, t.Any]


def folder_of(evidence: str, site: str, host: str, container: str = "") -> str:
    """Where the evidence of a container, or of a host, lies; no name leads out of ``evidence``."""
    words = [file_name(word)[: -len(".json")] for word in (site, host, container) if word]
    return os.path.join(evidence, *words)


def name_of(path: str, generation: int) -> str:
    """One file name for a path text and a generation: ``/`` becomes ``+``, which no path text holds."""
    name = path.replace("~", "%7E").replace("/", "+")
    if len(name) > _NAME:
        name = f"{name[: _NAME - 40]}~{hashlib.sha256(path.encode('ascii')).hexdigest()[:32]}"
    name = "%2E" + name[1:] if name.startswith(".") else name
    return f"{name}~{generation}" if generation > 1 or name in (INDEX, KNOWN) else name


class Keeper:
    """The evidence of one container. Use: ``keep`` pieces, then ``save``; what was not saved is fetched again.

    :param folder: as ``folder_of`` gives it; :param moment: now, in UTC
    """

    def __init__(self, folder: str, moment: str) -> None:
        self._folder, self._moment = folder, moment
        self._month = os.path.join(folder, moment[:7])
        self.files: dict[str, Record] = {}
        self._sizes: dict[str, int] = {}
        self._lines: list[bytes] = []
        self._touched: set[str] = set()
        self._load()

    def known(self) -> dict[str, list[t.Any]]:
        """What to tell the host: path text to [bytes, SHA-256, stamp]; files that were gone are known still, in case they come back."""
        return {path: [entry["size"], entry["sha256"], "" if entry.get("gone") else entry["stamp"]] for path, entry in self.files.items()}

    def keep(self, piece: Record) -> t.Optional[str]:
        """Keep a piece that ``check`` has passed; return ``restored`` when the file went back to something it was before.

        :raises IntegrityError: what is kept was altered, or the piece does not follow it.
        """
        before = self.files.get(piece["path"])
        fresh = piece["fresh"] or before is None
        if not fresh and before is not None and before["size"] != piece["offset"]:
            raise IntegrityError(f"piece of {piece['path']}", f"begins at {piece['offset']}, {before['size']} bytes are known")
        if fresh and piece["offset"]:
            raise IntegrityError(f"piece of {piece['path']}", "a new file that does not begin at its first byte")
        signal = "restored" if fresh and before and self._went_back(piece, before) else None
        generation = (before["generation"] + 1 if before else 1) if fresh else t.cast(Record, before)["generation"]
        entry = {"size": piece["offset"] + piece["size"], "sha256": piece["whole"], "stamp": piece["stamp"], "generation": generation}
        if piece["size"] or fresh:
            self._append(piece, entry)
        self.files[piece["path"]] = entry
        return signal

    def went(self, gone: t.Sequence[str]) -> None:
        """Note files that are not on the host any more; their evidence stays."""
        for path in gone:
            if path in self.files and not self.files[path].get("gone"):
                self.files[path] = {**self.files[path], "gone": self._moment}

    def is_reset(self, told: Record) -> bool:
        """Whether all files that held something are gone since the last time, and nothing else came."""
        filled = [path for path, entry in self.files.items() if entry["size"] and not entry.get("gone")]
        return bool(filled) and told["whole"] and not told["files"] and set(filled) <= set(told["gone"])

    def save(self) -> None:
        """Make sure of the pieces, write their index, then what is known for the next time."""
        if self._lines:
            flush_files(sorted(self._touched))
            fsync_folder(self._month)
            _append_lines(os.path.join(self._month, INDEX), self._lines)
            self._lines, self._touched = [], set()
        if self.files:
            make_folder(self._folder)
            text = json.dumps({"format": 1, "month": self._moment[:7], "files": self.files}, sort_keys=True)
            write_bytes(os.path.join(self._folder, KNOWN), text.encode("ascii"), shared_mode(self._folder, 0o600))

    def _load(self) -> None:
        """What was known, and what an interrupted run kept since: index lines of that month and later win, in order."""
        since = ""
        try:
            with open(os.path.join(self._folder, KNOWN), encoding="ascii") as stream:
                found = json.load(stream)
            since, self.files = str(found["month"]), dict(found["files"])
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as exc:
            raise IntegrityError(os.path.join(self._folder, KNOWN), f"cannot be read ({exc})", "remove it: what it knew is read from the indexes") from exc
        for month in months_of(self._folder):
            if month < since:
                continue
            for row in _rows(os.path.join(self._folder, month, INDEX)):
                if month == self._moment[:7]:
                    self._sizes[row["file"]] = row["at"] + row["size"]
                entry = self.files.get(row["path"])
                if entry is None or (entry["generation"], entry["size"]) < (row["generation"], row["offset"] + row["size"]):
                    self.files[row["path"]] = {"size": row["offset"] + row["size"], "sha256": row["whole"], "stamp": "", "generation": row["generation"]}

    def _append(self, piece: Record, entry: Record) -> None:
        make_folder(self._month)
        name = name_of(piece["path"], entry["generation"])
        path = os.path.join(self._month, name)
        at = self._sizes.get(name, 0)
        handle = open_shared(path, 0o600)
        with os.fdopen(handle, "r+b") as stream:
            if os.fstat(handle).st_size < at:
                raise IntegrityError(path, f"shorter than its index says ({at} bytes)", _ALTERED)
            stream.truncate(at)  # what an interrupted run left behind the last indexed piece
            stream.seek(at)
            stream.write(_content(piece))
        row = {key: piece[key] for key in ("path", "offset", "size", "sha256", "whole")}
        row.update(file=name, at=at, generation=entry["generation"], fetched=self._moment)
        self._lines.append(json.dumps(row, sort_keys=True).encode("ascii") + b"\n")
        self._touched.add(path)
        self._sizes[name] = at + piece["size"]

    def _went_back(self, piece: Record, before: Record) -> bool:
        """Whether the file's content now is a true, not empty beginning of what is kept of it."""
        if not 0 < piece["total"] < before["size"]:
            return False
        state, left = hashlib.sha256(), piece["total"]
        for month in months_of(self._folder):
            path = os.path.join(self._folder, month, name_of(piece["path"], before["generation"]))
            if left and os.path.exists(path):
                with open(path, "rb") as stream:
                    data = stream.read(left)
                state.update(data)
                left -= len(data)
        return left == 0 and state.hexdigest() == piece.get("now")


def check(piece: t.Any, containers: t.Collection[str], most: int) -> Record:
    """A piece as a host sent it, when all of it is well formed.

    :raises InputError: anything in it is not as ``usage_evidence`` documents it.
    """
    fine = (
        isinstance(piece, dict)
        and piece.get("container") in containers
        and isinstance(piece.get("path"), str)
        and len(piece["path"]) <= _LONGEST
        and _PATH.fullmatch(piece["path"]) is not None
        and isinstance(piece.get("fresh"), bool)
        and all(isinstance(piece.get(key), int) and not isinstance(piece[key], bool) and 0 <= piece[key] < 2**53 for key in ("offset", "size", "total"))
        and all(isinstance(piece.get(key), str) and _HEX.fullmatch(piece[key]) for key in ("sha256", "whole"))
        and isinstance(piece.get("stamp"), str)
        and len(piece["stamp"]) <= 64
        and isinstance(piece.get("data", ""), str)
        and piece["size"] <= most
    )
    if not fine:
        raise InputError("answer of usage_evidence", "a malformed piece", "the host did not answer with this collection's usage_evidence")
    return t.cast(Record, piece)


def check_told(told: t.Any) -> Record:
    """What a host says about one container besides its pieces; as ``check``."""
    fine = (
        isinstance(told, dict)
        and isinstance(told.get("files"), int)
        and isinstance(told.get("whole"), bool)
        and all(isinstance(told.get(key), list) and all(isinstance(item, str) for item in told[key]) for key in ("gone", "notes"))
    )
    if not fine:
        raise InputError("answer of usage_evidence", "malformed words about a container", "the host did not answer with this collection's usage_evidence")
    notes = ["".join(char if char.isprintable() else "?" for char in note)[:300] for note in told["notes"][:20]]
    return {**told, "notes": notes}


def _content(piece: Record) -> bytes:
    """The bytes of a piece, at most as many as it says."""
    try:
        packed = base64.b64decode(piece.get("data") or "", validate=True)
        data = zlib.decompressobj().decompress(packed, piece["size"] + 1) if packed else b""
    except (ValueError, zlib.error) as exc:
        raise InputError(f"piece of {piece['path']}", f"cannot be unpacked ({exc})") from exc
    if len(data) != piece["size"] or hashlib.sha256(data).hexdigest() != piece["sha256"]:
        raise IntegrityError(f"piece of {piece['path']}", "its bytes are not those it announces", "run the harvest again")
    return data


def months_of(folder: str) -> list[str]:
    """Months in a container's folder, oldest first."""
    return sorted(name for name in os.listdir(folder) if calendar.is_month(name)) if os.path.isdir(folder) else []


def old(evidence: str, keep_months: int, moment: str) -> list[str]:
    """Folders of months that ended more than ``keep_months`` months ago, of every site, host and container."""
    limit = calendar.back(moment[:7], keep_months)
    found = []
    for site in _folders(evidence):
        for host in _folders(site):
            for container in _folders(host):
                found += [os.path.join(container, month) for month in months_of(container) if month < limit and calendar.is_over(month, moment)]
    return found


def remove(folders: t.Iterable[str]) -> None:
    """Remove month folders; what is known of their files stays in known.json, so that nothing is fetched anew."""
    for folder in folders:
        container, month = os.path.split(folder)
        keeper = Keeper(container, month + "-01T00:00:00Z")
        keeper.save()
        shutil.rmtree(folder)


def _folders(path: str) -> list[str]:
    if not os.path.isdir(path):
        return []
    with os.scandir(path) as found:
        return sorted(item.path for item in found if item.is_dir(follow_symlinks=False))


def _rows(path: str) -> t.Iterator[Record]:
    try:
        with open(path, "rb") as stream:
            for line in stream:
                if line.endswith(b"\n"):  # a cut-off line is a write that a crash broke; its piece comes again
                    yield json.loads(line)
    except FileNotFoundError:
        return
    except (ValueError, RecursionError) as exc:
        raise IntegrityError(path, f"cannot be read ({exc})", _ALTERED) from exc


def _append_lines(path: str, lines: t.Sequence[bytes]) -> None:
    handle = open_shared(path, 0o600)
    with os.fdopen(handle, "r+b") as stream:
        end = stream.seek(0, os.SEEK_END)
        while end:
            stream.seek(end - 1)
            if stream.read(1) == b"\n":
                break
            end -= 1
        stream.truncate(end)
        stream.seek(end)
        stream.write(b"".join(lines))
        stream.flush()
        os.fsync(handle)
