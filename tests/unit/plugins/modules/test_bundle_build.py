# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import shutil
import types
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import sign_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import bundle, verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.modules import bundle_build, bundle_import
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import tool_kit


@pytest.fixture
def options(tmp_path: Path) -> dict:
    store = kit.fill(tmp_path / "store")
    keys = kit.make_keys(tmp_path / "keys")
    wanted = [{name: value for name, value in entry.items() if name != "options"} for entry in kit.selectors("1.0", "2.0")]
    return {"store": store.path, "dest": str(tmp_path / "bundles"), "site": kit.SITE, "selectors": wanted, "os": ["debian-12"], "signing_key": keys.builder}


def test_check_do_do(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    planned = kit.run_module(bundle_build, capsys, check=True, **options)
    assert planned["changed"] and not os.path.exists(options["dest"])
    built = kit.run_module(bundle_build, capsys, **options)
    assert built["changed"] and built["path"] == planned["path"] and built["sequence"] == 1
    assert "image speech_to_text:1.0" in built["diff"]["after"] and built["diff"]["before"] == ""
    assert verify.verify(built["path"], kit.Keys("", "", str(tmp_path / "keys" / "signers")).trust)[2] == []
    again = kit.run_module(bundle_build, capsys, **options)
    assert not again["changed"] and again["id"] == built["id"]


def test_an_officers_signature_stays_with_the_bytes_it_is_of(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    keys = kit.Keys(options["signing_key"], "", str(tmp_path / "keys" / "signers"))
    tools = tool_kit.build(tmp_path / "kits", keys)
    options["control_kit"] = str(tools)
    officer = keys.officer(tmp_path, "azure-ai-bundle,azure-ai-control")
    folder = Path(kit.run_module(bundle_build, capsys, **options)["path"])
    strict = replace(keys.trust, signatures=2)

    def sign() -> None:
        keys.countersign(folder / "bundle.json", officer, "azure-ai-bundle")
        keys.countersign(folder / "control.json", officer, "azure-ai-control")

    def spoil() -> None:
        next((folder / "blobs" / "sha256").iterdir()).unlink()

    sign()
    spoil()
    (folder / "bundle.json.link.sig").symlink_to("/etc/passwd")
    again = kit.run_module(bundle_build, capsys, **options)
    assert again["changed"] and again["lost_signatures"] == [] and not (folder / "bundle.json.link.sig").is_symlink()
    assert verify.verify(str(folder), strict)[1:] == ("builder@hq, officer@hq", [])
    (tools / "control.json").write_bytes((tools / "control.json").read_bytes().replace(b"2026-01-31", b"2026-02-01"))
    sign_file(str(tools / "control.json"), keys.builder, "azure-ai-control")
    planned = kit.run_module(bundle_build, capsys, check=True, **options)
    assert planned["lost_signatures"] == ["control.json.officer.sig"] and (folder / "control.json.officer.sig").exists()
    again = kit.run_module(bundle_build, capsys, **options)
    assert again["msg"].endswith("; control.json.officer.sig of before signed other bytes, have it signed again")
    assert (folder / "bundle.json.officer.sig").exists() and not (folder / "control.json.officer.sig").exists()
    (folder / "bundle.json").write_bytes((folder / "bundle.json").read_bytes() + b" ")
    assert kit.run_module(bundle_build, capsys, **options)["lost_signatures"] == ["bundle.json.officer.sig"]
    assert not (folder / "bundle.json.officer.sig").exists() and verify.verify(str(folder), keys.trust)[2] == []


def test_blobs_that_are_known_as_good_count_as_done(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    progress = tmp_path / "progress.json"
    for name in ("bundles", "again"):  # the second time every blob is known, and linked without being read
        built = kit.run_module(bundle_build, capsys, **{**options, "dest": str(tmp_path / name)}, progress_file=str(progress))
        state = json.loads(progress.read_text())
        assert state["finished"] and state["done"] == state["total"] == built["bytes"] > 0


def test_other_contents_take_the_next_sequence(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    first = kit.run_module(bundle_build, capsys, **options)
    second = kit.run_module(bundle_build, capsys, **{**options, "os": []})
    assert second["changed"] and second["sequence"] == 2 and os.path.isdir(first["path"])
    assert second["contents"]["packages"] == 0


def package(store: str, name: str) -> dict:
    """A package that lies in the store and is not of its set."""
    digest = Store(store).put_bytes(name.encode())
    rest = {"arch": "amd64", "version": "2", "filename": f"{name}_2_amd64.deb", "size": len(name), "requested": False}
    return {"os": "debian-12", "name": name, "digest": str(digest), **rest}


def test_what_other_sites_ask_for_travels_and_is_not_asked_for_here(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    first = kit.run_module(bundle_build, capsys, **options)
    before = json.loads(Path(first["path"], "bundle.json").read_bytes())["packages"]
    assert [(entry["name"], entry["requested"]) for entry in before] == [("docker.io", True)]
    built = kit.run_module(bundle_build, capsys, **options, other_packages=["docker.io", "jq"])
    made = json.loads(Path(built["path"], "bundle.json").read_bytes())["packages"]
    assert built["changed"] and made == [{**before[0], "requested": False}]
    assert not kit.run_module(bundle_build, capsys, **options, other_packages=["docker.io", "jq"])["changed"]


def test_chosen_packages_go_in_place_of_the_whole_set(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = package(options["store"], "systemd")
    built = kit.run_module(bundle_build, capsys, **options, packages={"debian-12": [chosen], "debian-13": []})
    made = json.loads(Path(built["path"], "bundle.json").read_bytes())
    assert made["packages"] == [chosen] and (Path(built["path"]) / "blobs/sha256" / chosen["digest"][7:]).read_bytes() == b"systemd"
    whole = kit.run_module(bundle_build, capsys, **options)
    assert whole["changed"] and whole["contents"]["packages"] == 1 and "package debian-12 docker.io" in whole["diff"]["after"]
    none = kit.run_module(bundle_build, capsys, **options, packages={"debian-12": []})
    assert none["changed"] and none["contents"]["packages"] == 0, "hosts that lack nothing"


def test_what_the_site_holds_of_the_whole_set_stays(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first = kit.run_module(bundle_build, capsys, **options)
    lean = _send_holdings(options, tmp_path, first["path"], capsys)
    assert not kit.run_module(bundle_build, capsys, **lean, packages={"debian-12": []})["changed"], "it costs nothing, and serves a host that comes later"
    newer = {**package(options["store"], "x"), "name": "docker.io", "filename": "docker.io_2_amd64.deb"}
    built = kit.run_module(bundle_build, capsys, **lean, packages={"debian-12": [newer]})
    assert json.loads(Path(built["path"], "bundle.json").read_bytes())["packages"] == [newer]


def test_a_folder_that_is_gone_comes_back_the_same(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    first = kit.run_module(bundle_build, capsys, **options)
    before = {path.name: path.read_bytes() for path in Path(first["path"]).rglob("*") if path.is_file()}
    shutil.rmtree(first["path"])
    second = kit.run_module(bundle_build, capsys, **options)
    assert second["changed"] and second["path"] == first["path"] and "gone" in second["msg"]
    assert {path.name: path.read_bytes() for path in Path(second["path"]).rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"site": "Plant 7"}, "site has the bad value"),
        ({"os": ["debian-13"]}, "packages of debian-13: none in the store"),
        ({"signing_key": "/nowhere/key"}, "no such file"),
        ({"selectors": [{"service": "speech_to_text", "tag": "9", "resource": "r"}]}, "speech_to_text:9: not in the store"),
        ({"receipts": ["/nowhere/receipt.json"]}, "/nowhere/receipt.json"),
        ({"packages": {"debian-12": [{"name": "x"}]}}, "packages of debian-12[0].version is missing"),
    ],
)
def test_bad_input_is_one_line(options: dict, capsys: pytest.CaptureFixture[str], change: dict, text: str) -> None:
    result = kit.run_module(bundle_build, capsys, **{**options, **change})
    assert result["failed"] and text in result["msg"] and "\n" not in result["msg"]
    assert not list(Path(options["dest"]).glob("[!.]*"))


def test_no_license_is_told(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    assert kit.LICENSE.decode().splitlines()[1] not in str(kit.run_module(bundle_build, capsys, **options))


def _send_holdings(options: dict, tmp_path: Path, bundle: str, capsys: pytest.CaptureFixture[str]) -> dict:
    """Let the site take the bundle in; options for the next build on what it sends out."""
    keys = tmp_path / "keys"
    done = kit.run_module(
        bundle_import,
        capsys,
        path=bundle,
        store=str(tmp_path / "site"),
        site=kit.SITE,
        allowed_signers=str(keys / "signers"),
        outbox=str(tmp_path / "carried" / "monday"),
        signing_key=str(keys / "site"),
    )
    assert done["written"] == ["holdings.json"]
    return {**options, "holdings": str(tmp_path / "carried"), "allowed_signers": str(keys / "signers")}


def test_a_bundle_on_holdings_leaves_out_what_the_site_has(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first = kit.run_module(bundle_build, capsys, **{**options, "selectors": options["selectors"][:1]})
    lean = _send_holdings(options, tmp_path, first["path"], capsys)
    built = kit.run_module(bundle_build, capsys, **lean)
    assert built["changed"] and built["sequence"] == 2 and built["base"]["kind"] == "holdings" and built["base"]["counter"] == 1
    assert built["carried_bytes"] < built["bytes"] and " of " in built["msg"] and built["notes"] == []
    assert sum(map(len, kit.blobs(built["path"]).values())) == built["carried_bytes"] == built["contents"]["carried_bytes"]
    assert not kit.run_module(bundle_build, capsys, **lean)["changed"]
    on_former = kit.run_module(bundle_build, capsys, check=True, **{**options, "former": first["path"], "allowed_signers": lean["allowed_signers"]})
    assert not on_former["changed"]  # the last one brings as much
    whole = kit.run_module(bundle_build, capsys, **options)
    assert whole["changed"] and whole["sequence"] == 3 and whole["base"] is None and "leaves out more than the site holds" in whole["msg"]
    assert not kit.run_module(bundle_build, capsys, **lean)["changed"]  # the complete one does as well


def test_once_taken_in_the_same_bundle_is_not_built_again(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first = kit.run_module(bundle_build, capsys, **options)
    lean = _send_holdings(options, tmp_path, first["path"], capsys)
    assert not kit.run_module(bundle_build, capsys, **lean)["changed"]


def test_what_a_site_misses_goes_along_by_file_and_by_code(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first = kit.run_module(bundle_build, capsys, **{**options, "selectors": options["selectors"][:1]})
    lean = _send_holdings(options, tmp_path, first["path"], capsys)
    second = kit.run_module(bundle_build, capsys, **lean)
    left = [blob["digest"] for blob in json.loads(Path(second["path"], "bundle.json").read_bytes())["blobs"] if not blob["carried"]]
    Path(tmp_path, "site", "blobs", "sha256", left[0][7:]).unlink()
    keys, inbox = tmp_path / "keys", {"store": str(tmp_path / "site"), "site": kit.SITE, "allowed_signers": str(tmp_path / "keys" / "signers")}
    asked = kit.run_module(bundle_import, capsys, **inbox, path=second["path"], outbox=str(tmp_path / "out"), signing_key=str(keys / "site"))
    assert asked["failed"] and "builds on 1 blob " in asked["msg"]
    code = json.loads((tmp_path / "out" / "missing.json").read_bytes())["code"]
    assert code in asked["msg"]
    by_code = kit.run_module(bundle_build, capsys, check=True, **lean, missing=code)
    third = kit.run_module(bundle_build, capsys, **lean, missing=str(tmp_path / "out" / "missing.json"))
    assert list(kit.blobs(third["path"])) == [left[0][7:]] and third["carried_bytes"] == by_code["carried_bytes"]
    done = kit.run_module(
        bundle_import, capsys, **inbox, path=second["path"], beside=[third["path"]], outbox=str(tmp_path / "out"), signing_key=str(keys / "site")
    )
    assert done["changed"] and not (tmp_path / "out" / "missing.json").exists() and not (tmp_path / "out" / "missing.json.sig").exists()
    last = kit.run_module(bundle_import, capsys, **inbox, path=third["path"])
    assert last["copied"] == 0 and last["sequence"] == 3


def test_bases_need_a_signers_file_and_one_of_them_is_enough(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "without allowed_signers" in kit.run_module(bundle_build, capsys, **options, holdings=str(tmp_path))["msg"]
    both = kit.run_module(bundle_build, capsys, **options, holdings=str(tmp_path), former=str(tmp_path), allowed_signers=str(tmp_path))
    assert both["failed"] and "mutually exclusive" in both["msg"]


def test_an_earlier_format_on_demand(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    new = kit.run_module(bundle_build, capsys, **options)
    old = kit.run_module(bundle_build, capsys, **options, format=1)
    assert old["changed"] and old["sequence"] == 2 and "format 1 is wanted" in old["msg"]
    assert json.loads(Path(old["path"], "bundle.json").read_bytes())["format"] == 1 and new["bytes"] == old["bytes"]
    assert not kit.run_module(bundle_build, capsys, **options)["changed"]  # a site that reads 2 reads 1


def test_damage_is_found_by_full_alone_when_it_hides(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    kit.run_module(bundle_build, capsys, **options)
    path = max(Path(options["store"], "blobs", "sha256").iterdir(), key=lambda found: found.stat().st_size)
    before = path.stat()
    path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    shutil.rmtree(options["dest"])
    result = kit.run_module(bundle_build, capsys, **options, full=True)
    assert result["failed"] and path.name in result["msg"] and "set aside" in result["msg"]


def test_room_is_looked_at_before_the_first_byte(options: dict, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.stat

    def elsewhere(path: str, *arguments: object, **more: object) -> object:
        found = real(path, *arguments, **more)
        return types.SimpleNamespace(st_dev=found.st_dev + (path == options["dest"]), st_mode=found.st_mode)

    with monkeypatch.context() as patched:
        patched.setattr(bundle.os, "stat", elsewhere)
        patched.setattr(bundle.os, "statvfs", lambda _path: types.SimpleNamespace(f_bavail=1, f_frsize=512))
        result = kit.run_module(bundle_build, capsys, **options)
    assert result["failed"] and "are to be written and 512 B (512) are free" in result["msg"]
    assert [name for name in os.listdir(options["dest"]) if name != ".lock"] == []


def test_the_control_kit_goes_along_once(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    keys = kit.Keys(options["signing_key"], str(tmp_path / "keys" / "site"), str(tmp_path / "keys" / "signers"))
    tools = tool_kit.build(tmp_path / "kits", keys)
    assert kit.run_module(bundle_build, capsys, check=True, **options, control_kit=str(tmp_path / "planned"))["changed"], "a kit that is to be made yet"
    first = kit.run_module(bundle_build, capsys, **options, control_kit=str(tools))
    assert first["changed"] and first["control_kit"] and (Path(first["path"]) / "control.json").exists()
    assert not kit.run_module(bundle_build, capsys, **options, control_kit=str(tools))["changed"]
    newer = tool_kit.build(tmp_path / "newer", keys, "2.0")
    again = kit.run_module(bundle_build, capsys, **options, control_kit=str(newer))
    assert again["changed"] and (again["sequence"], again["id"]) == (1, first["id"]) and "its control kit has changed" in again["msg"]
    assert (Path(again["path"]) / "control.json").read_bytes() == (newer / "control.json").read_bytes()
    sent = _send_holdings(options, tmp_path, first["path"], capsys)
    lean = kit.run_module(bundle_build, capsys, **{**options, **sent, "os": []}, control_kit=str(newer))
    assert (lean["sequence"], lean["control_kit"]) == (2, False) and not (Path(lean["path"]) / "control.json").exists()
    other = kit.run_module(bundle_build, capsys, **{**options, **sent, "os": []}, control_kit=str(tools))
    assert other["control_kit"] and (Path(other["path"]) / "control.json").exists(), "the site has another one"
    old = kit.run_module(bundle_build, capsys, **{**options, "format": 1}, control_kit=str(tools))
    assert old["contents"]["carried"] == old["blobs"] and not old["control_kit"] and not (Path(old["path"]) / "control.json").exists()
