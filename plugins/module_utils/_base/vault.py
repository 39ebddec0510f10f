# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible Vault for small secrets, through pipes: plaintext reaches neither a file nor a command line.

This file is private to the collection.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError

MAX_BYTES = 16 * 1024 * 1024  # Ansible Vault holds its input in memory several times
_HEADER = re.compile(rb"\$ANSIBLE_VAULT;1\.[12];AES256(?:;([^\s;]+))?\r?\n")
_TIMEOUT = 300  # seconds


def encrypt(data: bytes, vault_id: str, password_file: str) -> bytes:
    """``data`` as Ansible-Vault ciphertext labelled ``vault_id``; each call gives other bytes (a new salt).

    :raises InputError: too large, or ansible-vault refuses; MissingError: no password file, no ansible-core.
    """
    if len(data) > MAX_BYTES:
        raise InputError("license", f"{len(data)} bytes, more than the {MAX_BYTES} that a secret may have")
    return _vault(["encrypt", "--encrypt-vault-id", vault_id], data, vault_id, password_file)


def decrypt(data: bytes, vault_id: str, password_file: str) -> bytes:
    """What ``encrypt`` was given; raise InputError when the password is another one."""
    return _vault(["decrypt"], data, vault_id, password_file)


def label(data: bytes) -> str | None:
    """The vault id that ciphertext carries (``default`` when it names none), or None when it is no ciphertext."""
    match = _HEADER.match(data)
    if not match:
        return None
    return (match.group(1) or b"default").decode("utf-8", "replace")


def check_password_file(path: str) -> None:
    """Raise MissingError when there is no password file at ``path``."""
    if not os.path.isfile(path):
        raise MissingError(f"vault password file {path}", "no such file", "make it with airgap.azure_ai.init or name yours in azure_ai_vault_password_file")


def _vault(action: list[str], data: bytes, vault_id: str, password_file: str) -> bytes:
    check_password_file(password_file)
    with tempfile.TemporaryDirectory(prefix="airgap-vault-") as private:
        command = [sys.executable, "-m", "ansible", "vault", *action, "--vault-id", f"{vault_id}@{os.path.abspath(password_file)}", "--output", "-", "-"]
        try:
            done = subprocess.run(command, input=data, capture_output=True, timeout=_TIMEOUT, check=False, cwd=private, env=_environment(private))
        except subprocess.TimeoutExpired as exc:
            raise InputError(
                f"vault password file {password_file}", f"ansible-vault did not end in {_TIMEOUT} s", "it must hold the password, not ask for it"
            ) from exc
    if done.returncode != 0 or not done.stdout:
        raise _refusal(done.stderr.decode("utf-8", "replace"), action[0], vault_id, password_file)
    return done.stdout


def _environment(private: str) -> dict[str, str]:
    # The user's ansible.cfg may name vault identities and callbacks that have no business here.
    config = os.path.join(private, "ansible.cfg")
    with open(config, "wb"):
        pass
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return {**kept, "ANSIBLE_CONFIG": config, "ANSIBLE_HOME": private, "ANSIBLE_LOCAL_TEMP": private, "ANSIBLE_NOCOLOR": "1"}


def _refusal(log: str, action: str, vault_id: str, password_file: str) -> Exception:
    if "No module named" in log:
        return MissingError("ansible-vault", f"{sys.executable} has no ansible-core", "set ansible_python_interpreter to ansible_playbook_python")
    if action == "decrypt" and "Decryption failed" in log:
        return InputError(f"vault password file {password_file}", f"does not open the license of vault id {vault_id}", "use the password it was encrypted with")
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return InputError(
        f"vault password file {password_file}", f"ansible-vault would not {action} ({lines[-1][:200].replace('[ERROR]: ', '') if lines else 'no message'})"
    )
