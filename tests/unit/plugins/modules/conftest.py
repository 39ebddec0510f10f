# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules run as they do on a host, and an imitation engine for them."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import FakeEngine

Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def fake(tmp_path: Path) -> t.Iterator[FakeEngine]:
    engine = FakeEngine(str(tmp_path / "docker.sock"))
    yield engine
    engine.close()


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a module's main with options; give its result."""

    def call(main: t.Callable[[], None], check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        capfd.readouterr()
        with patch_module_args({**options, "_ansible_check_mode": check, "_ansible_diff": True}), pytest.raises(SystemExit):
            main()
        found: dict[str, t.Any] = json.loads(capfd.readouterr().out.strip().splitlines()[-1])
        return found

    return call
