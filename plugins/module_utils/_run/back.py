# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollback of a host's containers would do, and what stands in its way.

This file is private to the collection.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import published_url
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed, links, proof, releases
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.checks import license_days
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.spec import SPEC_LABEL

Json = dict[str, t.Any]
Found = t.Mapping[str, t.Any]


def survey(root: str, names: t.Sequence[str], failed: t.Mapping[str, str], held: Found, now: str) -> Json:
    """{steps, problems, lines} of a rollback, steps and lines in the order in which a rollout would go: what others need stops last and starts first.

    :param names: containers; none for all that have something to go back to
    :param failed: hash of the spec that failed just now, by container: an automatic rollback
    :param held: images and containers of the engine, as ``inside.survey`` gives them
    :param now: UTC, what licenses are judged by
    """
    known = deployed.containers(root)
    wanted = list(names) or [name for name, found in known.items() if found["former"] or (found["rollback"] or {}).get("kind") == proof.MANUAL]
    steps: dict[str, t.Optional[Json]] = dict.fromkeys(known)
    lines: dict[str, str] = {}
    problems = []
    for name in wanted:
        if name not in known:
            lines[name] = f"container {name}: not on this host"
            continue
        try:
            steps[name], line = step(root, name, failed.get(name), held, now)
        except AirgapError as exc:
            problems.append(str(exc))
            continue
        lines[name] = f"container {name}: {line}"
    # Of one that goes back what counts is what it will need then; neither inventory nor store is asked.
    after = {name: (steps[name] or found).get("after", ()) for name, found in known.items()}
    running = {item["name"] for item in held["containers"] if item["state"] == "running"}
    ports = links.held(held["containers"])
    while True:  # one that is left alone keeps its ports, which another one may want
        taken = next(((name, *found) for name, item in steps.items() if item is not None for found in [links.holder(name, item, steps, ports)] if found), None)
        if taken is None:
            break
        name, port, other = taken
        problems.append(f"container {name}: its former port {port} is container {other}'s now; roll both back, or declare it with a free port")
        steps[name] = None
        del lines[name]
    order = links.ordered(list({**known, **lines}), after)
    return {"steps": links.sequence(steps, after, running, ports), "problems": problems, "lines": [lines[name] for name in order if name in lines]}


def step(root: str, name: str, failed: t.Optional[str], held: Found, now: str) -> tuple[t.Optional[Json], str]:
    """(what to run, or None where it runs already; the line of a plan).

    What to run is an item as the plan of a rollout has them, with ``back``, ``left`` and ``previous`` besides.

    :raises AirgapError: there is nothing to go back to, or it must not be started.
    """
    what, folder = f"container {name}", releases.folder_of(root, name)
    target, why = proof.target(folder, failed)
    if target is None:
        raise MissingError(what, why or "how it ran is not kept", "declare what shall run and roll out")
    running = next((item for item in held["containers"] if item["name"] == name), None)
    label = (running or {"labels": {}})["labels"].get(SPEC_LABEL)
    same = running is not None and running["state"] == "running" and label == target["spec"]
    current = deployed.link(folder, "current")
    standing = proof.standing(folder) if failed is None else None
    release = str(target["release"])
    if standing is not None and standing.get("done") and same:
        return None, f"was rolled back to {release} on {standing['since'][:10]}; nothing to do"
    if failed is not None and same and current == release:
        return None, "what ran before still runs"
    days = _startable(what, os.path.join(folder, "releases", release), target, held, now)
    found = {
        **target["run"],
        "from": current,
        "to": release,
        "restart": running is not None,
        "before": published_url((running or {}).get("published", ())),
        "back": proof.AUTOMATIC if failed is not None else proof.MANUAL,
        "left": standing["left"] if standing is not None else proof.left(folder, failed or label),
        "previous": target.get("previous"),
    }
    end = "" if days is None else f", license {days} days"
    change = f"{current or 'none'} -> {release}" if current != release else f"{release} with its former settings"
    return found, f"{change} (rollback to what proved itself on {target['since'][:10]}), {'restart' if running else 'start'}{end}"


def _startable(what: str, folder: str, target: Json, held: Found, now: str) -> t.Optional[int]:
    """Days that the license still serves, None when unknown or needless; raises AirgapError for what must not be started."""
    if not deployed.is_complete(folder):
        raise MissingError(what, f"release {target['release']} is not whole on this host any more", "declare what shall run and roll out")
    record = deployed.record(folder, deployed.RELEASE_FILE)
    days = license_days(record, now)
    if days is not None and days < 0:
        raise InputError(what, f"the license of release {target['release']} ended on {record['expires']}, so it is not started", "bundle a new one")
    image = target["run"]["docker_container"]["image"]
    if not any(item["name"] == image and item["usable"] for item in held["images"]):
        raise MissingError(what, f"its image {image} is not on this host any more", "declare that tag and roll out")
    return days
