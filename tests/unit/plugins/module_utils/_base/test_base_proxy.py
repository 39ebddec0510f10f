# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One declaration of a proxy, in the spelling that each needs, and its password nowhere else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import proxy
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError

PLAIN = "http://proxy.example:3128"
FULL = "http://user:p%40ss@proxy.example:3128"
WORDS = "user:p@ss"


@pytest.mark.parametrize(
    ("declared", "program", "container"),
    [
        ({}, {}, {}),
        ({"HTTPS_PROXY": PLAIN}, {"HTTP_PROXY": PLAIN, "HTTPS_PROXY": PLAIN}, {"HTTP_PROXY": PLAIN, "HTTPS_PROXY": PLAIN}),
        ({"HTTP_PROXY": PLAIN}, {"HTTP_PROXY": PLAIN, "HTTPS_PROXY": PLAIN}, {"HTTP_PROXY": PLAIN, "HTTPS_PROXY": PLAIN}),
        (
            {"HTTP_PROXY": PLAIN, "HTTP_PROXY_CREDS": WORDS, "NO_PROXY": "a,b"},
            {"HTTP_PROXY": FULL, "HTTPS_PROXY": FULL, "NO_PROXY": "a,b"},
            {"HTTP_PROXY": PLAIN, "HTTP_PROXY_CREDS": WORDS, "HTTPS_PROXY": FULL, "NO_PROXY": "a,b"},
        ),
        (
            {"HTTPS_PROXY": FULL, "HTTP_PROXY_BYPASS_URLS": "http://x"},
            {"HTTP_PROXY": FULL, "HTTPS_PROXY": FULL},
            {"HTTP_PROXY": PLAIN, "HTTP_PROXY_CREDS": WORDS, "HTTPS_PROXY": FULL, "HTTP_PROXY_BYPASS_URLS": "http://x"},
        ),
    ],
)
def test_programs_and_containers_get_their_own_spelling(declared: dict[str, str], program: dict[str, str], container: dict[str, str]) -> None:
    assert proxy.of_program(declared) == program
    assert proxy.of_container(declared) == container


def test_what_is_declared_is_never_overruled() -> None:
    declared = {"HTTP_PROXY": "http://a.example:1", "HTTPS_PROXY": "http://b.example:2", "HTTP_PROXY_CREDS": "u:p"}
    assert {name: proxy.of_container(declared)[name] for name in declared} == declared
    assert proxy.of_program(declared) == {"HTTP_PROXY": "http://u:p@a.example:1", "HTTPS_PROXY": "http://u:p@b.example:2"}


@given(user=st.text("abc:/@%", min_size=1, max_size=5).map(lambda text: text.replace(":", "")), password=st.text("abc:/@%?#", min_size=1, max_size=8))
def test_credentials_come_back_from_every_spelling(user: str, password: str) -> None:
    declared = {"HTTPS_PROXY": PLAIN, "HTTP_PROXY_CREDS": f"{user}:{password}"}
    route = proxy.route(declared, "x.example")
    assert route is not None and (route.host, route.port) == ("proxy.example", 3128)
    assert base64.b64decode((route.authorization or "").partition(" ")[2]).decode() == f"{user}:{password}"
    full = {"HTTPS_PROXY": proxy.of_program(declared)["HTTPS_PROXY"]}
    assert proxy.route(full, "x.example") == route and proxy.of_container(full)["HTTP_PROXY_CREDS"] == f"{user}:{password}"
    assert f"{user}:{password}" in proxy.secrets(full) and password in proxy.secrets(declared)


@pytest.mark.parametrize(
    ("exceptions", "host", "direct"),
    [
        ("", "a.example", False),
        ("example", "a.example", True),
        (".example", "a.example", True),
        ("*.example", "a.example", True),
        ("A.EXAMPLE:443", "a.example", True),
        ("b.example, a.example", "a.example", True),
        ("ample", "a.example", False),
        ("*", "a.example", True),
    ],
)
def test_exceptions_go_straight(exceptions: str, host: str, direct: bool) -> None:
    assert (proxy.route({"HTTPS_PROXY": PLAIN, "NO_PROXY": exceptions}, host) is None) is direct


def test_without_a_proxy_there_is_no_route_and_no_secret() -> None:
    assert proxy.route({"NO_PROXY": "x"}, "a.example") is None
    assert proxy.secrets({"HTTP_PROXY": PLAIN, "NO_PROXY": "localhost"}) == []


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"HTTPS_PROXY": "https://[x"}, "azure_ai_proxy.HTTPS_PROXY: not the address"),
        ({"HTTP_PROXY": "socks5://proxy.example"}, "azure_ai_proxy.HTTP_PROXY: not the address"),
        ({"HTTP_PROXY": "http://proxy.example:99999"}, "azure_ai_proxy.HTTP_PROXY: not the address"),
        ({"HTTP_PROXY_CREDS": "u:p"}, "there is no proxy that it is for"),
        ({"HTTP_PROXY": PLAIN, "HTTP_PROXY_CREDS": "User:p"}, "capital letters"),
        ({"HTTP_PROXY": "http://user:Pass@proxy.example:1"}, "capital letters"),
    ],
)
def test_a_wrong_declaration_is_told_without_its_password(declared: dict[str, str], words: str) -> None:
    (fault,) = proxy.faults(declared)
    assert words in fault and "Pass" not in fault


@pytest.mark.parametrize("declared", [{}, {"HTTP_PROXY": PLAIN, "NO_PROXY": "x"}, {"HTTPS_PROXY": FULL}, {"HTTPS_PROXY": "proxy.example:3128"}])
def test_a_good_declaration_has_no_faults(declared: dict[str, str]) -> None:
    assert proxy.faults(declared) == []


def test_a_route_over_nonsense_is_an_error_in_words() -> None:
    with pytest.raises(InputError, match="not the address of a proxy"):
        proxy.route({"HTTPS_PROXY": "http://"}, "a.example")
