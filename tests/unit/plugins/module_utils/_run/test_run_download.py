# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Online steps against an engine made of dictionaries: what containers are given, what is taken out, what stays behind."""

from __future__ import annotations

import io
import tarfile
import typing as t
from contextlib import contextmanager

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import download
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.online import Step

KEY = "a-key-that-nobody-sees"
RECIPE = download.Recipe(
    image="azure-ai.invalid/x:1",
    mounts={"license": "/license", "models": "/usr/local/models", "output": "/output"},
    owner="me",
    environment={"HTTPS_PROXY": "http://proxy:3128"},
    hardening={"no_new_privileges": True, "drop_capabilities": ["ALL"]},
)


class FakeEngine(download.ArchiveEngine):
    """Holds what was asked of it; a started container writes ``files`` and ends with ``code``."""

    def __init__(self, files: dict[str, bytes], log: str = "", code: int = 0, user: str = "app", passwd: str = "app:x:4711:4712::/:/bin/false\n") -> None:
        super().__init__("/nowhere")
        self.will, self.log, self.code, self.user = files, log, code, user
        self.files: dict[str, bytes] = {"/etc/passwd": passwd.encode(), "/etc/group": b"staff:x:99:\n"}
        self.alive: dict[str, t.Mapping[str, t.Any]] = {}
        self.made: list[t.Mapping[str, t.Any]] = []
        self.removed: list[str] = []
        self.owned: list[tarfile.TarInfo] = []

    def containers(self, labels: t.Sequence[str] = ()) -> list[dict[str, t.Any]]:
        wanted = dict(label.split("=") for label in labels)
        return [{"Id": name} for name, config in self.alive.items() if wanted.items() <= config["Labels"].items()]

    def create(self, config: t.Mapping[str, t.Any], name: str | None = None) -> str:
        self.made.append(config)
        self.alive[f"c{len(self.made)}"] = config
        return f"c{len(self.made)}"

    def start(self, container: str) -> None:
        self.files.update(self.will)

    def inspect(self, container: str) -> dict[str, t.Any]:
        return {"State": {"Status": "exited" if self.code >= 0 else "running", "ExitCode": self.code}}

    def logs(self, container: str, follow: bool = False, timeout: float | None = None) -> t.Iterator[bytes]:
        yield self.log.encode()

    def remove(self, container: str) -> bool:
        self.removed.append(container)
        return self.alive.pop(container, None) is not None

    def image(self, name: str) -> dict[str, t.Any]:
        return {"Config": {"User": self.user}}

    def put_archive(self, container: str, tar: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
            self.owned = archive.getmembers()

    @contextmanager
    def open_archive(self, container: str, path: str) -> t.Iterator[tarfile.TarFile | None]:
        buffer, base = io.BytesIO(), path.rpartition("/")[2]
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, data in self.files.items():
                if name == path or name.startswith(path + "/"):
                    member = tarfile.TarInfo(base + name[len(path) :])
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
        buffer.seek(0)
        with tarfile.open(fileobj=buffer, mode="r|") as stream:
            yield stream


def step(**changes: t.Any) -> Step:
    return Step(**{"name": "license", "settings": {"ApiKey": KEY}, "produces": ("license",), "time_limit": 1, **changes})


def run(engine: FakeEngine, *steps: Step) -> tuple[download.Outcome, dict[str, bytes]]:
    kept: dict[str, bytes] = {}

    def sink(path: str, stream: t.BinaryIO, size: int) -> str:
        kept[path] = stream.read()
        return f"digest of {path}"

    return download.Download(engine, RECIPE, "license of x", [KEY]).run(steps, sink), kept


GOOD = {"/license/license.dat": b"secret"}
MODELS = {"/usr/local/models/b/w.bin": b"ww", "/usr/local/models/a/w.bin": b"w", **GOOD}


def test_license_models_and_settings_come_out() -> None:
    engine = FakeEngine(MODELS, log="-e MODELS=/usr/local/models/a\n")
    outcome, kept = run(engine, step(produces=("models", "license"), capture={"MODELS": r"MODELS=(\S+)"}))
    assert (outcome.license, outcome.license_file, outcome.settings) == (b"secret", "license.dat", {"MODELS": "/usr/local/models/a"})
    assert outcome.files == [{"path": "a/w.bin", "digest": "digest of a/w.bin", "size": 1}, {"path": "b/w.bin", "digest": "digest of b/w.bin", "size": 2}]
    assert kept == {"a/w.bin": b"w", "b/w.bin": b"ww"}
    assert b"secret" not in repr(outcome).encode()


def test_only_steps_hold_the_key_and_nothing_is_left() -> None:
    engine = FakeEngine(GOOD)
    run(engine, step())
    holder, container = engine.made
    assert KEY not in repr(holder)
    assert f"ApiKey={KEY}" in container["Env"]
    assert "HTTPS_PROXY=http://proxy:3128" in container["Env"]
    assert "Cmd" not in container
    assert container["HostConfig"]["CapDrop"] == ["ALL"]
    assert engine.alive == {}


def test_folders_belong_to_the_images_user_alone() -> None:
    engine = FakeEngine(GOOD)
    run(engine, step())
    assert [(member.name, member.uid, member.gid, member.mode) for member in engine.owned] == [
        ("license", 4711, 4712, 0o700),
        ("usr/local/models", 4711, 4712, 0o700),
    ]


@pytest.mark.parametrize(("user", "uid", "gid"), [("", 0, 0), ("65532", 65532, 0), ("65532:7", 65532, 7), ("app:staff", 4711, 99), ("4711", 4711, 4712)])
def test_every_form_of_user_is_understood(user: str, uid: int, gid: int) -> None:
    engine = FakeEngine(GOOD, user=user)
    run(engine, step())
    assert (engine.owned[0].uid, engine.owned[0].gid) == (uid, gid)


def test_an_unknown_user_is_named() -> None:
    with pytest.raises(RemoteError, match="the image runs as ghost"):
        run(FakeEngine(GOOD, user="ghost"), step())


def test_leftovers_of_this_builder_go_first_and_others_stay() -> None:
    engine = FakeEngine(GOOD)
    engine.alive = {"old": {"Labels": {download.LABEL: "me"}}, "theirs": {"Labels": {download.LABEL: "you"}}}
    run(engine, step())
    assert engine.removed[0] == "old"
    assert list(engine.alive) == ["theirs"]


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [(GOOD, 1, "exit code 1"), ({}, 0, "left no license"), (GOOD, -1, "not done within its time limit"), ({"/license/license.dat": b""}, 0, "left no license")],
)
def test_a_failed_step_is_told_without_the_key_and_leaves_nothing(files: dict[str, bytes], code: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "POLL", 0.05)
    engine = FakeEngine(files, log=f"said {KEY}", code=code)
    with pytest.raises(RemoteError, match=words) as caught:
        run(engine, step(time_limit=0.2))
    assert KEY not in str(caught.value)
    assert engine.alive == {}


def test_two_unknown_files_are_no_license() -> None:
    with pytest.raises(RemoteError, match=r"2 files in the license folder \(a, b\)"):
        run(FakeEngine({"/license/a": b"1", "/license/b": b"2"}), step())


def test_a_captured_path_without_files_is_refused() -> None:
    with pytest.raises(RemoteError, match="names /usr/local/models/z"):
        run(FakeEngine(MODELS, log="MODELS=/usr/local/models/z\n"), step(produces=("models", "license"), capture={"MODELS": r"MODELS=(\S+)"}))


def test_steps_without_models_files_are_refused() -> None:
    with pytest.raises(RemoteError, match="left no models"):
        run(FakeEngine(GOOD), step(produces=("models", "license")))


def test_models_that_are_no_plain_files_are_refused() -> None:
    class Linked(FakeEngine):
        @contextmanager
        def open_archive(self, container: str, path: str) -> t.Iterator[tarfile.TarFile | None]:
            if path != "/usr/local/models":
                with super().open_archive(container, path) as tar:
                    yield tar
                return
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w") as tar:
                member = tarfile.TarInfo("models/link")
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/shadow"
                tar.addfile(member)
            buffer.seek(0)
            with tarfile.open(fileobj=buffer, mode="r|") as stream:
                yield stream

    with pytest.raises(RemoteError, match="models/link is not a regular file"):
        run(Linked(GOOD), step(produces=("models", "license")))
