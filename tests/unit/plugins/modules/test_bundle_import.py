# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.modules import bundle_import
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


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
