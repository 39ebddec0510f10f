# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import kits
from ansible_collections.airgap.azure_ai.plugins.modules import bundle_info
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import media_kit, tool_kit


@pytest.fixture
def options(tmp_path: Path) -> dict:
    keys = kit.make_keys(tmp_path / "keys")
    folder = kit.build(kit.fill(tmp_path / "store"), tmp_path / "bundles", keys)
    kit.detach(folder)
    return {"path": str(folder), "allowed_signers": keys.signers}


def test_a_good_bundle_is_described(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    result = kit.run_module(bundle_info, capsys, **options)
    assert result["valid"] and result["problems"] == [] and not result["changed"]
    assert result["bundle"]["signer"] == "builder@hq" and result["bundle"]["images"] == ["speech_to_text:1.0", "speech_to_text:2.0"]


def test_a_bad_bundle_is_no_failure_of_the_module(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    paths = sorted((Path(options["path"]) / "blobs" / "sha256").iterdir())
    paths[0].write_bytes(bytes(byte ^ 1 for byte in paths[0].read_bytes()))
    paths[1].unlink()
    result = kit.run_module(bundle_info, capsys, **options)
    assert "failed" not in result and not result["valid"] and len(result["problems"]) == 2 and result["bundle"]["site"] == kit.SITE
    result = kit.run_module(bundle_info, capsys, **options, verify="signature")
    assert len(result["problems"]) == 1


def test_nothing_is_told_of_a_bundle_without_trust(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    Path(options["path"], "bundle.json.sig").unlink()
    result = kit.run_module(bundle_info, capsys, **options)
    assert not result["valid"] and result["bundle"] == {} and "not signed" in result["problems"][0]


def test_expiry_is_judged_no_earlier_than_at_the_bundle_accepted_last(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    kit.expire(options["allowed_signers"], "20980101")
    stores = [kit.accepted(tmp_path / year, f"{year}-06-01T00:00:00Z") for year in ("2097", "2098")]
    judged = [kit.run_module(bundle_info, capsys, **options, store=store) for store in stores]
    assert [found["valid"] for found in judged] == [True, False]
    assert "key has expired" in judged[1]["problems"][0] and kit.run_module(bundle_info, capsys, **options)["valid"]


def test_what_was_accepted_before_is_told_whoever_signed_it(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    manifest = Path(options["path"], "bundle.json")
    store = kit.accepted(tmp_path / "site", "", manifest.read_bytes())
    Path(options["allowed_signers"]).write_text("")
    assert kit.run_module(bundle_info, capsys, **options)["received"] is False
    result = kit.run_module(bundle_info, capsys, **options, store=store)
    assert result["received"] and not result["valid"] and "does not know for builder" in result["problems"][0]
    manifest.write_bytes(manifest.read_bytes().replace(b'"sequence": 1', b'"sequence": 2'))
    assert not kit.run_module(bundle_info, capsys, **options, store=store)["received"]


def test_progress_knows_how_much_there_is_to_read(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    keys = kit.make_keys(tmp_path / "others")
    tools = media_kit.bundle(tmp_path / "large", keys, tool_kit.build(tmp_path / "kits", keys))
    part = media_kit.parts(tools, tmp_path / "media", keys)[0]
    for path, signers in ((Path(options["path"]), options["allowed_signers"]), (tools, keys.signers), (part, keys.signers)):
        progress = tmp_path / f"{path.name}.json"
        assert kit.run_module(bundle_info, capsys, path=str(path), allowed_signers=signers, progress_file=str(progress))["valid"]
        state = json.loads(progress.read_text())
        assert state["finished"] and state["done"] == state["total"] > 0


def test_no_bundle_is_a_failure(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = kit.run_module(bundle_info, capsys, **{**options, "path": str(tmp_path / "nothing")})
    assert result["failed"] and "no such folder" in result["msg"]


def test_a_layout_and_a_page_are_written_once(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    wanted = {**options, "layout": str(tmp_path / "scan"), "page": str(tmp_path / "page.html")}
    result = kit.run_module(bundle_info, capsys, check=True, **wanted)
    assert result["changed"] and result["written"] == [wanted["layout"], wanted["page"]] and not Path(wanted["layout"]).exists()
    assert kit.run_module(bundle_info, capsys, **wanted)["written"] == result["written"]
    assert (tmp_path / "scan" / "index.json").is_file() and "Nothing is wrong" in (tmp_path / "page.html").read_text()
    assert not kit.run_module(bundle_info, capsys, **wanted)["changed"]
    next((Path(options["path"]) / "blobs" / "sha256").iterdir()).unlink()
    result = kit.run_module(bundle_info, capsys, **{**wanted, "layout": str(tmp_path / "other")})
    assert result["written"] == [wanted["page"]] and not (tmp_path / "other").exists() and "1 problem." in (tmp_path / "page.html").read_text()


def test_a_layout_replaces_neither_bundle_nor_store(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    store = kit.fill(tmp_path / "site" / "store").path
    before = kit.blobs(store), kit.blobs(options["path"])
    for layout in (options["path"], store, str(Path(options["path"]).parent), str(Path(store).parent)):
        result = kit.run_module(bundle_info, capsys, **options, layout=layout, store=store)
        assert result["failed"] and "which it is made of" in result["msg"]
    assert "holds other things" in kit.run_module(bundle_info, capsys, **options, layout=store)["msg"]
    assert (kit.blobs(store), kit.blobs(options["path"])) == before


def test_what_is_not_ours_is_told(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    assert kit.run_module(bundle_info, capsys, **options)["bundle"]["foreign"] == []
    (Path(options["path"]) / "blobs" / ".DS_Store").write_text("x")
    result = kit.run_module(bundle_info, capsys, **options)
    assert result["valid"] and result["bundle"]["foreign"] == ["blobs/.DS_Store"] and "not ours: blobs/.DS_Store" in result["lines"]


def test_a_part_is_judged_by_its_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = kit.make_keys(tmp_path / "keys")
    part = media_kit.parts(media_kit.bundle(tmp_path, keys), tmp_path / "media", keys)[1]
    options = {"path": str(part), "allowed_signers": keys.signers}
    result = kit.run_module(bundle_info, capsys, **options)
    assert result["valid"] and result["part"]["number"] == 2 and result["part"]["of"] == 3 and result["bundle"]["site"] == kit.SITE
    media_kit.damage(media_kit.chunk(part))
    (part / "Thumbs.db").write_text("x")
    result = kit.run_module(bundle_info, capsys, **options)
    assert not result["valid"] and len(result["problems"]) == 1 and result["part"]["foreign"] == ["Thumbs.db"]
    assert "not ours: Thumbs.db" in result["lines"] and kit.run_module(bundle_info, capsys, **options, verify="signature")["valid"]
    assert "collect all parts first" in kit.run_module(bundle_info, capsys, **options, layout=str(tmp_path / "scan"))["msg"]
    (part / "parts.json.sig").unlink()
    result = kit.run_module(bundle_info, capsys, **options)
    assert not result["valid"] and result["part"] == {} and "not signed" in result["problems"][0]


def test_a_control_kit_in_the_folder_is_judged_listed_and_laid_out(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert kit.run_module(bundle_info, capsys, **options)["bundle"]["control_kit"] == ""
    keys = kit.Keys(str(tmp_path / "keys" / "builder"), "", options["allowed_signers"])
    kits.lay(str(tool_kit.build(tmp_path / "kits", keys)), options["path"])
    kit.detach(Path(options["path"]))
    layout, page = tmp_path / "scan", tmp_path / "page.html"
    result = kit.run_module(bundle_info, capsys, **options, layout=str(layout), page=str(page))
    assert result["valid"] and result["bundle"]["control_kit"].startswith("1.0-")
    assert any(line.split()[:3] == ["wheel", "1:2.3", "wheel"] for line in result["lines"]) and "<h2>Control kit 1.0-" in page.read_text()
    assert sorted(path.name for path in (layout / "control").iterdir()) == [f"{kind}_1%3a2.3.x" for kind in ("installer", "package", "wheel")]
    media_kit.damage(Path(options["path"]) / "blobs" / "sha256" / kit.sha(b"wheel 1.0")[7:])
    assert kit.run_module(bundle_info, capsys, **options)["problems"] == ["wheel_1%3a2.3.x of the control kit is damaged"]
    (Path(options["path"]) / "control.json.sig").write_text("")
    assert "control kit in " in kit.run_module(bundle_info, capsys, **options, verify="signature")["problems"][0]
