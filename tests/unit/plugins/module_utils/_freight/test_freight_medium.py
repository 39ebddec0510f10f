# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import medium


def test_names_are_found_whatever_the_medium_made_of_their_case(tmp_path: Path) -> None:
    (tmp_path / "BLOBS" / "000").mkdir(parents=True)
    (tmp_path / "PARTS.JSON").write_text("{}")
    (tmp_path / "BLOBS" / "000" / "0A1B.000").write_text("xyz")
    tree = medium.Tree(str(tmp_path))
    assert tree.find("parts.json") == str(tmp_path / "PARTS.JSON") and tree.size("blobs/000/0a1b.000") == 3
    assert tree.size("blobs") is None and tree.find("label.txt") == str(tmp_path / "label.txt")


def test_links_pipes_and_sockets_are_no_files_and_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("x")
    (tmp_path / "blobs" / "000").symlink_to(tmp_path / "real")
    (tmp_path / "part.json").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "parts.json")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "label.txt"))
    tree = medium.Tree(str(tmp_path))
    assert tree.files == {} and set(tree.others) == {"blobs/000", "part.json", "parts.json", "label.txt"}


def test_foreign_things_are_named_once(tmp_path: Path) -> None:
    (tmp_path / "blobs" / "000").mkdir(parents=True)
    (tmp_path / "blobs" / "777").mkdir()
    (tmp_path / "System Volume Information").mkdir()
    for name in ("part.json", "Thumbs.db", "blobs/000/._x", "blobs/000/good", "blobs/777/inner", "System Volume Information/WPSettings.dat"):
        (tmp_path / name).write_text("x")
    foreign = medium.Tree(str(tmp_path)).foreign({"part.json", "blobs/000/good"}, {"blobs", "blobs/000"})
    assert sorted(foreign, key=str.lower) == ["blobs/000/._x", "blobs/777", "system volume information", "Thumbs.db"]


def test_a_span_is_read_hashed_and_copied(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with open(tmp_path / "copy", "wb") as copy:
        assert medium.read_span(str(path), 2, 5, copy) == Digest.of(b"23456")
    assert (tmp_path / "copy").read_bytes() == b"23456"
    with pytest.raises(IntegrityError, match="cut short: 10 bytes"):
        medium.read_span(str(path), 8, 5)
    counted: list[int] = []
    whole, chunks = medium.hash_chunks(str(path), [3, 7], counted.append)
    assert whole.hex == hashlib.sha256(b"0123456789").hexdigest() and chunks == [Digest.of(b"012"), Digest.of(b"3456789")] and sum(counted) == 10
    with pytest.raises(IntegrityError, match="cut short"):
        medium.hash_chunks(str(path), [11])


def test_what_cannot_be_read_is_damaged_and_no_error_of_ours() -> None:
    class Scratched:
        def seek(self, _place: int) -> None:
            pass

        def read(self, _size: int) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(IntegrityError, match="cannot be read"):
        medium.Span(Scratched(), 0, 5).read(5)


def test_a_medium_that_knows_no_modes_takes_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_handle: int, _mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", refuse)
    medium.put(str(tmp_path / "file"), b"data")
    before = (tmp_path / "file").stat().st_ino
    medium.put(str(tmp_path / "file"), b"data")
    assert (tmp_path / "file").read_bytes() == b"data" and (tmp_path / "file").stat().st_ino == before, "what is there is not written again"
    (tmp_path / "link").symlink_to("/etc/hostname")
    medium.put(str(tmp_path / "link"), b"data")
    assert not (tmp_path / "link").is_symlink() and sorted(os.listdir(tmp_path)) == ["file", "link"]


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with medium.alone(str(tmp_path)), pytest.raises(InputError, match="another run works in it"), medium.alone(str(tmp_path)):
        raise AssertionError("both were let in")
