# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of a host, and addresses of an engine that overlap them."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import networks

TABLE = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t01014E0A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t00014E0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""
ETH = {"interface": "eth0", "network": "10.78.1.0/24"}
DOCKER = {"interface": "docker0", "network": "172.17.0.0/16"}
VPN = {"interface": "tun0", "network": "172.16.0.0/12"}


def test_routes_without_the_default_one() -> None:
    assert networks.routes(TABLE) == [ETH, DOCKER]
    assert networks.routes("") == []


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"default-address-pools": [{"base": "10.78.0.0/16", "size": 24}]}, "10.78.0.0/16 overlap the host's route 10.78.1.0/24 (eth0)"),
        ({"bip": "10.78.1.1/25"}, "10.78.1.0/25 overlap the host's route 10.78.1.0/24 (eth0)"),
        ({"default-address-pools": [{"base": "ten"}]}, "ten is no network"),
        ({"default-address-pools": [{"base": "10.201.0.0/16", "size": 24}], "bip": "10.202.0.1/24"}, None),
    ],
)
def test_declared_addresses(config: dict[str, t.Any], told: str | None) -> None:
    problems, warnings = networks.judge([ETH, DOCKER], config, new=False)
    assert (len(problems), warnings) == (1 if told else 0, [])
    assert told is None or (told in problems[0] and "engine_address_pools" in problems[0])


def test_a_network_of_the_engine_that_hides_a_route() -> None:
    problems, warnings = networks.judge([ETH, DOCKER, VPN], {}, new=False)
    assert problems == []
    assert len(warnings) == 1 and "172.17.0.0/16 (docker0) overlaps the host's route 172.16.0.0/12 (tun0)" in warnings[0]


def test_the_usual_addresses_of_an_engine_to_come() -> None:
    assert networks.judge([ETH, VPN], {}, new=False) == ([], [])
    assert "will take others" in networks.judge([ETH, VPN], {}, new=True)[1][0]
    assert networks.judge([ETH, VPN], {"bip": "10.1.0.1/24"}, new=True) == ([], [])
