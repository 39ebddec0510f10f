# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an address answers: any answer will do, and every way not to is told with its way out."""

from __future__ import annotations

import socket
import ssl
import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import reach
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight.toy_proxy import ToyProxy


@pytest.fixture
def proxy() -> t.Iterator[ToyProxy]:
    found = ToyProxy("user:p@ss")
    yield found
    found.close()


@pytest.fixture
def closed() -> int:
    with socket.socket() as stream:
        stream.bind(("127.0.0.1", 0))
        return int(stream.getsockname()[1])


def test_any_answer_will_do(proxy: ToyProxy) -> None:
    assert reach.problem(f"http://{proxy.address}/whatever", {}, 5) is None


def test_the_declared_proxy_is_asked_with_its_credentials(proxy: ToyProxy) -> None:
    declared = {"HTTPS_PROXY": f"http://user:p%40ss@{proxy.address}"}
    assert reach.problem("http://name.example:8080/x", declared, 5) is None
    assert proxy.asked == [("name.example:8080", "user:p@ss")]
    assert reach.problem("http://name.example", {"HTTP_PROXY": proxy.address, "HTTP_PROXY_CREDS": "user:p@ss"}, 5) is None
    assert proxy.asked[1] == ("name.example:80", "user:p@ss")


def test_a_proxy_that_refuses_is_told_without_its_password(proxy: ToyProxy) -> None:
    found = reach.problem("https://name.example", {"HTTPS_PROXY": f"http://user:wrong@{proxy.address}"}, 5)
    assert found is not None and "407" in found and "look at azure_ai_proxy" in found and "wrong" not in found


def test_exceptions_go_straight(proxy: ToyProxy, closed: int) -> None:
    assert reach.problem(f"http://127.0.0.1:{closed}", {"HTTPS_PROXY": f"http://{proxy.address}", "NO_PROXY": "127.0.0.1"}, 5)
    assert proxy.asked == []


def test_a_closed_port_says_what_to_allow(closed: int) -> None:
    found = reach.problem(f"https://127.0.0.1:{closed}", {}, 5)
    assert found is not None and "does not answer" in found and f"allow 127.0.0.1:{closed} from this machine, or declare azure_ai_proxy" in found


def test_a_name_without_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_arguments: object, **_options: object) -> t.NoReturn:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    assert reach.problem("https://name.example", {}, 5) == "has no address here; look at name resolution"


def test_inspected_tls_is_told_as_such(monkeypatch: pytest.MonkeyPatch, proxy: ToyProxy) -> None:
    def inspected(*_arguments: object) -> t.NoReturn:
        raise ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed certificate in certificate chain")

    monkeypatch.setattr(reach, "_connection", inspected)
    found = reach.problem("https://name.example", {}, 5)
    assert found is not None and "certificate that is not trusted" in found and "without inspection" in found


@pytest.mark.parametrize("url", ["", "name.example", "ftp://name.example", "https://", "https://[x", "https://x.example:port"])
def test_what_is_no_address_is_told(url: str) -> None:
    assert "is not an address" in (reach.problem(url, {}, 5) or "")


def test_a_silent_one_is_given_up() -> None:
    with socket.socket() as stream:
        stream.bind(("127.0.0.1", 0))
        stream.listen()
        assert "timed out" in (reach.problem(f"http://127.0.0.1:{stream.getsockname()[1]}", {}, 0.2) or "")
