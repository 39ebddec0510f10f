# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done about a host's engine: nothing but what is asked for where somebody else installed it.

An engine is ours when the collection's note lies beside its configuration; the note is written before the first package
is, so that an installation that was cut off goes on, and names the packages, so that retiring takes no others away.
``want["engine"]`` is {manage (true, false, or None: only ours), config}.
This file is private to the collection.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import zstd
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import ENGINE_PACKAGES, OTHER_ENGINES, REGISTRY_PACKAGE
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import front, networks, unpacking
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.versions import older

OLDEST = (20, 10)  # Debian 11's; older ones are neither tried nor taken by community.docker
NOTE = "/etc/docker/airgap.azure_ai.json"
PACKAGES = ENGINE_PACKAGES
REQUESTS = "python3-requests"
TOOLS = {"rsync": "rsync", REQUESTS: "requests"}  # packages, and what of them is looked for: without it nothing comes to a host
WANTS = "write wants again with this host (airgap.azure_ai.wants) and have a bundle built from them, or install it"
_NOTHING: t.Mapping[str, t.Any] = {"reason": None, "apply": "nothing", "error": None}

Have = t.Mapping[str, t.Any]
Want = t.Mapping[str, t.Any]
Step = dict[str, t.Any]


def managed(have: Have, want: Want) -> bool:
    """Whether the engine's packages and configuration may be changed. One of somebody else that was stopped is nobody's to start."""
    asked = _asked(want)["manage"]
    if have["engine"] is None and have.get("engine_program") and not have.get("engine_ours"):
        return False
    if asked is not None:
        return bool(asked)
    return bool(have.get("engine_ours")) or not _there(have)


def step(have: Have, want: Want) -> Step:
    """reason (None when nothing is to be done), packages, upgrades, besides, managed, new, note, config to merge, apply.

    ``upgrades``: names of those ``packages`` that are there in an older version. ``besides``: what else the store has newer than the host, for
    when apt finds no way without it. ``new``: it is to be installed, or to be started for the first time. ``note``: the packages that the note
    must name, None where it does. ``apply``: what a running engine must do for ``config``.
    """
    ours = managed(have, want)
    fitting = [item for item in want["packages"] if item["os"] == have["os"] and item["arch"] in (have["arch"], "all") and item["name"] != REGISTRY_PACKAGE]
    if not want.get("fronted") or front.theirs(have):
        fitting = [item for item in fitting if not item["name"].startswith(front.PACKAGES)]
    if not ours or _elsewhere(have):
        fitting = [item for item in fitting if item["name"] not in PACKAGES]
    if have["tools"].get(zstd.PROGRAM) or not unpacking.wanted(have, want, fitting):
        fitting = [item for item in fitting if item["name"] != zstd.PROGRAM]
    absent = [item for item in fitting if item["name"] not in have["packages"]]
    behind = [item for item in fitting if ours and item["name"] in PACKAGES and _behind(have, item)]
    config = dict(_asked(want)["config"]) if ours else {}
    if have["engine"] is None:
        reason = "no Docker Engine" if absent or not fitting else "the Docker Engine does not answer"
        note = _noted(have, absent) if ours else None
        return {"reason": reason, **_sent(have, fitting, absent, []), "managed": ours, "new": ours, "note": note, "config": config, "apply": "nothing"}
    daemon = (have.get("daemon") or _NOTHING) if ours else _NOTHING
    asked = [item["name"] for item in absent if item["requested"]]
    parts = [
        f"packages missing: {', '.join(asked)}" if asked else "",
        f"packages to upgrade: {', '.join(item['name'] + ' ' + item['version'] for item in behind)}" if behind else "",
        f"settings: {daemon['reason']}" if daemon["reason"] else "",
    ]
    return {
        "reason": "; ".join(part for part in parts if part) or None,
        # Only what was asked for counts: what it depends on may be there under another package's name.
        **_sent(have, fitting, absent if asked else [], behind),
        "managed": ours,
        "new": False,
        "note": _noted(have, absent) if asked and have.get("engine_ours") else None,
        "config": config if daemon["reason"] else {},
        "apply": daemon["apply"],
    }


def _sent(have: Have, fitting: t.Sequence[Step], absent: list[Step], behind: list[Step]) -> Step:
    packages = absent + behind
    newer = [item for item in fitting if item not in packages and (item["name"] not in have["packages"] or _behind(have, item))]
    return {"packages": packages, "upgrades": [item["name"] for item in behind], "besides": newer}


def _elsewhere(have: Have) -> bool:
    """Whether an engine answers that came from elsewhere than Debian's packages, beside which those must not be installed."""
    return have["engine"] is not None and not have.get("engine_ours") and "docker.io" not in have["packages"]


def _noted(have: Have, absent: t.Sequence[Step]) -> t.Optional[list[str]]:
    """Names of the engine's packages that this collection installs or has installed; None where the note is to stay as it is."""
    before = have.get("engine_packages")
    if have.get("engine_ours") and before is None:
        return None  # an older form: nobody knows any more what was there before
    names = sorted({*(before or ()), *(item["name"] for item in absent if item["name"] in PACKAGES | OTHER_ENGINES)})
    return None if names == before else names


def note(path: str = NOTE) -> tuple[bool, t.Optional[list[str]]]:
    """Whether the note is there, and the packages that it names; None where it names none, as in an older form."""
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.loads(stream.read(65536))["packages"]
    except FileNotFoundError:
        return False, None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return True, None
    named = isinstance(found, list) and all(isinstance(name, str) for name in found)
    return True, sorted(found) if named else None


def judge(have: Have, want: Want, steps: Step) -> tuple[list[str], list[str]]:
    """(problems, warnings) of the engine."""
    engine = have["engine"]
    problems = _absent(have, want, steps) if engine is None else _present(engine)
    ours, config = managed(have, want), _asked(want)["config"]
    problems += _tools(have, want, steps) if steps["packages"] or not problems else []
    error = (have.get("daemon") or _NOTHING)["error"]
    if ours and error:
        problems.append(f"engine: {error}")
    place = config.get("data-root")
    if ours and engine is not None and place and place.rstrip("/") != engine["root_dir"].rstrip("/"):
        text = f"engine: its data lie in {engine['root_dir']} and engine_data_root says {place}"
        problems.append(f"{text}; stop it, move them by hand, or name the folder that it has")
    found, warnings = networks.judge(have.get("routes") or [], config if ours else {}, engine is None)
    restarted = steps.get("apply") == "restart" or any(item["name"] in PACKAGES for item in steps["packages"])
    if engine is not None and restarted and not (engine.get("live_restore", True) or config.get("live-restore")):
        warnings.append("engine: it restarts without live-restore, so all containers of the host stop and start; set live-restore in engine_daemon")
    return problems + found, warnings


def _absent(have: Have, want: Want, steps: Step) -> list[str]:
    """What is wrong where no engine answers."""
    if _asked(want)["manage"] is False:
        return ["engine: none answers and azure_ai_engine_manage is false; install or start Docker 20.10 or newer, or let it be managed"]
    if not managed(have, want):
        return ["engine: Docker is installed, not by this collection, and does not answer; start it, or remove it and let this one install its own"]
    arriving = {item["name"] for item in steps["packages"]}
    if "docker.io" in have["packages"] or arriving & (OTHER_ENGINES | {"docker.io"}):
        return []
    if arriving:  # the bundle was made for hosts that told of an engine
        return [f"engine: none answers and the store's packages for {have['os']} bring no docker.io; {WANTS}"]
    return [f"engine: none answers and the store has no packages for {have['os']} {have['arch']}; bundle packages for it, or install Docker 20.10 or newer"]


def _tools(have: Have, want: Want, steps: Step) -> list[str]:
    """Tools that are neither there, by whatever means, nor come with the plan's packages."""
    arriving = {item["name"] for item in steps["packages"]}
    missing = [name for name, tool in TOOLS.items() if not have["tools"][tool] and name not in arriving]
    if REQUESTS in missing and REQUESTS in have["packages"]:
        words = f"packages: {REQUESTS} is installed, and the Python that Ansible uses on this host does not see it"
        return [f"{words}; let ansible_python_interpreter name the system's own, or give it the module requests"]
    if not missing:
        return []
    lacks = f"packages: this host has no {' and no '.join(missing)}, and the store"
    if any(item["os"] == have["os"] for item in want["packages"]):
        return [f"{lacks}'s packages for {have['os']} bring none; {WANTS}"]
    return [f"{lacks} has no packages for {have['os']}; install what is missing on the host"]


def _present(engine: t.Mapping[str, t.Any]) -> list[str]:
    problems = []
    if engine["rootless"] or engine["userns"]:
        kind = "rootless" if engine["rootless"] else "with userns-remap"
        problems.append(f"engine: it runs {kind}, where the owners of licenses and output would be others; use an engine without it")
    if _number(engine["version"]) < OLDEST:
        problems.append(f"engine: Docker {engine['version']} is older than {'.'.join(map(str, OLDEST))}; install a newer one")
    return problems


def _asked(want: Want) -> t.Mapping[str, t.Any]:
    return want.get("engine") or {"manage": None, "config": {}}


def _there(have: Have) -> bool:
    return have["engine"] is not None or bool(have.get("engine_program"))


def _behind(have: Have, item: t.Mapping[str, t.Any]) -> bool:
    installed = have["packages"].get(item["name"])
    return installed is not None and older(installed, item["version"])


def _number(text: str) -> tuple[int, ...]:
    """The two leading numbers of an engine's version; very large ones when there are none, as nothing can be said."""
    match = re.match(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (9999, 0)
