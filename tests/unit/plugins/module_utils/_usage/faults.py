# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A usage endpoint with faults: what it does with a path is told by a table."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import time
import typing as t

ALL = "/records/usage-logs/"
Answer = t.Union[bytes, int, t.Callable[["Handler"], None]]


def report(quantity: object = 5, **more: object) -> bytes:
    """A usage report of one meter."""
    return json.dumps({"apiType": "a", "serviceName": "s", "meters": [{"name": "M", "quantity": quantity}], **more}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by ``server.table``: bytes are a 200, a number is a status, a function does what it likes. The rest is 404."""

    protocol_version = "HTTP/1.1"
    server: Endpoint

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.client_address[1]))
        answer = self.server.table.get(self.path, 404)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer(self)
        else:
            self.send(200 if isinstance(answer, bytes) else answer, answer if isinstance(answer, bytes) else b"<h1>no</h1>")

    def send(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        """One plain answer; ``length`` may lie."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class Endpoint(http.server.ThreadingHTTPServer):
    """Listens on a free port of loopback until the block ends; ``asked`` holds (path, client port) of every request."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, table: dict[str, t.Any]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.table = table
        self.asked: list[tuple[str, int]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """A client that hangs up is part of the tests."""


def hang(handler: Handler) -> None:
    """Say nothing for longer than any test waits."""
    time.sleep(5)
    handler.close_connection = True


def drip(handler: Handler) -> None:
    """A byte now and then: no single read ever times out."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _index in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def drip_headers(handler: Handler) -> None:
    """The same, before the body."""
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.05)


def flood(handler: Handler) -> None:
    """A body without end and without a length."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"10000\r\n" + b" " * 65536 + b"\r\n")


def cut(handler: Handler) -> None:
    """Half of the body that was announced."""
    handler.send(200, report()[:10], length=len(report()))
    handler.close_connection = True


def hang_up(handler: Handler) -> None:
    """Close without a word."""
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def redirect(handler: Handler) -> None:
    """Elsewhere, where a usage report lies."""
    handler.send(302, b"", Location=ALL)


def nonsense(handler: Handler) -> None:
    """Not HTTP."""
    handler.wfile.write(b"220 smtp ready\r\n\r\n")
    handler.close_connection = True


def close_after(body: bytes) -> t.Callable[[Handler], None]:
    """A good answer, and the connection is closed without having said so."""

    def answer(handler: Handler) -> None:
        handler.send(200, body)
        handler.wfile.flush()
        handler.close_connection = True

    return answer
