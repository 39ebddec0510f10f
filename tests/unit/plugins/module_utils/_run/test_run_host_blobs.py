# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs taken over from the login user: verified, never a link, all faults at once; models; pruning."""

from __future__ import annotations

import errno
import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed, host_blobs
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, release, sha

ME = os.getuid()


def blob(folder: Path, data: bytes, named: bytes | None = None) -> dict[str, t.Any]:
    digest = sha(data if named is None else named)
    folder.mkdir(exist_ok=True)
    (folder / digest[7:]).write_bytes(data)
    return {"digest": digest, "size": len(data)}


def take(tmp_path: Path, *blobs: dict[str, t.Any], owner: int = ME) -> list[str]:
    try:
        host_blobs.admit(str(tmp_path / "root"), str(tmp_path / "in"), blobs, owner)
    except Problems as exc:
        return exc.problems
    return []


def test_a_blob_moves_and_is_read_only(tmp_path: Path) -> None:
    one = blob(tmp_path / "in", b"one")
    inode = (tmp_path / "in" / one["digest"][7:]).stat().st_ino
    assert take(tmp_path, one) == []
    target = tmp_path / "root" / "store" / "blobs" / "sha256" / one["digest"][7:]
    assert (target.read_bytes(), target.stat().st_ino, target.stat().st_mode & 0o777) == (b"one", inode, 0o444)
    assert list((tmp_path / "in").iterdir()) == []
    assert host_blobs.lacking(deployed.store(str(tmp_path / "root")), [one, one]) == []


def test_another_file_system_is_copied_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = blob(tmp_path / "in", b"good"), blob(tmp_path / "in", b"bad", named=b"b0d")
    real = os.fstat

    def elsewhere(handle: int) -> os.stat_result:
        state = real(handle)
        return os.stat_result((state.st_mode, state.st_ino, state.st_dev + 1, *state[3:]))

    monkeypatch.setattr(os, "fstat", elsewhere)
    problems = take(tmp_path, good, bad)
    monkeypatch.undo()
    assert len(problems) == 1
    assert deployed.store(str(tmp_path / "root")) == {good["digest"][7:]: 4}
    assert list((tmp_path / "in").iterdir()) == []


def test_every_fault_is_named_and_the_others_are_in(tmp_path: Path) -> None:
    good = blob(tmp_path / "in", b"good")
    damaged = blob(tmp_path / "in", b"dbmaged", named=b"damaged")
    cut = {**blob(tmp_path / "in", b"cut", named=b"cut off"), "size": 7}
    gone = {"digest": sha(b"gone"), "size": 4}
    linked = {"digest": sha(b"linked"), "size": 6}
    (tmp_path / "in" / linked["digest"][7:]).symlink_to("/etc/hostname")
    hard = blob(tmp_path / "in", b"hard")
    os.link(tmp_path / "in" / hard["digest"][7:], tmp_path / "second")
    problems = take(tmp_path, good, damaged, cut, gone, linked, hard)
    assert len(problems) == 5
    for item, word in ((damaged, "damaged"), (cut, "damaged"), (gone, "not in"), (linked, "a link"), (hard, "2 links")):
        assert [line for line in problems if item["digest"] in line and word in line], word
    assert deployed.store(str(tmp_path / "root")) == {good["digest"][7:]: 4}
    left = {path.name for path in (tmp_path / "in").iterdir()}
    assert left == {linked["digest"][7:], hard["digest"][7:]}, "damaged ones go, so that they are sent again"


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    one = blob(tmp_path / "in", b"one")
    os.chown(tmp_path / "in" / one["digest"][7:], 4711, 4711)
    assert "not a plain file of the login user (owner 4711" in take(tmp_path, one, owner=1000)[0]
    assert take(tmp_path, one, owner=4711) == []


def models(root: Path, **files: bytes) -> dict[str, t.Any]:
    folder = root / "store" / "blobs" / "sha256"
    folder.mkdir(parents=True, exist_ok=True)
    listed = [{"path": path.replace("__", "/"), **blob(folder, data)} for path, data in files.items()]
    return {"digest": sha(repr(listed).encode()), "files": listed}


def test_models_are_links_under_their_name_when_complete(tmp_path: Path) -> None:
    wanted = models(tmp_path, a=b"1", sub__dir__b=b"2", same=b"1")
    root = str(tmp_path)
    assert host_blobs.models_missing(root, [wanted]) == [wanted]
    host_blobs.place_models(root, wanted)
    place = tmp_path / "models" / wanted["digest"][7:]
    assert (place / "sub" / "dir" / "b").read_bytes() == b"2"
    assert (place / "a").samefile(tmp_path / "store" / "blobs" / "sha256" / wanted["files"][0]["digest"][7:])
    assert {path.stat().st_mode & 0o777 for path in (place, place / "sub", place / "sub" / "dir")} == {0o555}
    assert host_blobs.models_missing(root, [wanted]) == []
    assert os.listdir(tmp_path / "models") == [place.name]


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", "a/./b", "", "a/..", None])
def test_paths_that_would_leave(tmp_path: Path, path: t.Any) -> None:
    wanted = models(tmp_path, a=b"1")
    wanted["files"][0]["path"] = path
    with pytest.raises(InputError, match="leaves the folder"):
        host_blobs.place_models(str(tmp_path), wanted)
    assert not (tmp_path / "models").exists()


def test_models_without_their_blobs(tmp_path: Path) -> None:
    wanted = models(tmp_path, a=b"1", b=b"2")
    (tmp_path / "store" / "blobs" / "sha256" / wanted["files"][1]["digest"][7:]).unlink()
    with pytest.raises(MissingError, match="lacks 1 of 2 files"):
        host_blobs.place_models(str(tmp_path), wanted)


def test_pruning_keeps_what_is_named_and_models_of_releases(tmp_path: Path) -> None:
    used, kept, loose = models(tmp_path, a=b"1"), models(tmp_path, b=b"2"), models(tmp_path, c=b"3", shared=b"1")
    for item in (used, kept, loose):
        host_blobs.place_models(str(tmp_path), item)
    found = release(Image(b"x"), used["digest"])
    folder = tmp_path / "containers" / "x" / "releases" / found["id"]
    folder.mkdir(parents=True)
    (folder / "release.json").write_text(json.dumps({"models": used["digest"]}))
    (tmp_path / "models" / ".airgap-left").mkdir()
    layer = blob(tmp_path / "store" / "blobs" / "sha256", b"of an image")
    paths = host_blobs.superfluous(str(tmp_path), [kept["digest"]])
    gone = [layer["digest"], loose["files"][0]["digest"]]
    assert paths == sorted([f"models/{loose['digest'][7:]}", "models/.airgap-left", *(f"store/blobs/sha256/{digest[7:]}" for digest in gone)])
    host_blobs.remove(str(tmp_path), paths)
    assert host_blobs.superfluous(str(tmp_path), [kept["digest"]]) == []
    assert sorted(deployed.store(str(tmp_path))) == sorted(item["files"][0]["digest"][7:] for item in (used, kept))


def test_what_two_sets_share_lies_on_the_disk_once_and_is_sent_once(tmp_path: Path) -> None:
    root = str(tmp_path)
    first, second = models(tmp_path, en=b"english", fr=b"french"), {"path": "en", "digest": sha(b"english"), "size": 7}
    host_blobs.place_models(root, first)
    host_blobs.remove(root, host_blobs.superfluous(root, [first["digest"]]))
    wider = {"digest": sha(b"wider"), "files": [second, {"path": "de", **blob(tmp_path / "new", b"german")}]}
    assert [item["path"] for item in host_blobs.lacking(deployed.store(root), wider["files"])] == ["de"], "the rest is there already"
    blob(tmp_path / "store" / "blobs" / "sha256", b"german")
    host_blobs.place_models(root, wider)
    places = [tmp_path / "models" / item["digest"][7:] for item in (first, wider)]
    assert (places[0] / "en").samefile(places[1] / "en")
    host_blobs.remove_sets(root, [first["digest"]])
    assert not places[0].exists() and (places[1] / "en").read_bytes() == b"english"
    assert sorted(deployed.store(root)) == sorted(item["digest"][7:] for item in wider["files"]), "what the other set shares stays, what nobody does goes"
    host_blobs.remove_sets(root, [wider["digest"], sha(b"never there")])
    assert deployed.store(root) == {} and os.listdir(tmp_path / "models") == []


def test_damaged_blobs_in_the_store_are_removed_and_told(tmp_path: Path) -> None:
    folder = tmp_path / "root" / "store" / "blobs" / "sha256"
    folder.mkdir(parents=True)
    good, flipped, cut, gone = blob(folder, b"good"), blob(folder, b"fl1pped", named=b"flipped"), blob(folder, b"cut", named=b"cut off"), sha(b"gone")
    assert host_blobs.damaged(str(tmp_path / "root"), [good, flipped, cut, {"digest": gone, "size": 4}]) == [flipped["digest"], cut["digest"]]
    assert os.listdir(folder) == [good["digest"][7:]]


def test_errors_name_the_container_where_it_is_known(tmp_path: Path) -> None:
    damaged = blob(tmp_path / "in", b"dbmaged", named=b"damaged")
    assert f"blob {damaged['digest']} of container sent-en: " in take(tmp_path, {**damaged, "container": "sent-en"})[0]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_the_place_and_the_bytes(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = blob(tmp_path / "in", b"good")
    real = os.stat

    def full(*_args: t.Any, **_options: t.Any) -> t.NoReturn:
        raise OSError(number, "No space left on device")

    def elsewhere(path: t.Any, **how: t.Any) -> os.stat_result:
        state = real(path, **how)
        return os.stat_result((state.st_mode, state.st_ino, state.st_dev + 1, *state[3:])) if str(path).endswith("sha256") else state

    monkeypatch.setattr(host_blobs, "copy_hashing", full)
    monkeypatch.setattr(os, "stat", elsewhere)
    told = take(tmp_path, good)
    monkeypatch.undo()
    assert "no space left in " in told[0] and "for its 4 bytes; make room" in told[0]
    assert (tmp_path / "in" / good["digest"][7:]).read_bytes() == b"good", "what was sent is not sent again"


def test_what_transfers_left_behind_goes_once_all_is_in(tmp_path: Path) -> None:
    one, withdrawn = blob(tmp_path / "in", b"one"), blob(tmp_path / "in", b"withdrawn")
    partial = blob(tmp_path / "in" / ".~tmp~", b"half", named=b"half of it")
    (tmp_path / "in" / f".{withdrawn['digest'][7:]}.aB3xYz").write_bytes(b"x")
    (tmp_path / "in" / "notes.txt").write_text("somebody else's")
    (tmp_path / "in" / ".blobs").write_text("the stage role's list for rsync")
    damaged = blob(tmp_path / "in", b"dbmaged", named=b"damaged")
    assert len(take(tmp_path, one, damaged)) == 1
    assert (tmp_path / "in" / ".~tmp~" / partial["digest"][7:]).exists(), "a transfer that is not over goes on from there"
    assert take(tmp_path, blob(tmp_path / "in", b"two")) == []
    assert sorted(path.name for path in (tmp_path / "in").rglob("*") if path.is_file()) == ["notes.txt"]


def test_nothing_is_swept_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    other = blob(tmp_path / "elsewhere", b"of somebody else")
    (tmp_path / "in" / ".~tmp~").symlink_to(tmp_path / "elsewhere")
    assert take(tmp_path, blob(tmp_path / "in", b"one")) == []
    assert (tmp_path / "elsewhere" / other["digest"][7:]).exists()
