# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies beside an output folder travels with its readings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import host

ENDPOINT = {"name": "stt", "url": "http://127.0.0.1:1", "container": "stt", "resource": "declared", "service": "declared"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    release = tmp_path / "containers/stt/releases/r1"
    release.mkdir(parents=True)
    (release / "release.json").write_text(json.dumps({"id": "r1", "resource": "speech-dc0", "service": "speech_to_text"}))
    (tmp_path / "containers/stt/current").symlink_to("releases/r1")
    (tmp_path / "containers/stt/source.json").write_text('{"id": "s1", "device": 1, "inode": 2}')
    return tmp_path


def test_source_and_release_are_read(root: Path) -> None:
    found = host.complete(ENDPOINT, str(root))
    assert {key: found[key] for key in ("source", "release", "resource", "service", "reporter")} == {
        "source": "s1",
        "release": "r1",
        "resource": "speech-dc0",
        "service": "speech_to_text",
        "reporter": "stt",
    }


def test_without_files_the_declaration_stands(tmp_path: Path) -> None:
    found = host.complete(ENDPOINT, str(tmp_path))
    assert (found["source"], found["release"], found["resource"]) == (None, None, "declared")
    assert host.complete({"name": "n", "url": "u"}, None)["reporter"] == "n"


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_broken_file_is_no_unknown_source(root: Path, content: bytes) -> None:
    (root / "containers/stt/source.json").write_bytes(content)
    with pytest.raises(IntegrityError, match="source.json"):
        host.complete(ENDPOINT, str(root))


@pytest.mark.parametrize("name", ["../../etc", "a/b", "A"])
def test_a_name_cannot_leave_the_folder(root: Path, name: str) -> None:
    with pytest.raises(InputError):
        host.complete({**ENDPOINT, "container": name}, str(root))


def test_closed_months_are_left_out_for_the_same_source_only() -> None:
    closed = {"source": "s1", "months": ["2026-01"]}
    months = ["2026-01", "2026-02"]
    assert host.without_closed({"source": "s1", "closed": closed}, months)["months"] == ["2026-02"]
    assert "months" not in host.without_closed({"source": "s2", "closed": closed}, months)
    assert "months" not in host.without_closed({"source": "s1", "closed": None}, months)
