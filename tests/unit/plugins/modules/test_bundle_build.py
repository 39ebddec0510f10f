# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import verify
from ansible_collections.airgap.azure_ai.plugins.modules import bundle_build
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


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


def test_other_contents_take_the_next_sequence(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    first = kit.run_module(bundle_build, capsys, **options)
    second = kit.run_module(bundle_build, capsys, **{**options, "os": []})
    assert second["changed"] and second["sequence"] == 2 and os.path.isdir(first["path"])
    assert second["contents"]["packages"] == 0


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
    ],
)
def test_bad_input_is_one_line(options: dict, capsys: pytest.CaptureFixture[str], change: dict, text: str) -> None:
    result = kit.run_module(bundle_build, capsys, **{**options, **change})
    assert result["failed"] and text in result["msg"] and "\n" not in result["msg"]
    assert not list(Path(options["dest"]).glob("[!.]*"))


def test_no_license_is_told(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    assert kit.LICENSE.decode().splitlines()[1] not in str(kit.run_module(bundle_build, capsys, **options))
