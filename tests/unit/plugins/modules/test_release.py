# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""release: check, do, check, do for staging and switching; nothing secret in any result."""

from __future__ import annotations

import base64
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.modules import release as module
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, release

Run = t.Callable[..., dict[str, t.Any]]
SECRET = b"license-canary-51d0"
ONE = release(Image(b"one"))
IMAGE = "azure-ai.invalid/sentiment:0123456789abcdef"
ME = {"name": "me", "uid": os.getuid(), "gid": os.getgid()}


@pytest.fixture
def options(tmp_path: Path) -> dict[str, t.Any]:
    return {
        "root": str(tmp_path),
        "releases": [{"container": "sent-en", "release": ONE, "license": "sha256:x", "image": IMAGE, "reason": "not on the host"}],
        "users": {IMAGE: ME},
        "license_content": {"sent-en": base64.b64encode(SECRET).decode()},
    }


def test_stage_check_do_check_do(options: dict[str, t.Any], run: Run, tmp_path: Path) -> None:
    would = run(module.main, check=True, **options)
    assert (would["changed"], list(tmp_path.iterdir())) == (True, [])
    did = run(module.main, **options)
    assert (did["changed"], did["reasons"], did["diff"]) == (True, would["reasons"], would["diff"])
    assert (tmp_path / "containers" / "sent-en" / "releases" / ONE["id"] / "license" / "license.dat").read_bytes() == SECRET
    for check in (True, False):
        assert run(module.main, check=check, **options)["changed"] is False
    told = str([would, did])
    assert SECRET.decode() not in told
    assert base64.b64encode(SECRET).decode() not in told


def test_switch_check_do_check_do(options: dict[str, t.Any], run: Run, tmp_path: Path) -> None:
    run(module.main, **options)
    switch = {"root": str(tmp_path), "state": "current", "releases": [{"container": "sent-en", "release": ONE["id"], "compose": "services: {}\n"}]}
    assert run(module.main, check=True, **switch)["changed"] is True
    assert not (tmp_path / "containers" / "sent-en" / "current").exists()
    assert run(module.main, **switch)["reasons"] == {"sent-en": f"none -> {ONE['id']}"}
    for check in (True, False):
        assert run(module.main, check=check, **switch)["changed"] is False
    assert (tmp_path / "containers" / "sent-en" / "compose.yml").read_text() == "services: {}\n"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"users": {}}, "the user of its image is not known"),
        ({"users": {"sent-en": {"uid": "x", "gid": 1}}}, "the user of its image is not known"),
        ({"license_content": {}}, "no license came with its release"),
        ({"license_content": {"sent-en": "%%%"}}, "no license came with its release"),
        ({"state": "current"}, "stage it first"),
        ({"releases": [{"container": "sent-en", "release": ONE, "user": "nonroot"}]}, "its user 'nonroot' is not of the form uid:gid"),
        ({"releases": [{"container": "sent-en", "release": ONE, "image": IMAGE, "folders": ["output"]}]}, "is none of a container"),
        ({"releases": [{"container": "sent-en"}]}, "key 'release' is missing"),
        ({"releases": [{"container": "../x", "release": ONE}]}, "not a DNS label"),
        ({"releases": [{"container": "x", "release": ONE["id"]}]}, "its release is not a mapping"),
        ({"releases": [{"container": "x", "release": {**ONE, "tag": "1", "image": "sha256:0"}}]}, "its ID does not belong to its content"),
    ],
)
def test_bad_input_is_one_line(options: dict[str, t.Any], run: Run, change: dict[str, t.Any], told: str) -> None:
    result = run(module.main, **{**options, **change})
    assert result["failed"] is True
    assert told in result["msg"]


def test_a_service_without_license_and_with_files_of_its_own(run: Run, tmp_path: Path) -> None:
    free = release(Image(b"free"), license=None)
    item = {"container": "dt", "release": free, "license": None, "image": IMAGE, "user": f"{ME['uid']}:{ME['gid']}", "folders": ["dt/state/db"]}
    assert run(module.main, root=str(tmp_path), releases=[item])["changed"] is True
    assert run(module.main, root=str(tmp_path), releases=[item])["changed"] is False
    config = [{"source": f"{tmp_path}/containers/dt/config/0", "target": "/etc/x", "text": "x"}]
    switch = {"root": str(tmp_path), "state": "current", "releases": [{**item, "release": free["id"], "config": config}]}
    assert run(module.main, check=True, **switch)["reasons"] == {"dt": f"none -> {free['id']}"}
    assert not (tmp_path / "containers" / "dt" / "config").exists()
    assert run(module.main, **switch)["changed"] is True
    assert run(module.main, **switch)["changed"] is False
    assert (tmp_path / "containers" / "dt" / "config" / "0").read_text() == "x"
    switch["releases"][0]["config"][0]["text"] = "y"
    assert run(module.main, **switch)["reasons"] == {"dt": "config/0 changes"}


def test_every_error_names_the_container(options: dict[str, t.Any], run: Run) -> None:
    options["releases"][0]["release"] = {**ONE, "license": "sha256:" + "d" * 64}
    result = run(module.main, **options)
    assert result["failed"] is True
    assert result["msg"].startswith(f"container sent-en: release {ONE['id']}: its ID does not belong to its content")


def test_what_runs_is_stopped_before_anything_of_it_changes_hands(options: dict[str, t.Any], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it writes while it is asked to end must still find its folder, its release and its user's rights."""
    two = release(Image(b"two"))
    for made in (ONE, two):
        run(module.main, **{**options, "releases": [{**options["releases"][0], "release": made}]})
    folder = tmp_path / "containers" / "sent-en"
    seen: list[tuple[str, str]] = []

    def note(what: str) -> None:
        seen.append((what, os.path.basename(os.readlink(folder / "current")) if (folder / "current").is_symlink() else "none"))

    class Engine:
        def __init__(self, socket: str) -> None:
            assert socket == "/run/engine.sock"

        def stop(self, name: str, seconds: int) -> None:
            assert seconds == 60, "as long as anywhere else"
            note(f"stop {name}")
            (folder / "output" / "last.json").write_text("{}")

    monkeypatch.setattr(module, "Engine", Engine)
    monkeypatch.setattr(module.releases, "hand_over", lambda *_args, **_more: note("hand over"))
    switch: dict[str, t.Any] = {"root": str(tmp_path), "state": "current", "docker_socket": "/run/engine.sock"}
    first, second = ({"container": "sent-en", "release": made["id"], "restart": made is two} for made in (ONE, two))
    run(module.main, **switch, releases=[first])
    assert seen == [("hand over", "none")], "nothing runs yet"
    assert run(module.main, check=True, **switch, releases=[second])["changed"] is True
    assert run(module.main, **switch, releases=[second])["changed"] is True
    assert seen[1:] == [("stop sent-en", ONE["id"]), ("hand over", ONE["id"])]
    assert (folder / "output" / "last.json").exists()
    assert run(module.main, **switch, releases=[second])["changed"] is False
    assert len(seen) == 3, "what is there already stops nothing"
