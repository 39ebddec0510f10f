# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.modules import package_fetch
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


def archive(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def deb(control: str) -> bytes:
    """A package with nothing in it: an ar archive of three members."""
    parts = {"debian-binary": b"2.0\n", "control.tar.gz": archive({"./control": control.encode()}), "data.tar.gz": archive({})}
    result = b"!<arch>\n"
    for name, data in parts.items():
        result += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return result


class Mirror:
    """A signed archive of Debian's form in a folder, with packages that depend on one another."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "gnupg"
        self.home.mkdir(parents=True, mode=0o700)
        self._gpg("--quick-gen-key", "--passphrase", "", "mirror@example.org", "rsa2048", "sign", "never")
        self._gpg("--export", "--output", str(folder / "keyring.gpg"))

    def publish(self, main: dict[str, str], version: str = "1") -> None:
        """Publish packages (name to what it depends on) in the suite and nothing in its security suite."""
        stanzas = []
        for name, depends in main.items():
            control = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: x <x@example.org>\n" + (
                f"Depends: {depends}\n" if depends else ""
            )
            data = deb(control + "Description: x\n")
            path = self.folder / "debian" / "pool" / f"{name}_{version}_amd64.deb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            stanzas.append(f"{control}Filename: pool/{path.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\nDescription: x\n")
        self._suite("debian", "bookworm", "\n".join(stanzas))
        self._suite("debian-security", "bookworm-security", "")

    def _suite(self, archive_name: str, suite: str, packages: str) -> None:
        folder = self.folder / archive_name / "dists" / suite
        (folder / "main" / "binary-amd64").mkdir(parents=True, exist_ok=True)
        lines = []
        for name, data in (("Packages", packages.encode()), ("Packages.gz", gzip.compress(packages.encode(), mtime=0))):
            (folder / "main" / "binary-amd64" / name).write_bytes(data)
            lines.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-amd64/{name}\n")
        release = f"Origin: Test\nSuite: {suite}\nCodename: {suite}\nDate: Sat, 31 Jan 2026 12:00:00 UTC\nArchitectures: amd64\nComponents: main\nSHA256:\n"
        (folder / "Release").write_text(release + "".join(lines))
        self._gpg("--clearsign", "--output", str(folder / "InRelease"), str(folder / "Release"))

    def _gpg(self, *arguments: str) -> None:
        subprocess.run(["gpg", "--batch", "--yes", "--quiet", "--homedir", str(self.home), *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    return Mirror(tmp_path_factory.mktemp("mirror"))


@pytest.fixture
def options(tmp_path: Path, mirror: Mirror) -> dict:
    mirror.publish({"engine": "libengine, helper", "libengine": "", "helper": "libengine", "other": ""})
    return {
        "store": str(tmp_path / "store"),
        "os": "debian-12",
        "packages": ["engine"],
        "mirror": f"file://{mirror.folder}/debian",
        "security_mirror": f"file://{mirror.folder}/debian-security",
        "keyring": str(mirror.folder / "keyring.gpg"),
    }


def test_check_do_do(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    planned = kit.run_module(package_fetch, capsys, check=True, **options)
    assert planned["changed"] and not os.path.exists(options["store"])
    done = kit.run_module(package_fetch, capsys, **options)
    assert done["changed"] and done["packages"] == planned["packages"]
    assert {entry["name"]: entry["requested"] for entry in done["packages"]} == {"engine": True, "helper": False, "libengine": False}
    assert done["fetched_bytes"] == sum(map(len, kit.blobs(options["store"]).values())) == planned["fetched_bytes"]
    again = kit.run_module(package_fetch, capsys, **options)
    assert not again["changed"] and again["packages"] == done["packages"] and again["fetched_bytes"] == 0


def test_what_the_target_has_is_left_out(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status = "Package: libengine\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\nMaintainer: x <x@example.org>\nDescription: x\n"
    (tmp_path / "status").write_text(status)
    done = kit.run_module(package_fetch, capsys, **options, status_file=str(tmp_path / "status"))
    assert [entry["name"] for entry in done["packages"]] == ["engine", "helper"]


def test_a_newer_package_replaces_the_set(options: dict, mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    kit.run_module(package_fetch, capsys, **options)
    mirror.publish({"engine": ""}, version="2")
    done = kit.run_module(package_fetch, capsys, **options, update=True)
    assert done["changed"] and [(entry["name"], entry["version"]) for entry in done["packages"]] == [("engine", "2")]


def test_versions_are_locked_until_an_update(options: dict, mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    first = kit.run_module(package_fetch, capsys, **options)
    mirror.publish({"engine": "libengine, helper", "libengine": "", "helper": "libengine"}, version="2")
    kept = kit.run_module(package_fetch, capsys, **options)
    assert not kept["changed"] and kept["packages"] == first["packages"]
    assert kept["kept"] == ["engine 1 -> 2", "helper 1 -> 2", "libengine 1 -> 2"] and "update takes these" in kept["msg"]


def test_other_packages_do_not_mix_with_locked_ones(options: dict, mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    kit.run_module(package_fetch, capsys, **options)
    same = kit.run_module(package_fetch, capsys, **options, extra=["other"])
    assert same["changed"] and {entry["name"]: entry["requested"] for entry in same["packages"]}["other"]
    mirror.publish({"engine": "libengine, helper", "libengine": "", "helper": "libengine", "more": ""}, version="2")
    refused = kit.run_module(package_fetch, capsys, **options, extra=["more"])
    assert refused["failed"] and "engine 1 -> 2" in refused["msg"] and "bundle_update_packages" in refused["msg"] and "\n" not in refused["msg"]


def test_a_locked_file_that_is_lost_comes_again_or_is_told(options: dict, mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    done = kit.run_module(package_fetch, capsys, **options)
    lost = Path(options["store"], "blobs", "sha256", done["packages"][0]["digest"][7:])
    lost.unlink()
    assert kit.run_module(package_fetch, capsys, **options)["changed"] and lost.exists()
    lost.unlink()
    mirror.publish({"engine": "libengine, helper", "libengine": "", "helper": "libengine"}, version="2")
    assert "files of the set fetched before are missing" in kit.run_module(package_fetch, capsys, **options)["msg"]


def test_own_packages_come_along_with_what_they_need(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    control = "Package: ours\nVersion: 1:3-1\nArchitecture: all\nMaintainer: x <x@example.org>\nDepends: other\nDescription: x\n"
    data = deb(control)
    (folder / "whatever.deb").write_bytes(data)
    (folder / "readme.txt").write_text("no package")
    done = kit.run_module(package_fetch, capsys, **options, own=str(folder))
    found = {entry["name"]: entry for entry in done["packages"]}
    assert set(found) == {"engine", "helper", "libengine", "other", "ours"} and found["ours"]["filename"] == "ours_1%3a3-1_all.deb"
    assert kit.blobs(options["store"])[found["ours"]["digest"][7:]] == data
    assert not kit.run_module(package_fetch, capsys, **options, own=str(folder))["changed"]


def test_a_key_that_is_not_in_the_keyring_is_refused(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    other = Mirror(tmp_path / "other")
    result = kit.run_module(package_fetch, capsys, **{**options, "keyring": str(other.folder / "keyring.gpg")})
    assert result["failed"] and "not signed by a key of the keyring" in result["msg"] and "\n" not in result["msg"]


def test_a_package_that_was_altered_on_the_mirror_is_refused(options: dict, mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    path = mirror.folder / "debian" / "pool" / "engine_1_amd64.deb"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    result = kit.run_module(package_fetch, capsys, **options)
    assert result["failed"] and "\n" not in result["msg"]
    assert not os.path.exists(os.path.join(options["store"], "holdings.json"))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"os": "windows"}, "debian-12, debian-13 only"),
        ({"os": "rhel-9"}, "take it out of azure_ai_host_os"),
        ({"own": "/nowhere"}, "no such folder"),
        ({"packages": ["nothing-like-it"]}, "has no package nothing-like-it"),
        ({"mirror": "file:///nowhere"}, "the mirror does not answer"),
    ],
)
def test_bad_input_is_one_line(options: dict, capsys: pytest.CaptureFixture[str], change: dict, text: str) -> None:
    result = kit.run_module(package_fetch, capsys, **{**options, **change})
    assert result["failed"] and text in result["msg"] and "\n" not in result["msg"]
