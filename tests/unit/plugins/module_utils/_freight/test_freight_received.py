# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import received
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


def test_no_store_or_one_that_accepted_nothing_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text("{}")
    builder = kit.fill(tmp_path / "builder")
    for store in (None, str(tmp_path / "none"), builder.path):
        assert received.earliest(store) is None
        assert not received.before(store, str(tmp_path / "bundle.json"))


def test_the_last_one_says_when_it_was_made(tmp_path: Path) -> None:
    assert received.earliest(kit.accepted(tmp_path / "site", kit.NOW)) == 1769860800
    with pytest.raises(InputError, match="no such day or hour"):
        received.earliest(kit.accepted(tmp_path / "other", "2026-13-01T00:00:00Z"))


def test_only_the_same_bytes_were_accepted_before(tmp_path: Path) -> None:
    store = kit.accepted(tmp_path / "site", "", b"{ not even JSON")
    found = {}
    for data in (b"{ not even JSON", b"{ not even YAML", b"{"):
        (tmp_path / "bundle.json").write_bytes(data)
        found[data] = received.before(store, str(tmp_path / "bundle.json"))
    assert list(found.values()) == [True, False, False]
    assert not received.before(store, str(tmp_path / "nothing"))
    (tmp_path / "bundle.json").write_bytes(b"{ not even JSON")
    (tmp_path / "site" / "holdings.json").unlink()
    assert not received.before(store, str(tmp_path / "bundle.json")), "a backup brings manifests back, and no store"
    store = kit.accepted(tmp_path / "third", "", b"{")
    (tmp_path / "link").symlink_to(tmp_path / "third" / "received" / f"{kit.SITE}-9.json")
    assert not received.before(store, str(tmp_path / "link")), "no link is followed"
