# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's own authority, which serves a front: certificates of servers and clients, and whose were revoked."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.lab import road
from tests.lab.shell import as_root, inside, run

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_BOOK = "[ca]\ndefault_ca = site\n[site]\ndatabase = index\ncrlnumber = number\ndefault_md = sha256\ndefault_crl_days = 30\n"


def openssl(folder: Path, *argv: str) -> None:
    """Run openssl in a folder."""
    subprocess.run(["openssl", *argv], cwd=folder, check=True, capture_output=True)


def authority(folder: Path, name: str = "ca") -> None:
    """A certificate that signs itself."""
    openssl(folder, "req", "-x509", *_CURVE, "-days", "30", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt")


def issue(folder: Path, name: str, address: str, signer: str = "ca") -> None:
    """A key and a certificate for it."""
    subject = ("-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{address}")
    openssl(folder, "req", *_CURVE, *subject, "-keyout", f"{name}.key", "-out", f"{name}.csr")
    signed = ("-CA", f"{signer}.crt", "-CAkey", f"{signer}.key", "-CAcreateserial", "-days", "30", "-copy_extensions", "copy")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.crt")


def revoke(folder: Path, *names: str) -> None:
    """The list of all whose certificates were revoked, these among them, in ``clients.crl``."""
    if not (folder / "ca.cnf").exists():
        (folder / "ca.cnf").write_text(_BOOK)
        (folder / "number").write_text("01\n")
        (folder / "index").touch()
    signer = ("ca", "-config", "ca.cnf", "-cert", "ca.crt", "-keyfile", "ca.key")
    for name in names:
        openssl(folder, *signer, "-revoke", f"{name}.crt")
    openssl(folder, *signer, "-gencrl", "-out", "clients.crl")


def lay(container: str, folder: str, *paths: Path, user: str = road.USER) -> None:
    """Put files into a folder of a lab host, for one user alone."""
    inside(container, "install", "-d", "-o", user, "-g", user, "-m", "0700", folder)
    for path in paths:
        owner = ("-o", user, "-g", user, "-m", "0600")
        run(as_root(["docker", "exec", "-i", container, "install", *owner, "/dev/stdin", f"{folder}/{path.name}"]), stdin=path.read_bytes())
