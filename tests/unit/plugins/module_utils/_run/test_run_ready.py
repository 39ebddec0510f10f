# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a container: quick looks, then patient ones, an end in time, and words for whatever went wrong."""

from __future__ import annotations

import http.server
import socket
import threading
import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import ready

URL = "http://127.0.0.1:5001/ready"


class Service:
    """Becomes ready at a time of its own clock, which only sleeping and asking move."""

    def __init__(self, at: float, answer: tuple[int, bytes] | None = None, takes: float = 0.0) -> None:
        self.now, self.at, self.answer, self.takes = 100.0, 100.0 + at, answer, takes
        self.looks: list[float] = []

    def ask(self, url: str, wait: float) -> tuple[int, bytes]:
        assert url == URL and 1.0 <= wait <= 30.0
        self.looks.append(self.now)
        self.now += self.takes
        if self.now >= self.at:
            return 200, b""
        if self.answer is None:
            raise RemoteError(url, "no answer: refused")
        return self.answer

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds

    def wait(self, seconds: float) -> int:
        return ready.wait(URL, seconds, self.ask, lambda: self.now, self.sleep)


def test_one_that_is_ready_is_asked_once() -> None:
    service = Service(0)
    assert (service.wait(300), service.now) == (1, 100.0)


def test_a_quick_one_is_known_at_once() -> None:
    service = Service(1.5)
    service.wait(300)
    assert service.now - service.at < 0.5


def test_a_slow_one_is_asked_every_two_seconds_and_no_more() -> None:
    service = Service(200)
    service.wait(300)
    pauses = [later - earlier for earlier, later in zip(service.looks, service.looks[1:])]
    assert max(pauses) == pytest.approx(ready.LONGEST) and len(service.looks) < 115
    assert service.now - service.at <= ready.LONGEST + 0.01


@pytest.mark.parametrize(("answer", "words"), [(None, "no answer: refused"), ((503, b""), "it answers 503")])
def test_it_ends_in_time_and_says_what_the_last_answer_was(answer: tuple[int, bytes] | None, words: str) -> None:
    service = Service(1000, answer)
    with pytest.raises(RemoteError, match=rf"^{URL}: not ready after 16 s, {words}$"):
        service.wait(16)
    assert service.now == pytest.approx(116)


def test_it_is_asked_a_last_time_at_the_end() -> None:
    service = Service(16)
    assert service.wait(16) == len(service.looks)
    assert service.looks[-1] == pytest.approx(116)


def test_a_service_that_never_answers_is_not_waited_for_much_longer() -> None:
    service = Service(1000, None, takes=30.0)
    with pytest.raises(RemoteError):
        service.wait(60)
    assert service.now < 100 + 60 + 31


@pytest.mark.parametrize("said", [b'{"apiStatus": "Valid"}', b'{"apiStatus":"NonMetered", "service": "x"}'])
def test_a_license_that_serves(said: bytes) -> None:
    ready.check(URL, lambda _url, _wait: (200, said))


@pytest.mark.parametrize(
    ("status", "said", "words"),
    [
        (200, b'{"apiStatus": "Invalid"}', "apiStatus is Invalid"),
        (200, b"no JSON", "is None"),
        (200, b"[]", "is None"),
        (200, b"[" * 100_000, "is None"),
        (503, b'{"apiStatus": "Valid"}', "503"),
    ],
)
def test_a_license_that_does_not_serve(status: int, said: bytes, words: str) -> None:
    with pytest.raises(RemoteError, match=words):
        ready.check(URL, lambda _url, _wait: (status, said))


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(RemoteError, match="no answer: .*refused"):
            ready.ask(f"http://127.0.0.1:{free.getsockname()[1]}/ready")


def test_an_address_that_is_none() -> None:
    with pytest.raises(RemoteError, match="no answer"):
        ready.ask("http://127.0.0.1:port/ready")


@pytest.fixture
def raw(request: pytest.FixtureRequest) -> t.Iterator[str]:
    """The address of a service that sends these bytes once."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _peer = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(request.param)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/ready"
        thread.join()


@pytest.mark.parametrize("raw", [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"], indirect=True)
def test_proxies_of_the_environment_are_not_asked(raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert ready.ask(raw) == (200, b"ok")


@pytest.mark.parametrize("raw", [b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"], indirect=True)
def test_a_refusal_is_an_answer(raw: str) -> None:
    assert ready.ask(raw) == (503, b"")


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_another_address_is_not_asked(code: int) -> None:
    """It would answer 200 for a container that is not ready."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(code if self.path == "/ready" else 200)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert ready.ask(f"http://127.0.0.1:{server.server_port}/ready") == (code, b"") and asked == ["/ready"]
        server.shutdown()


@pytest.mark.parametrize("raw", [b"", b"not http\r\n\r\n"], indirect=True)
def test_something_that_does_not_speak_http(raw: str) -> None:
    with pytest.raises(RemoteError, match="no answer"):
        ready.ask(raw)
