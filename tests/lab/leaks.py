# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof that nothing leaves the site: the machine's firewall counts what tries to leave and what does.

A packet from the site's bridges to anything that is not the site is marked before routing (attempted), refused
while forwarding, and would be counted after routing (escaped). The connected side's packets to the outside are
counted in the same way: a counter that never moves proves nothing.
"""

from __future__ import annotations

import re
import typing as t

from tests.lab import shell
from tests.lab.settings import NETWORKS, Json

ALL = "10.78.0.0/16"
_CONNECTED = next(net for net in NETWORKS if not net.internal)
_MARKS = {net.name: f"0x41{number:x}0" for number, net in enumerate(NETWORKS, 1) if net.internal}
# Chains by table and the built-in chain that calls them, always as its first rule.
_CHAINS = {"AZLAB-PRE": ("mangle", "PREROUTING"), "AZLAB-POST": ("mangle", "POSTROUTING"), "AZLAB-FWD": ("filter", "FORWARD"), "AZLAB-IN": ("filter", "INPUT")}


def _rules() -> t.Iterator[tuple[str, list[str]]]:
    """Chain and rule, in order; the comment is the counter's name."""
    for group in ("224.0.0.0/4", "255.255.255.255/32"):
        yield "AZLAB-PRE", ["-d", group, "-j", "RETURN"]
    outward = ["-i", _CONNECTED.bridge, "!", "-d", ALL]
    yield "AZLAB-PRE", [*outward, "-m", "comment", "--comment", "azlab:connected:left", "-j", "RETURN"]
    for net in NETWORKS:
        if net.internal:
            mark, name = _MARKS[net.name], ["-m", "comment", "--comment"]
            for target in (["!", "-d", ALL], ["-d", _CONNECTED.subnet]):
                yield "AZLAB-PRE", ["-i", net.bridge, *target, *name, f"azlab:{net.name}:attempted", "-j", "MARK", "--set-xmark", f"{mark}/0xffffffff"]
            yield "AZLAB-POST", ["-m", "mark", "--mark", mark, *name, f"azlab:{net.name}:escaped", "-j", "RETURN"]
            for chain in ("AZLAB-FWD", "AZLAB-IN"):
                yield chain, ["-m", "mark", "--mark", mark, "-j", "REJECT", "--reject-with", "icmp-net-prohibited"]


def install() -> None:
    """Put the rules in place; when they already are, the counters keep their values."""
    called = all(_iptables(table, "-C", builtin, "-j", chain) for chain, (table, builtin) in _CHAINS.items())
    if called and all(_iptables(_CHAINS[chain][0], "-C", chain, *rule) for chain, rule in _rules()):
        return
    remove()
    for chain, (table, builtin) in _CHAINS.items():
        _iptables(table, "-N", chain, check=True)
        _iptables(table, "-I", builtin, "1", "-j", chain, check=True)
    for chain, rule in _rules():
        _iptables(_CHAINS[chain][0], "-A", chain, *rule, check=True)


def remove() -> None:
    """Take the rules away, also half-made ones."""
    for chain, (table, builtin) in _CHAINS.items():
        while _iptables(table, "-D", builtin, "-j", chain):
            pass
        _iptables(table, "-F", chain)
        _iptables(table, "-X", chain)


def counters() -> Json:
    """Packets by network: ``attempted`` and ``escaped`` for the site's networks, ``left`` for the connected one.

    Raises LabError when the rules are not there: then nothing was counted.
    """
    found: Json = {}
    for line in shell.out(shell.as_root(["iptables-save", "-c", "-t", "mangle"])).splitlines():
        match = re.match(r'\[(\d+):\d+\] .*--comment "?azlab:(\w+):(\w+)"?', line)
        if match:
            packets, name, counter = match.groups()
            found.setdefault(name, {}).setdefault(counter, 0)
            found[name][counter] += int(packets)
    if set(found) != {net.name for net in NETWORKS}:
        raise shell.LabError("the counting rules are not in place; run `up`")
    return found


def _iptables(table: str, *argv: str, check: bool = False) -> bool:
    return shell.run(shell.as_root(["iptables", "-w", "5", "-t", table, *argv]), check=check).returncode == 0
