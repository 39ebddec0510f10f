# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's own authority: made once, and certificates by it that TLS accepts, renewed in time and for no other reason."""

from __future__ import annotations

import datetime
import ssl
import typing as t
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import authority

NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
ADDRESSES = ["10.78.1.10", "Control.lan", "fd00::1"]
OURS = authority.new_authority(NOW)
LEAF = authority.new_leaf(OURS, ADDRESSES, 397, NOW)


def shake_hands(server: authority.Pair, trusted: bytes, name: str, folder: Path) -> None:
    """A handshake in memory; raises what a client would."""
    for part, data in zip(("key", "crt"), server, strict=True):
        (folder / part).write_bytes(data)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "crt", folder / "key")
    asking = ssl.create_default_context(cadata=trusted.decode())
    asking.verify_flags |= ssl.VERIFY_X509_STRICT
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [asking.wrap_bio(down, up, server_hostname=name), serving.wrap_bio(up, down, server_side=True)]
    for end in (*ends, *ends):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_host_that_trusts_the_authority_accepts_the_certificate(name: str, tmp_path: Path) -> None:
    shake_hands(LEAF, OURS[1], name, tmp_path)


def test_no_host_accepts_it_for_another_name_or_of_another_authority(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(LEAF, OURS[1], "10.78.1.11", tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(LEAF, authority.new_authority(NOW)[1], ADDRESSES[0], tmp_path)


@pytest.mark.parametrize(
    ("leaf", "addresses", "later", "told"),
    [
        (LEAF, ADDRESSES, 0 * DAY, None),
        (LEAF, ADDRESSES[:1], 0 * DAY, None),
        (LEAF, ["control.LAN"], 366 * DAY, None),
        (LEAF, ADDRESSES, 368 * DAY, "it ends in 29 days"),
        (LEAF, ADDRESSES, 500 * DAY, "it ends in 0 days"),
        (LEAF, ["10.78.1.11"], 0 * DAY, "it does not name 10.78.1.11"),
        ((b"", LEAF[1]), ADDRESSES, 0 * DAY, "there is none yet"),
        ((LEAF[0], b""), ADDRESSES, 0 * DAY, "there is none yet"),
        ((OURS[0], LEAF[1]), ADDRESSES, 0 * DAY, "its key is that of another one"),
        ((b"no key", LEAF[1]), ADDRESSES, 0 * DAY, "not readable"),
        (authority.new_leaf(authority.new_authority(NOW), ADDRESSES, 397, NOW), ADDRESSES, 0 * DAY, "another authority signed it"),
    ],
)
def test_why_a_certificate_is_made_anew(leaf: authority.Pair, addresses: list[str], later: datetime.timedelta, told: str | None) -> None:
    found = authority.leaf_reason(OURS, leaf, addresses, 30, NOW + later)
    assert found == told if told is None else told in t.cast("str", found)


def test_an_authority_is_made_once_and_never_replaced_in_silence() -> None:
    assert authority.authority_reason((b"", b""), NOW) == "there is none yet"
    assert authority.authority_reason(OURS, NOW + 3649 * DAY) is None
    with pytest.raises(InputError, match="has ended; remove registry/ca"):
        authority.authority_reason(OURS, NOW + 3650 * DAY)
    with pytest.raises(InputError, match="its key is that of another one"):
        authority.authority_reason((LEAF[0], OURS[1]), NOW)


def test_without_the_library_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    authority.needed()
    monkeypatch.setattr(authority, "MISSING", ImportError("No module named 'cryptography'"))
    with pytest.raises(authority.MissingError, match="install it for the Python that runs Ansible"):
        authority.needed()


def test_a_key_that_somebody_encrypted_is_told() -> None:
    key = serialization.load_pem_private_key(OURS[0], None)
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    with pytest.raises(InputError, match="not readable"):
        authority.authority_reason((key.private_bytes(*form), OURS[1]), NOW)
