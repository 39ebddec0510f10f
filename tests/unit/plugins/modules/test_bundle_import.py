# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import carried, delta, kits, verified
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.bundle import Bundles
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.modules import bundle_import
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import tool_kit


@pytest.fixture
def options(tmp_path: Path) -> dict:
    keys = kit.make_keys(tmp_path / "keys")
    folder = kit.build(kit.fill(tmp_path / "store"), tmp_path / "bundles", keys)
    kit.detach(folder)
    wants = {"containers": kit.selectors("1.0"), "os": ["debian-12"], "control": {"python": "3.11"}}
    return {
        "path": str(folder),
        "store": str(tmp_path / "site"),
        "site": kit.SITE,
        "allowed_signers": keys.signers,
        "outbox": str(tmp_path / "outbox"),
        "signing_key": keys.site,
        "wants": wants,
        "progress_file": str(tmp_path / "progress.json"),
    }


def test_check_do_do(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    planned = kit.run_module(bundle_import, capsys, check=True, **options)
    assert planned["changed"] and not os.path.exists(options["store"]) and not os.path.exists(options["outbox"])
    done = kit.run_module(bundle_import, capsys, **options)
    assert done["changed"] and done["copied"] == planned["copied"] == len(kit.blobs(options["store"])) and done["signer"] == "builder@hq"
    assert done["written"] == planned["written"] == ["holdings.json", "wants.json"]
    assert done["diff"] == planned["diff"]
    progress = json.loads(Path(options["progress_file"]).read_text())
    assert progress["finished"] and progress["done"] == progress["total"] == done["copied_bytes"]
    again = kit.run_module(bundle_import, capsys, **options)
    assert not again["changed"] and again["copied"] == 0 and again["written"] == []
    assert again["diff"]["before"] == again["diff"]["after"]


def test_the_walk_through_the_store_knows_how_much_there_is_to_read(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    kit.run_module(bundle_import, capsys, **options)
    again = kit.run_module(bundle_import, capsys, **options, full=True)
    state = json.loads(Path(options["progress_file"]).read_text())
    assert not again["changed"] and state["label"] == "blobs of the store"
    assert state["finished"] and state["done"] == state["total"] == sum(map(len, kit.blobs(options["store"]).values()))


def test_other_wants_write_the_wants_alone(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    kit.run_module(bundle_import, capsys, **options)
    done = kit.run_module(bundle_import, capsys, **{**options, "wants": {"containers": kit.selectors("2.0")}})
    assert done["changed"] and done["written"] == ["wants.json"] and done["copied"] == 0


def test_without_an_outbox_nothing_is_sent(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    few = {name: options[name] for name in ("path", "store", "site", "allowed_signers")}
    assert kit.run_module(bundle_import, capsys, **few)["written"] == []
    assert kit.run_module(bundle_import, capsys, **few, outbox=options["outbox"])["failed"]


def test_damage_is_one_line_and_not_remembered(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(path for path in (Path(options["path"]) / "blobs" / "sha256").iterdir() if path.read_bytes() == kit.LICENSE)
    path.write_bytes(kit.LICENSE[::-1])
    result = kit.run_module(bundle_import, capsys, **options)
    assert result["failed"] and path.name in result["msg"] and "license of speech_to_text" in result["msg"] and "\n" not in result["msg"]
    assert not os.path.exists(os.path.join(options["store"], "holdings.json")) and not os.path.exists(options["outbox"])
    path.write_bytes(kit.LICENSE)
    assert kit.run_module(bundle_import, capsys, **options)["copied"] == 1


def test_a_blob_that_went_bad_in_the_store_comes_again(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    kit.run_module(bundle_import, capsys, **options)
    path = max((Path(options["store"]) / "blobs" / "sha256").iterdir(), key=lambda found: found.stat().st_size)
    good, before = path.read_bytes(), path.stat()
    path.write_bytes(bytes(byte ^ 1 for byte in good))
    again = kit.run_module(bundle_import, capsys, **options)
    assert again["copied"] == 1 and path.read_bytes() == good
    before = path.stat()
    path.write_bytes(bytes(byte ^ 1 for byte in good))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # damage that keeps size, time and inode
    assert kit.run_module(bundle_import, capsys, **options)["copied"] == 0
    assert kit.run_module(bundle_import, capsys, **options, full=True)["copied"] == 1 and path.read_bytes() == good


def test_progress_ends_with_a_refusal(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    kit.run_module(bundle_import, capsys, **options)
    store = Store(str(tmp_path / "store"))
    whole = kit.compose(store, sequence=2)
    path = Bundles(str(tmp_path / "bundles"), store).build(delta.lean(whole, delta.on_bundle(whole)), str(tmp_path / "keys" / "builder"))
    (Path(options["store"]) / "blobs" / "sha256" / whole["blobs"][0]["digest"][7:]).unlink()
    refused = kit.run_module(bundle_import, capsys, **{**options, "path": path}, full=True)  # the other blobs are read before it is
    state = json.loads(Path(options["progress_file"]).read_text())
    assert refused["failed"] and state["label"] == "blobs of the store" and state["finished"] and state["done"] > 0


def test_a_store_that_was_imported_is_not_read_again(options: dict, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    kit.run_module(bundle_import, capsys, **options)
    monkeypatch.setattr(verified, "copy_hashing", None)
    again = kit.run_module(bundle_import, capsys, **options)
    assert not again["changed"] and "imported before" in again["msg"]


def test_two_signatures_when_two_are_required(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    result = kit.run_module(bundle_import, capsys, **options, signatures_required=2)
    assert result["failed"] and "1 of the 2 signatures required" in result["msg"] and not os.path.exists(options["store"])


def test_holdings_do_not_claim_what_got_lost(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    kit.run_module(bundle_import, capsys, **options)
    bundles = Bundles(str(tmp_path / "bundles"), Store(str(tmp_path / "store")))
    whole = kit.compose(Store(str(tmp_path / "store")), sequence=2)
    keys = kit.Keys(str(tmp_path / "keys" / "builder"), options["signing_key"], options["allowed_signers"])
    lost = whole["blobs"][0]["digest"]
    (Path(options["store"]) / "blobs" / "sha256" / lost[7:]).unlink()
    before = json.loads((tmp_path / "outbox" / "holdings.json").read_text())
    path = bundles.build(delta.lean(whole, delta.on_bundle(whole)), keys.builder)
    planned = kit.run_module(bundle_import, capsys, check=True, **{**options, "path": path})
    assert planned["failed"] and not (tmp_path / "outbox" / "missing.json").exists()
    kit.run_module(bundle_import, capsys, **{**options, "path": path})
    assert json.loads((tmp_path / "outbox" / "holdings.json").read_text())["counter"] > before["counter"]
    missing, _data = carried.document(str(tmp_path / "outbox" / "missing.json"), "missing", keys.trust)
    base, _notes = carried.holdings(str(tmp_path / "outbox"), kit.SITE, keys.trust)
    assert missing["blobs"] == [lost] and base is not None and lost not in base.held and len(base.held) == len(whole["blobs"]) - 1


def test_what_was_found_damaged_is_not_claimed_until_it_comes_again(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    kit.run_module(bundle_import, capsys, **options)
    store, told = Store(options["store"]), Path(options["outbox"], "holdings.json")
    first = json.loads(told.read_text())
    store.note_lacking(bad=first["blobs"][:1])  # it lies there, with its size
    assert kit.run_module(bundle_import, capsys, check=True, **options)["written"] == ["holdings.json"]
    done = kit.run_module(bundle_import, capsys, **options)
    again = json.loads(told.read_text())
    assert done["changed"] and again["blobs"] == first["blobs"] and again["counter"] == first["counter"] + 2
    assert "lacking" not in store.holdings() and not kit.run_module(bundle_import, capsys, **options)["changed"]


def test_a_control_kit_that_came_is_told_with_the_line_to_type(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert kit.run_module(bundle_import, capsys, check=True, **options)["control_kit"] == {}
    keys = kit.Keys(str(tmp_path / "keys" / "builder"), "", options["allowed_signers"])
    kits.lay(str(tool_kit.build(tmp_path / "kits", keys)), options["path"])
    done = kit.run_module(bundle_import, capsys, **options)
    told = done["control_kit"]
    assert done["changed"] and told["version"].startswith("1.0-") and (told["in_use"], told["newer"]) == ("", True)
    assert told["command"].startswith(f"cd {options['path']} && ssh-keygen -Y verify -f {options['allowed_signers']} -I builder@hq ")
    (Path(options["path"]) / "install.sh").write_text("#!/bin/sh\n")
    assert "install.sh is not the one that control.json names" in kit.run_module(bundle_import, capsys, **options)["msg"]
