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
    """Holds what was asked of it; a started container writes ``files`` and ends with ``code`` (-1: it runs on)."""

    cpus = 4

    def __init__(self, files: dict[str, bytes], log: str = "", code: int = 0, user: str = "app", passwd: str = "app:x:4711:4712::/:/bin/false\n") -> None:
        super().__init__("/nowhere")
        self.will, self.log, self.code, self.user = files, log, code, user
        self.files: dict[str, bytes] = {"/etc/passwd": passwd.encode(), "/etc/group": b"staff:x:99:\n"}
        self.alive: dict[str, t.Mapping[str, t.Any]] = {}
        self.made: list[t.Mapping[str, t.Any]] = []
        self.removed: list[str] = []
        self.owned: list[tarfile.TarInfo] = []
        self.stopped: list[str] = []

    def info(self) -> dict[str, t.Any]:
        return {"NCPU": self.cpus}

    def received(self, container: str) -> int:
        return 7000

    def stop(self, container: str, seconds: int = 10) -> None:
        self.stopped.append(container)

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
            self.owned += archive.getmembers()

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


def run(engine: FakeEngine, *steps: Step, begin: download.Begin | None = None) -> tuple[download.Outcome, dict[str, bytes]]:
    kept: dict[str, bytes] = {}

    def sink(path: str, stream: t.BinaryIO, size: int) -> str:
        kept[path] = stream.read()
        return f"digest of {path}"

    return download.Download(engine, RECIPE, "license of x", [KEY], begin or (lambda _words: lambda _size: None)).run(steps, sink), kept


GOOD = {"/license/license.dat": b"secret"}
MODELS = {"/usr/local/models/b/w.bin": b"ww", "/usr/local/models/a/w.bin": b"w", **GOOD}


def test_license_models_and_settings_come_out() -> None:
    engine = FakeEngine(MODELS, log="-e MODELS=/usr/local/models/a\n")
    outcome, kept = run(engine, step(produces=("models", "license"), capture={"MODELS": r"MODELS=(\S+)"}))
    assert (outcome.license, outcome.license_file, outcome.settings) == (b"secret", "license.dat", {"MODELS": "/usr/local/models/a"})
    assert outcome.files == [{"path": "a/w.bin", "digest": "digest of a/w.bin", "size": 1}, {"path": "b/w.bin", "digest": "digest of b/w.bin", "size": 2}]
    assert kept == {"a/w.bin": b"w", "b/w.bin": b"ww"}
    assert b"secret" not in repr(outcome).encode()


def test_sizes_are_told_before_the_first_file_is_kept() -> None:
    told: list[t.Any] = []

    def survey(files: t.Sequence[tuple[str, int]]) -> None:
        told.append(sorted(files))
        raise RemoteError("store", "no room")

    with pytest.raises(RemoteError, match="no room"):
        download.Download(FakeEngine(MODELS), RECIPE, "x", [KEY]).run([step(produces=("models", "license"))], lambda *_given: told.append("kept"), survey)
    assert told == [[("a/w.bin", 1), ("b/w.bin", 2)]]


def test_only_steps_hold_the_key_and_nothing_is_left() -> None:
    engine = FakeEngine(GOOD)
    run(engine, step())
    *holders, container = engine.made
    assert len(holders) == 2 and KEY not in repr(holders)
    assert container["HostConfig"]["VolumesFrom"] == ["c1", "c2"]
    assert (container["HostConfig"]["Memory"], container["HostConfig"]["NanoCpus"]) == (0, 0)
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


class Flaky(FakeEngine):
    """Its first runs end badly with half of what they should bring; a license folder that is not empty is refused."""

    def __init__(self, bad: int, log: str, **options: t.Any) -> None:
        super().__init__(MODELS, **options)
        self.bad, self.says = bad, log

    def start(self, container: str) -> None:
        self.code, self.log = (1, self.says) if self.bad else (0, "-e MODELS=/usr/local/models/a")
        if "/license/license.dat" in self.files:
            self.code, self.log = 1, "a valid license has been found"
        self.files.update({"/license/license.dat": b"secret", "/usr/local/models/a/w.bin": b"w"} if self.bad else self.will)
        self.bad -= 1

    def create(self, config: t.Mapping[str, t.Any], name: str | None = None) -> str:
        made = super().create(config, name)
        if any(mount["Target"] == "/license" for mount in config["HostConfig"].get("Mounts", ())):
            self.files.pop("/license/license.dat", None)  # a volume of its own, empty
        return made


BOTH = {"produces": ("models", "license"), "capture": {"MODELS": r"MODELS=(\S+)"}}


def test_a_transfer_that_breaks_off_goes_on_in_the_same_models_and_an_empty_license_folder() -> None:
    engine, told = Flaky(2, "context deadline exceeded"), []
    outcome, _kept = run(engine, step(retries=2, **BOTH), begin=lambda words: told.append(words) or (lambda _size: None))
    assert outcome.license == b"secret" and [file["path"] for file in outcome.files] == ["a/w.bin", "b/w.bin"]
    starts = [config["HostConfig"]["VolumesFrom"] for config in engine.made if "VolumesFrom" in config["HostConfig"]]
    assert len({models for _license, models in starts}) == 1 and len({license_ for license_, _models in starts}) == 3
    assert told == ["step license (1 of 1)", "step license (1 of 1), try 2 of 3", "step license (1 of 1), try 3 of 3", "keep what came"]
    assert engine.alive == {}


def test_the_last_try_is_told_as_such() -> None:
    engine = Flaky(9, "context deadline exceeded")
    with pytest.raises(RemoteError, match=r"took longer than the hour .*\(tried 3 times\)"):
        run(engine, step(retries=2, **BOTH))
    assert engine.alive == {}


def test_a_refusal_is_not_tried_again() -> None:
    engine = Flaky(9, "Feature is not supported")
    with pytest.raises(RemoteError, match="not approved"):
        run(engine, step(retries=5, **BOTH))
    assert engine.bad == 8


def test_a_wrong_key_ends_a_container_that_would_run_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "POLL", 0.01)
    monkeypatch.setattr(download, "LOOK", 0.02)
    counted: list[int] = []
    with pytest.raises(RemoteError, match="Azure refuses the key"):
        run(FakeEngine({}, log="Endpoint connection failed with status 'Invalid'", code=-1), step(time_limit=600), begin=lambda _words: counted.append)
    assert sum(counted) == 7000, "what its networks received is progress"


def test_a_model_step_serves_until_ready_and_is_stopped_then_the_license_comes_into_the_same_volumes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "POLL", 0.01)
    asked: list[int] = []
    monkeypatch.setattr(download, "_ready", lambda port: asked.append(port) or len(asked) > 2)

    class Serving(FakeEngine):
        def start(self, container: str) -> None:
            self.serves = "PortBindings" in self.alive[container]["HostConfig"]
            self.files.update({"/usr/local/models/m.bin": b"m"} if self.serves else GOOD)

        def inspect(self, container: str) -> dict[str, t.Any]:
            ports = {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "49160"}]}
            return {"State": {"Status": "running"}, "NetworkSettings": {"Ports": ports}} if self.serves else super().inspect(container)

    engine = Serving({})
    model = step(name="model", produces=("models",), until="ready", time_limit=60, cpus=8, memory=8 * 2**30, arguments=("list",))
    outcome, _kept = run(engine, model, step())
    assert outcome.license == b"secret" and [file["path"] for file in outcome.files] == ["m.bin"]
    first, second = (config for config in engine.made if "VolumesFrom" in config["HostConfig"])
    assert first["HostConfig"]["VolumesFrom"] == second["HostConfig"]["VolumesFrom"]
    assert first["HostConfig"]["PortBindings"] == {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]} and "PortBindings" not in second["HostConfig"]
    assert (first["HostConfig"]["Memory"], first["HostConfig"]["NanoCpus"], first["Cmd"]) == (8 * 2**30, 4 * 10**9, ["list"]), "no more CPUs than there are"
    assert asked == [49160] * 3 and engine.stopped == ["c3"] and engine.alive == {}


class Staying(FakeEngine):
    """A download that makes its license and never ends; ``bytes_left`` more come over the network, a megabyte at each look."""

    def __init__(self, bytes_left: int, **options: t.Any) -> None:
        super().__init__(GOOD, **options)
        self.bytes_left, self.bytes = bytes_left, 0
        self.ended_at: int | None = None

    def inspect(self, container: str) -> dict[str, t.Any]:
        return {"State": {"Status": "exited", "ExitCode": 143} if self.ended_at is not None else {"Status": "running"}}

    def received(self, container: str) -> int:
        self.bytes = min(self.bytes + 1_000_000, self.bytes_left)
        return self.bytes

    def stop(self, container: str, seconds: int = 10) -> None:
        self.ended_at = self.bytes


def test_a_download_that_stays_after_its_work_is_ended_when_nothing_comes_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "POLL", 0.001)
    monkeypatch.setattr(download, "LOOK", 0.002)
    engine = Staying(bytes_left=3_000_000)
    outcome, _blobs = run(engine, step(time_limit=30))
    assert (outcome.license, engine.ended_at) == (b"secret", 3_000_000)


def test_a_download_that_has_not_told_its_settings_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "POLL", 0.001)
    monkeypatch.setattr(download, "LOOK", 0.002)
    engine = Staying(bytes_left=0)
    with pytest.raises(RemoteError, match="not done within its time limit"):
        run(engine, step(time_limit=1, capture={"MODELS": "-e MODELS=(.*)"}))
    assert engine.ended_at is None


def test_the_entry_s_user_and_port_count() -> None:
    engine = FakeEngine(GOOD)
    recipe = download.Recipe(image="i", mounts={"license": "/license"}, owner="me", port=80, user="1000:7")
    download.Download(engine, recipe, "x", []).run([step()], lambda *_arguments: "")
    assert engine.made[-1]["User"] == "1000:7" and engine.made[-1]["ExposedPorts"] == {"80/tcp": {}}
    assert (engine.owned[0].uid, engine.owned[0].gid) == (1000, 7)


def test_received_bytes_are_summed_over_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = download.ArchiveEngine("/nowhere")
    for told, size in (({"networks": {"a": {"rx_bytes": 5}, "b": {"rx_bytes": 6}}}, 11), ({}, 0), (None, 0)):
        monkeypatch.setattr(engine, "_json", lambda *_arguments, told=told, **_options: told)
        assert engine.received("c") == size
