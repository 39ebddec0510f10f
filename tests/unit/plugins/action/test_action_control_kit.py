# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import types
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.airgap.azure_ai.plugins.action import control_kit


def arguments(monkeypatch: pytest.MonkeyPatch, **given: t.Any) -> dict[str, t.Any]:
    """What the module is run with when the task has these arguments."""
    seen: dict[str, t.Any] = {}
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})
    monkeypatch.setattr(control_kit, "located", lambda name: f"/found/{name}")
    action = control_kit.ActionModule.__new__(control_kit.ActionModule)
    action._task = types.SimpleNamespace(args=given)
    action._execute_module = lambda module_name, module_args, task_vars: seen.update(module_args) or {"changed": False}
    action.run()
    return seen


def test_collections_are_found_each_once_and_ours_first(monkeypatch: pytest.MonkeyPatch) -> None:
    found = arguments(monkeypatch, store="/s", collections=["kubernetes.core", "ansible.posix", "/mine/a/b"])
    names = ["airgap.azure_ai", "ansible.posix", "community.docker", "community.library_inventory_filtering_v1", "kubernetes.core"]
    assert found["collections"] == [*(f"/found/{name}" for name in names), "/mine/a/b"] and found["store"] == "/s"
    assert found["installer"] == "/found/airgap.azure_ai/roles/bundle/files/control"


def test_an_installer_of_ones_own_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    assert arguments(monkeypatch, installer="/mine")["installer"] == "/mine"


def test_a_collection_is_where_python_finds_it() -> None:
    folder = Path(control_kit.located("airgap.azure_ai"))
    assert (folder / "galaxy.yml").is_file() and (folder / "roles" / "bundle" / "files" / "control" / "install.sh").is_file()


@pytest.mark.parametrize("name", ["nobody.nothing", "not a name", ""])
def test_a_collection_that_is_not_here_is_named(name: str) -> None:
    with pytest.raises(AnsibleActionFail, match="not installed here"):
        control_kit.located(name)
