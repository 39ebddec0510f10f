# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""compose.yml as Docker's own compose reads it: valid, and the same container as the spec says."""

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import render
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run import readings
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.wishes import ROOT
from tests.integration import programs, samples

USER = (65532, 65532)
WISHES = samples.plainest()


@pytest.fixture(scope="module")
def program() -> str:
    return str(programs.compose())


def read(program: str, text: str, folder: Path) -> dict[str, t.Any]:
    """What compose makes of a file, with what it adds to any file left out again."""
    (folder / "compose.yml").write_text(text, encoding="utf-8")
    command = [program, "-f", str(folder / "compose.yml"), "config", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, env={"HOME": "/nowhere", "PATH": "/usr/bin"}, check=False)
    assert done.returncode == 0 and "level=" not in done.stderr, done.stderr
    whole: dict[str, t.Any] = json.loads(done.stdout)
    (service,) = whole["services"].values()
    service["networks"] = [name for name in service["networks"] if name != "default"]
    whole["networks"] = {name: {"external": network["external"]} for name, network in whole["networks"].items() if name != "default"}
    service.setdefault("environment", {})
    for mount in service.setdefault("volumes", []):
        mount.setdefault("read_only", False)
    for device in service.get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices", []):
        device["count"] = "all" if device["count"] == -1 else device["count"]
    return whole


@pytest.mark.parametrize("name", WISHES)
def test_compose_reads_what_the_spec_says(program: str, tmp_path: Path, name: str) -> None:
    spec = WISHES[name].spec
    whole = read(program, render.compose_text(spec), tmp_path)
    assert whole["name"] == f"azure-ai-{spec['name']}"
    assert readings.of_compose_data(whole, spec, ROOT, USER) == readings.of_spec(spec, ROOT, USER)


def test_compose_fills_nothing_in(program: str, tmp_path: Path) -> None:
    spec = samples.nasty(WISHES["sentiment/no"].spec)
    whole = read(program, render.compose_text(spec), tmp_path)
    assert readings.of_compose_data(whole, spec, ROOT, USER) == readings.of_spec(spec, ROOT, USER)


def test_compose_would_have_refused(program: str, tmp_path: Path) -> None:
    text = render.compose_text(WISHES["sentiment/no"].spec)
    (tmp_path / "compose.yml").write_text(text.replace("mem_limit:", "memory_limit:"))
    done = subprocess.run([program, "-f", str(tmp_path / "compose.yml"), "config"], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "memory_limit" in done.stderr
