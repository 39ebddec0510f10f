# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the freight tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> kit.Keys:
    return kit.make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return kit.fill(tmp_path / "store")


@pytest.fixture
def bundle(tmp_path: Path, store: Store, keys: kit.Keys) -> Path:
    """A bundle of the whole store, with files of its own."""
    folder = kit.build(store, tmp_path / "bundles", keys)
    kit.detach(folder)
    return folder
