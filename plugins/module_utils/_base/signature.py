# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures by OpenSSH: ``ssh-keygen -Y sign`` and ``-Y verify`` with an allowed-signers file.

This file is private to the collection.
"""

from __future__ import annotations

import base64
import os
import re
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError, TrustError

NAMESPACES = tuple(f"azure-ai-{kind}" for kind in ("bundle", "control", "wants", "holdings", "usage", "receipt", "adjustment"))
SUFFIX = ".sig"
_MAX_SIGNATURE = 64 * 1024  # bytes; an Ed25519 signature has some 300
PLAUSIBLE = 1767225600  # 2026-01-01 in seconds since the epoch: a clock that says less is wrong
DAY = 86400  # seconds; clocks may differ by so much
_CLOCK = "clock of this machine"
_SET_CLOCK = "set the clock, then run again"
_DATED = ("key has expired", "key is not yet valid")
_TIMEOUT = 60  # seconds; ssh-keygen answers in milliseconds unless it waits for a passphrase


@dataclass(frozen=True)
class Trust:
    """What a verification is judged by.

    :param allowed_signers: path of the OpenSSH allowed-signers file
    :param revoked_keys: path of a key revocation list or list of public keys, or None
    :param earliest: seconds since the epoch; expiry is judged at this time when the clock says less
    :param signatures: how many principals with keys of their own must have signed a bundle
    """

    allowed_signers: str
    revoked_keys: str | None = None
    earliest: int | None = None
    signatures: int = 1


def sign_file(path: str, key: str, namespace: str) -> str:
    """Sign the file at ``path``; return the path of the signature, ``<path>.sig``.

    :raises MissingError: the key is not there; TrustError: ssh-keygen would not sign with it.
    """
    _check_namespace(namespace)
    if not os.path.isfile(key):
        raise MissingError(f"signing key {key}", "no such file", "make keys with airgap.azure_ai.init or name yours in azure_ai_signing_key")
    signature = path + SUFFIX
    if os.path.exists(signature):
        os.unlink(signature)  # ssh-keygen asks before it overwrites
    done = _run(["ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", namespace, path])
    if done.returncode != 0 or not os.path.isfile(signature):
        raise TrustError(
            f"signing key {key}", f"ssh-keygen would not sign ({_last_line(done.stderr)})", "the key must be an unencrypted private key or be held by ssh-agent"
        )
    return signature


def verify_bytes(data: bytes, signature: str, namespace: str, trust: Trust, what: str, role: str | None = None) -> str:
    """Verify ``data`` against the signature file; return the principal that signed.

    :param what: how the error names the signed thing
    :param role: principals must start with ``<role>@``
    :raises TrustError: unsigned, altered, unknown, revoked or expired key; the line says which.
    """
    _check_namespace(namespace)
    if not os.path.isfile(signature):
        raise TrustError(what, "not signed", f"{os.path.basename(signature)} must lie beside it")
    if not os.path.isfile(trust.allowed_signers):
        raise TrustError(f"signers file {trust.allowed_signers}", "no such file", "name it in azure_ai_allowed_signers")
    principals = [name for name in _principals(signature, trust.allowed_signers) if role is None or name.startswith(role + "@")]
    if not principals:
        raise TrustError(
            what,
            f"signed by a key that {trust.allowed_signers} does not know for {role or 'anyone'}",
            "compare fingerprints with the sender before adding the key; one that was taken out stays out",
        )
    if trust.revoked_keys and not os.path.isfile(trust.revoked_keys):
        raise TrustError(f"revocation list {trust.revoked_keys}", "no such file", "mend azure_ai_revoked_keys; nothing is accepted without it")
    reasons: list[tuple[str, str]] = []
    for principal in principals:
        reason = _reason(data, signature, namespace, trust, principal)
        if reason is None:
            return principal
        reasons.append(reason)
    wrong = clock_problem(trust.earliest)
    if wrong and reasons[0][0].startswith(_DATED):  # most likely nothing else is the matter
        raise TrustError(_CLOCK, f"{wrong}; {what}: {reasons[0][0]}", _SET_CLOCK)
    raise TrustError(what, *reasons[0])


def clock_problem(earliest: int | None = None) -> str | None:
    """What is wrong with this machine's clock, or None when it may be right.

    :param earliest: seconds since the epoch; it is known to be later than that
    """
    now, least = int(time.time()), max(earliest or 0, PLAUSIBLE)
    return f"says {_moment(now)}, it is later than {_moment(least)}" if now < least - DAY else None


def check_made(made: int, earliest: int | None, what: str) -> None:
    """Raise TrustError naming the clock when something was signed later than it is now: taken in, it would let keys expire too early."""
    now = max(int(time.time()), earliest or 0)
    if made > now + DAY:
        raise TrustError(_CLOCK, f"says {_moment(now)}, but {what} was made at {_moment(made)}", f"{_SET_CLOCK}; if it is right, ask the sender about theirs")


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(seconds))


def _reason(data: bytes, signature: str, namespace: str, trust: Trust, principal: str) -> tuple[str, str] | None:
    """Why ``principal`` did not sign ``data`` (problem, way out), or None: the signature holds."""
    command = ["ssh-keygen", "-Y", "verify", "-f", trust.allowed_signers, "-I", principal, "-n", namespace, "-s", signature]
    if trust.earliest is not None:
        command.append(time.strftime("-Overify-time=%Y%m%d%H%M%SZ", time.gmtime(max(trust.earliest, int(time.time())))))
    done = _run([*command, "-r", trust.revoked_keys] if trust.revoked_keys else command, data)
    if done.returncode == 0:
        return None
    # ssh-keygen says nothing about a revoked key, so the same question without the list tells it apart.
    if trust.revoked_keys and _run(command, data).returncode == 0:
        return f"signed by a revoked key of {principal}", "ask the sender to sign again with the key that replaced it"
    said = (done.stderr + done.stdout).decode("utf-8", "replace")
    dated = re.search(r"key (?:has expired|is not yet valid).*", said)
    if dated:
        return f"{dated.group()}, signed by {principal}", "compare this machine's clock first, then ask the sender to sign again with a valid key"
    return f"signature of {principal} does not verify ({_last_line(said)})", "it was altered or signed for another purpose: fetch it again from the sender"


def _principals(signature: str, allowed_signers: str) -> list[str]:
    """Names on every line of the signers file that holds the key in ``signature``.

    ``ssh-keygen -Y find-principals`` stops at the first such line and passes over expired ones: a key listed
    for two roles would be known for one, an expired key would be called unknown.
    """
    key = _signing_key(signature)
    names: list[str] = []
    with open(allowed_signers, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            fields = line.split()
            if key and key in fields[1:] and not line.lstrip().startswith("#"):
                names += [name for name in fields[0].strip('"').split(",") if name and name not in names]
    return names


def _signing_key(signature: str) -> str:
    """Base64 of the public key inside an armoured SSHSIG file, or an empty string: no such thing in it."""
    with open(signature, "rb") as stream:
        armour = stream.read(_MAX_SIGNATURE)
    try:
        blob = base64.b64decode(b"".join(line for line in armour.splitlines() if not line.startswith(b"-")))
        magic, size = struct.unpack_from(">6s4xI", blob)
    except (ValueError, struct.error):
        return ""
    return base64.b64encode(blob[14 : 14 + size]).decode("ascii") if magic == b"SSHSIG" else ""


def signed_by(data: bytes, signature: str, namespace: str) -> str | None:
    """``SHA256:…`` fingerprint of the key whose signature file fits ``data``, trusted or not; None when none fits."""
    _check_namespace(namespace)
    if not os.path.isfile(signature):
        return None
    done = _run(["ssh-keygen", "-Y", "check-novalidate", "-n", namespace, "-s", signature], data)
    match = re.search(rb"SHA256:\S+", done.stdout)
    return match.group().decode("ascii") if done.returncode == 0 and match else None


def fingerprint(public_key: str) -> str:
    """``SHA256:…`` fingerprint of the public or private key file at ``public_key``."""
    done = _run(["ssh-keygen", "-l", "-f", public_key])
    match = re.search(rb"SHA256:\S+", done.stdout)
    if done.returncode != 0 or not match:
        raise InputError(f"key {public_key}", f"ssh-keygen cannot read it ({_last_line(done.stderr)})")
    return match.group().decode("ascii")


def _check_namespace(namespace: str) -> None:
    if namespace not in NAMESPACES:
        raise InputError(f"namespace {namespace!r}", "unknown", "one of " + ", ".join(NAMESPACES))


def _run(command: list[str], data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    # Verification reads its data from a file: a pipe would tie its size to this process's memory twice.
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        with tempfile.TemporaryFile() as stream:
            stream.write(data or b"")
            stream.seek(0)
            return subprocess.run(command, stdin=stream, capture_output=True, timeout=_TIMEOUT, check=False, env=environment)
    except FileNotFoundError as exc:
        raise MissingError("ssh-keygen", "not installed", "install the package openssh-client") from exc
    except subprocess.TimeoutExpired as exc:
        raise TrustError("ssh-keygen", f"no answer in {_TIMEOUT} s", "a key with a passphrase must be held by ssh-agent") from exc


def _last_line(output: bytes | str) -> str:
    text = output.decode("utf-8", "replace") if isinstance(output, bytes) else output
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
