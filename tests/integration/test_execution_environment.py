# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment: ansible-builder makes its context and finds in the collection what the collection needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEFINITION = ROOT / "extensions" / "execution-environment" / "execution-environment.yml"
TARBALL = "airgap-azure_ai.tar.gz"


def builder(*arguments: str) -> str:
    """What ansible-builder prints."""
    command = [str(Path(sys.executable).with_name("ansible-builder")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ee")
    shutil.copy(DEFINITION, folder)
    (folder / TARBALL).write_bytes(b"the collection")
    builder("create", "-f", str(folder / DEFINITION.name), "-c", str(folder / "context"), "--output-filename", "Containerfile")
    return folder / "context"


def test_the_context_holds_the_collection_where_galaxy_looks_for_it(context: Path) -> None:
    wanted = yaml.safe_load((context / "_build" / "requirements.yml").read_text())["collections"]
    ours = next(item for item in wanted if isinstance(item, dict))
    recipe = (context / "Containerfile").read_text()
    assert "ADD _build /build" in recipe or "COPY _build /build" in recipe
    assert (context / "_build" / ours["source"]).read_bytes() == b"the collection", "ansible-galaxy runs in /build"
    assert {"ansible.posix", "community.docker"} <= {item for item in wanted if isinstance(item, str)}


def test_no_registry_but_the_builders_own_is_named(context: Path) -> None:
    recipe = (context / "Containerfile").read_text()
    assert 'EE_BASE_IMAGE="localhost/debian:12"' in recipe


def test_what_the_collection_needs_is_found_in_it(tmp_path: Path) -> None:
    place = tmp_path / "ansible_collections" / "airgap" / "azure_ai"
    place.mkdir(parents=True)
    shutil.copytree(ROOT / "meta", place / "meta")
    shutil.copy(ROOT / "galaxy.yml", place)
    found = yaml.safe_load(builder("introspect", str(tmp_path)))
    assert [line.partition("#")[0].strip() for line in found["python"]] == (ROOT / "meta" / "ee-requirements.txt").read_text().split()
    assert {line.partition(" ")[0] for line in found["system"]} >= {"openssh-client", "rsync", "skopeo"}
