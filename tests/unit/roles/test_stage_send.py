# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stage role does in the login user's folder before rsync starts there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

ROLE = Path(__file__).parents[3] / "roles" / "stage"
NAME = "a" * 64


def prepare(folder: Path) -> list[str]:
    """Run the task's own script as the host would."""
    tasks = yaml.safe_load((ROLE / "tasks" / "send.yml").read_text())
    loose = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__stage_loose"]
    script = tasks[0]["ansible.builtin.command"]["argv"][:3]
    done = subprocess.run([*script, str(folder), ".blobs", loose], input=f"{NAME}\n", capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_folder_is_made_and_measured(tmp_path: Path) -> None:
    said = prepare(tmp_path / "a" / "in")
    assert said[0] == str(tmp_path / "a" / "in") and int(said[-1]) > 0
    assert (tmp_path / "a" / "in").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a" / "in" / ".blobs").read_text() == f"{NAME}\n"


def test_only_what_rsync_was_killed_at_goes(tmp_path: Path) -> None:
    kept = [NAME, f".~tmp~/{NAME}", ".notes.abcdef", f".{NAME}", f".{NAME}.toolong", f"deep/.~tmp~/.{NAME}.Ab3xyZ"]
    gone = [f".{NAME}.Ab3xyZ", f".~tmp~/.{NAME}.Ab3xyZ"]
    for name in kept + gone:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    prepare(tmp_path)
    assert [name for name in kept + gone if not (tmp_path / name).exists()] == gone
