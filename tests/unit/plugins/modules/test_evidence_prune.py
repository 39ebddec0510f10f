# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Old months go, the newest never."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months
from ansible_collections.airgap.azure_ai.plugins.modules import evidence_prune

Run = t.Callable[..., dict[str, t.Any]]


def folders(tmp_path: Path) -> list[Path]:
    now = months.now()[:7]
    made = [tmp_path / "site" / "host" / "stt" / months.back(now, count) for count in range(5)]
    for folder in made:
        folder.mkdir(parents=True)
    return made


def test_months_older_than_asked_are_removed_once(run: Run, tmp_path: Path) -> None:
    made = folders(tmp_path)
    wanted = [str(folder) for folder in reversed(made[3:])]
    check = run(evidence_prune.main, check=True, path=str(tmp_path), keep_months=2)
    assert (check["changed"], check["removed"]) == (True, wanted) and all(folder.is_dir() for folder in made)
    assert run(evidence_prune.main, path=str(tmp_path), keep_months=2)["removed"] == wanted
    assert [folder.is_dir() for folder in made] == [True, True, True, False, False]
    again = run(evidence_prune.main, path=str(tmp_path), keep_months=2)
    assert not again["changed"] and again["msg"] == "nothing is old enough"


def test_zero_would_reach_into_this_month(run: Run, tmp_path: Path) -> None:
    assert run(evidence_prune.main, path=str(tmp_path), keep_months=0)["failed"]


def test_a_folder_that_is_not_there_is_empty(run: Run, tmp_path: Path) -> None:
    assert not run(evidence_prune.main, path=str(tmp_path / "none"), keep_months=1)["changed"]
