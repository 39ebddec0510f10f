# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the run wing."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import FakeEngine


@pytest.fixture
def fake(tmp_path: Path) -> t.Iterator[FakeEngine]:
    engine = FakeEngine(str(tmp_path / "docker.sock"))
    yield engine
    engine.close()
