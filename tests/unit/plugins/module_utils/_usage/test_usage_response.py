# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP responses: what is read whole, what is refused, and that no bytes are taken for what they are not."""

from __future__ import annotations

import contextlib
import http.client
import io
import time
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import response
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.records import BadAnswer

MOST = 1000
OK = b"HTTP/1.1 200 OK\r\n"


def reader(data: bytes, piece: int = 7) -> response.Reader:
    stream = io.BytesIO(data)
    return response.Reader(lambda: stream.read(piece), MOST)


@pytest.mark.parametrize("piece", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("data", "body", "last"),
    [
        (OK + b"Content-Length: 5\r\n\r\nhello", b"hello", False),
        (OK + b"content-length:5\r\nConnection: Close\r\n\r\nhello", b"hello", True),
        (OK + b"Content-Length:\t 5 \t\r\n\r\nhello", b"hello", False),
        (OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
        (b"HTTP/1.1 200\nContent-Length: 5\n\nhello", b"hello", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello", b"hello", False),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello", b"hello", False),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n002;x=y\r\nlo\r\n0\r\nTrailer: x\r\n\r\n", b"hello", False),
        (OK + b"\r\nhello", b"hello", True),
    ],
)
def test_a_whole_response_in_pieces_of_any_size(data: bytes, body: bytes, last: bool, piece: int) -> None:
    assert reader(data, piece).response() == (200, body, last)


def test_blanks_in_a_header_take_no_time() -> None:
    def seconds(size: int) -> float:
        data = OK + b"X: " + b" " * size + b"y" + b" " * size + b"z\r\nContent-Length: 2\r\n\r\nab"
        spent = []
        for _attempt in range(5):
            begun = time.perf_counter()
            assert reader(data, 200_000).response().body == b"ab"
            spent.append(time.perf_counter() - begun)
        return min(spent)

    small, large = seconds(1_000), seconds(30_000)
    assert large < 100 * small, "thirty times the blanks take thirty times as long at most, not nine hundred times"


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_ends_the_connection(status: int) -> None:
    assert reader(b"HTTP/1.1 %d x\r\nContent-Length: 5\r\n\r\n" % status).response() == (status, b"", True)


def test_one_after_the_other_and_nothing_left_over_is_taken_for_the_next() -> None:
    stream = [OK + b"Content-Length: 2\r\n\r\n", b"ab", OK + b"Content-Length: 1\r\n\r\nc", b""]
    made = response.Reader(lambda: stream.pop(0), MOST)
    assert [made.response(), made.response()] == [(200, b"ab", False), (200, b"c", False)]
    with pytest.raises(response.ClosedError):
        made.response()
    assert reader(OK + b"Content-Length: 2\r\n\r\nab" + OK, 10_000).response().last


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", response.ClosedError, "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", response.BrokenOffError, "after 0 bytes"),
        (OK + b"Content-Length: 5\r\n\r\nhel", response.BrokenOffError, "after 3 bytes"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n5\r\nl", response.BrokenOffError, "after 4 bytes"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", response.BrokenOffError, "after 3 bytes"),
        (b"220 smtp ready\r\n\r\n", BadAnswer, "not an HTTP answer"),
        (b"\x16\x03\x01", BadAnswer, "not an HTTP answer"),
        (b"HTTP/2 200\r\n\r\n", BadAnswer, "not an HTTP answer"),
        (b"HTTP/1.1 abc\r\n\r\n", BadAnswer, "not an HTTP answer"),
        (OK + b"no header\r\n\r\n", BadAnswer, "not an HTTP answer"),
        (OK + b"Content-Length: -1\r\n\r\n", BadAnswer, "no length"),
        (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", BadAnswer, "two lengths"),
        (OK + b"Content-Length: 1001\r\n\r\n", BadAnswer, "body of 1001 bytes, more than max_body 1000"),
        (OK + b"\r\n" + b"x" * 1001, BadAnswer, "larger than max_body"),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", BadAnswer, "transfer encoding"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n-3\r\n", BadAnswer, "size of a chunk"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n", BadAnswer, "end of a chunk"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n", BadAnswer, "larger than max_body"),
        (OK + b"X: " + b"y" * 2 * response.MAX_HEAD + b"\r\n\r\n", BadAnswer, "headers of more"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 2 * response.MAX_HEAD, BadAnswer, "a line of more"),
    ],
)
def test_everything_else_is_refused_in_a_line(data: bytes, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        reader(data, 512).response()


@given(st.binary(max_size=300), st.integers(1, 50))
def test_no_bytes_make_it_stumble(data: bytes, piece: int) -> None:
    with contextlib.suppress(ConnectionError, BadAnswer):
        reader(OK + data, piece).response()


@settings(max_examples=200)
@given(st.binary(max_size=200), st.lists(st.integers(1, 60), max_size=5), st.booleans())
def test_it_reads_what_python_reads(body: bytes, sizes: list[int], chunked: bool) -> None:
    data = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body
    if chunked:
        pieces, rest = [], body
        for size in (*sizes, len(body)):
            piece, rest = rest[:size], rest[size:]
            pieces += [b"%x\r\n%s\r\n" % (len(piece), piece)] if piece else []
        data = OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(pieces) + b"0\r\n\r\n"
    theirs = http.client.HTTPResponse(t.cast(t.Any, type("Socket", (), {"makefile": lambda *_args: io.BytesIO(data)})()))
    theirs.begin()
    assert reader(data, 11).response() == (theirs.status, theirs.read(), False)
