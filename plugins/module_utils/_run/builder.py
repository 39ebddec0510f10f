# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a builder can fetch what is declared: resources and keys, engine, CPU, memory, disk. Pure; what it looked at is given.

This file is private to the collection.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import online, sizes
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.entries import licensed

OLDEST_ENGINE = (20, 10)
_ENDPOINT = re.compile(r"https?://[^\s/]+(/\S*)?$")
UNPACKED = 2.5  # an image in an engine against its packed layers, by experience

Json = t.Mapping[str, t.Any]
Found = tuple[list[str], list[str]]


def name_of(container: Json) -> str:
    """How problems name a declared container."""
    return f"container {container.get('name') or container['service']} ({container.get('variable') or 'declared'})"


def account_problems(containers: t.Sequence[Json], accounts: t.Mapping[str, Json]) -> list[str]:
    """Resources that are named and not declared, that lack endpoint or key, or have something else in their place, a line each.

    :param containers: as the lookup containers gives them with entries
    :param accounts: azure_ai_resources: endpoint, api_key and perhaps license_lifetime_days by name
    """
    return [problem for container in containers for problem in _container_accounts(container, accounts)]


def _container_accounts(container: Json, accounts: t.Mapping[str, Json]) -> t.Iterator[str]:
    if not licensed(container["entry"]):
        return
    names = {"resource": container["resource"]}
    if online.uses_model_account(container["entry"]) and container["options"].get("model_resource"):
        names["model_resource"] = container["options"]["model_resource"]
    for kind, name in names.items():
        account = accounts.get(name) or {}
        lacks = [key for key in ("endpoint", "api_key") if not account.get(key)]
        if name not in accounts:
            yield f"{name_of(container)}: {kind} {name} is not in azure_ai_resources; add it to the connected layer"
        elif lacks:
            yield f"{name_of(container)}: {kind} {name} has no {' and no '.join(lacks)}; set it in azure_ai_resources of the connected layer"
        elif not _ENDPOINT.match(str(account["endpoint"])):
            yield f"{name_of(container)}: {kind} {name}: its endpoint is not an address; write it like https://{name}.cognitiveservices.azure.com"
        try:
            online.days(account.get("license_lifetime_days"))
        except InputError as exc:
            yield f"{name_of(container)}: {kind} {name}: {exc.problem}; {exc.way_out}"


def machine(have: Json, containers: t.Sequence[Json], allow_small: bool = False) -> Found:
    """(problems, warnings) of the machine: its engine, and what the license runs need of it.

    :param have: cpus, cpu_flags, memory (bytes), arch, engine ({version} or None), engine_error
    :param allow_small: too little memory is a warning: a license run may need less than the service does
    """
    problems, warnings = _engine(have), []
    runs = [container for container in containers if licensed(container["entry"])]
    if runs and have["arch"] != "amd64":
        problems.append(f"builder: its architecture is {have['arch']}; licenses are downloaded by running the images, which need amd64")
    for container in runs:
        entry, name = container["entry"], name_of(container)
        lacking = [flag for flag in entry.get("cpu_flags", ()) if flag not in have["cpu_flags"]]
        if lacking:
            problems.append(f"{name}: the builder's CPU lacks {', '.join(lacking)}, without which its image does not run; build on another machine")
        wished = [flag for flag in entry.get("cpu_flags_recommended", ()) if flag not in have["cpu_flags"]]
        if wished:
            warnings.append(f"{name}: the builder's CPU lacks {', '.join(wished)}, which is recommended")
        memory = run_memory(entry)
        if memory > have["memory"]:
            line = f"{name}: its license run needs {sizes.gib(memory)} of memory, the builder has {sizes.gib(have['memory'])}; build on another machine"
            (warnings if allow_small else problems).append(line)
        cpus = entry["size"]["minimum"]["cpus"]
        if cpus > have["cpus"]:
            warnings.append(f"{name}: {cpus} CPUs are its minimum, the builder has {have['cpus']}; its license run may be slow")
    return problems, warnings


def run_memory(entry: Json) -> int:
    """Bytes that the largest online step of an entry needs; steps run one after the other."""
    minimum = sizes.memory(entry["size"]["minimum"]["memory"])
    return max([sizes.memory(step["size"]["memory"]) if "memory" in step.get("size", {}) else minimum for step in entry["online"]], default=0)


def _engine(have: Json) -> list[str]:
    if have["engine"] is None:
        return [f"engine: {have['engine_error']}"]
    version = str(have["engine"]["version"])
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if len(numbers) == 2 and numbers < OLDEST_ENGINE:
        return [f"engine: it is Docker {version}; install 20.10 or newer"]
    return []


def disk(store: tuple[int, int], engine: tuple[int, int], fetch: int, load: int) -> list[str]:
    """Where room is short, a line each.

    :param store, engine: (device, free bytes) of the file systems with the store and the engine's folder
    :param fetch: bytes that the store will get
    :param load: packed bytes of the images that the engine will load for license runs
    """
    unpacked = int(load * UNPACKED)
    if store[0] == engine[0]:
        needs = [("the store and the engine's folder", store[1], fetch + unpacked)]
    else:
        needs = [("the store", store[1], fetch), ("the engine's folder", engine[1], unpacked)]
    return [
        f"disk: {human(free)} free for {what}, {human(need)} needed for the images alone, models come on top; make room"
        for what, free, need in needs
        if free < need
    ]
