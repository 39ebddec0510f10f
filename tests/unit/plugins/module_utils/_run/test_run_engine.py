# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's client against an imitation engine on a Unix socket."""

from __future__ import annotations

import socket
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import IntegrityError, MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine, file_in
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import FakeEngine, tar


@pytest.mark.parametrize(("api", "used"), [("1.41", "/v1.41/"), ("1.40", "/v1.40/"), ("1.99", "/v1.47/")])
def test_the_version_is_negotiated(fake: FakeEngine, api: str, used: str) -> None:
    fake.api = api
    engine = Engine(fake.path)
    engine.info()
    engine.info()
    assert fake.paths == ["GET /version", f"GET {used}info", f"GET {used}info"]


def test_an_engine_that_dropped_our_version_gets_its_oldest(fake: FakeEngine) -> None:
    fake.answers["/version"] = (200, b'{"ApiVersion": "1.60", "MinAPIVersion": "1.50"}')
    Engine(fake.path).info()
    assert fake.paths[-1] == "GET /v1.50/info"


def test_a_missing_socket_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such socket; install and start the engine"):
        Engine(str(tmp_path / "none")).info()


def test_a_socket_without_listener(tmp_path: Path) -> None:
    path = str(tmp_path / "dead.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    with pytest.raises(RemoteError, match="nobody listens"):
        Engine(path).info()


def test_silence_ends(tmp_path: Path) -> None:
    path = str(tmp_path / "mute.sock")
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(path)
        mute.listen()
        with pytest.raises(RemoteError, match="no answer in"):
            Engine(path, timeout=0.1).info()


def test_an_error_carries_the_engines_words(fake: FakeEngine) -> None:
    fake.answers["/info"] = (500, b'{"message": "disk quota\\n exceeded"}')
    with pytest.raises(RemoteError, match="/info answered 500: disk quota exceeded"):
        Engine(fake.path).info()


@pytest.mark.parametrize("answer", [b"<html>", b"[" * 100_000, b"\xff"])
def test_an_answer_that_is_no_json_is_an_error(fake: FakeEngine, answer: bytes) -> None:
    fake.answers["/info"] = (200, answer)
    with pytest.raises(RemoteError, match="/info with something that is not JSON"):
        Engine(fake.path).info()


def test_what_is_not_there_is_none(fake: FakeEngine) -> None:
    engine = Engine(fake.path)
    assert engine.image("azure-ai.invalid/x:1") is None
    assert engine.remove_image("azure-ai.invalid/x:1") is False
    assert engine.remove("gone") is False
    fake.images["a/b:1"] = {"Id": "sha256:1", "broken": False}
    assert engine.image("a/b:1") == fake.images["a/b:1"]


def test_a_container_is_removed_when_the_block_fails(fake: FakeEngine) -> None:
    fake.images["a:1"] = {"Id": "sha256:1", "broken": False}
    engine = Engine(fake.path)
    with pytest.raises(KeyError), engine.container({"Image": "a:1", "Env": ["ApiKey=secret"]}, "once") as made:
        assert fake.containers[made]["config"]["Env"] == ["ApiKey=secret"]
        assert fake.containers[made]["name"] == "once"
        engine.start(made)
        assert engine.wait(made) == 3
        raise KeyError
    assert fake.containers == {}
    assert not any("secret" in path for path in fake.paths)


def test_logs_come_without_their_frames(fake: FakeEngine) -> None:
    fake.logs = b"\1\0\0\0\0\0\0\3abc" + b"\2\0\0\0\0\0\0\2de" + b"\1\0\0"
    assert list(Engine(fake.path).logs("c1")) == [b"abc", b"de"]


def test_files_come_out_of_a_container(fake: FakeEngine) -> None:
    engine = Engine(fake.path)
    archive = engine.archive("c1", "/etc/passwd")
    assert archive is not None
    assert b"nonroot" in file_in(archive)
    assert engine.archive("c1", "/etc/group") is None
    assert file_in(tar({})) == b""


@pytest.mark.parametrize("answer", [b'{"stream":"x"}\n{"error":"bad layer"}', b'{"message":"bad layer"}', b"bad layer"])
def test_a_load_that_fails_after_200_is_an_error(fake: FakeEngine, answer: bytes) -> None:
    fake.answers["/images/load"] = (200, answer)
    with pytest.raises(RemoteError, match="bad layer"):
        Engine(fake.path).load([tar({})])


def test_an_error_of_the_chunks_comes_through(fake: FakeEngine) -> None:
    def chunks() -> t.Iterator[bytes]:
        yield b"x" * 10
        raise IntegrityError("blob", "short")

    with pytest.raises(IntegrityError, match="short"):
        Engine(fake.path).load(chunks())


def test_an_engine_that_stops_reading_is_still_heard(tmp_path: Path) -> None:
    """It answers 500 and closes while the client would send on for ever."""
    path = str(tmp_path / "rude.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def serve() -> None:
        for answer in (b'{"ApiVersion": "1.41"}', b'{"message": "no space left on device"}'):
            connection, _address = listener.accept()
            connection.recv(1000)
            status = b"200 OK" if b"ApiVersion" in answer else b"500 Oh"
            connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: " + str(len(answer)).encode() + b"\r\n\r\n" + answer)
            connection.shutdown(socket.SHUT_RD)
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    with pytest.raises(RemoteError, match="no space left on device|the connection broke"):
        Engine(path).load(b"x" * 65536 for _chunk in range(10000))
    listener.close()
