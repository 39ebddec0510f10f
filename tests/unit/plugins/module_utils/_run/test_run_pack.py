# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's folder as an archive that proves itself."""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A container's folder with a license, output, a link and a pipe."""
    base = tmp_path / "sent"
    (base / "output" / "sub").mkdir(parents=True)
    (base / "releases" / "r1" / "license").mkdir(parents=True)
    (base / "output" / "sub" / "records.json").write_bytes(b"\x00\xff" * 700_000)
    (base / "output" / "sonderbar\n\udcff").write_bytes(b"odd")
    (base / "releases" / "r1" / "release.json").write_text("{}")
    (base / "releases" / "r1" / "license" / "license.dat").write_text("LICENSE-CANARY")
    (base / "current").symlink_to("releases/r1")
    os.mkfifo(base / "output" / "pipe")
    return base


def test_what_is_written_is_proved(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.tar.gz"
    told = pack.write(str(folder), str(target))
    assert (told["files"], told["skipped"], target.stat().st_mode & 0o777) == (3, ["output/pipe"], 0o600)
    assert pack.prove(str(target)) == 3
    assert b"LICENSE-CANARY" not in gzip.decompress(target.read_bytes())
    with tarfile.open(target) as tar:
        tar.extractall(tmp_path / "back", filter="data")
    assert (tmp_path / "back/output/sub/records.json").read_bytes() == (folder / "output/sub/records.json").read_bytes()
    assert (tmp_path / "back/current").readlink() == Path("releases/r1")


def test_an_adopted_output_is_archived_as_files(folder: Path, tmp_path: Path) -> None:
    plain = pack.write(str(folder), str(tmp_path / "plain.tar.gz"))
    (folder / "output").rename(tmp_path / "elsewhere")
    (folder / "output").symlink_to(tmp_path / "elsewhere")
    told = pack.write(str(folder), str(tmp_path / "out.tar.gz"))
    assert (told["files"], told["bytes"], told["skipped"]) == (plain["files"], plain["bytes"], plain["skipped"])
    assert pack.prove(str(tmp_path / "out.tar.gz")) == 3
    with tarfile.open(tmp_path / "out.tar.gz") as tar:
        tar.extractall(tmp_path / "back", filter="data")
    assert (tmp_path / "back/output/sub/records.json").is_file() and not (tmp_path / "back/output").is_symlink()
    (tmp_path / "elsewhere" / "sub" / "more").write_text("1")
    assert pack.fingerprint(str(folder)) != told["fingerprint"], "who writes there is noticed"


def test_a_damaged_archive_is_told(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.tar.gz"
    pack.write(str(folder), str(target))
    whole = target.read_bytes()
    data = bytearray(gzip.decompress(whole))
    data[data.index(b"\x00\xff" * 400) + 600] ^= 1
    for broken in (whole[: len(whole) // 2], gzip.compress(bytes(data)), b"", b"no archive"):
        target.write_bytes(broken)
        with pytest.raises(IntegrityError):
            pack.prove(str(target))


def test_an_archive_is_never_written_over_anything(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "out.tar.gz").symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError):
        pack.write(str(folder), str(tmp_path / "out.tar.gz"))
    assert (tmp_path / "victim").read_text() == "mine"


def test_the_fingerprint_tells_of_every_write(folder: Path) -> None:
    before = pack.fingerprint(str(folder))
    (folder / "releases/r1/license/license.dat").write_text("another")
    assert pack.fingerprint(str(folder)) == before, "licenses are none of its business"
    (folder / "output/sub/records.json").write_bytes(b"\x00\xfe" * 700_000)
    changed = pack.fingerprint(str(folder))
    (folder / "output/new").touch()
    assert len({before, changed, pack.fingerprint(str(folder))}) == 3


def test_no_room_and_no_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AirgapError, match="no such folder"):
        pack.fingerprint(str(tmp_path / "none"))
    full = os.statvfs_result((4096, 4096, 1, 0, 0, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _path: full)
    with pytest.raises(AirgapError, match="no room for 1.4 MB"):
        pack.write(str(folder), str(tmp_path / "out.tar.gz"))
    assert not (tmp_path / "out.tar.gz").exists()
