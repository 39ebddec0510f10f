# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of a plan: the host's size, ports and disk, licenses and clocks.

This file is private to the collection.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import LABEL_PREFIX
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import sizes
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.declaration import selector_of

CLOCK_TOLERANCE = 300  # seconds between host and control node that nobody needs to know of

Have = t.Mapping[str, t.Any]
Want = t.Mapping[str, t.Any]
Item = t.Mapping[str, t.Any]
Found = tuple[list[str], list[str]]


def judge(have: Have, want: Want, steps: t.Mapping[str, t.Any]) -> Found:
    """(problems, warnings), one line each."""
    problems: list[str] = []
    warnings: list[str] = []
    checks = [_engine(have, want, steps), _clock(have, want), _memory(have, want), _disk(have, steps)]
    checks += [check(have, want, item) for item in want["containers"] for check in (_release, _size, _port)]
    for found, told in checks:
        problems += found
        warnings += told
    return problems, warnings


def license_days(release: t.Mapping[str, t.Any] | None, now: str) -> int | None:
    """Whole days that a license still serves (0 on its last day, less when it ended); None when nobody declared its end."""
    if release is None or not release.get("expires"):
        return None
    return (datetime.date.fromisoformat(release["expires"]) - datetime.date.fromisoformat(now[:10])).days


def _engine(have: Have, want: Want, steps: t.Mapping[str, t.Any]) -> Found:
    engine = have["engine"]
    problems = []
    if want["containers"] and have["arch"] != "amd64":
        problems.append(f"host: its architecture is {have['arch']}; the images run on amd64 only")
    if engine is not None and (engine["rootless"] or engine["userns"]):
        kind = "rootless" if engine["rootless"] else "with userns-remap"
        problems.append(f"engine: it runs {kind}, where the owners of licenses and output would be others; use an engine without it")
    if engine is None and not steps["engine"]["packages"] and "docker.io" not in have["packages"]:
        problems.append(
            f"engine: none answers and the store has no packages for {have['os']} {have['arch']}; bundle packages for it, or install Docker 20.10 or newer"
        )
    return problems, []


def _clock(have: Have, want: Want) -> Found:
    host, control, newest = (_seconds(value) for value in (have["now"], want["control_now"], want.get("newest")))
    if host is None or control is None:
        return [], []
    if newest is not None and host < newest:
        return [f"clock: the host's is {have['now']}, before {want['newest']} when the store's content was fetched; set it right, licenses depend on it"], []
    if newest is not None and control < newest:
        return [f"clock: the control node's is {want['control_now']}, before {want['newest']} when the store's content was fetched; set it right"], []
    if abs(host - control) > CLOCK_TOLERANCE:
        return [], [f"clock: the host's is {have['now']}, the control node's {want['control_now']}; set the wrong one right"]
    return [], []


def _memory(have: Have, want: Want) -> Found:
    """All containers together: their least must fit, what they may take should."""
    least = taken = 0
    for item in want["containers"]:
        declared = item["declaration"]["memory"]
        minimum = sizes.memory(item["entry"]["size"]["minimum"]["memory"])
        least += min(declared, minimum) if want["allow_small"] else minimum
        taken += declared
    host = have["memory"]
    if least > host:
        return [f"host: {sizes.gib(host)} of memory, its containers need {sizes.gib(least)} at least; move some to another host"], []
    if taken > host:
        return [], [f"host: {sizes.gib(host)} of memory, its containers may take {sizes.gib(taken)}; lower memory or move some"]
    return [], []


def _disk(have: Have, steps: t.Mapping[str, t.Any]) -> Found:
    needed = 2 * steps["send_bytes"]  # once in the store, once unpacked in the engine
    places = {("root", have["disk"]["root"]["free"]), ("docker", have["disk"]["docker"]["free"])}
    short = sorted(place for place in places if place[1] < needed)
    return [f"disk: {human(free)} free for {name}, {human(needed)} needed (twice what is sent); make room" for name, free in short], []


def _release(_have: Have, want: Want, item: Item) -> Found:
    name, release = item["declaration"]["name"], item["release"]
    if release is None:
        return [f"container {name}: no license/release for {selector_of(item['declaration'])} in the store; bundle it"], []
    if item["image"] is None:
        return [f"container {name}: its image {release['image'][:19]} is not in the store; bundle it"], []
    if release.get("models") and item["models"] is None:
        return [f"container {name}: its models {release['models'][:19]} are not in the store; bundle them"], []
    days = license_days(release, want["control_now"])
    if days is None:
        return [], [f"container {name}: nobody declared when its license ends; set license_lifetime_days of resource {release['resource']}"]
    if days < 0:
        return [f"container {name}: its license ended on {release['expires']}; bundle a new one"], []
    return [], []


def _size(have: Have, want: Want, item: Item) -> Found:
    declaration, size = item["declaration"], item["entry"]["size"]
    name = declaration["name"]
    problems: list[str] = []
    warnings: list[str] = []
    flags = [flag for flag in item["entry"].get("cpu_flags", []) if flag not in have["cpu_flags"]]
    if flags:
        problems.append(f"container {name}: the host's CPU lacks {', '.join(flags)}; place it on another host")
    if declaration["cpus"] > have["cpus"]:
        # The engine itself refuses such a container, so allowing small ones does not help here.
        problems.append(f"container {name}: cpus {declaration['cpus']}, the host has {have['cpus']}; lower cpus or place it on another host")
    for what, show in (("cpus", str), ("memory", sizes.gib)):
        value = declaration[what]
        minimum, recommended = (sizes.memory(size[kind][what]) if what == "memory" else size[kind][what] for kind in ("minimum", "recommended"))
        if value < minimum:
            line = f"container {name}: {what} {show(value)} is less than the {show(minimum)} that {declaration['service']} needs"
            (warnings if want["allow_small"] else problems).append(f"{line}; raise it, or allow small ones for a trial")
        elif value < recommended:
            warnings.append(f"container {name}: {what} {show(value)} is less than the recommended {show(recommended)}")
    return problems, warnings


def _port(have: Have, want: Want, item: Item) -> Found:
    """A port may be held by this container, or by another declared one, which moves away if need be."""
    declaration = item["declaration"]
    port = declaration["port"]
    declared = {other["declaration"]["name"] for other in want["containers"]}
    holders = [found for found in have["containers"] if port in found["ports"]]
    if any(found["name"] in declared and found["labels"].get(LABEL_PREFIX + "container") for found in holders):
        return [], []
    if holders or port in have["listening"]:
        who = f"container {holders[0]['name']}" if holders else "another program"
        return [f"container {declaration['name']}: port {port} is taken by {who}; give it another port or stop that"], []
    return [], []


def _seconds(text: str | None) -> float | None:
    """Seconds since the epoch of a UTC time; None when it is none."""
    try:
        value = datetime.datetime.fromisoformat((text or "").replace("Z", "+00:00"))
    except ValueError:
        return None
    return (value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)).timestamp()
