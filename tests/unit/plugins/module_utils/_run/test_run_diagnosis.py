# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A diagnosis of a bare host, of one whose engine is down and of one with everything: bounded, and never a secret in it."""

from __future__ import annotations

import io
import json
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import diagnosis, releases
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import FakeEngine, Image, release

LICENSE = b"LICENSE-CANARY-OF-THIS-TEST\nc2Vjb25kIGxpbmU=\n"


def diagnosed(root: Path, socket: str, limit: int = 8 * 1024 * 1024, **told: t.Any) -> tuple[dict[str, t.Any], dict[str, str]]:
    stream = io.BytesIO()
    summary = diagnosis.Diagnosis(str(root), socket, told, 100).write(stream, limit)
    with tarfile.open(fileobj=io.BytesIO(stream.getvalue())) as tar:
        members = {member.name: t.cast("t.IO[bytes]", tar.extractfile(member)).read().decode() for member in tar}
    assert json.loads(members["summary.json"]) == json.loads(json.dumps(summary))
    return summary, members


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A host's folder with a release, its license and what a container wrote."""
    root = tmp_path / "root"
    releases.stage(str(root), "sent-en", release(Image(b"x")), LICENSE, (0, 0))
    output = root / "containers" / "sent-en" / "output"
    (output / "app.log").write_text("first\n" + LICENSE.decode() + "The provided license path was not found\n")
    (output / "records.json").write_text('{"billed": 7}')
    return root


def test_a_bare_host(tmp_path: Path) -> None:
    summary, members = diagnosed(tmp_path / "none", str(tmp_path / "none.sock"), problems=["engine: none answers"], control_now="2020-01-01T00:00:00Z")
    assert "no such socket" in summary["engine"]["error"] and summary["containers"] == [] and summary["releases"] == []
    assert summary["host"]["clock_offset"] > 10**7
    assert "PROBLEM engine: none answers" in members["summary.txt"]
    assert {"host.json", "proc/mounts", "journal/docker.txt", "daemon.json", "plan.json"} <= set(members)


def test_the_engine_is_down(used: Path, tmp_path: Path) -> None:
    summary, members = diagnosed(used, str(tmp_path / "none.sock"), control_now="2026-12-01T00:00:00Z")
    assert [(item["container"], item["role"], item["license_days"]) for item in summary["releases"]] == [("sent-en", "staged", 30)]
    assert "license of sent-en (staged): 30 days left (amber)" in members["summary.txt"]
    assert summary["messages"][0]["where"] == ["log of sent-en"] and "airgap.azure_ai.rollout" in members["summary.txt"]
    assert "records.json" in members["containers/sent-en/output.txt"]
    assert not any("billed" in text for text in members.values()), "records of usage are no part of it"


def test_with_an_engine_and_nothing_secret(used: Path, fake: FakeEngine) -> None:
    config = {"Env": ["Eula=accept", "ApiKey=KEY-CANARY", "Other=ENV-CANARY"], "Labels": {"airgap.azure_ai.container": "sent-en"}}
    fake.containers["c1"] = {"Id": "c1", "Names": ["/sent-en"], "Labels": config["Labels"]}
    fake.answers["/containers/c1/json"] = (200, json.dumps({"Config": config, "State": {"Status": "running", "ExitCode": 0}, "RestartCount": 2}).encode())
    said = b"Eula must be accepted, apikey: KEY-CANARY " + LICENSE
    fake.logs = b"\x01\0\0\0" + len(said).to_bytes(4, "big") + said
    summary, members = diagnosed(used, fake.path)
    assert (summary["engine"]["version"], summary["containers"][0]["status"], summary["containers"][0]["restarts"]) == ("20.10.24", "running", 2)
    assert [item["where"] for item in summary["messages"] if item["message"] == "Eula must be accepted"] == [["container sent-en"]]
    assert "Eula=accept" in members["containers/sent-en/inspect.json"]
    assert not [name for name, text in members.items() if "CANARY" in text or "c2Vjb25kIGxpbmU" in text]


def test_it_is_bounded(used: Path, tmp_path: Path) -> None:
    for number in range(4):
        (used / "containers/sent-en/output" / f"{number}.log").write_text("a line of a log\n" * 200_000)
    summary, members = diagnosed(used, str(tmp_path / "none.sock"), limit=1024 * 1024)
    assert sum(len(text) for text in members.values()) <= 1024 * 1024
    assert len([line for line in summary["cut"] if ".log: the last" in line]) == 4 and "cut: " in members["summary.txt"]
