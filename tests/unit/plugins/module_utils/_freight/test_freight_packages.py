# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, MissingError, RemoteError, TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import packages, sources
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

MIRRORS = sources.Mirrors("http://mirror.example/debian", "http://mirror.example/debian-security")


def request(tmp_path: Path, **changes: t.Any) -> packages.Request:
    keyring = tmp_path / "keyring.gpg"
    keyring.write_bytes(b"")
    options: dict[str, t.Any] = {
        "system": "debian-12",
        "architecture": "amd64",
        "packages": ("docker.io",),
        "mirrors": MIRRORS,
        "keyring": str(keyring),
        **changes,
    }
    return packages.Request(**options)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"system": "ubuntu-24.04"}, InputError, "debian-12, debian-13 only"),
        ({"architecture": "arm64"}, InputError, "amd64 only"),
        ({"packages": ("-o",)}, InputError, "not the name of a package"),
        ({"packages": ("docker.io=1",)}, InputError, "not the name of a package"),
        ({"status_file": "/nowhere"}, MissingError, "dpkg status"),
        ({"keyring": "/nowhere"}, MissingError, "debian-archive-keyring"),
    ],
)
def test_what_cannot_be_asked(tmp_path: Path, change: dict, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        request(tmp_path, **change)


def test_every_release_has_its_packages() -> None:
    assert set(packages.REQUESTED) == set(packages.SUITES)
    assert all({"docker.io", "rsync", "python3-requests"} <= set(names) for names in packages.REQUESTED.values())
    assert "zstd" in packages.REQUESTED["debian-12"], "its engine is older than 26"


def test_uris_are_read_with_their_hashes(tmp_path: Path) -> None:
    text = f"noise\n'http://m/l_1_amd64.deb' libx_1%3a2.3-1_amd64.deb 12 SHA256:{'A' * 64}\n'http://m/d.deb' docker.io_20_all.deb 7 SHA256:{'b' * 64}\n"
    found = packages.parse_uris(text)
    assert found == [("docker.io_20_all.deb", Digest("b" * 64), 7), ("libx_1%3a2.3-1_amd64.deb", Digest("a" * 64), 12)]
    records = [packages.record(request(tmp_path), *entry) for entry in found]
    assert [(entry["name"], entry["version"], entry["requested"]) for entry in records] == [("docker.io", "20", True), ("libx", "1:2.3-1", False)]


@pytest.mark.parametrize("hash_", ["", " MD5Sum:" + "0" * 32])
def test_a_package_without_sha256_is_refused(hash_: str) -> None:
    with pytest.raises(IntegrityError, match="no SHA-256"):
        packages.parse_uris(f"'http://m/d.deb' d_1_amd64.deb 7{hash_}")


def test_the_reason_to_change(store: Store) -> None:
    entry = store.holdings()["packages"][0]
    assert packages.missing(store, [entry]) == []
    assert packages.reason(store.holdings(), "debian-12", [entry], []) is None
    assert "changed" in str(packages.reason(store.holdings(), "debian-12", [{**entry, "version": "9"}], []))
    assert "changed" in str(packages.reason(store.holdings(), "debian-13", [entry], []))
    other = {**entry, "digest": "sha256:" + "0" * 64}
    assert packages.missing(store, [entry, other]) == [other]
    assert "1 of 2" in str(packages.reason(store.holdings(), "debian-12", [entry, other], [other]))


def test_a_package_of_other_bytes_is_not_adopted(tmp_path: Path, store: Store) -> None:
    apt = packages.Apt(str(tmp_path / "apt"), request(tmp_path))
    apt.prepare()
    good = {**store.holdings()["packages"][0], "digest": kit.sha(b"good"), "size": 4}
    with pytest.raises(IntegrityError, match="did not bring"):
        packages.adopt(store, apt, [good])
    Path(apt.archives, good["filename"]).write_bytes(b"evil")
    with pytest.raises(IntegrityError, match=r"package docker\.io"):
        packages.adopt(store, apt, [good])
    Path(apt.archives, good["filename"]).write_bytes(b"good")
    packages.adopt(store, apt, [good])
    assert store.read(Digest.parse(good["digest"]), 4) == b"good"


def test_aptitudes_are_private(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Package: x\n")
    packages.Apt(str(tmp_path / "apt"), request(tmp_path, status_file=str(status))).prepare()
    assert (tmp_path / "apt" / "state" / "status").read_text() == "Package: x\n"
    lines = (tmp_path / "apt" / "etc" / "sources.list").read_text().splitlines()
    assert len(lines) == 2 and all("signed-by=" in line and "trusted" not in line for line in lines)
    assert lines[1].endswith("http://mirror.example/debian-security bookworm-security main")
    conf = tmp_path / "apt" / "etc" / "apt.conf"
    assert conf.stat().st_mode & 0o077 == 0 and 'Dir::State "' + str(tmp_path / "apt" / "state") in conf.read_text()


@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        ("E: Unable to locate package foo", InputError, "has no package foo"),
        ("W: GPG error: ... NO_PUBKEY 0E98404D386FA1D9\nE: Failed to fetch x", TrustError, "keyring"),
        ("E: Failed to fetch http://m/x  Could not connect to m:80", RemoteError, "does not answer"),
        ("E: Release file for x is expired (invalid since 2 d)", TrustError, "clock"),
        ("E: You don't have enough free space in /x/archives/.", RemoteError, "no space left"),
        ("E: Something else\nE: more", RemoteError, "apt-get failed: E: Something else"),
    ],
)
def test_failures_are_one_clear_line(said: str, error: type[Exception], text: str) -> None:
    found = packages.explain("debian-12", said)
    assert isinstance(found, error) and text in str(found) and "\n" not in str(found)
