# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real skopeo goes through the declared proxy, with its credentials, and says in words when the proxy refuses."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import proxy
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.skopeo import Access, Skopeo
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight.toy_proxy import ToyProxy

WORDS = "user:p@ss/word"


@pytest.fixture
def toy() -> t.Iterator[ToyProxy]:
    found = ToyProxy(WORDS)
    yield found
    found.close()


def ask(declared: dict[str, str]) -> str:
    """What skopeo ends with; nobody speaks TLS behind the toy, so it always fails."""
    source = Skopeo(Access(timeout=30, retries=0, environment=proxy.of_program(declared)))
    with pytest.raises(RemoteError) as caught:
        source.manifest("registry.example/x:1.0")
    return str(caught.value)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY"])
def test_skopeo_asks_the_proxy_that_is_declared_under_either_name(toy: ToyProxy, name: str) -> None:
    ask({name: f"http://{toy.address}", "HTTP_PROXY_CREDS": WORDS})
    assert toy.asked and set(toy.asked) == {("registry.example:443", WORDS)}


def test_a_proxy_that_refuses_is_told_as_such(toy: ToyProxy) -> None:
    found = ask({"HTTPS_PROXY": f"http://user:wrong@{toy.address}"})
    assert "the proxy refuses us" in found and "azure_ai_proxy" in found and "wrong" not in found


def test_exceptions_do_not_reach_the_proxy(toy: ToyProxy) -> None:
    ask({"HTTPS_PROXY": f"http://{toy.address}", "NO_PROXY": "registry.example"})
    assert toy.asked == []
