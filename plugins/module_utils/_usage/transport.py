# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP GET that ends in time: a deadline over connect, headers and body, a limit on size, no redirects, no proxies.

``http.client`` alone gives a time limit per read: a peer that drips one byte a second holds it for ever.
Proxy variables are never read: a usage endpoint is on this machine or on the site's own network.
This file is private to the collection.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
import time
import typing as t
import urllib.parse

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.records import BadAnswer

_CHUNK = 64 * 1024


class NoAnswer(RemoteError):
    """No complete HTTP response came.

    :param connected: whether the peer accepted a connection at all
    :param timed_out: whether it was the time limit that ended it
    """

    def __init__(self, problem: str, connected: bool = True, timed_out: bool = False) -> None:
        super().__init__("usage endpoint", " ".join(problem.split())[:200])
        self.connected = connected
        self.timed_out = timed_out


class _TimedReader(io.RawIOBase):
    """Bytes of a socket until a moment of the monotonic clock."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        super().__init__()
        self._sock = sock
        self._until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        left = self._until - time.monotonic()
        if left <= 0:
            raise socket.timeout("deadline")
        self._sock.settimeout(left)
        return self._sock.recv_into(buffer)


class _TimedSocket:
    """What ``http.client`` needs of a socket, with one deadline for a whole exchange."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.until = 0.0

    def makefile(self, *_args: t.Any, **_kwargs: t.Any) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self.until), _CHUNK)

    def sendall(self, data: t.Any) -> None:
        self._sock.settimeout(max(self.until - time.monotonic(), 0.001))
        self._sock.sendall(data)

    def close(self) -> None:
        self._sock.close()


class Target:
    """Where an endpoint's requests go: scheme, host, port and a path prefix, from ``http(s)://host[:port][/prefix]``."""

    def __init__(self, url: str) -> None:
        what = f"endpoint url {url[:200]!r}"
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port
        except ValueError as exc:
            raise InputError(what, f"not a URL ({exc})") from exc
        if parts.scheme not in ("http", "https") or not parts.hostname or any(char <= " " or char > "~" for char in url):
            raise InputError(what, "not of the form http(s)://host[:port][/prefix]")
        if parts.username is not None or parts.query or parts.fragment:
            raise InputError("endpoint url", "holds a password, a query or a fragment", "the endpoints take none of them")
        self.tls = parts.scheme == "https"
        self.host = parts.hostname
        self.port = port or (443 if self.tls else 80)
        self.prefix = parts.path.rstrip("/")
        self.base = f"{parts.scheme}://{parts.netloc}{self.prefix}"


class Session:
    """Requests to one target over one kept connection; not for use by two threads.

    :param timeout: seconds for one request, body included
    :param max_body: bytes; a longer body is a bad answer
    """

    def __init__(self, target: Target, timeout: float, max_body: int, context: t.Optional[ssl.SSLContext]) -> None:
        self._target = target
        self._timeout = timeout
        self._max_body = max_body
        self._context = context
        self._connection: t.Optional[http.client.HTTPConnection] = None

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of ``GET <prefix><path>``.

        :raises NoAnswer: no complete response in time; BadAnswer: a redirect, or a body above the limit.
        """
        until = time.monotonic() + self._timeout
        kept = self._connection is not None
        try:
            return self._exchange(path, until)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as exc:
            self.close()
            if not kept:
                raise NoAnswer(f"connection closed before an answer ({type(exc).__name__})") from exc
        return self._again(path, until)

    def close(self) -> None:
        """Drop the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _again(self, path: str, until: float) -> tuple[int, bytes]:
        # A server may close a kept connection at any time: that says nothing about its health.
        try:
            return self._exchange(path, until)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as exc:
            self.close()
            raise NoAnswer(f"connection closed before an answer ({type(exc).__name__})") from exc

    def _exchange(self, path: str, until: float) -> tuple[int, bytes]:
        try:
            connection = self._connect(until)
            connection.request("GET", self._target.prefix + path, headers={"Accept": "application/json", "User-Agent": "airgap.azure_ai"})
            response = connection.getresponse()
            body = self._read(response)
        except BadAnswer:
            self.close()
            raise
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            raise
        except socket.timeout as exc:
            self.close()
            raise NoAnswer(f"no whole answer within {self._timeout:g} s", timed_out=True) from exc
        except http.client.IncompleteRead as exc:
            self.close()
            raise NoAnswer(f"answer broke off after {len(exc.partial)} bytes of its last piece") from exc
        except (http.client.HTTPException, ValueError) as exc:
            self.close()
            raise BadAnswer(f"not an HTTP answer ({type(exc).__name__})") from exc
        except OSError as exc:
            self.close()
            raise NoAnswer(f"connection broke ({exc.strerror or type(exc).__name__})") from exc
        # A body where none may be would be taken for the next answer.
        if response.will_close or response.status in (204, 304):
            self.close()
        if 300 <= response.status < 400:
            raise BadAnswer(f"HTTP {response.status}, a redirect: refused")
        return response.status, body

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        if response.length is not None and response.length > self._max_body:
            raise BadAnswer(f"body of {response.length} bytes, more than max_body {self._max_body}")
        pieces: list[bytes] = []
        size = 0
        while size <= self._max_body:
            piece = response.read(min(_CHUNK, self._max_body + 1 - size))
            if not piece:
                # http.client ends a short body quietly when it is read in pieces
                if response.length:
                    raise http.client.IncompleteRead(pieces[-1] if pieces else b"", response.length)
                return b"".join(pieces)
            pieces.append(piece)
            size += len(piece)
        raise BadAnswer(f"body larger than max_body {self._max_body}")

    def _connect(self, until: float) -> http.client.HTTPConnection:
        if self._connection is None:
            target = self._target
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.sock = t.cast(socket.socket, _TimedSocket(self._open(until)))
            self._connection = connection
        t.cast(_TimedSocket, self._connection.sock).until = until
        return self._connection

    def _open(self, until: float) -> socket.socket:
        target = self._target
        sock = None
        try:
            sock = socket.create_connection((target.host, target.port), timeout=max(until - time.monotonic(), 0.001))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                sock.settimeout(max(until - time.monotonic(), 0.001))
                sock = self._context.wrap_socket(sock, server_hostname=target.host)
            return sock
        except (OSError, ValueError) as exc:  # UnicodeError of an impossible host name is a ValueError
            if sock is not None:
                sock.close()
            if isinstance(exc, ssl.SSLCertVerificationError):
                raise NoAnswer(f"certificate refused ({exc.verify_message})", connected=False) from exc
            if isinstance(exc, socket.timeout):
                raise NoAnswer(f"no connection within {self._timeout:g} s", connected=False, timed_out=True) from exc
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else type(exc).__name__
            raise NoAnswer(f"no connection ({reason})", connected=False) from exc


def tls_context(ca_path: t.Optional[str], validate_certs: bool) -> ssl.SSLContext:
    """TLS settings; ``ca_path`` is a PEM file or a folder of hashed certificates used.

    :raises InputError: ``ca_path`` cannot be read.
    """
    try:
        if ca_path and os.path.isdir(ca_path):
            context = ssl.create_default_context(capath=ca_path)
        else:
            context = ssl.create_default_context(cafile=ca_path or None)
    except (OSError, ssl.SSLError) as exc:
        raise InputError(f"ca_path {ca_path}", f"no certificates to be read there ({exc.strerror or exc})") from exc
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
