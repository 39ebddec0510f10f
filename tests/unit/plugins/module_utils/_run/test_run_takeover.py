# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that was run by hand gives way, comes back, or goes for good; its folder never moves."""

from __future__ import annotations

import copy
import json
import os
import typing as t
from pathlib import Path
from unittest.mock import Mock

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed, takeover
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.takeover import Takeover

Json = dict[str, t.Any]
ALWAYS = {"Name": "always", "MaximumRetryCount": 0}
NEVER = {"Name": "no", "MaximumRetryCount": 0}


class Held:
    """Containers of an engine, by name; what was asked for in order."""

    def __init__(self, **containers: Json) -> None:
        self.containers = containers
        self.asked: list[str] = []

    def _of(self, which: str) -> str:
        return next(name for name, found in self.containers.items() if which in (name, found["Id"]))

    def inspect(self, which: str) -> Json | None:
        return next((copy.deepcopy(found) for name, found in self.containers.items() if which in (name, found["Id"])), None)

    def update(self, which: str, changes: Json) -> None:
        self.containers[self._of(which)]["HostConfig"].update(changes)

    def stop(self, which: str, seconds: int = 10) -> None:
        found = self.containers[self._of(which)]
        self.asked.append(f"stop {found['Id']}")
        found["State"] = "exited"
        if found["HostConfig"].get("AutoRemove"):
            del self.containers[self._of(which)]

    def start(self, which: str) -> None:
        self.containers[self._of(which)]["State"] = "running"

    def rename(self, which: str, name: str) -> None:
        assert name not in self.containers
        self.containers[name] = self.containers.pop(self._of(which))

    def create(self, config: Json, name: str | None = None) -> str:
        self.containers[str(name)] = {"Id": "copy", "Image": config["Image"], "Config": config, "HostConfig": dict(config["HostConfig"]), "State": "created"}
        return "copy"

    def remove(self, which: str, volumes: bool = True) -> bool:
        self.asked.append(f"remove {self.containers.pop(self._of(which))['Id']}{' with volumes' if volumes else ''}")
        return True


def by_hand(identity: str = "0ld", **host: t.Any) -> Json:
    config = {"Image": "mcr/x:1", "Env": ["Eula=accept"], "Hostname": "812d811d1bcc", "Labels": None}
    return {
        "Id": identity,
        "Image": "sha256:1",
        "Config": config,
        "HostConfig": {"RestartPolicy": dict(ALWAYS), "AutoRemove": False, **host},
        "State": "running",
    }


def ours() -> Json:
    return {**by_hand("new"), "Config": {"Labels": {"airgap.azure_ai.container": "stt"}}}


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """The folder that was written into for years."""
    folder = tmp_path / "srv" / "old"
    folder.mkdir(parents=True)
    (folder / "usage").write_text("1000")
    return folder


def steps(tmp_path: Path, engine: Held, output: Path, old: str | None = "old") -> Takeover:
    return Takeover(t.cast(Engine, engine), str(tmp_path / "root"), "stt", str(output), old)


def settled(taking: Takeover, state: str) -> None:
    """The state comes about, and a second time there is nothing to do."""
    assert taking.reason(state)
    taking.act(state)
    assert taking.reason(state) is None


def folder_of(tmp_path: Path) -> Path:
    return tmp_path / "root" / "containers" / "stt"


def test_the_folder_stays_where_it_is_and_gets_an_id(tmp_path: Path, output: Path) -> None:
    before = output.stat()
    settled(steps(tmp_path, Held(), output), "linked")
    link, source = folder_of(tmp_path) / "output", json.loads((folder_of(tmp_path) / "source.json").read_text())
    assert os.readlink(link) == str(output) and (link / "usage").read_text() == "1000"
    assert (source["device"], source["inode"], len(source["id"])) == (before.st_dev, before.st_ino, 32)
    assert output.stat() == before
    steps(tmp_path, Held(), output).act("linked")
    assert json.loads((folder_of(tmp_path) / "source.json").read_text()) == source, "one folder, one id"


def test_an_empty_folder_makes_way_with_its_id_and_a_used_one_does_not(tmp_path: Path, output: Path) -> None:
    own = folder_of(tmp_path) / "output"
    own.mkdir(parents=True)
    (folder_of(tmp_path) / "source.json").write_text('{"id": "of the empty one"}')
    settled(steps(tmp_path, Held(), output), "linked")
    assert json.loads((folder_of(tmp_path) / "source.json").read_text())["inode"] == output.stat().st_ino
    own.unlink()
    own.mkdir()
    (own / "records").write_text("1")
    with pytest.raises(InputError, match="its output is used already"):
        steps(tmp_path, Held(), output).act("linked")
    assert (own / "records").read_text() == "1"


@pytest.mark.parametrize("kind", ["missing", "link", "file"])
def test_what_is_no_folder_is_refused(tmp_path: Path, output: Path, kind: str) -> None:
    other = output.parent / "other"
    if kind == "link":
        other.symlink_to(output)
    elif kind == "file":
        other.write_text("")
    with pytest.raises(InputError, match="is not a folder, or lies behind a link"):
        steps(tmp_path, Held(), other).act("linked")
    assert deployed.output(str(folder_of(tmp_path))) is None


@pytest.mark.parametrize("name", ["stt", "old"])
def test_held_returned_held_done(tmp_path: Path, output: Path, name: str) -> None:
    engine = Held(**{name: by_hand()})
    taking = steps(tmp_path, engine, output, name)
    taking.act("linked")
    settled(taking, "held")
    assert engine.containers.keys() == {"stt.adopted"} and engine.asked == ["stop 0ld"]
    assert engine.containers["stt.adopted"]["HostConfig"]["RestartPolicy"] == NEVER, "an engine that restarts must not start it beside the new one"
    engine.containers["stt"] = ours()
    settled(steps(tmp_path, engine, output, None), "returned")
    back = engine.containers[name]
    assert engine.containers.keys() == {name} and back["State"] == "running" and back["HostConfig"]["RestartPolicy"] == ALWAYS
    settled(taking, "held")
    engine.containers["stt"] = ours()
    settled(taking, "done")
    assert engine.containers.keys() == {"stt"} and engine.asked[-1] == "remove 0ld", "its volumes stay"
    note = json.loads((folder_of(tmp_path) / "adopted.json").read_text())
    assert (note["container"], note["image"], note["output"], note["done"]) == (name, "mcr/x:1", str(output), True)
    assert (output / "usage").read_text() == "1000"


def test_one_that_vanishes_when_it_stops_leaves_a_copy(tmp_path: Path, output: Path) -> None:
    engine = Held(old=by_hand(AutoRemove=True, Binds=["/srv/old:/output"]))
    taking = steps(tmp_path, engine, output)
    taking.act("linked")
    settled(taking, "held")
    copied = engine.containers["stt.adopted"]
    assert (copied["Image"], copied["Config"]["Hostname"], copied["HostConfig"]["Binds"]) == ("sha256:1", "812d811d1bcc", ["/srv/old:/output"])
    assert (copied["HostConfig"]["AutoRemove"], copied["HostConfig"]["RestartPolicy"]) == (False, NEVER)
    settled(taking, "returned")
    assert engine.containers["old"]["State"] == "running"


def test_one_that_does_not_go_is_an_error(tmp_path: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Held(old=by_hand(AutoRemove=True))
    monkeypatch.setattr(engine, "stop", lambda *_args: None)
    monkeypatch.setattr(takeover, "GONE_SECONDS", 0.0)
    taking = steps(tmp_path, engine, output)
    taking.act("linked")
    with pytest.raises(RemoteError, match="started with --rm and is not gone"):
        taking.act("held")


def test_a_cut_off_run_remembers_how_it_was(tmp_path: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Held(old=by_hand())
    taking = steps(tmp_path, engine, output)
    taking.act("linked")
    monkeypatch.setattr(engine, "rename", Mock(side_effect=RemoteError("engine", "power cut")))
    with pytest.raises(RemoteError):
        taking.act("held")
    monkeypatch.undo()
    settled(taking, "held")
    taking.act("returned")
    assert engine.containers["old"]["HostConfig"]["RestartPolicy"] == ALWAYS, "not what the first attempt made of it"


def test_its_folder_has_its_owner_again(tmp_path: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Held(old=by_hand())
    taking = steps(tmp_path, engine, output)
    taking.act("linked")
    taking.act("held")
    given: list[tuple[str, tuple[int, int]]] = []
    monkeypatch.setattr(takeover.releases, "hand_over", lambda folder, owner: given.append((folder, owner)))
    taking.act("returned")
    assert given == [(str(output), (os.getuid(), os.getgid()))]


def test_one_of_ours_is_never_set_aside(tmp_path: Path, output: Path) -> None:
    engine = Held(old=ours())
    with pytest.raises(InputError, match="is one of this collection"):
        steps(tmp_path, engine, output).act("held")
    assert engine.asked == []
