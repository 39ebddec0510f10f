# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An authority of the site's own and certificates by it, for the registry that the site's hosts read from.

Keys and certificates are PEM bytes, the time is an argument. This file is private to the collection.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError as exc:
    MISSING: ImportError | None = exc
else:
    MISSING = None

AUTHORITY_DAYS = 3650
_SKEW = datetime.timedelta(hours=1)  # by which a host's clock may be behind
_DAY = datetime.timedelta(days=1)
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
_ANEW = "remove registry/ca.* and run the playbook again"

Pair = tuple[bytes, bytes]  # private key, certificate


def needed() -> None:
    """Raise MissingError where the library is not there; Ansible itself brings it."""
    if MISSING is not None:
        raise MissingError("Python's cryptography", str(MISSING), "install it for the Python that runs Ansible; ansible-core needs it too")


def new_authority(now: datetime.datetime) -> Pair:
    """A key and its own certificate, which may sign those of servers and nothing below them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Azure AI containers of this site")
    builder = _begun(name, name, key.public_key(), now, AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return _pem(key), _signed(builder, key)


def new_leaf(authority: Pair, addresses: t.Sequence[str], days: int, now: datetime.datetime) -> Pair:
    """A key and a certificate for a server that is reached under these addresses."""
    signer, issuer = serialization.load_pem_private_key(authority[0], None), x509.load_pem_x509_certificate(authority[1])
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _begun(_name("Azure AI registry"), issuer.subject, key.public_key(), now, days)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(each) for each in addresses]), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(_curve(issuer)), critical=False)
    return _pem(key), _signed(builder, signer)


def authority_reason(authority: Pair, now: datetime.datetime) -> str | None:
    """Why a new authority must be made, or None. One that has ended is told, not replaced: hosts trust it by its bytes."""
    if not all(authority):
        return "there is none yet"
    _own(authority, "the site's authority")
    if _end(x509.load_pem_x509_certificate(authority[1])) <= now:
        raise InputError("the site's authority", "its certificate has ended", "remove registry/ca.*, run the playbook again and stage again")
    return None


def leaf_reason(authority: Pair, leaf: Pair, addresses: t.Sequence[str], renew: int, now: datetime.datetime) -> str | None:
    """Why a new certificate must be made, or None."""
    if not all(leaf):
        return "there is none yet"
    try:
        _own(leaf, "the certificate")
        found = x509.load_pem_x509_certificate(leaf[1])
    except InputError as exc:
        return exc.problem
    signer = _curve(x509.load_pem_x509_certificate(authority[1]))
    try:
        signer.verify(found.signature, found.tbs_certificate_bytes, ec.ECDSA(t.cast("hashes.HashAlgorithm", found.signature_hash_algorithm)))
    except InvalidSignature:
        return "another authority signed it"
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    lacking = [each for each in addresses if _alternative(each) not in names]
    if lacking:
        return f"it does not name {', '.join(lacking)}"
    left = _end(found) - now
    return f"it ends in {max(left // _DAY, 0)} days" if left < renew * _DAY else None


def _curve(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise InputError("the site's authority", "its key is of another kind than this collection makes", _ANEW)
    return key


def _own(pair: Pair, what: str) -> None:
    """Raise InputError unless the certificate is of the key."""
    try:
        mine = serialization.load_pem_private_key(pair[0], None).public_key()
        told = x509.load_pem_x509_certificate(pair[1]).public_key()
    except (ValueError, TypeError) as exc:  # the latter where a key is encrypted
        raise InputError(what, f"not readable ({exc})", _ANEW) from None
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if mine.public_bytes(*form) != told.public_bytes(*form):
        raise InputError(what, "its key is that of another one", _ANEW)


def _begun(name: x509.Name, issuer: x509.Name, key: t.Any, now: datetime.datetime, days: int) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key).serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - _SKEW).not_valid_after(now + days * _DAY)


def _signed(builder: x509.CertificateBuilder, key: t.Any) -> bytes:
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _usage(signs: bool) -> x509.KeyUsage:
    kinds = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only")
    given = {**dict.fromkeys(kinds, False), "digital_signature": not signs, "key_cert_sign": signs, "crl_sign": signs}
    return x509.KeyUsage(**given)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        if not _HOST.fullmatch(address):
            problem = "neither an IP address nor the name of a host"
            raise InputError(f"address {address!r}"[:80], problem, "look at registry_name and registry_addresses") from None
        return x509.DNSName(address.lower())


def _end(certificate: x509.Certificate) -> datetime.datetime:
    """Its last moment; before cryptography 42 the time bears no zone."""
    value: datetime.datetime | None = getattr(certificate, "not_valid_after_utc", None)
    return value if value is not None else certificate.not_valid_after.replace(tzinfo=datetime.timezone.utc)


def _pem(key: t.Any) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
