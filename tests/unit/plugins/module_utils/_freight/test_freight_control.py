# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import os
import subprocess
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import control
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

TARGET = control.Target("debian-12", "3.11", "amd64")
SCRIPT = b"#!/bin/sh\n"


class Made(t.NamedTuple):
    """A kit of two files, its signer's key and the file that trusts it."""

    kits: control.Kits
    manifest: dict[str, t.Any]
    key: str
    signers: str

    @property
    def folder(self) -> Path:
        return Path(self.kits.folder(TARGET))

    def build(self) -> None:
        self.kits.build(self.manifest, TARGET, SCRIPT, self.key, Trust(self.signers))


def entry(store: Store, kind: str, name: str, data: bytes) -> dict[str, t.Any]:
    found = {"digest": str(store.put_bytes(data)), "size": len(data), "requested": True}
    return {"kind": kind, "name": name, "version": "1.0", "filename": f"{name}.file", **found}


@pytest.fixture
def made(tmp_path: Path) -> Made:
    keys = kit.make_keys(tmp_path / "keys")
    signers = tmp_path / "signers"
    signers.write_text(f'builder@hq namespaces="azure-ai-control" {Path(keys.builder + ".pub").read_text()}')
    store = Store(str(tmp_path / "store")).create()
    files = [entry(store, "wheel", "jinja2", b"wheel"), entry(store, "installer", "install", b"program")]
    installer = {"digest": kit.sha(SCRIPT), "size": len(SCRIPT)}
    manifest = control.manifest(TARGET, "1.0.0", installer, files, kit.NOW)
    return Made(control.Kits(str(tmp_path / "bundles"), store), manifest, keys.builder, str(signers))


def test_identity_is_the_contents_and_not_the_time(made: Made) -> None:
    files = list(reversed(made.manifest["files"]))
    later = control.manifest(TARGET, "1.0.0", made.manifest["install"], files, "2027-01-01T00:00:00Z")
    assert (later["id"], later["version"]) == (made.manifest["id"], made.manifest["version"])
    assert control.manifest(TARGET, "1.0.0", made.manifest["install"], files[:1], kit.NOW)["id"] != made.manifest["id"]


def test_the_files_are_links_into_the_store(made: Made, tmp_path: Path) -> None:
    made.build()
    for name in kit.blobs(made.folder):
        assert os.path.samefile(made.folder / "blobs" / "sha256" / name, tmp_path / "store" / "blobs" / "sha256" / name)
    assert made.kits.reason(made.manifest, TARGET, made.key) is None
    assert {path.name for path in made.folder.iterdir()} == {"control.json", "control.json.sig", "install.sh", "label.txt", "blobs"}


def test_the_line_on_the_label_verifies_before_it_runs(made: Made) -> None:
    made.build()
    line = (made.folder / "label.txt").read_text().splitlines()[-1]
    assert "-I builder@hq " in line
    home = Path(made.signers).parent / "home"
    home.mkdir()
    (home / "allowed_signers").write_text(Path(made.signers).read_text())

    def typed() -> int:
        return subprocess.run(["sh", "-c", line], cwd=made.folder, capture_output=True, check=False, env={**os.environ, "HOME": str(home)}).returncode

    assert typed() == 0
    (made.folder / "install.sh").write_text("touch ran\n")
    assert typed() != 0
    assert not (made.folder / "ran").exists()


def test_what_is_wrong_with_the_folder_is_a_reason(made: Made, tmp_path: Path) -> None:
    assert made.kits.reason(made.manifest, TARGET, made.key) == "there is none yet"
    made.build()
    (made.folder / "install.sh").write_text("other")
    assert "install.sh is damaged" in str(made.kits.reason(made.manifest, TARGET, made.key))
    made.build()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    assert "is not signed by" in str(made.kits.reason(made.manifest, TARGET, str(tmp_path / "other")))
    next((made.folder / "blobs" / "sha256").iterdir()).unlink()
    assert "is missing in" in str(made.kits.reason(made.manifest, TARGET, made.key))
    changed = control.manifest(TARGET, "1.0.1", made.manifest["install"], made.manifest["files"], kit.NOW)
    assert made.kits.reason(changed, TARGET, made.key) == "its contents have changed"


def test_a_damaged_file_of_the_store_is_named_and_nothing_is_made(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "store" / "blobs" / "sha256" / made.manifest["files"][1]["digest"][7:]
    path.write_bytes(b"whee!")
    with pytest.raises(IntegrityError, match=r"jinja2\.file of the control kit: damaged in the store"):
        made.build()
    assert not made.folder.exists() and not path.exists() and os.listdir(tmp_path / "bundles") == []


@pytest.mark.parametrize("target", [("../x", "3.11", "amd64"), ("debian-12", "2.7", "amd64"), ("debian-12", "3.11", "arm64")])
def test_targets_are_judged(target: tuple[str, str, str]) -> None:
    with pytest.raises(InputError, match=r"azure_ai_control\."):
        control.Target(*target)


def collection(folder: Path) -> Path:
    for name in ("plugins/modules/x.py", "plugins/__pycache__/x.pyc", "tests/unit/y.py", ".git/config", "roles/r/files/run.sh", "README.md", "junk.tar.gz"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "roles/r/files/run.sh").chmod(0o755)
    (folder / "galaxy.yml").write_text('namespace: a\nname: b\nversion: "1.2.3"\n')
    return folder


def test_a_collection_is_packed_without_what_lies_around(tmp_path: Path) -> None:
    about, data = control.pack(str(collection(tmp_path)))
    assert about == {"name": "a.b", "version": "1.2.3"}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        modes = {member.name: member.mode for member in tar}
    assert modes == {"README.md": 0o644, "galaxy.yml": 0o644, "plugins/modules/x.py": 0o644, "roles/r/files/run.sh": 0o755}
    os.utime(tmp_path / "README.md", (1, 1))
    assert control.pack(str(tmp_path))[1] == data


def test_an_installed_collection_says_itself_who_it_is(tmp_path: Path) -> None:
    collection(tmp_path)
    (tmp_path / "MANIFEST.json").write_text('{"collection_info": {"namespace": "c", "name": "d", "version": "2.0.0"}}')
    assert control.pack(str(tmp_path))[0] == {"name": "c.d", "version": "2.0.0"}


def test_what_is_no_collection_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither MANIFEST\.json nor galaxy\.yml"):
        control.pack(str(tmp_path))
    (tmp_path / "galaxy.yml").write_text("name: b\n")
    with pytest.raises(InputError, match="names no namespace"):
        control.pack(str(tmp_path))


def test_another_file_is_no_kit(tmp_path: Path) -> None:
    assert control.read(str(tmp_path)) is None
    (tmp_path / "control.json").write_text("{")
    assert control.read(str(tmp_path)) is None
