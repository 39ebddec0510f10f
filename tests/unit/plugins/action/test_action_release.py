# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Licenses are decrypted here and handed to the module; nothing stays behind."""

from __future__ import annotations

import base64
import os
import types
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret

from ansible_collections.airgap.azure_ai.plugins.action.release import ActionModule
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, release, sha

LICENSE = b"license\0canary\xff"
SECRETS = [("azure", VaultSecret(b"password"))]


@pytest.fixture
def store(tmp_path: Path) -> tuple[Path, dict[str, t.Any]]:
    """A store with one encrypted license and the release that names it."""
    data = VaultLib(SECRETS).encrypt(LICENSE, SECRETS[0][1], "azure")
    folder = tmp_path / "blobs" / "sha256"
    folder.mkdir(parents=True)
    (folder / sha(data)[7:]).write_bytes(data)
    return tmp_path, release(Image(b"x"), license=sha(data))


def run(args: dict[str, t.Any], secrets: t.Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, t.Any]:
    """The arguments with which the module would run."""
    seen: dict[str, t.Any] = {}
    loader = DataLoader()
    loader.set_vault_secrets(secrets)
    made = tmp_path / "tmp"
    made.mkdir()
    monkeypatch.setattr("ansible.constants.DEFAULT_LOCAL_TMP", str(made))
    task = types.SimpleNamespace(args=args, async_val=0, check_mode=False, environment=None, collections=[])
    action = ActionModule(task, types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=None)), types.SimpleNamespace(), loader, None, None)
    monkeypatch.setattr(action, "_execute_module", lambda **call: seen.update(call["module_args"]) or {"changed": True})
    try:
        assert action.run(task_vars={})["changed"] is True
    finally:
        assert os.listdir(made) == [], "no plaintext stays behind"
    return seen


@pytest.mark.parametrize("by", ["digest", "path"])
def test_a_license_is_decrypted(store: tuple[Path, dict[str, t.Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, by: str) -> None:
    folder, found = store
    named = found["license"] if by == "digest" else str(folder / "blobs" / "sha256" / found["license"][7:])
    seen = run({"store": str(folder), "releases": [{"container": "a", "release": found, "license": named}]}, SECRETS, monkeypatch, tmp_path)
    assert base64.b64decode(seen["license_content"]["a"]) == LICENSE


@pytest.mark.parametrize("secrets", [[], [("azure", VaultSecret(b"another"))]])
def test_without_the_secret_one_line_says_what_to_do(
    store: tuple[Path, dict[str, t.Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, secrets: t.Any
) -> None:
    folder, found = store
    with pytest.raises(AnsibleActionFail, match="license of container a: no vault secret at hand opens it; run with --vault-id"):
        run({"store": str(folder), "releases": [{"container": "a", "release": found, "license": found["license"]}]}, secrets, monkeypatch, tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"license": "sha256:" + "0" * 64}, "is not there; receive the bundle again"),
        ({"license": "/etc/hostname"}, "is not the one that its release names"),
        ({"license": None}, "is not there"),
    ],
)
def test_another_file_is_refused(
    store: tuple[Path, dict[str, t.Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: dict[str, t.Any], told: str
) -> None:
    folder, found = store
    with pytest.raises(AnsibleActionFail, match=told):
        run({"store": str(folder), "releases": [{"container": "a", "release": found, **change}]}, SECRETS, monkeypatch, tmp_path)


def test_items_without_a_license(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail, match="every item needs container, release and license"):
        run({"releases": [{"container": "a"}]}, SECRETS, monkeypatch, tmp_path)


def test_a_switch_needs_no_license_and_takes_none_from_the_task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    args = {"state": "current", "releases": [{"container": "a", "release": "0" * 16}], "license_content": {"a": "x"}}
    assert "license_content" not in run(args, [], monkeypatch, tmp_path)


def test_a_release_without_license_needs_no_vault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    item = {"container": "proxy", "release": release(Image(b"x"), license=None), "license": None}
    assert run({"releases": [item]}, [], monkeypatch, tmp_path)["license_content"] == {}
