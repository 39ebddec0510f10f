# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of harvests that are long over go, by the month of the last one; links and this month's stay."""

from __future__ import annotations

import calendar
import os
import time
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.airgap.azure_ai.plugins.action import harvest_prune

NOW = "2026-05-15T00:00:00Z"


class Action(harvest_prune.ActionModule):
    def __init__(self, check: bool = False, **args: t.Any) -> None:
        self._task = SimpleNamespace(args=args, check_mode=check, async_val=0)

    def start(self) -> dict[str, t.Any]:
        return self.run(None, {})


@pytest.fixture(autouse=True)
def no_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda self, tmp, task_vars: {})
    monkeypatch.setattr(harvest_prune.months, "now", lambda: NOW)


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """One harvest at the end of each month, named so that names tell nothing, and what is no folder of a harvest."""
    for month in range(1, 6):
        folder = tmp_path / "done" / f"h{9 - month}"
        folder.mkdir(parents=True)
        (folder / "h1.json").write_text("{}")
        moment = calendar.timegm(time.strptime(f"2026-{month:02d}-28", "%Y-%m-%d"))
        os.utime(folder, (moment, moment))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "done" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "done" / "file").write_text("x")
    for name in ("link", "file"):
        os.utime(tmp_path / "done" / name, (0, 0), follow_symlinks=False)
    os.utime(tmp_path / "elsewhere", (0, 0))
    return tmp_path / "done"


def test_old_ones_go_once_and_check_mode_tells_them(done: Path) -> None:
    before = sorted(path.name for path in done.iterdir())
    check = Action(check=True, path=str(done), keep_months=2).start()
    assert (check["changed"], check["removed"]) == (True, ["h8", "h7"])
    assert check["msg"] == "would remove the answers of 2 harvests, the last of them h7"
    assert sorted(path.name for path in done.iterdir()) == before
    assert Action(path=str(done), keep_months="2").start()["msg"] == "removed the answers of 2 harvests, the last of them h7"
    assert sorted(path.name for path in done.iterdir()) == ["file", "h4", "h5", "h6", "link"]
    again = Action(path=str(done), keep_months=2).start()
    assert (again["changed"], again["removed"], again["msg"]) == (False, [], "nothing is old enough")


def test_no_folder_yet(tmp_path: Path) -> None:
    assert not Action(path=str(tmp_path / "done"), keep_months=3).start()["changed"]


def test_what_cannot_be_removed_is_named(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> t.NoReturn:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(harvest_prune.shutil, "rmtree", refuse)
    found = Action(path=str(done), keep_months=2).start()
    assert found["failed"] and "h8" in found["msg"] and "ermission denied" in found["msg"]


@pytest.mark.parametrize("wrong", [{"path": "/x"}, {"path": "x", "keep_months": 3}, {"path": "/x", "keep_months": 0}, {"path": "/x", "keep_months": "few"}])
def test_wrong_options_are_refused(wrong: dict[str, t.Any]) -> None:
    assert Action(**wrong).start()["failed"]
