# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What grew in output folders: incremental, never by way of a link, bounded in words."""

from __future__ import annotations

import base64
import hashlib
import os
import typing as t
import zlib
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import evidence

Json = dict[str, t.Any]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "containers" / "stt" / "output"
    folder.mkdir(parents=True)
    return folder


def look(output: Path, known: Json | None = None, **limits: int) -> Json:
    root = output.parents[2]
    return evidence.look(str(root), ["stt"], {"stt": known or {}}, evidence.Limits(**limits))


def content(piece: Json) -> bytes:
    return zlib.decompress(base64.b64decode(piece["data"])) if piece["data"] else b""


def known(piece: Json) -> list[t.Any]:
    return [piece["offset"] + piece["size"], piece["whole"], piece["stamp"]]


def test_a_new_file_comes_whole_with_its_hashes(output: Path) -> None:
    (output / "a").mkdir()
    (output / "a" / "usage.jsonl").write_bytes(b"one\n")
    found = look(output)
    piece = found["pieces"][0]
    assert content(piece) == b"one\n"
    assert piece["sha256"] == piece["whole"] == hashlib.sha256(b"one\n").hexdigest()
    assert (piece["path"], piece["fresh"], piece["offset"], piece["size"], piece["total"]) == ("a/usage.jsonl", True, 0, 4, 4)
    assert found["containers"]["stt"] == {"files": 1, "whole": True, "gone": [], "notes": []}
    assert not found["more"]


def test_only_what_grew_comes_and_an_unchanged_file_not_at_all(output: Path) -> None:
    path = output / "usage"
    path.write_bytes(b"one\n")
    first = look(output)["pieces"][0]
    assert look(output, {"usage": known(first)})["pieces"] == []
    path.write_bytes(b"one\ntwo\n")
    piece = look(output, {"usage": known(first)})["pieces"][0]
    assert (piece["fresh"], piece["offset"], content(piece)) == (False, 4, b"two\n")
    assert piece["whole"] == hashlib.sha256(b"one\ntwo\n").hexdigest()


@pytest.mark.parametrize("now", [b"on", b"ONE\ntwo\n", b""])
def test_a_file_that_shrank_or_reads_otherwise_begins_anew(output: Path, now: bytes) -> None:
    path = output / "usage"
    path.write_bytes(b"one\n")
    first = look(output)["pieces"][0]
    path.write_bytes(now)
    piece = look(output, {"usage": known(first)})["pieces"][0]
    assert (piece["fresh"], piece["offset"], content(piece)) == (True, 0, now)
    assert piece["now"] == hashlib.sha256(now).hexdigest()


def test_a_change_of_the_known_part_shows_though_size_and_time_are_put_back(output: Path) -> None:
    path = output / "usage"
    path.write_bytes(b"one\n")
    before = path.stat()
    first = look(output)["pieces"][0]
    path.write_bytes(b"two\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert look(output, {"usage": known(first)})["pieces"][0]["fresh"]


def test_links_pipes_and_second_names_are_passed_over_in_words(output: Path, tmp_path: Path) -> None:
    secret = tmp_path / "shadow"
    secret.write_text("secret")
    (output / "link").symlink_to(secret)
    (output / "folder").symlink_to(tmp_path)
    os.mkfifo(output / "pipe")
    found = look(output)
    assert found["pieces"] == [] and found["containers"]["stt"]["whole"]
    assert found["containers"]["stt"]["notes"] == ["link: a link, not fetched", "pipe: no regular file, not fetched"]
    os.link(secret, output / "hard")
    found = look(output)
    assert found["pieces"] == [] and not found["containers"]["stt"]["whole"]
    assert "hard: it has a second name, not fetched" in found["containers"]["stt"]["notes"]


def test_a_huge_file_is_told_and_not_opened(output: Path) -> None:
    (output / "huge").write_bytes(b"x" * 2000)
    (output / "small").write_bytes(b"x")
    found = look(output, file=1000)
    assert [piece["path"] for piece in found["pieces"]] == ["small"]
    assert found["containers"]["stt"]["notes"] == ["huge: 2.0 kB, more than the 1.0 kB allowed, not fetched"]
    assert not found["containers"]["stt"]["whole"]


def test_an_answer_is_bounded_and_goes_on_where_it_stopped(output: Path) -> None:
    whole = {"a": b"a" * 70, "b": b"b" * 70, "c": b""}
    for name, data in whole.items():
        (output / name).write_bytes(data)
    have: Json = {}
    got: dict[str, bytes] = {}
    calls, more = 0, True
    while more and calls < 10:
        calls += 1
        found = look(output, have, answer=50)
        assert sum(piece["size"] for piece in found["pieces"]) <= 50
        for piece in found["pieces"]:
            assert piece["offset"] == len(got.get(piece["path"], b""))
            got[piece["path"]] = got.get(piece["path"], b"") + content(piece)
            have[piece["path"]] = known(piece)
        more = found["more"]
    assert got == whole and calls == 3


def test_more_files_than_the_bound_are_told(output: Path) -> None:
    for number in range(5):
        (output / str(number)).write_bytes(b"x")
    found = look(output, files=3)
    assert len(found["pieces"]) == 3
    assert found["containers"]["stt"]["notes"] == ["more than 3 files; the rest is not looked at"]


def test_what_is_gone_is_told_only_after_a_whole_walk(output: Path) -> None:
    gone = {"old": [4, "0" * 64, ""]}
    assert look(output, gone)["containers"]["stt"]["gone"] == ["old"]
    (output / "huge").write_bytes(b"x" * 20)
    assert look(output, gone, file=10)["containers"]["stt"]["gone"] == []


def test_a_folder_that_is_not_there_matters_only_when_it_was(tmp_path: Path) -> None:
    found = evidence.look(str(tmp_path), ["stt"], {}, evidence.Limits())
    assert found["containers"]["stt"]["whole"] and "is not there yet" in found["containers"]["stt"]["notes"][0]
    found = evidence.look(str(tmp_path), ["stt"], {"stt": {"a": [1, "0" * 64, ""]}}, evidence.Limits())
    assert not found["containers"]["stt"]["whole"] and found["containers"]["stt"]["gone"] == []


def test_names_of_any_bytes_become_plain_text(output: Path) -> None:
    with open(os.path.join(os.fsencode(output), b"\xff\n +"), "wb") as stream:
        stream.write(b"x")
    assert look(output)["pieces"][0]["path"] == "%FF%0A%20%2B"


def test_depth_is_bounded(output: Path) -> None:
    deep = output.joinpath(*["d"] * 20)
    deep.mkdir(parents=True)
    (deep / "usage").write_bytes(b"x")
    found = look(output)
    assert found["pieces"] == [] and "16 levels are enough" in found["containers"]["stt"]["notes"][0]


def test_a_container_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="DNS label"):
        evidence.look(str(tmp_path), ["../etc"], {}, evidence.Limits())


def test_without_content_nothing_is_bounded(output: Path) -> None:
    (output / "a").write_bytes(b"x" * 100)
    found = evidence.look(str(output.parents[2]), ["stt"], {}, evidence.Limits(answer=10), content=False)
    assert [(piece["size"], "data" in piece) for piece in found["pieces"]] == [(100, False)] and not found["more"]
