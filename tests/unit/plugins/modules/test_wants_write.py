# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import outbox
from ansible_collections.airgap.azure_ai.plugins.modules import wants_write
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


@pytest.fixture
def keys(tmp_path: Path) -> kit.Keys:
    return kit.make_keys(tmp_path / "keys")


@pytest.fixture
def options(tmp_path: Path, keys: kit.Keys) -> dict:
    for name, packages in (("a", {"rsync": "3", "tini": "1"}), ("b", {"rsync": "3"})):
        (tmp_path / f"{name}.json").write_text(json.dumps({"os": "debian-12", "arch": "amd64", "packages": packages}))
    wants = {"containers": kit.selectors("1.0"), "os": ["debian-12"], "packages": [str(tmp_path / "a.json"), str(tmp_path / "b.json")]}
    return {"outbox": str(tmp_path / "outbox"), "site": kit.SITE, "signing_key": keys.site, "wants": wants}


def test_check_do_do(options: dict, keys: kit.Keys, capsys: pytest.CaptureFixture[str]) -> None:
    planned = kit.run_module(wants_write, capsys, check=True, **options)
    assert planned["changed"] and "would write" in planned["msg"] and not Path(options["outbox"]).exists()
    done = kit.run_module(wants_write, capsys, **options)
    assert done["changed"] and done["systems"] == ["debian-12"] and "bring what the hosts of debian-12 lack" in done["msg"]
    wants, _signer = outbox.read_wants(done["path"], keys.trust)
    assert wants["packages"] == [{"os": "debian-12", "arch": "amd64", "all": {"rsync": "3"}, "each": [{"tini": "1"}, {}]}]
    again = kit.run_module(wants_write, capsys, **options)
    assert not again["changed"] and "as it should be" in again["msg"]


def test_a_host_that_nobody_looked_at_makes_bundles_complete(options: dict, tmp_path: Path, keys: kit.Keys, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b.json").unlink()
    done = kit.run_module(wants_write, capsys, **options)
    wants, _signer = outbox.read_wants(done["path"], keys.trust)
    assert done["systems"] == [] and "so bundles bring all" in done["msg"] and wants["format"] == 1 and "packages" not in wants


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"site": "Plant 7"}, "site has the bad value"),
        ({"signing_key": "/nowhere/key"}, "no such file"),
        ({"wants": {"os": ["Debian 12"]}}, "os has the bad value"),
    ],
)
def test_bad_input_is_one_line(options: dict, capsys: pytest.CaptureFixture[str], change: dict, text: str) -> None:
    result = kit.run_module(wants_write, capsys, **{**options, **change})
    assert result["failed"] and text in result["msg"] and "\n" not in result["msg"]


def test_a_note_of_another_form_is_named(options: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text('{"os": "debian-12", "arch": "amd64", "packages": {"x1": "1"}, "host": "h"}')
    result = kit.run_module(wants_write, capsys, **options)
    assert result["failed"] and "a.json" in result["msg"] and "host is unknown" in result["msg"]
