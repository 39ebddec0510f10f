# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence as it is kept: pieces in a row, generations, nothing overwritten, no name that escapes, signals only when they are sure."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import typing as t
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import evidence, kept

NOW = "2026-03-15T02:00:00Z"
Json = dict[str, t.Any]


def piece(data: bytes, before: bytes = b"", fresh: bool = False, path: str = "usage", **more: t.Any) -> Json:
    made = {"container": "stt", "path": path, "fresh": fresh, "offset": len(before), "size": len(data), "total": len(before + data), "stamp": "1-1"}
    made.update(sha256=hashlib.sha256(data).hexdigest(), whole=hashlib.sha256(before + data).hexdigest())
    made.update(data=base64.b64encode(zlib.compress(data)).decode() if data else "", now=made["whole"])
    return {**made, **more}


def rows(folder: Path, month: str = "2026-03") -> list[Json]:
    return [json.loads(line) for line in (folder / month / kept.INDEX).read_text().splitlines()]


def test_pieces_of_one_month_lie_behind_one_another_with_an_index(tmp_path: Path) -> None:
    keeper = kept.Keeper(str(tmp_path), NOW)
    keeper.keep(piece(b"one\n", fresh=True))
    keeper.keep(piece(b"two\n", b"one\n"))
    keeper.save()
    assert (tmp_path / "2026-03" / "usage").read_bytes() == b"one\ntwo\n"
    assert [(row["offset"], row["at"], row["size"], row["generation"]) for row in rows(tmp_path)] == [(0, 0, 4, 1), (4, 4, 4, 1)]
    again = kept.Keeper(str(tmp_path), NOW)
    assert again.known() == {"usage": [8, hashlib.sha256(b"one\ntwo\n").hexdigest(), "1-1"]}


def test_the_next_month_goes_on_in_a_file_of_its_own(tmp_path: Path) -> None:
    keeper = kept.Keeper(str(tmp_path), NOW)
    keeper.keep(piece(b"one\n", fresh=True))
    keeper.save()
    later = kept.Keeper(str(tmp_path), "2026-04-01T02:00:00Z")
    later.keep(piece(b"two\n", b"one\n"))
    later.save()
    assert (tmp_path / "2026-03" / "usage").read_bytes() == b"one\n"
    assert (tmp_path / "2026-04" / "usage").read_bytes() == b"two\n"


def test_a_new_generation_never_touches_the_old(tmp_path: Path) -> None:
    keeper = kept.Keeper(str(tmp_path), NOW)
    keeper.keep(piece(b"one\n", fresh=True))
    assert keeper.keep(piece(b"other", fresh=True)) is None
    keeper.save()
    assert (tmp_path / "2026-03" / "usage").read_bytes() == b"one\n"
    assert (tmp_path / "2026-03" / "usage~2").read_bytes() == b"other"


@pytest.mark.parametrize(("now", "signal"), [(b"on", "restored"), (b"ON", None), (b"", None), (b"one\n more", None)])
def test_only_a_true_beginning_of_what_was_seen_is_a_restored_file(tmp_path: Path, now: bytes, signal: str | None) -> None:
    keeper = kept.Keeper(str(tmp_path), NOW)
    keeper.keep(piece(b"one\n", fresh=True))
    keeper.save()
    assert kept.Keeper(str(tmp_path), "2026-04-02T00:00:00Z").keep(piece(now, fresh=True)) == signal


def test_all_files_gone_is_a_reset_and_told_once(tmp_path: Path) -> None:
    keeper = kept.Keeper(str(tmp_path), NOW)
    told = {"files": 0, "whole": True, "gone": ["usage"], "notes": []}
    assert not keeper.is_reset(told), "what never held anything was not reset"
    keeper.keep(piece(b"one\n", fresh=True))
    assert not keeper.is_reset({**told, "files": 1})
    assert not keeper.is_reset({**told, "whole": False})
    assert not keeper.is_reset({**told, "gone": []})
    assert keeper.is_reset(told)
    keeper.went(told["gone"])
    keeper.save()
    assert not kept.Keeper(str(tmp_path), NOW).is_reset(told)


def test_what_an_interrupted_run_kept_is_known(tmp_path: Path) -> None:
    keeper = kept.Keeper(str(tmp_path), NOW)
    keeper.keep(piece(b"one\n", fresh=True))
    keeper.save()
    old = (tmp_path / kept.KNOWN).read_bytes()
    keeper.keep(piece(b"two\n", b"one\n"))
    keeper.save()
    (tmp_path / kept.KNOWN).write_bytes(old)
    assert kept.Keeper(str(tmp_path), NOW).known()["usage"][0] == 8
    (tmp_path / kept.KNOWN).unlink()
    assert kept.Keeper(str(tmp_path), NOW).known()["usage"][0] == 8


def test_a_torn_tail_is_cut_before_the_next_piece(tmp_path: Path) -> None:
    keeper = kept.Keeper(str(tmp_path), NOW)
    keeper.keep(piece(b"one\n", fresh=True))
    keeper.save()
    with open(tmp_path / "2026-03" / "usage", "ab") as stream:
        stream.write(b"torn")
    with open(tmp_path / "2026-03" / kept.INDEX, "ab") as stream:
        stream.write(b'{"torn')
    again = kept.Keeper(str(tmp_path), NOW)
    again.keep(piece(b"two\n", b"one\n"))
    again.save()
    assert (tmp_path / "2026-03" / "usage").read_bytes() == b"one\ntwo\n"
    assert len(rows(tmp_path)) == 2


@pytest.mark.parametrize("name", [kept.KNOWN, f"2026-03/{kept.INDEX}"])
@pytest.mark.parametrize("text", ["{", "[" * 100_000])
def test_what_is_known_and_cannot_be_read_is_named(tmp_path: Path, name: str, text: str) -> None:
    keeper = kept.Keeper(str(tmp_path), NOW)
    keeper.keep(piece(b"one\n", fresh=True))
    keeper.save()
    (tmp_path / name).write_text(text + "\n")
    with pytest.raises(IntegrityError, match=f"{name}: cannot be read"):
        kept.Keeper(str(tmp_path), NOW)


def test_evidence_that_was_cut_by_somebody_is_named(tmp_path: Path) -> None:
    keeper = kept.Keeper(str(tmp_path), NOW)
    keeper.keep(piece(b"one\n", fresh=True))
    keeper.save()
    (tmp_path / "2026-03" / "usage").write_bytes(b"o")
    with pytest.raises(IntegrityError, match="shorter than its index says"):
        kept.Keeper(str(tmp_path), NOW).keep(piece(b"two\n", b"one\n"))


@pytest.mark.parametrize(
    "wrong", [{"data": ""}, {"data": "!"}, {"sha256": "0" * 64}, {"size": 3}, {"data": base64.b64encode(zlib.compress(b"x" * 10**6)).decode()}]
)
def test_bytes_that_are_not_as_announced_are_refused(tmp_path: Path, wrong: Json) -> None:
    with pytest.raises((InputError, IntegrityError)):
        kept.Keeper(str(tmp_path), NOW).keep({**piece(b"one\n", fresh=True), **wrong})


def test_a_piece_that_does_not_follow_is_refused(tmp_path: Path) -> None:
    keeper = kept.Keeper(str(tmp_path), NOW)
    with pytest.raises(IntegrityError, match="first byte"):
        keeper.keep(piece(b"two\n", b"one\n"))
    keeper.keep(piece(b"one\n", fresh=True))
    with pytest.raises(IntegrityError, match="4 bytes are known"):
        keeper.keep(piece(b"x", b"one\ntwo\n"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"container": "other"},
        {"path": "../x"},
        {"path": "a//b"},
        {"path": "/etc"},
        {"path": "a\nb"},
        {"path": "x" * 5000},
        {"path": 1},
        {"size": -1},
        {"size": True},
        {"size": 10**9},
        {"offset": 0.5},
        {"whole": "x"},
        {"stamp": "x" * 65},
        {"fresh": 1},
    ],
)
def test_malformed_pieces_are_refused(wrong: Json) -> None:
    good = piece(b"one\n", fresh=True)
    assert kept.check(good, {"stt"}, 100) == good
    if wrong == {"path": "../x"}:
        assert os.sep not in kept.name_of("../x", 1) and not kept.name_of("../x", 1).startswith("."), "dots are a name like any other"
        return
    with pytest.raises(InputError):
        kept.check({**good, **wrong}, {"stt"}, 100)


@given(st.lists(st.binary(min_size=1, max_size=300).filter(lambda name: b"/" not in name and b"\0" not in name), min_size=1, max_size=3), st.integers(1, 3))
@settings(max_examples=200)
def test_any_path_becomes_one_short_name_in_one_folder(parts: list[bytes], generation: int) -> None:
    path = evidence.path_text(os.fsdecode(b"/".join(parts)))
    name = kept.name_of(path, generation)
    assert os.sep not in name and not name.startswith(".") and len(name) < 200 and name.isascii() and name not in (kept.INDEX, kept.KNOWN)


@given(st.sets(st.text("ab+~/.%2", min_size=1, max_size=8), min_size=2, max_size=6))
def test_other_paths_get_other_names(paths: set[str]) -> None:
    texts = {evidence.path_text(path) for path in paths}
    assert len({kept.name_of(text, generation) for text in texts for generation in (1, 2)}) == 2 * len(texts)


@given(st.lists(st.sampled_from(["..", ".", "a/b", "stt-1", "\u00fc"]), min_size=3, max_size=3))
def test_no_site_host_or_container_leads_out(words: list[str]) -> None:
    folder = kept.folder_of("/e", *words)
    assert os.path.normpath(folder) == folder and folder.startswith("/e/") and folder.count("/") == 4


def test_old_months_go_and_nothing_is_fetched_anew(tmp_path: Path) -> None:
    folder = tmp_path / "site" / "host" / "stt"
    for month in ("2025-12", "2026-01", "2026-02", "2026-03"):
        keeper = kept.Keeper(str(folder), f"{month}-10T00:00:00Z")
        keeper.keep(piece(b"one\n", fresh=True, path=f"u-{month}"))
        keeper.save()
    (folder / "2020-01-notes").mkdir()
    chosen = kept.old(str(tmp_path), 2, NOW)
    assert chosen == [str(folder / "2025-12")]
    kept.remove(chosen)
    assert kept.months_of(str(folder)) == ["2026-01", "2026-02", "2026-03"] and (folder / "2020-01-notes").is_dir()
    assert set(kept.Keeper(str(folder), NOW).known()) == {"u-2025-12", "u-2026-01", "u-2026-02", "u-2026-03"}


def test_a_group_that_owns_the_folder_may_go_on(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o2770)
    keeper = kept.Keeper(str(tmp_path / "c"), NOW)
    keeper.keep(piece(b"one\n", fresh=True))
    keeper.save()
    modes = {path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*") if path.is_file()}
    assert modes == {0o660}
    assert {path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*") if path.is_dir()} == {0o2770}


def test_otherwise_nobody_else_reads_it(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o750)
    keeper = kept.Keeper(str(tmp_path / "c"), NOW)
    keeper.keep(piece(b"one\n", fresh=True))
    keeper.save()
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")} == {0o700, 0o600}
