# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures by OpenSSH: ``ssh-keygen -Y sign`` and ``-Y verify`` with an allowed-signers file.

This file is private to the collection.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import typing as t
from dataclasses import dataclass

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError, TrustError

NAMESPACES = tuple(f"azure-ai-{kind}" for kind in ("bundle", "control", "wants", "holdings", "usage", "receipt"))
SUFFIX = ".sig"
_TIMEOUT = 60  # seconds; ssh-keygen answers in milliseconds unless it waits for a passphrase


@dataclass(frozen=True)
class Trust:
    """What a verification is judged by.

    :param allowed_signers: path of the OpenSSH allowed-signers file
    :param revoked_keys: path of a key revocation list or list of public keys, or None
    """

    allowed_signers: str
    revoked_keys: str | None = None


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
        raise TrustError(f"signing key {key}", f"ssh-keygen would not sign ({_last_line(done.stderr)})", "the key must be an unencrypted private key or be held by ssh-agent")
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
    found = _run(["ssh-keygen", "-Y", "find-principals", "-s", signature, "-f", trust.allowed_signers])
    principals = [line.strip() for line in found.stdout.decode("utf-8", "replace").splitlines() if line.strip()]
    if role is not None:
        principals = [name for name in principals if name.startswith(role + "@")]
    if not principals:
        raise TrustError(what, f"signed by a key that {trust.allowed_signers} does not know for {role or 'anyone'}", "compare fingerprints with the sender before adding the key")
    if trust.revoked_keys and not os.path.isfile(trust.revoked_keys):
        raise TrustError(f"revocation list {trust.revoked_keys}", "no such file", "mend azure_ai_revoked_keys; nothing is accepted without it")
    command = ["ssh-keygen", "-Y", "verify", "-f", trust.allowed_signers, "-I", principals[0], "-n", namespace, "-s", signature]
    if trust.revoked_keys:
        command += ["-r", trust.revoked_keys]
    done = _run(command, data)
    if done.returncode != 0:
        if trust.revoked_keys and _run([*command[:-2]], data).returncode == 0:
            raise TrustError(what, f"signed by a revoked key of {principals[0]}", "ask the sender to sign again with the key that replaced it")
        raise TrustError(what, f"signature does not verify ({_last_line(done.stderr + done.stdout)})", "it was altered, signed for another purpose, or the key has expired: fetch it again from the sender")
    return principals[0]


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


def _last_line(output: t.Union[bytes, str]) -> str:
    text = output.decode("utf-8", "replace") if isinstance(output, bytes) else output
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
