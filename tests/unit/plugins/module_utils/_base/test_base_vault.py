# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vault through pipes, with the real ansible-vault."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import vault
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError

SECRET = bytes(range(256)) * 3


@pytest.fixture
def password(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text("correct\n")
    return str(path)


def test_what_goes_in_comes_out_whatever_the_user_configured(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_VAULT_IDENTITY_LIST", "other@/nowhere")
    data = vault.encrypt(SECRET, "plant-7", password)
    assert data.startswith(b"$ANSIBLE_VAULT;1.2;AES256;plant-7\n")
    assert SECRET not in data
    assert vault.label(data) == "plant-7"
    assert vault.decrypt(data, "plant-7", password) == SECRET


def test_another_password_is_told_without_words_of_the_tool(password: str, tmp_path: Path) -> None:
    data = vault.encrypt(SECRET, "plant-7", password)
    other = tmp_path / "other"
    other.write_text("wrong\n")
    with pytest.raises(InputError, match="does not open the license of vault id plant-7"):
        vault.decrypt(data, "plant-7", str(other))


def test_an_empty_password_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    with pytest.raises(InputError, match="ansible-vault would not encrypt"):
        vault.encrypt(SECRET, "plant-7", str(tmp_path / "empty"))


def test_a_missing_password_file_is_named() -> None:
    with pytest.raises(MissingError, match="vault password file /nowhere: no such file"):
        vault.encrypt(SECRET, "plant-7", "/nowhere")


def test_a_python_without_ansible_is_told(password: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 'No module named ansible' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(MissingError, match="has no ansible-core"):
        vault.encrypt(SECRET, "plant-7", password)


def test_what_is_too_large_is_refused_before_anything_runs() -> None:
    with pytest.raises(InputError, match="more than the"):
        vault.encrypt(bytes(vault.MAX_BYTES + 1), "plant-7", "/nowhere")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"$ANSIBLE_VAULT;1.1;AES256\n61", "default"),
        (b"$ANSIBLE_VAULT;1.2;AES256;a-1\n61", "a-1"),
        (b"plain text", None),
        (b"", None),
    ],
)
def test_the_label_is_read_from_the_first_line(data: bytes, found: str | None) -> None:
    assert vault.label(data) == found
