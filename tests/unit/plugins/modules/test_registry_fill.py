# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode tells, the first run fills, the second changes nothing."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import pushing
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.modules import registry_fill
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit

Run = t.Callable[..., dict[str, t.Any]]


def test_check_do_do(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path / "store")).create()
    freight_kit.add_image(store)
    filled = []

    def fill(program: str, folder: str, _store: Store, images: list[dict[str, t.Any]], advance: t.Callable[[int], object]) -> None:
        advance(7)
        filled.append(program)
        (Path(folder) / pushing.FILLED).write_text(json.dumps(pushing.wanted(images)))

    monkeypatch.setattr(pushing, "fill", fill)
    given = {"program": "/usr/bin/docker-registry", "folder": str(tmp_path), "store": store.path, "progress_file": str(tmp_path / "progress.json")}
    check = run(registry_fill.main, check=True, **given)
    assert (check["changed"], check["msg"], filled) == (True, "1 images to push", [])
    assert "1.0 sha256:" in check["diff"]["after"] and check["diff"]["before"] == ""
    assert run(registry_fill.main, **given)["changed"] and filled == ["/usr/bin/docker-registry"]
    assert json.loads((tmp_path / "progress.json").read_text())["finished"]
    again = run(registry_fill.main, **given)
    assert (again["changed"], again["images"], again["msg"], len(filled)) == (False, 1, "it holds what the store holds", 1)


def test_what_goes_wrong_is_one_line(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_args: object) -> None:
        raise RemoteError("image x", "the registry refuses it")

    store = Store(str(tmp_path)).create()
    freight_kit.add_image(store)
    monkeypatch.setattr(pushing, "fill", fill)
    failed = run(registry_fill.main, program="x", folder=str(tmp_path), store=store.path)
    assert failed["failed"] and failed["msg"] == "image x: the registry refuses it"
