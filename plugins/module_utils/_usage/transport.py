# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP GET that ends in time: a deadline over connect, headers and body, a limit on size, no redirects, no proxies.

A time limit per read is not enough: a peer that drips one byte a second holds it for ever.
Proxy variables are never read: a usage endpoint is on this machine or on the site's own network.
This file is private to the collection.
"""

from __future__ import annotations

import os
import socket
import time
import typing as t
import urllib.parse

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.records import BadAnswer
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.response import BrokenOffError, ClosedError, Reader

if t.TYPE_CHECKING:
    import ssl  # only where an endpoint needs it: on a host it takes as long to import as a harvest takes

_CHUNK = 64 * 1024
_GONE = (ClosedError, BrokenPipeError, ConnectionResetError)
_REQUEST = "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nAccept-Encoding: identity\r\nUser-Agent: airgap.azure_ai\r\n\r\n"


class NoAnswer(RemoteError):
    """No complete HTTP response came.

    :param connected: whether the peer accepted a connection at all
    :param timed_out: whether it was the time limit that ended it
    """

    def __init__(self, problem: str, connected: bool = True, timed_out: bool = False) -> None:
        super().__init__("usage endpoint", " ".join(problem.split())[:200])
        self.connected = connected
        self.timed_out = timed_out


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
        self.netloc = parts.netloc
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
        self._until = 0.0
        self._socket: t.Optional[socket.socket] = None
        self._reader: t.Optional[Reader] = None

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of ``GET <prefix><path>``.

        :raises NoAnswer: no complete response in time; BadAnswer: no HTTP, a redirect, or a body above the limit.
        """
        self._until = time.monotonic() + self._timeout
        kept = self._socket is not None
        try:
            return self._exchange(path)
        except _GONE as exc:
            self.close()
            if not kept:
                raise NoAnswer(f"connection closed before an answer ({type(exc).__name__})") from exc
        # A server may close a kept connection at any time: that says nothing about its health.
        try:
            return self._exchange(path)
        except _GONE as exc:
            self.close()
            raise NoAnswer(f"connection closed before an answer ({type(exc).__name__})") from exc

    def close(self) -> None:
        """Drop the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = self._reader = None

    def _exchange(self, path: str) -> tuple[int, bytes]:
        try:
            sock, reader = self._connected()
            sock.settimeout(self._left())
            sock.sendall(_REQUEST.format(path=self._target.prefix + path, host=self._target.netloc).encode("ascii"))
            status, body, last = reader.response()
        except BadAnswer:
            self.close()
            raise
        except _GONE:
            raise
        except socket.timeout as exc:
            self.close()
            raise NoAnswer(f"no whole answer within {self._timeout:g} s", timed_out=True) from exc
        except BrokenOffError as exc:
            self.close()
            raise NoAnswer(str(exc)) from exc
        except OSError as exc:
            self.close()
            raise NoAnswer(f"connection broke ({exc.strerror or type(exc).__name__})") from exc
        if last:
            self.close()
        if 300 <= status < 400:
            raise BadAnswer(f"HTTP {status}, a redirect: refused")
        return status, body

    def _connected(self) -> tuple[socket.socket, Reader]:
        if self._socket is None or self._reader is None:
            self._socket = self._open(self._until)
            self._reader = Reader(self._more, self._max_body)
        return self._socket, self._reader

    def _more(self) -> bytes:
        sock = t.cast(socket.socket, self._socket)
        sock.settimeout(self._left())
        return sock.recv(_CHUNK)

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise socket.timeout("deadline")
        return left

    def _open(self, until: float) -> socket.socket:
        target = self._target
        sock = None
        try:
            sock = _connect(target.host, target.port, until)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                sock.settimeout(max(until - time.monotonic(), 0.001))
                sock = self._context.wrap_socket(sock, server_hostname=target.host)
            return sock
        except (OSError, ValueError) as exc:  # UnicodeError of an impossible host name is a ValueError
            if sock is not None:
                sock.close()
            refused = getattr(exc, "verify_message", None)  # of ssl.SSLCertVerificationError
            if refused is not None:
                raise NoAnswer(f"certificate refused ({refused})", connected=False) from exc
            if isinstance(exc, socket.timeout):
                raise NoAnswer(f"no connection within {self._timeout:g} s", connected=False, timed_out=True) from exc
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else type(exc).__name__
            raise NoAnswer(f"no connection ({reason})", connected=False) from exc


def _connect(host: str, port: int, until: float) -> socket.socket:
    """A connection to the first address of a name that takes one; each gets its share of the time that is left, so that one may hang.

    :raises OSError: none did; what the last one said.
    """
    places = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    problem = OSError("no address")
    for tried, (family, kind, protocol, _name, address) in enumerate(places):
        sock = None
        try:
            sock = socket.socket(family, kind, protocol)
            sock.settimeout(max((until - time.monotonic()) / (len(places) - tried), 0.001))
            sock.connect(address)
            return sock
        except OSError as exc:
            problem = exc
            if sock is not None:
                sock.close()
    raise problem


def tls_context(ca_path: t.Optional[str], validate_certs: bool) -> ssl.SSLContext:
    """TLS settings; ``ca_path`` is a PEM file or a folder of hashed certificates used.

    :raises InputError: ``ca_path`` cannot be read.
    """
    import ssl

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
