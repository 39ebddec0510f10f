# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive of a control folder: whole or refused, nothing in it that no backup holds, no secret in the open."""

from __future__ import annotations

import io
import os
import tarfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import parse, pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import IntegrityError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import archive

ABOUT = {"site": "s", "created": "2026-03-01T00:00:00Z", "heads": {}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    files = {
        "store/holdings.json": "{}",
        "keys/signing": "private",
        "keys/signing.pub": "public",
        "keys/allowed_signers": "x",
        "evidence/s/h/c/known.json": "{}",
    }
    files.update(
        {"ledger/spool/x.json": "{}", "outbox/wants.json": "{}", "store/blobs/sha256/aa": "blob", "ledger/done/x": "no", "ledger/spool/.airgap-1": "half"}
    )
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "outbox" / "link").symlink_to("/etc/shadow")
    return folder


def seal(data: bytes) -> bytes:
    return b"sealed " + data[::-1]


def make(home: Path, tmp_path: Path, secrets: bool = True) -> Path:
    items, _notes = archive.gather(str(home), None, secrets)
    path = tmp_path / "b" / "one.tar.gz"
    path.parent.mkdir(exist_ok=True)
    archive.write(str(path), items, archive.manifest_of(items, ABOUT), seal)
    return path


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as found:
        return {member.name: t.cast(t.IO[bytes], found.extractfile(member)).read() for member in found}


def test_it_holds_what_cannot_be_fetched_again_and_nothing_else(home: Path, tmp_path: Path) -> None:
    items, notes = archive.gather(str(home), None, secrets=True)
    names = {item.name for item in items}
    assert names == {
        "store/holdings.json",
        "keys/signing",
        "keys/signing.pub",
        "keys/allowed_signers",
        "evidence/s/h/c/known.json",
        "ledger/spool/x.json",
        "outbox/wants.json",
    }
    assert notes == ["outbox/link: no regular file, left out"]


def test_private_files_are_sealed_or_left_out(home: Path, tmp_path: Path) -> None:
    path = make(home, tmp_path)
    found = members(path)
    assert found["keys/signing.vault"] == seal(b"private") and found["keys/signing.pub"] == b"public" and "keys/signing" not in found
    assert os.stat(path).st_mode & 0o777 == 0o600
    _items, notes = archive.gather(str(home), None, secrets=False)
    assert "keys/signing: private, left out" in notes
    assert not any(b"private" in data for data in members(make(home, tmp_path, secrets=False)).values())


def test_it_unpacks_to_the_same_bytes(home: Path, tmp_path: Path) -> None:
    manifest = archive.unpack(str(make(home, tmp_path)), str(tmp_path / "out"))
    assert manifest["site"] == "s"
    assert (tmp_path / "out/outbox/wants.json").read_text() == "{}"
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").rglob("*") if path.is_file()} == {0o600}


def test_the_sidecar_tells_whether_anything_changed(home: Path, tmp_path: Path) -> None:
    path = make(home, tmp_path)
    last = archive.newest(str(path.parent), "one")
    assert last is not None and last[0] == str(path)
    items, _notes = archive.gather(str(home), None, True)
    now = archive.manifest_of(items, {**ABOUT, "created": "2026-04-01T00:00:00Z"})
    assert archive.same(last[1], now)
    (home / "outbox" / "wants.json").write_text("[]")
    assert not archive.same(last[1], archive.manifest_of(items, ABOUT))
    path.unlink()
    assert archive.newest(str(path.parent), "one") is None


def test_a_file_that_changes_meanwhile_is_named(home: Path, tmp_path: Path) -> None:
    items, _notes = archive.gather(str(home), None, True)
    manifest = archive.manifest_of(items, ABOUT)
    (home / "outbox" / "wants.json").write_text("[]")
    with pytest.raises(IntegrityError, match="wants.json: changed while it was copied"):
        archive.write(str(tmp_path / "x.tar.gz"), items, manifest, seal)
    assert not (tmp_path / "x.tar.gz").exists()


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.95])
def test_a_cut_off_archive_is_refused(home: Path, tmp_path: Path, keep: float) -> None:
    (home / "evidence" / "big").write_bytes(os.urandom(10**5))
    path = make(home, tmp_path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(IntegrityError, match="backup .*one.tar.gz"):
        archive.unpack(str(path), str(tmp_path / "out"))


def rewritten(path: Path, change: t.Callable[[dict[str, bytes]], None], kind: bytes = tarfile.REGTYPE) -> None:
    found = members(path)
    change(found)
    with tarfile.open(path, "w:gz") as made:
        for name, data in found.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            if name == "outbox/odd":
                member.type, member.size, member.linkname = kind, 0, "/etc/shadow"
            made.addfile(member, io.BytesIO(data))


def test_altered_missing_and_added_files_are_all_named(home: Path, tmp_path: Path) -> None:
    path = make(home, tmp_path)

    def change(found: dict[str, bytes]) -> None:
        found["outbox/wants.json"] = b"[]"
        found["outbox/more"] = b""
        del found["keys/allowed_signers"]

    rewritten(path, change)
    with pytest.raises(Problems) as caught:
        archive.unpack(str(path), str(tmp_path / "out"))
    assert caught.value.problems == ["keys/allowed_signers is missing", "outbox/wants.json is damaged", "outbox/more is not in its manifest"]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "outbox/../../x", "store/blobs/x", "ledger/ledger.db/..", "outbox/", "outbox//x"])
def test_names_that_no_backup_holds_are_refused(home: Path, tmp_path: Path, name: str) -> None:
    path = make(home, tmp_path)
    rewritten(path, lambda found: found.update({name: b"x"}))
    with pytest.raises((IntegrityError, Problems)):
        archive.unpack(str(path), str(tmp_path / "out"))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_only_regular_files_are_unpacked(home: Path, tmp_path: Path, kind: bytes) -> None:
    path = make(home, tmp_path)
    rewritten(path, lambda found: found.update({"outbox/odd": b""}), kind)
    with pytest.raises(IntegrityError, match="which no backup holds"):
        archive.unpack(str(path), str(tmp_path / "out"))


def test_another_format_is_refused(home: Path, tmp_path: Path) -> None:
    path = make(home, tmp_path)
    rewritten(path, lambda found: found.update({archive.MANIFEST: pretty({**parse(found[archive.MANIFEST], "it"), "format": 2})}))
    with pytest.raises(IntegrityError, match="no backup of format 1"):
        archive.unpack(str(path), str(tmp_path / "out"))


@given(st.lists(st.sampled_from(["outbox", "..", ".", "", "keys", "a", "ledger", "spool"]), min_size=1, max_size=5).map("/".join))
def test_a_fit_name_stays_inside(name: str) -> None:
    if archive.is_fit(name):
        assert os.path.normpath(os.path.join("/home", name)) == f"/home/{name}"
