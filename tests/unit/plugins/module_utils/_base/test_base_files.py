# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import files
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import IntegrityError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import (
    TEMPORARY_PREFIX,
    atomic_file,
    open_regular,
    read_regular,
    remove_leftovers,
    write_bytes,
)


class Cut(BaseException):
    """What ends a process from outside: not an Exception, so that a careless except does not catch it."""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(old=st.none() | st.binary(max_size=20), pieces=st.lists(st.binary(max_size=20), max_size=4), cut=st.integers(0, 5))
def test_the_file_is_old_or_new_and_nothing_else_is_left(tmp_path: Path, old: bytes | None, pieces: list[bytes], cut: int) -> None:
    path = tmp_path / "file"
    path.unlink(missing_ok=True)
    if old is not None:
        path.write_bytes(old)
    try:
        with atomic_file(str(path)) as stream:
            for number, piece in enumerate(pieces):
                if number == cut:
                    raise Cut
                stream.write(piece)
    except Cut:
        assert (path.read_bytes() if path.exists() else None) == old
    else:
        assert path.read_bytes() == b"".join(pieces)
    assert [name for name in os.listdir(tmp_path) if name != "file"] == []


@pytest.mark.parametrize("wanted", [0o600, 0o644, 0o400, 0o755])
def test_the_mode_is_the_one_asked_for_whatever_the_umask(tmp_path: Path, wanted: int) -> None:
    before = os.umask(0o077)
    try:
        with atomic_file(str(tmp_path / "file"), wanted) as stream:
            stream.write(b"x")
    finally:
        os.umask(before)
    assert mode(tmp_path / "file") == wanted


def test_nobody_else_reads_it_while_it_grows(tmp_path: Path) -> None:
    with atomic_file(str(tmp_path / "file"), 0o644) as stream:
        stream.write(b"secret")
        (growing,) = tmp_path.iterdir()
        assert growing.name.startswith(TEMPORARY_PREFIX)
        assert mode(growing) == 0o600


def test_a_failed_rename_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"), atomic_file(str(tmp_path / "taken")) as stream:
        stream.write(b"x")
    assert os.listdir(tmp_path) == ["taken"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"kept")
    (tmp_path / "link").symlink_to("target")
    with atomic_file(str(tmp_path / "link")) as stream:
        stream.write(b"new")
    assert (tmp_path / "target").read_bytes() == b"kept"
    assert not (tmp_path / "link").is_symlink()


def test_the_bytes_reach_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda one, other: (calls.append("replace"), replace(one, other)))
    with atomic_file(str(tmp_path / "file")) as stream:
        stream.write(b"x")
    assert calls == ["file", "replace", "folder"]


def test_a_name_without_folder_is_written_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_bytes("file", b"x")
    assert (tmp_path / "file").read_bytes() == b"x"


def test_writing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert write_bytes(str(path), b"x", 0o600)
    inode = path.stat().st_ino
    assert not write_bytes(str(path), b"x", 0o600)
    assert path.stat().st_ino == inode


@pytest.mark.parametrize(("data", "wanted"), [(b"y", 0o600), (b"x", 0o640), (b"", 0o600)])
def test_other_bytes_or_another_mode_are_a_change(tmp_path: Path, data: bytes, wanted: int) -> None:
    path = tmp_path / "file"
    write_bytes(str(path), b"x", 0o600)
    assert write_bytes(str(path), data, wanted)
    assert (path.read_bytes(), mode(path)) == (data, wanted)


def test_leftovers_of_a_killed_run_go_and_the_rest_stays(tmp_path: Path) -> None:
    for name in ("file", ".hidden", TEMPORARY_PREFIX + "abc"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / f"{TEMPORARY_PREFIX}folder").mkdir()
    assert remove_leftovers(str(tmp_path)) == [TEMPORARY_PREFIX + "abc"]
    assert sorted(os.listdir(tmp_path)) == [f"{TEMPORARY_PREFIX}folder", ".hidden", "file"], "a folder belongs to whoever makes it"


def test_only_regular_files_are_opened_and_no_more_is_read_than_allowed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1234")
    assert read_regular(str(tmp_path / "file"), 4) == b"1234"
    with open_regular(str(tmp_path / "file")) as stream:
        assert stream.read() == b"1234"
    with pytest.raises(IntegrityError, match="more than the 3 bytes allowed"):
        read_regular(str(tmp_path / "file"), 3)
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "."):
        with pytest.raises(IntegrityError, match="not a regular file"):
            open_regular(str(tmp_path / name))
    for name in ("nothing", "file/inside"):
        with pytest.raises(MissingError, match="no such file"):
            open_regular(str(tmp_path / name))


@pytest.mark.parametrize("count", [1, files.FEW, files.FEW + 1])
@pytest.mark.parametrize("library", [True, False])
def test_many_files_are_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, library: bool) -> None:
    flushed, real = [], os.fsync
    monkeypatch.setattr(files.os, "fsync", lambda handle: (flushed.append(handle), real(handle)))
    if not library:
        monkeypatch.setattr(files.ctypes, "CDLL", lambda *_, **__: object())
    for number in range(count):
        (tmp_path / str(number)).write_text("x")
    files.flush_files([str(tmp_path / str(number)) for number in range(count)])
    assert len(flushed) == (0 if library and count > files.FEW else count)


@pytest.mark.parametrize(("folder", "mode"), [(0o2770, 0o660), (0o0770, 0o600), (0o2750, 0o600), (0o700, 0o600)])
def test_a_folder_of_a_group_shares_what_is_made_in_it(tmp_path: Path, folder: int, mode: int) -> None:
    os.chmod(tmp_path, folder)
    old = os.umask(0o077)
    try:
        files.make_folder(str(tmp_path / "a" / "b"))
        os.close(files.open_shared(str(tmp_path / "a" / "b" / "file"), 0o600))
    finally:
        os.umask(old)
    assert (tmp_path / "a" / "b" / "file").stat().st_mode & 0o777 == mode
    wanted = 0o2770 if mode == 0o660 else (folder & 0o2000) | 0o700
    assert {path.stat().st_mode & 0o7777 for path in (tmp_path / "a", tmp_path / "a" / "b")} == {wanted}


def test_what_is_there_keeps_its_mode_and_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    os.chmod(tmp_path / "file", 0o604)
    os.close(files.open_shared(str(tmp_path / "file"), 0o600))
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o604 and (tmp_path / "file").read_text() == "x"
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(OSError):
        os.close(files.open_shared(str(tmp_path / "link"), 0o600))
    os.chmod(tmp_path, 0o750)
    files.make_folder(str(tmp_path))
    assert tmp_path.stat().st_mode & 0o777 == 0o750
