# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What proved itself is kept, and what had done so before; a rollback finds both."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed, proof

ONE, TWO, THREE = ("1" * 16, "2" * 16, "3" * 16)


def run(release: str, spec: str = "", **more: t.Any) -> dict[str, t.Any]:
    """An item of a plan."""
    return {"container": "x", "release": release, "docker_container": {"image": "i", "cpus": 0.5, "labels": {"airgap.azure_ai.spec": spec or release}}, **more}


def current(folder: Path, release: str) -> None:
    if (folder / "current").is_symlink():
        (folder / "current").unlink()
    (folder / "current").symlink_to(f"releases/{release}")


def test_each_proof_pushes_the_one_before_it_back(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert proof.note_reason(folder, run(ONE)) == "it has proved itself"
    proof.note(folder, run(ONE))
    assert proof.note_reason(folder, run(ONE)) is None
    assert proof.target(folder, None) == (None, "nothing that proved itself lies before what runs now")
    proof.note(folder, run(ONE))
    assert not (tmp_path / "former.json").exists(), "the same again lies before nothing"
    proof.note(folder, run(TWO))
    found, _why = proof.target(folder, None)
    assert found is not None and (found["release"], found["run"]["docker_container"]["cpus"]) == (ONE, 0.5)
    assert os.stat(tmp_path / "former.json").st_mode & 0o777 == os.stat(tmp_path / "proven.json").st_mode & 0o777 == 0o600


def test_what_it_needed_is_kept_with_how_it_ran(tmp_path: Path) -> None:
    folder = tmp_path / "containers" / "x"
    folder.mkdir(parents=True)
    proof.note(str(folder), run(ONE, after=["layout"]))
    assert deployed.containers(str(tmp_path))["x"]["after"] == ["layout"]
    proof.note(str(folder), run(TWO))
    found, _why = proof.target(str(folder), None)
    assert found is not None and found["run"]["after"] == ["layout"] and deployed.containers(str(tmp_path))["x"]["after"] == []


def test_what_failed_goes_back_to_what_proved_itself_last(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert proof.target(folder, THREE) == (None, "nothing has proved itself here before, so there is nothing to go back to")
    proof.note(folder, run(ONE))
    proof.note(folder, run(TWO))
    found, _why = proof.target(folder, THREE)
    assert found is not None and found["release"] == TWO
    assert proof.target(folder, TWO) == (None, "it ran like this before, so there is nothing to go back to")


def test_a_note_of_old_that_says_not_how_it_ran_is_no_target(tmp_path: Path) -> None:
    (tmp_path / "proven.json").write_text(json.dumps({"spec": ONE}))
    assert proof.target(str(tmp_path), TWO)[0] is None
    assert proof.note_reason(str(tmp_path), run(ONE)) == "it has proved itself"


def test_a_rollback_stands_until_something_else_proves_itself(tmp_path: Path) -> None:
    folder = str(tmp_path)
    for release in (ONE, TWO):
        current(tmp_path, release)
        proof.note(folder, run(release))
    back = run(ONE, back=proof.MANUAL, left=proof.left(folder, TWO))
    proof.mark_back(folder, back)
    assert proof.standing(folder) is None, "nothing is current yet that it led to"
    current(tmp_path, ONE)
    assert proof.standing(folder) is not None
    found, _why = proof.target(folder, None)
    assert found is not None and found["release"] == ONE, "one that was cut off is finished, not swapped"
    proof.note(folder, back)
    found, _why = proof.target(folder, None)
    assert found is not None and found["release"] == ONE
    assert not (tmp_path / "former.json").exists()
    assert proof.note_reason(folder, run(ONE)) == "its rollback is over"
    proof.note(folder, run(TWO))
    assert not (tmp_path / "rollback.json").exists()
    assert deployed.record(folder, "former.json")["release"] == ONE


def test_a_rollback_after_an_automatic_one_holds_against_both_that_were_left(tmp_path: Path) -> None:
    folder = str(tmp_path)
    current(tmp_path, THREE)
    proof.mark_back(folder, run(TWO, back=proof.AUTOMATIC, left=proof.left(folder, THREE)))
    current(tmp_path, TWO)
    proof.mark_back(folder, run(ONE, back=proof.MANUAL, left=proof.left(folder, TWO)))
    back = deployed.record(folder, deployed.BACK_FILE)
    assert [proof.held(back, release, "other settings") for release in (ONE, TWO, THREE, "4" * 16)] == [False, True, True, False]


def test_settings_hold_by_their_spec(tmp_path: Path) -> None:
    back = {"kind": proof.MANUAL, "to": {"release": ONE, "spec": "a"}, "left": [{"release": ONE, "spec": "b"}]}
    assert proof.held(back, ONE, "b")
    assert not proof.held(back, ONE, "c")
    assert not proof.held(None, ONE, "b")


def test_an_item_that_says_not_how_it_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="says not how it runs"):
        proof.note(str(tmp_path), {"container": "x", "release": ONE})
