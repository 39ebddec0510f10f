# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports as they arrive: signature first, every byte accounted for, no folder that makes the reader stumble or leave it."""

from __future__ import annotations

import os
import shutil
import typing as t
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import canonical
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, MissingError, TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust, sign_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import imports, wire
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.exchange_kit import Keys, Site

GOLDEN = Path(__file__).parent / "golden"
TRUST = Trust(str(GOLDEN / "allowed_signers"))
SIGNED = [wire.NAME, *wire.files_of("host")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / "host", tmp_path / "usage-plant-7-1"))


@pytest.mark.parametrize("detail", wire.DETAILS)
def test_the_golden_export_verifies_for_ever(detail: str) -> None:
    parcel = imports.read(str(GOLDEN / detail), TRUST)
    assert (parcel.signer, parcel.manifest["detail"], parcel.ignored) == ("site@plant-7", detail, [])
    for entry in parcel.manifest["files"]:
        assert b"".join(imports.lines(parcel, entry["name"])) == (GOLDEN / detail / entry["name"]).read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(name=st.sampled_from(SIGNED), place=st.integers(0, 4000), change=st.sampled_from(["flip", "drop", "double", "cut", "nul", "high"]))
def test_any_byte_that_changes_is_noticed(folder: Path, name: str, place: int, change: str) -> None:
    whole = (GOLDEN / "host" / name).read_bytes()
    at = place % len(whole)
    byte = whole[at : at + 1]
    other = {"flip": bytes([byte[0] ^ 1]), "drop": b"", "double": byte * 2, "cut": None, "nul": b"\0", "high": b"\xff"}[change]
    (folder / name).write_bytes(whole[:at] if other is None else whole[:at] + other + whole[at + 1 :])
    with pytest.raises(AirgapError) as caught:
        imports.read(str(folder), TRUST)
    assert "\n" not in str(caught.value)
    (folder / name).write_bytes(whole)
    imports.read(str(folder), TRUST)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(data=st.binary(max_size=400))
def test_no_signature_makes_the_reader_stumble(folder: Path, data: bytes) -> None:
    (folder / "export.json.sig").write_bytes(data)
    with pytest.raises(TrustError):
        imports.read(str(folder), TRUST)


def test_nothing_is_parsed_before_the_signature_holds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "load_manifest", lambda *_args: pytest.fail("parsed"))
    (folder / wire.NAME).write_bytes(b"[" * 100)
    with pytest.raises(TrustError, match="does not verify"):
        imports.read(str(folder), TRUST)


def test_a_site_speaks_for_itself_only(tmp_path: Path) -> None:
    keys = Keys(tmp_path, "site@plant-8")
    folder = Path(shutil.copytree(GOLDEN / "host", tmp_path / "export"))
    sign_file(str(folder / wire.NAME), str(keys.make("site@plant-8")), wire.NAMESPACE)
    with pytest.raises(TrustError, match="speaks for site plant-7 but was signed by site@plant-8"):
        imports.read(str(folder), Trust(str(keys.signers)))


@pytest.mark.parametrize("name", SIGNED)
def test_what_is_no_regular_file_is_not_opened(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(AirgapError, match="no such file|is missing"):
        imports.read(str(folder), TRUST)
    os.symlink(GOLDEN / "host" / name, folder / name)
    with pytest.raises(AirgapError, match="not a regular file"):
        imports.read(str(folder), TRUST)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(AirgapError, match="not a regular file"):
        imports.read(str(folder), TRUST)


def test_a_manifest_larger_than_allowed_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (folder / wire.NAME).open("r+b") as stream:
        stream.truncate(wire.MAX_MANIFEST + 1)
    monkeypatch.setattr(canonical, "parse", lambda *_args: pytest.fail("parsed"))
    with pytest.raises(IntegrityError, match="more than the 4194304 bytes allowed"):
        imports.read(str(folder), TRUST)


def test_all_damaged_files_are_named_at_once(folder: Path) -> None:
    (folder / "looks.jsonl").write_text("")
    (folder / "state.json").unlink()
    with pytest.raises(AirgapError, match=r"looks.jsonl has 0 bytes instead of \d+ \| state.json is missing"):
        imports.read(str(folder), TRUST)


def test_foreign_files_are_ignored_and_named(folder: Path) -> None:
    (folder / "Thumbs.db").write_text("x")
    (folder / "naïve\u202e.txt").mkdir()
    assert imports.read(str(folder), TRUST).ignored == ["Thumbs.db", "na\\xefve\\u202e.txt"]


def test_exports_are_found_two_levels_down_and_links_are_not_followed(tmp_path: Path) -> None:
    for name in ("a", "b/c", "b/d/e/f", ".hidden"):
        shutil.copytree(GOLDEN / "host", tmp_path / "inbox" / name)
    os.symlink(GOLDEN, tmp_path / "inbox/link")
    found = imports.find([str(tmp_path / "inbox"), str(tmp_path / "inbox/a")])
    assert [os.path.relpath(path, tmp_path / "inbox") for path in found] == ["a", "b/c"]
    with pytest.raises(MissingError, match="no such folder"):
        imports.find([str(tmp_path / "nowhere")])


@pytest.mark.parametrize(
    ("data", "says"), [(b"{}", "line 1: cut off"), (b"{}\n" + b"x" * 40, "line 2: more than 32 bytes"), (b"{}\n", "changed while it was read")]
)
def test_a_file_that_changes_behind_the_verification_is_noticed(folder: Path, data: bytes, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parcel = imports.read(str(folder), TRUST)
    monkeypatch.setattr(wire, "MAX_LINE", 32)
    (folder / "looks.jsonl").write_bytes(data)
    with pytest.raises((InputError, IntegrityError), match=says):
        list(imports.lines(parcel, "looks.jsonl"))


def test_a_medium_that_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: t.Any) -> t.NoReturn:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(imports, "copy_hashing", broken)
    with pytest.raises(AirgapError, match="looks.jsonl cannot be read"):
        imports.read(str(folder), TRUST)


def test_an_export_just_made_reads_back(tmp_path: Path) -> None:
    site = Site(tmp_path / "site", Keys(tmp_path, "site@plant-7"))
    site.harvest(1)
    assert imports.read(site.export()["path"], Trust(str(site.keys.signers))).manifest["number"] == 1
