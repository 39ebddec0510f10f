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
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import adoption, entries, extras, incoming, manage, sizes, unpacking
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.declaration import selector_of

CLOCK_LIMIT = 86400  # seconds: a license is judged by whole days
LICENSE_SOON = 30  # days in which a new one has to make its way over the gap
CLOCK_TOLERANCE = 300  # seconds between host and control node that nobody needs to know of

Have = t.Mapping[str, t.Any]
Want = t.Mapping[str, t.Any]
Item = t.Mapping[str, t.Any]
Found = tuple[list[str], list[str]]


def judge(have: Have, want: Want, steps: t.Mapping[str, t.Any]) -> Found:
    """(problems, warnings), one line each."""
    problems: list[str] = []
    warnings: list[str] = []
    checks = [_lock(have), _engine(have, want, steps), _registry(have, want), _clock(have, want), _memory(have, want), _disk(have, steps)]
    checks += [unpacking.judge(have, want, steps), (incoming.judge(have, steps), [])]
    if "switch" in steps:
        want = {**want, "starting": {step["container"] for step in steps["switch"]}}
    checks += [check(have, want, item) for item in want["containers"] for check in (bound, _size, _gpu, _port, _logs, adoption.judge)]
    for found, told in checks:
        problems += found
        warnings += told
    return problems, warnings


def license_days(release: t.Mapping[str, t.Any] | None, now: str) -> int | None:
    """Whole days that a license still serves (0 on its last day, less when it ended); None when nobody declared its end."""
    if release is None or not release.get("expires"):
        return None
    return (datetime.date.fromisoformat(release["expires"]) - datetime.date.fromisoformat(now[:10])).days


def _lock(have: Have) -> Found:
    """Whoever changes the host now explains what else may look strange."""
    found = have.get("lock")
    return [], [f"lock: held by {found['who']} from {found['node']} since {found['since']}; another run changes this host"] if found else []


def _engine(have: Have, want: Want, steps: t.Mapping[str, t.Any]) -> Found:
    foreign = bool(want["containers"]) and have["arch"] != "amd64"
    problems, warnings = manage.judge(have, want, steps["engine"])
    return [f"host: its architecture is {have['arch']}; the images run on amd64 only"] * foreign + problems, warnings


def _registry(have: Have, want: Want) -> Found:
    if not want.get("registry") or not have.get("registry_error"):
        return [], []
    way_out = "run airgap.azure_ai.registry on the control node, or set azure_ai_transport to ssh for a host that never reaches it"
    return [], [f"registry {want['registry']}: this host cannot use it ({have['registry_error']}), so images go over ssh; {way_out}"]


def _clock(have: Have, want: Want) -> Found:
    host, control, newest = (_seconds(value) for value in (have["now"], want["control_now"], want.get("newest")))
    if host is None or control is None:
        return [], []
    if newest is not None and host < newest:
        return [f"clock: the host's is {have['now']}, before {want['newest']} when the store's content was fetched; set it right, licenses depend on it"], []
    if newest is not None and control < newest:
        return [f"clock: the control node's is {want['control_now']}, before {want['newest']} when the store's content was fetched; set it right"], []
    if abs(host - control) > CLOCK_LIMIT:
        return [f"clock: the host's is {have['now']}, the control node's {want['control_now']}; set the wrong one right, licenses depend on it"], []
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
    needed = 2 * (
        steps["send_bytes"] + steps.get("pull_bytes", 0)
    )  # once in the store, once unpacked in the engine; models are not unpacked, but kept beside old ones
    found = []
    for name in ("docker", "root"):
        free, there = have["disk"][name]["free"], incoming.freed(have, steps.get("send", ()), name)
        if free + there < needed:
            less = f", less {human(there)} that came before" if there else ""
            found.append(f"disk: {human(free)} free for {name}, {human(needed - there)} needed (twice what is sent{less}); make room")
    return found, []


def bound(_have: Have, want: Want, item: Item) -> Found:
    """What is wrong with a container's release, whatever the host."""
    name, release = item["declaration"]["name"], item["release"]
    if release is None:
        return [f"container {name}: {_lack(item)}; bundle it"], []
    if item["image"] is None:
        return [f"container {name}: its image {release['image'][:19]} is not in the store; bundle it"], []
    for kind in ("models", "files"):
        if release.get(kind) and item[kind] is None:
            return [f"container {name}: its {kind} {release[kind][:19]} are not in the store; bundle them"], []
    if Release.load(release).id != release["id"]:
        line = f"container {name}: release {release['id']} of {release['service']}:{release['tag']} does not hold together"
        return [f"{line} (its image, license and models are not those that were bound); receive the bundle that brought it again"], []
    if not entries.licensed(item["entry"]):
        return [], []
    days = license_days(release, want["control_now"])
    if days is None:
        return [], [f"container {name}: nobody declared when its license ends; set license_lifetime_days of resource {release['resource']}"]
    if days < 0:
        line = f"container {name}: its license ended on {release['expires']}; bundle a new one"
        if want.get("allow_expired") or name not in want.get("starting", (name,)):
            return [], [line]
        return [f"{line}, or start it all the same with azure_ai_allow_expired=true"], []
    if days <= LICENSE_SOON:
        return [], [f"container {name}: its license ends in {days} days, on {release['expires']}; bundle a new one"]
    return [], []


def _lack(item: Item) -> str:
    """In words, that the store has no release for a container; a member of a group is told with its group."""
    declaration = item["declaration"]
    what = "license/release" if entries.licensed(item["entry"]) else "release"
    line = f"no {what} for {selector_of(declaration)} in the store"
    if declaration["group"] is None:
        return line
    own = f"{declaration['member']}'s {'license' if entries.licensed(item['entry']) else 'image'}"
    return f"{declaration['group_service']} {declaration['group']} needs {own} besides those of its other members, and there is {line}"


def _gpu(have: Have, _want: Want, item: Item) -> Found:
    name = item["declaration"]["name"]
    if not item["entry"].get("gpu"):
        return [], []
    if have["gpus"]["count"] == 0:
        return [f"container {name}: its image needs an NVIDIA GPU and the host shows none; place it on another host, or take the service's CPU image"], []
    if not have["gpus"]["runtime"]:
        return [f"container {name}: the host has a GPU, but Docker no NVIDIA runtime for it; install the NVIDIA container toolkit and restart Docker"], []
    return [], []


def _size(have: Have, want: Want, item: Item) -> Found:
    declaration, size = item["declaration"], item["entry"]["size"]
    name = declaration["name"]
    problems: list[str] = []
    warnings: list[str] = []
    flags = [flag for flag in item["entry"].get("cpu_flags", []) if flag not in have["cpu_flags"]]
    if flags:
        problems.append(f"container {name}: the host's CPU lacks {', '.join(flags)}; place it on another host")
    wished = [flag for flag in item["entry"].get("cpu_flags_recommended", []) if flag not in have["cpu_flags"]]
    if wished:
        warnings.append(f"container {name}: the host's CPU lacks {', '.join(wished)}, which {declaration['service']} runs better with")
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


def _logs(have: Have, _want: Want, item: Item) -> Found:
    """Nothing removes what a service logs to its output folder, as records of usage lie there too: somebody must be told."""
    name, logging = item["declaration"]["name"], item["declaration"]["disk_logging"]
    held, most = have["outputs"].get(name, 0), extras.WARN_ABOVE_MB if logging is None else logging["warn_above_mb"]
    if held <= most * 1024**2:
        return [], []
    line = f"container {name}: its output folder holds {human(held)}, more than "
    if logging is None:
        return [], [f"{line}{most} MB, and it was not asked to log there; see what it writes, and remove old logs by hand, never usage records"]
    return [], [f"{line}disk_logging.warn_above_mb {most}; remove old logs by hand, never usage records, or raise it"]


def _port(have: Have, want: Want, item: Item) -> Found:
    """A port may be held by this container, or by another declared one that moves away from it in this rollout."""
    declaration = item["declaration"]
    port = declaration["port"]
    declared = {other["declaration"]["name"] for other in want["containers"]}
    holders = [found for found in have["containers"] if port in found["ports"]]
    adopted = adoption.old(have, declaration)
    starting = want.get("starting", declared)
    staying = next((found["name"] for found in holders if found["name"] in declared - {declaration["name"]} - set(starting)), None)
    if staying is not None and declaration["name"] in starting:
        way_out = "give it another port, or let that one move as well (azure_ai_unpin=true where a rollback by hand keeps it)"
        return [f"container {declaration['name']}: port {port} is taken by container {staying}, which this rollout leaves as it is; {way_out}"], []
    if any((found["name"] in declared and found["labels"].get(LABEL_PREFIX + "container")) or found is adopted for found in holders):
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
