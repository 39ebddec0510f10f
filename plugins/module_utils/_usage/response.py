# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read one HTTP/1 response to a GET from a stream of bytes, within bounds.

``http.client`` would do, but it brings the parsers of mail with it: on a host they take as long to import as a whole harvest takes,
and for small answers as long as sending and receiving. This file is private to the collection.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.records import BadAnswer

MAX_HEAD = 64 * 1024  # bytes of a status line and headers
_STATUS = re.compile(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: .*)?")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):(.*)")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(r"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")


class ClosedError(ConnectionError):
    """The peer closed the connection before the first byte of a response."""


class BrokenOffError(ConnectionError):
    """The peer closed the connection in the middle of a response; ``size`` bytes of its body had come."""

    def __init__(self, size: int) -> None:
        super().__init__(f"answer broke off after {size} bytes of its body")


class Response(t.NamedTuple):
    """``last``: whether nothing may follow on this connection."""

    status: int
    body: bytes
    last: bool


class Reader:
    """Responses, one after the other, from ``more``, which returns further bytes, or none at the end of the stream.

    :param max_body: bytes; a longer body is a bad answer
    """

    def __init__(self, more: t.Callable[[], bytes], max_body: int) -> None:
        self._more, self._max = more, max_body
        self._held = b""

    def response(self) -> Response:
        """The next one.

        :raises ClosedError, BrokenOffError: the stream ended; BadAnswer: not HTTP, or a body above the limit.
        """
        status, headers, kept = self._head()
        while 100 <= status < 200 and status != 101:
            status, headers, kept = self._head()
        body, ended = self._body(status, headers)
        # Bytes behind the body would be taken for the next response.
        return Response(status, body, ended or not kept or status in (101, 204, 304) or bool(self._held))

    def _head(self) -> tuple[int, dict[str, str], bool]:
        """Status, headers by lower-case name, and whether the peer keeps the connection."""
        first, *lines = self._lines()
        found = _STATUS.fullmatch(first)
        if not found:
            raise BadAnswer("not an HTTP answer")
        headers: dict[str, str] = {}
        for line in lines:
            pair = _HEADER.fullmatch(line)
            if not pair:
                raise BadAnswer("not an HTTP answer")
            name, value = pair[1].lower(), pair[2].strip(" \t")
            if name == "content-length" and headers.get(name, value) != value:
                raise BadAnswer("not an HTTP answer (two lengths)")
            headers[name] = value
        told = [word.strip() for word in headers.get("connection", "").lower().split(",")]
        return int(found[2]), headers, "close" not in told and (found[1] == "1" or "keep-alive" in told)

    def _lines(self) -> list[str]:
        """The lines up to the next empty one."""
        while b"\n\r\n" not in self._held and b"\n\n" not in self._held:
            if len(self._held) > MAX_HEAD:
                raise BadAnswer(f"headers of more than {MAX_HEAD} bytes")
            if self._held and not b"HTTP/1."[: len(self._held)] == self._held[:7]:
                raise BadAnswer("not an HTTP answer")
            self._fill(0)
        ends = [place for place in (self._held.find(b"\n\r\n") + 3, self._held.find(b"\n\n") + 2) if place > 2]
        head, self._held = self._held[: min(ends)], self._held[min(ends) :]
        return head.decode("latin-1").replace("\r\n", "\n").rstrip("\n").split("\n")

    def _body(self, status: int, headers: t.Mapping[str, str]) -> tuple[bytes, bool]:
        """The body, and whether the end of the stream ended it."""
        if status < 200 or status in (204, 304):
            return b"", False
        if "transfer-encoding" in headers:
            if headers["transfer-encoding"].lower() != "chunked":
                raise BadAnswer("not an HTTP answer (unknown transfer encoding)")
            return self._chunked(), False
        if "content-length" in headers:
            if not _LENGTH.fullmatch(headers["content-length"]):
                raise BadAnswer("not an HTTP answer (no length)")
            size = int(headers["content-length"])
            if size > self._max:
                raise BadAnswer(f"body of {size} bytes, more than max_body {self._max}")
            return self._exactly(size, 0), False
        return self._rest(), True

    def _chunked(self) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while True:
            found = _CHUNK_SIZE.fullmatch(self._line(size))
            if not found:
                raise BadAnswer("not an HTTP answer (size of a chunk)")
            length = int(found[1], 16)
            if not length:
                break
            self._bound(size + length)
            pieces.append(self._exactly(length, size))
            size += length
            if self._line(size):
                raise BadAnswer("not an HTTP answer (end of a chunk)")
        while self._line(size):
            pass
        return b"".join(pieces)

    def _line(self, size: int) -> str:
        while b"\n" not in self._held:
            if len(self._held) > MAX_HEAD:
                raise BadAnswer(f"a line of more than {MAX_HEAD} bytes")
            self._fill(size)
        line, _end, self._held = self._held.partition(b"\n")
        return line.decode("latin-1").rstrip("\r")

    def _exactly(self, length: int, before: int) -> bytes:
        pieces, have = [self._held], len(self._held)
        while have < length:
            piece = self._more()
            if not piece:
                raise BrokenOffError(before + have)
            pieces.append(piece)
            have += len(piece)
        data = b"".join(pieces)
        self._held = data[length:]
        return data[:length]

    def _rest(self) -> bytes:
        pieces, size = [self._held], len(self._held)
        self._held = b""
        while True:
            self._bound(size)
            piece = self._more()
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
            size += len(piece)

    def _bound(self, size: int) -> None:
        if size > self._max:
            raise BadAnswer(f"body larger than max_body {self._max}")

    def _fill(self, size: int) -> None:
        """Hold more bytes; ``size``: of the body before them."""
        piece = self._more()
        if not piece:
            raise BrokenOffError(size) if self._held or size else ClosedError("closed")
        self._held += piece
