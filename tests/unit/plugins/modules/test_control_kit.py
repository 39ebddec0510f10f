# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import packages
from ansible_collections.airgap.azure_ai.plugins.modules import control_kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

Capture = pytest.CaptureFixture[str]
DEB = b"!<arch>\n"


class Archive:
    """Stands in for apt: one file for each package, in this version."""

    version = "1"
    asked = 0

    def __init__(self, folder: str, request: packages.Request) -> None:
        self.archives, self.request = folder, request

    def prepare(self) -> None:
        pass

    def update(self) -> None:
        Archive.asked += 1

    def data(self, name: str) -> bytes:
        return DEB + f"{name} {self.version}".encode()

    def wanted(self) -> list[tuple]:
        found = {f"{name}_{self.version}_amd64.deb": self.data(name) for name in self.request.packages}
        return [(name, packages.Digest.of(data), len(data)) for name, data in found.items()]

    def download(self) -> None:
        for name in self.request.packages:
            Path(self.archives, f"{name}_{self.version}_amd64.deb").write_bytes(self.data(name))


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, t.Any]:
    monkeypatch.setattr(packages, "Apt", Archive)
    monkeypatch.setattr(Archive, "version", "1")
    monkeypatch.setattr(Archive, "asked", 0)
    keys = kit.make_keys(tmp_path / "keys")
    for name, text in (("installer/install.sh", "#!/bin/sh\n"), ("installer/install.py", "pass\n"), ("wheels/x.whl", "wheel"), ("keyring", "")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    wheel = {"name": "x", "version": "1", "filename": "x.whl", "digest": kit.sha(b"wheel"), "size": 5, "charts": False}
    (tmp_path / "installer" / "wheels.json").write_text(json.dumps({"format": 1, "python": {"3.11": [wheel]}}))
    (tmp_path / "collection").mkdir()
    (tmp_path / "collection" / "galaxy.yml").write_text("namespace: a\nname: b\nversion: 1.0.0\n")
    places = {"store": "store", "dest": "bundles", "installer": "installer", "wheel_folder": "wheels", "keyring": "keyring"}
    return {
        **{name: str(tmp_path / place) for name, place in places.items()},
        "collections": [str(tmp_path / "collection")],
        "os": "debian-12",
        "python": "3.11",
        "mirror": "http://mirror.example/debian",
        "signing_key": keys.builder,
    }


def test_check_do_do(options: dict, capsys: Capture) -> None:
    planned = kit.run_module(control_kit, capsys, check=True, **options)
    assert planned["changed"] and not Path(options["store"]).exists() and not Path(options["dest"]).exists()
    done = kit.run_module(control_kit, capsys, **options)
    assert done["changed"] and done["path"].endswith("control-debian-12-amd64") and "ssh-keygen -Y verify" in done["command"]
    names = ["collection a.b 1.0.0", "installer install 1.0.0", "package openssh-client 1", "package python3 1", "package rsync 1", "wheel x 1"]
    assert done["contents"] == names and len(kit.blobs(done["path"])) == len(names)
    again = kit.run_module(control_kit, capsys, **options)
    assert not again["changed"] and again["version"] == done["version"] and again["command"] == done["command"]
    assert Archive.asked == 1, "the kit that is there says which packages it has"


def test_packages_stay_until_an_update(options: dict, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    first = kit.run_module(control_kit, capsys, **options)
    monkeypatch.setattr(Archive, "version", "2")
    assert not kit.run_module(control_kit, capsys, **options)["changed"]
    newer = kit.run_module(control_kit, capsys, **options, update=True)
    assert newer["changed"] and "package rsync 2" in newer["contents"] and newer["version"] != first["version"]


def test_room_is_told_beforehand(options: dict, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    monkeypatch.setattr(control_kit.room, "check", lambda what, _folder, needed: said.append((what.rpartition(", ")[2], needed)))
    done = kit.run_module(control_kit, capsys, **options)
    assert not done.get("failed") and [(what, needed > 0) for what, needed in said] == [("packages of the control kit", True)], "its wheels lie in a folder"


def test_declared_packages_come_along(options: dict, capsys: Capture) -> None:
    kit.run_module(control_kit, capsys, **options)
    more = kit.run_module(control_kit, capsys, **options, packages=["nginx"])
    assert more["changed"] and "package nginx 1" in more["contents"] and "contents have changed" in more["msg"]


def test_another_collection_is_another_kit(options: dict, capsys: Capture) -> None:
    kit.run_module(control_kit, capsys, **options)
    Path(options["collections"][0], "README.md").write_text("new")
    assert "contents have changed" in kit.run_module(control_kit, capsys, **options)["msg"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"os": "rhel-9"}, "packages can be fetched for debian-12, debian-13 only"),
        ({"python": "3.9"}, "names no wheels for it"),
        ({"python": "x"}, "azure_ai_control.python"),
        ({"wheel_folder": "/nowhere"}, "lacks x.whl"),
        ({"collections": ["/nowhere"]}, "neither MANIFEST.json nor galaxy.yml"),
        ({"installer": "/nowhere"}, "/nowhere/install.sh: no such file"),
        ({"signing_key": "/nowhere"}, "no such file"),
    ],
)
def test_bad_input_is_one_line(options: dict, capsys: Capture, change: dict, text: str) -> None:
    result = kit.run_module(control_kit, capsys, **{**options, **change})
    assert result["failed"] and text in result["msg"] and "\n" not in result["msg"]
