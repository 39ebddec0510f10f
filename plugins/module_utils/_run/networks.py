# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that the engine gives to containers, against those that the host reaches otherwise. IPv4 only, as Docker's pools are.

This file is private to the collection.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

USUAL = "172.17.0.0/16"  # what an engine takes for docker0 unless told otherwise
_DEFAULT = "00000000"
_BRIDGE = re.compile(r"docker\d+|docker_gwbridge|br-[0-9a-f]{12}")

Route = t.Mapping[str, str]
Found = tuple[list[str], list[str]]


def routes(text: str) -> list[dict[str, str]]:
    """Networks in /proc/net/route as [{interface, network}], without the default route."""
    found = []
    for row in (line.split() for line in text.splitlines()[1:]):
        if len(row) > 7 and not (row[1] == _DEFAULT and row[7] == _DEFAULT):
            address, mask = (str(ipaddress.IPv4Address(int(row[place], 16).to_bytes(4, "little"))) for place in (1, 7))
            found.append({"interface": row[0], "network": str(ipaddress.ip_network(f"{address}/{mask}", strict=False))})
    return found


def judge(there: t.Sequence[Route], config: t.Mapping[str, t.Any], new: bool) -> Found:
    """(problems, warnings) of the engine's addresses.

    :param there: the host's routes
    :param config: wanted settings of the engine, empty where they are left as they are
    :param new: the engine is not there yet
    """
    outside = [route for route in there if not _BRIDGE.fullmatch(route["interface"])]
    own = [route for route in there if _BRIDGE.fullmatch(route["interface"])]
    problems, wanted = _pools(config)
    for pool in wanted:
        problems += [f"engine: its addresses {pool} overlap {_words(route)}; name others in engine_address_pools" for route in _meet(pool, outside)]
    warnings = [
        f"engine: its network {route['network']} ({route['interface']}) overlaps {_words(other)}, which containers do not reach;"
        " name others in engine_address_pools"
        for route in own
        for other in _meet(route["network"], outside)
    ]
    if new and not wanted:
        warnings += [
            f"engine: Docker's usual addresses {USUAL} overlap {_words(route)}, so it will take others; name them in engine_address_pools"
            for route in _meet(USUAL, outside)
        ]
    return problems, warnings


def _pools(config: t.Mapping[str, t.Any]) -> tuple[list[str], list[str]]:
    """(problems, networks) that the settings name."""
    named = [pool.get("base") for pool in config.get("default-address-pools") or [] if isinstance(pool, dict)]
    named += [config["bip"]] if config.get("bip") else []
    problems, found = [], []
    for text in named:
        try:
            found.append(str(ipaddress.ip_network(str(text), strict=False)))
        except ValueError:
            problems.append(f"engine: {text} is no network; write engine_address_pools like 10.201.0.0/16")
    return problems, found


def _meet(network: str, others: t.Sequence[Route]) -> list[Route]:
    mine = ipaddress.ip_network(network)
    return [route for route in others if mine.overlaps(ipaddress.ip_network(route["network"]))]


def _words(route: Route) -> str:
    return f"the host's route {route['network']} ({route['interface']})"
