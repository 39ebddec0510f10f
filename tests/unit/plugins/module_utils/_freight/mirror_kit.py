# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A signed archive of Debian's form, made of packages with nothing in them, that apt takes for a real one."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import subprocess
import tarfile
import typing as t
from pathlib import Path


def archive(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def deb(control: str, data: bytes = b"") -> bytes:
    """A package with nothing in it, or one file: an ar archive of three members."""
    contents = archive({"./usr/share/weight": data} if data else {})
    parts = {"debian-binary": b"2.0\n", "control.tar.gz": archive({"./control": control.encode()}), "data.tar.gz": contents}
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
        self._end_agent()

    def publish(self, main: t.Mapping[str, str | dict[str, str]], version: str = "1", weight: int = 0) -> None:
        """Publish packages (name to what it depends on, or to fields) in the suite and nothing in its security suite.

        :param weight: random bytes in each
        """
        stanzas = []
        for name, said in main.items():
            given = {"Depends": said} if isinstance(said, str) else said
            fields = {"Package": name, "Version": version, "Architecture": "amd64", "Maintainer": "x <x@example.org>", **given}
            control = "".join(f"{field}: {value}\n" for field, value in fields.items() if value)
            data = deb(control + "Description: x\n", random.Random(name).randbytes(weight))
            path = self.folder / "debian" / "pool" / f"{name}_{fields['Version']}_amd64.deb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            stanzas.append(f"{control}Filename: pool/{path.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\nDescription: x\n")
        self._suite("debian", "bookworm", "\n".join(stanzas))
        self._suite("debian-security", "bookworm-security", "")
        self._end_agent()

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

    def _end_agent(self) -> None:
        """gpg starts one that outlives it and the tests."""
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=True, capture_output=True)
