# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""engine_config: check, do, again; the engine's own judgement where it can."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.modules import engine_config

Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def dockerd(tmp_path: Path) -> t.Callable[[str], str]:
    """An engine's program that can or cannot judge, and refuses what has the key ``bad``."""

    def make(help_text: str) -> str:
        path = tmp_path / "dockerd"
        path.write_text(
            f'#!/bin/sh\n[ "$1" = --help ] && echo "{help_text}" && exit\ngrep -q bad "$3" && echo "unable to configure: bad in $3" >&2 && exit 1\nexit 0\n'
        )
        path.chmod(0o755)
        return str(path)

    return make


def test_check_do_again(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "docker" / "daemon.json"
    options = {"path": str(path), "config": {"live-restore": True}, "dockerd": "no-such-program"}
    would = run(engine_config.main, check=True, **options)
    assert (would["changed"], path.exists()) == (True, False)
    did = run(engine_config.main, **options)
    assert (did["changed"], did["apply"], did["checked"], did["msg"]) == (True, "reload", False, f"{path}: live-restore differs")
    assert did["diff"] == would["diff"]
    assert (json.loads(path.read_text()), path.stat().st_mode & 0o777) == ({"live-restore": True}, 0o644)
    again = run(engine_config.main, **options)
    assert (again["changed"], again["apply"]) == (False, "nothing")


def test_what_others_wrote_stays(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text('{"bip": "172.26.0.1/16"}')
    run(engine_config.main, path=str(path), config={"debug": True}, dockerd="no-such-program")
    assert json.loads(path.read_text()) == {"bip": "172.26.0.1/16", "debug": True}


def test_the_engine_judges_before_the_file_is_replaced(run: Run, tmp_path: Path, dockerd: t.Callable[[str], str]) -> None:
    path = tmp_path / "daemon.json"
    path.write_text("{}")
    options = {"path": str(path), "dockerd": dockerd("  --validate  Validate")}
    assert run(engine_config.main, **options, config={"debug": True})["checked"] is True
    refused = run(engine_config.main, **options, config={"bad": True})
    assert refused["failed"] and "the engine refuses it" in refused["msg"] and str(path) in refused["msg"]
    assert json.loads(path.read_text()) == {"debug": True}


def test_an_older_engine_cannot_judge(run: Run, tmp_path: Path, dockerd: t.Callable[[str], str]) -> None:
    done = run(engine_config.main, path=str(tmp_path / "daemon.json"), config={"bad": True}, dockerd=dockerd("Usage"))
    assert (done["changed"], done["checked"]) == (True, False)


def test_a_broken_file_is_named_and_kept(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text("{")
    refused = run(engine_config.main, path=str(path), config={"debug": True})
    assert refused["failed"] and "not JSON" in refused["msg"] and path.read_text() == "{"
