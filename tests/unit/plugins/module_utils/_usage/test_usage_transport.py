# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS: what is trusted; names with several addresses. (Deadlines, limits and redirects: test_usage_client.py.)"""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import transport
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.faults import ALL, Endpoint, report


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, "-keyout", path.with_suffix(".key"), "-out", path.with_suffix(".crt")], check=True, capture_output=True)
    path.write_bytes(path.with_suffix(".key").read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


def get(server: Endpoint, certificate: Path, context: ssl.SSLContext, host: str = "localhost") -> tuple[int, bytes]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    session = transport.Session(transport.Target(f"https://{host}:{server.server_address[1]}"), 2, 1000, context)
    try:
        return session.get(ALL)
    finally:
        session.close()


def test_a_trusted_certificate(certificate: Path) -> None:
    with Endpoint({ALL: report()}) as server:
        assert get(server, certificate, transport.tls_context(str(certificate.with_suffix(".crt")), True)) == (200, report())


def test_an_unknown_certificate_is_refused(certificate: Path) -> None:
    with Endpoint({ALL: report()}) as server, pytest.raises(transport.NoAnswer, match="certificate refused"):
        get(server, certificate, transport.tls_context(None, True))
    assert server.asked == []


def test_another_name_is_refused(certificate: Path) -> None:
    with Endpoint({ALL: report()}) as server, pytest.raises(transport.NoAnswer, match="certificate refused"):
        get(server, certificate, transport.tls_context(str(certificate.with_suffix(".crt")), True), "127.0.0.1")


def test_checks_can_be_switched_off(certificate: Path) -> None:
    with Endpoint({ALL: report()}) as server:
        assert get(server, certificate, transport.tls_context(None, False))[0] == 200


def test_a_missing_ca_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ca_path .*nowhere"):
        transport.tls_context(str(tmp_path / "nowhere"), True)


def test_target() -> None:
    target = transport.Target("https://[::1]/speech/")
    assert (target.tls, target.host, target.port, target.prefix, target.base) == (True, "::1", 443, "/speech", "https://[::1]/speech")


@contextlib.contextmanager
def hanging() -> t.Iterator[tuple[str, int]]:
    """An address that neither takes a connection nor refuses it: its queue is full."""
    with contextlib.ExitStack() as kept:
        server = kept.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _place in range(3):
            waits = kept.enter_context(socket.socket())
            waits.setblocking(False)
            waits.connect_ex(server.getsockname())
        yield server.getsockname()


def resolved(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: found)


def test_an_address_that_hangs_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with hanging() as first, Endpoint({ALL: report()}) as server:
        resolved(monkeypatch, first, server.server_address)
        session = transport.Session(transport.Target("http://two.example.com"), 2, 1000, None)
        begun = time.monotonic()
        assert session.get(ALL) == (200, report())
        assert time.monotonic() - begun < 2
        session.close()


def test_all_addresses_together_have_the_time_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with hanging() as first:
        resolved(monkeypatch, first, first, first)
        begun = time.monotonic()
        with pytest.raises(transport.NoAnswer, match=r"no connection within 0\.6 s") as caught:
            transport.Session(transport.Target("http://three.example.com"), 0.6, 1000, None).get(ALL)
        assert time.monotonic() - begun < 1.5
        assert caught.value.timed_out and not caught.value.connected


def test_a_name_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved(monkeypatch)
    with pytest.raises(transport.NoAnswer, match="no connection"):
        transport.Session(transport.Target("http://none.example.com"), 1, 1000, None).get(ALL)
