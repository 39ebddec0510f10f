# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sys
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust, sign_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import control, kits, receive, verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.bundle import Bundles
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import tool_kit


@pytest.fixture
def tools(tmp_path: Path, keys: kit.Keys) -> Path:
    return tool_kit.build(tmp_path / "kits", keys)


@pytest.fixture
def made(tmp_path: Path, store: Store, keys: kit.Keys, tools: Path) -> Path:
    """A bundle with a kit in its folder, whose files are its own."""
    folder = Path(Bundles(str(tmp_path / "bundles"), store).build(kit.compose(store), keys.builder, kit=str(tools)))
    kit.detach(folder)
    return folder


def resign(folder: Path, keys: kit.Keys, **changes: t.Any) -> None:
    """Let the builder sign another manifest of the kit."""
    record = {**(control.read(str(folder)) or {}), **changes}
    (folder / "control.json").write_bytes(pretty({name: value for name, value in record.items() if value is not None}))
    sign_file(str(folder / "control.json"), keys.builder, "azure-ai-control")


def problems(folder: Path, keys: kit.Keys) -> list[str]:
    return verify.verify(str(folder), keys.trust)[2]


def wheel(folder: Path) -> Path:
    return folder / "blobs" / "sha256" / kit.sha(b"wheel 1.0")[7:]


def test_a_bundle_brings_the_kit_and_is_the_same_bundle(tmp_path: Path, store: Store, keys: kit.Keys, tools: Path, made: Path) -> None:
    without = kit.build(store, tmp_path / "other", keys)
    assert (made / "bundle.json").read_bytes() == (without / "bundle.json").read_bytes() and problems(made, keys) == []
    assert {path.name for path in made.iterdir()} - {path.name for path in without.iterdir()} == set(kits.FILES)
    # A package of the hosts that is one of the control node too lies there once.
    assert kit.blobs(made) == {**kit.blobs(without), **kit.blobs(tools)} and len(kit.blobs(made)) == len(kit.blobs(without)) + 2
    found = kits.look(str(made), keys.trust)
    assert found.record and found.signer == "builder@hq" and found.record["version"] == (control.read(str(tools)) or {})["version"]
    site = Store(str(tmp_path / "site"))
    parcel = receive.judge(str(made), site, kit.SITE, keys.trust)
    receive.take(parcel, site, kit.SITE)
    assert parcel.kit.record == found.record and not site.has(parcel.missing[0][0].parse(kit.sha(b"wheel 1.0")), 9), "no part of the store"


def test_blobs_are_links_where_the_file_system_can(tmp_path: Path, store: Store, keys: kit.Keys, tools: Path) -> None:
    folder = Path(Bundles(str(tmp_path / "bundles"), store).build(kit.compose(store), keys.builder, kit=str(tools)))
    assert os.path.samefile(wheel(folder), wheel(tools))


def test_copies_are_compared(tmp_path: Path, store: Store, keys: kit.Keys, tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit.detach(tools)
    wheel(tools).write_bytes(b"wheel 1.x")

    def refuse(*_paths: str) -> None:
        raise OSError

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(Exception, match=r"wheel_1%3a2\.3\.x of the control kit: damaged"):
        Bundles(str(tmp_path / "bundles"), store).build(kit.compose(store), keys.builder, kit=str(tools))
    assert os.listdir(tmp_path / "bundles") == [".lock"]


def test_what_is_damaged_or_missing_is_named(keys: kit.Keys, made: Path) -> None:
    wheel(made).write_bytes(b"wheel 1.x")
    assert problems(made, keys) == ["wheel_1%3a2.3.x of the control kit is damaged"]
    wheel(made).unlink()
    assert problems(made, keys) == [f"blob {kit.sha(b'wheel 1.0')} is missing (control kit)"]
    (made / "install.sh").unlink()
    assert "control kit: install.sh missing; copy it from the medium again" in problems(made, keys)[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("script", "install.sh is not the one that control.json names"),
        ("signature", "does not verify"),
        ("stranger", "does not know for builder"),
        ("namespace", "does not verify"),
        ("newer", "has format 2, this collection reads 1"),
        ("unknown", "more is unknown to this format"),
        ("path", r"files[0].filename has the bad value"),
    ],
)
def test_a_kit_that_cannot_be_trusted_is_refused_in_one_line_and_nothing_of_it_counts(
    tmp_path: Path, keys: kit.Keys, made: Path, change: str, words: str
) -> None:
    files = (control.read(str(made)) or {})["files"]
    if change == "script":
        (made / "install.sh").write_text("#!/bin/sh\nrm -rf /\n")
    if change == "signature":
        (made / "control.json").write_bytes((made / "control.json").read_bytes().replace(b"2026-01-31", b"2027-01-31"))
    if change == "stranger":
        resign(made, kit.make_keys(tmp_path / "strangers"))
    if change == "namespace":
        sign_file(str(made / "control.json"), keys.builder, "azure-ai-bundle")
    if change == "newer":
        resign(made, keys, format=2)
    if change == "unknown":
        resign(made, keys, more=1)
    if change == "path":
        resign(made, keys, files=[{**files[0], "filename": "../x"}, *files[1:]])
    found = problems(made, keys)
    assert len(found) == 2 and words in found[0] and found[1] == "2 files of blobs/sha256 are not listed"


def test_a_revoked_key_signs_no_kit(tmp_path: Path, keys: kit.Keys, made: Path) -> None:
    assert "signed by a revoked key" in kits.look(str(made), Trust(keys.signers, keys.builder + ".pub")).problem


def test_as_many_officers_as_a_site_requires_must_have_signed_the_kit_too(tmp_path: Path, keys: kit.Keys, made: Path) -> None:
    two = replace(keys.trust, signatures=2)
    assert "control.json" in kits.look(str(made), two).problem and "1 of the 2 signatures required" in kits.look(str(made), two).problem
    officer = keys.officer(tmp_path, "azure-ai-bundle,azure-ai-control")
    keys.countersign(made / "bundle.json", officer, "azure-ai-bundle")
    assert "1 of the 2 signatures required" in kits.look(str(made), two).problem, "the bundle's countersignature is none of the kit"
    keys.countersign(made / "control.json", officer, "azure-ai-control")
    assert kits.look(str(made), two).problem == "" and verify.verify(str(made), two)[2] == [] == problems(made, keys)
    told = kits.news(str(made), kits.look(str(made), two), Trust("keys/signers", "keys/revoked list", signatures=2))
    assert told["command"].endswith("sh install.sh --signers keys/signers --revoked 'keys/revoked list' --signatures 2")


def test_a_newer_kit_is_a_reason_and_keeps_the_sequence(tmp_path: Path, store: Store, keys: kit.Keys, tools: Path) -> None:
    bundles = Bundles(str(tmp_path / "bundles"), store)
    folder = bundles.build(kit.compose(store), keys.builder)
    wanted = last = bundles.last(kit.SITE) or {}
    assert bundles.reason(wanted, last, keys.builder) is None
    assert bundles.reason(wanted, last, keys.builder, str(tools)) == "the control kit is not in it yet"
    assert bundles.build(last, keys.builder, kit=str(tools)) == folder and bundles.reason(wanted, last, keys.builder, str(tools)) is None
    assert bundles.reason(wanted, last, keys.builder) is None, "a kit that nobody asks for does no harm"
    newer = tool_kit.build(tmp_path / "newer", keys, "2.0")
    assert bundles.reason(wanted, last, keys.builder, str(newer)) == "its control kit has changed"


def test_a_site_that_builds_on_a_bundle_with_this_kit_has_it(tmp_path: Path, store: Store, keys: kit.Keys, tools: Path) -> None:
    bundles = Bundles(str(tmp_path / "bundles"), store)
    made = kit.compose(store)
    bundles.build(made, keys.builder, kit=str(tools))
    received = {"sequence": made["sequence"], "id": made["id"]}
    newer = tool_kit.build(tmp_path / "newer", keys, "2.0")
    told = [bundles.brought(kit.SITE, *case) for case in ((received, str(tools)), (None, str(tools)), (received, str(newer)))]
    other = {**received, "id": kit.sha(b"another builder's")}
    assert told == [True, False, False] and not bundles.brought(kit.SITE, other, str(tools))
    assert not bundles.brought(kit.SITE, {**received, "sequence": 9}, str(tools))
    (Path(bundles.folder(made)) / "bundle.json").unlink()
    assert not bundles.brought(kit.SITE, received, str(tools)), "nobody can say any more what that folder was"


def test_news_say_what_is_in_use(tmp_path: Path, keys: kit.Keys, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, used = kits.look(str(made), keys.trust), tmp_path / "used"
    assert kits.news(str(made), kits.NONE, Trust("keys/allowed_signers")) == {}
    monkeypatch.setattr(sys, "prefix", str(used))
    told = kits.news("/in box", found, Trust("keys/allowed_signers"))
    assert (told["in_use"], told["newer"]) == ("", True) and told["command"].startswith(
        "cd '/in box' && ssh-keygen -Y verify -f keys/allowed_signers -I builder@hq "
    )
    for version, created, newer in (("0.9", "2025-01-01T00:00:00Z", True), ("2.0", "2027-01-01T00:00:00Z", False), ("1.0", "2025-01-01T00:00:00Z", False)):
        used.mkdir(exist_ok=True)
        (used / "control.json").write_bytes(pretty(tool_kit.manifest(Store(str(tmp_path / "s")).create(), version, created)))
        told = kits.news(str(made), found, Trust("keys/allowed_signers"))
        assert (told["in_use"][:3], told["newer"]) == (version, newer)
