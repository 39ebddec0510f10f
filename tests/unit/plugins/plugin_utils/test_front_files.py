# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a front on the control node: told apart by their bytes, and lists of revoked certificates by their end."""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _front_files

KEY = ec.generate_private_key(ec.SECP256R1())
SINCE = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


def listed(days: int) -> bytes:
    """A list of revoked certificates that serves for so many days."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ca")])
    made = x509.CertificateRevocationListBuilder().issuer_name(name).last_update(SINCE).next_update(SINCE + datetime.timedelta(days=days))
    return made.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_files_of_a_front_are_told_apart_by_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.crt").write_bytes(b"certificate")
    declared = {"certificate": "a.crt", "key": str(tmp_path / "none"), "client_ca": "", "port": 443}
    found = {"certificate": f"sha256:{hashlib.sha256(b'certificate').hexdigest()}", "key": None}
    assert _front_files.look(declared, str(tmp_path)) == {"files": found, "crl_until": None}


def test_the_list_that_ends_first_counts(tmp_path: Path) -> None:
    (tmp_path / "clients.crl").write_bytes(b"of two authorities\n" + listed(90) + listed(31))
    assert _front_files.look({"client_crl": "clients.crl"}, str(tmp_path))["crl_until"] == "2026-02-01T00:00:00Z"


@pytest.mark.parametrize("data", [b"", b"words", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", b"$ANSIBLE_VAULT;1.1;AES256\n00\n"])
def test_where_nobody_can_tell_nothing_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "clients.crl").write_bytes(data)
    assert _front_files.ends(str(tmp_path / "clients.crl")) is None and _front_files.ends(str(tmp_path / "none")) is None
