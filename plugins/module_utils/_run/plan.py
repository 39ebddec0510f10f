# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a host has and what it should have to the operations between: pure, so that check mode is not running them.

have
    what airgap.azure_ai.host_info returns.
want
    root, site, control_now (UTC, ``YYYY-MM-DDTHH:MM:SSZ``), newest (the latest time the store tells of, or None),
    containers [{declaration, entry (in the form of the declaration's options), release (dump) | None, image (record) | None,
    models (set) | None, files (set) | None}],
    records (every image record of the store), packages (records), allow_small, engine (see manage.py), prune (whether what nothing needs is removed),
    registry (name or None), front (see front.py), fronted (whether one is declared).

Nothing is refused here: what stands in the way lies in ``problems``, what is worth knowing in ``warnings``.
This file is private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import LABEL_PREFIX, local_image, local_url, published_url
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import (
    adoption,
    checks,
    entries,
    front,
    incoming,
    layers,
    links,
    manage,
    proof,
    remaining,
    render,
    surplus,
    unpacking,
)
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.spec import SPEC_LABEL, smoke, spec, writable

Have = t.Mapping[str, t.Any]
Want = t.Mapping[str, t.Any]
Item = t.Mapping[str, t.Any]
Plan = dict[str, t.Any]


def plan(have: Have, want: Want) -> Plan:
    """The operations, in the order in which they run, and what stands in their way."""
    ready = [item for item in want["containers"] if item["release"] is not None and item["image"] is not None]
    result: Plan = {
        "engine": manage.step(have, want),
        "images": images(have, want, ready),
        "models": models(have, ready),
        "releases": [step for step in (release_step(have, want, item) for item in ready) if step],
        "networks": networks(have, ready),
        "switch": switches(have, want, ready),
        "verify": [asked(have, item) for item in want["containers"]],
        "undeclared": undeclared(have, want),
        "licenses": remaining.rows(want["containers"], want["control_now"]),
        "front": front.step(have, want, faces(want)),
    }
    result["prune"] = former(have, want, ready, result["switch"])
    result["soonest"] = remaining.first(result["licenses"])
    result["registry"] = registry(have, want, result)
    sends = _sends(have, result, ready)
    result["send"] = [blob for blobs in sends.values() for blob in blobs]
    result["send_bytes"] = sum(blob["size"] for blob in result["send"])
    result["send_room"] = incoming.room(have, result["send"])
    result["pull_bytes"] = sum(blob["size"] for blob in _pulled(result))
    result["problems"], result["warnings"] = checks.judge(have, want, result)
    for told, more in zip((result["problems"], result["warnings"]), front.judge(have, want, result, faces(want))):
        told += more
    loads = [item for item in result["images"] if item["reason"]]
    result["staged"] = not (result["send"] or loads or result["models"] or result["releases"])
    result["empty"] = result["staged"] and not result["engine"]["reason"] and not (result["switch"] or result["networks"] or result["front"] or result["prune"])
    result["lines"] = _lines(have, want, result, sends)
    return result


def images(have: Have, want: Want, ready: t.Sequence[Item]) -> list[dict[str, t.Any]]:
    """Images to load. One that is there has no reason and is listed only where a release needs its user.

    They are loaded one after the other, so what an image shares with one before it is in the engine by then.
    """
    store = (have["engine"] or {}).get("store", "classic")
    there = list(have["images"])
    found: dict[str, dict[str, t.Any]] = {}
    for item in ready:
        record = item["image"]
        name = local_image(item["declaration"]["service"], record["manifest"])
        why = image_reason(have, name, record)
        if name in found:
            found[name]["containers"].append(item["declaration"]["name"])
            continue
        if not (why or release_step(have, want, item)):
            continue
        left = layers.present(record, there, store, want["records"]) if why else []
        found[name] = {"name": name, "record": record, "leave_out": left, "reason": why, "containers": [item["declaration"]["name"]]}
        there += [layers.loaded(record)] if why else []
    return list(found.values())


def registry(have: Have, want: Want, steps: Plan) -> t.Optional[str]:
    """The registry that the host's engine pulls images from, or None where they go over ssh."""
    return want["registry"] if want.get("registry") and not have.get("registry_error") and not unpacking.unread(have, steps) else None


def image_reason(have: Have, name: str, record: t.Mapping[str, t.Any]) -> str | None:
    """Why an image must be loaded, or None."""
    there = next((image for image in have["images"] if image["name"] == name), None)
    if there is None:
        return "the image is not there"
    if not layers.is_image(record, there["id"]):
        return "its name stands for another image"
    return None if there["usable"] else "layers of the image are missing"


def models(have: Have, ready: t.Sequence[Item]) -> list[dict[str, t.Any]]:
    """Sets to place, of models and of declared files: on a host they are alike."""
    wanted = {found["digest"]: found for item in ready for found in _sets(item)}
    return [value for digest, value in wanted.items() if digest not in have["models"]]


def former(have: Have, want: Want, ready: t.Sequence[Item], switch: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, t.Any] | None:
    """What nothing needs after the switch, or since one that was cut off; None when there is nothing, or nothing is to be removed."""
    if not want.get("prune", True) or have["engine"] is None:
        return None
    coming = {found["digest"] for item in ready for found in _sets(item)}
    coming |= {local_image(item["declaration"]["service"], item["image"]["manifest"]) for item in ready}
    found = surplus.foreseen(have, {step["container"]: step["to"] for step in switch}, coming)
    return found if found["reason"] else None


def networks(have: Have, ready: t.Sequence[Item]) -> list[str]:
    """Docker networks to make."""
    wanted = {item["declaration"]["network"] for item in ready if item["declaration"]["network"] is not None}
    return sorted(wanted - set(have["networks"]))


def release_step(have: Have, want: Want, item: Item) -> dict[str, t.Any] | None:
    """A release to stage, or None."""
    name, release = item["declaration"]["name"], item["release"]
    there = _folder(have, name)["releases"].get(release["id"])
    if there is not None and there["complete"]:
        return None
    why = "its last staging did not end, or its license was changed since" if there is not None else "not on the host"
    value = spec(item["entry"], item["declaration"], Release.load(release), want["root"])
    # Where a folder is adopted, output/ is a link that is laid when the container is taken over.
    ours = [path for path in writable(value, want["root"]) if item["declaration"]["adopt"] is None or path != f"{name}/output"]
    return {
        "container": name,
        "release": release,
        "license": release["license"],
        "image": value["image"],
        "user": value["user"],
        "folders": ours,
        "reason": why,
    }


def switches(have: Have, want: Want, ready: t.Sequence[Item]) -> list[dict[str, t.Any]]:
    """Containers to start anew, in the order of ``links.sequence``."""
    steps = {item["declaration"]["name"]: switch_step(have, want, item) for item in ready}
    after = {item["declaration"]["name"]: item["declaration"]["after"] for item in ready}
    adopting = {name for name, step in steps.items() if step and step["adopt"] is not None}  # whoever runs there was started by hand, and is read first
    running = {each["name"] for each in have["containers"] if each["state"] == "running"} - adopting
    return links.sequence(steps, after, running, links.held(each for each in have["containers"] if each["name"] not in adopting))


def switch_step(have: Have, want: Want, item: Item) -> dict[str, t.Any] | None:
    """A container to start anew, or None. It holds everything that doing so needs."""
    declaration, release = item["declaration"], Release.load(item["release"])
    name, folder = declaration["name"], _folder(have, declaration["name"])
    current = folder["current"]
    value = spec(item["entry"], declaration, release, want["root"])
    taken = adoption.step(have, item)
    running = next((found for found in have["containers"] if found["name"] == name and not (taken and taken["container"] == name)), None)
    why = adoption.words(taken) if taken is not None else _switch_reason(folder, release.id, running, value)
    if why is None or pin(have, want, item) is not None:
        return None
    why += _memory_of(folder.get("rollback"), release.id, value["labels"][SPEC_LABEL])
    return {
        "container": name,
        "service": declaration["service"],
        "from": current,
        "to": release.id,
        "release": release.id,
        "reason": why,
        "restart": running is not None,
        "before": published_url((running or {}).get("published", ())),  # its port may be another one afterwards
        "adopt": taken,
        "resource": declaration["resource"],
        "spec": value,
        "docker_container": render.docker_container(value),
        "compose": render.compose_text(value),
        "config": value["config"],
        "folders": writable(value, want["root"]),
        "metered": declaration["metered"],
        "after": list(declaration["after"]),
        **answers(item),
    }


def pin(have: Have, want: Want, item: Item) -> dict[str, t.Any] | None:
    """The rollback by hand that keeps a container where it is, or None. It does as long as the same is declared as when it was done."""
    folder = _folder(have, item["declaration"]["name"])
    back = folder.get("rollback")
    if not back or want.get("unpin") or back["kind"] != proof.MANUAL or back["to"]["release"] != folder["current"]:
        return None
    release = Release.load(item["release"])
    value = spec(item["entry"], item["declaration"], release, want["root"])
    return back if proof.held(back, release.id, value["labels"][SPEC_LABEL]) else None


def answers(item: Item) -> dict[str, t.Any]:
    """Where and how a container proves that it works: {url, health, smoke (None where there is none to send)}."""
    return {"url": url(item["declaration"]), "health": item["entry"]["health"], "smoke": smoke(item["entry"], item["declaration"])}


def asked(have: Have, item: Item) -> dict[str, t.Any]:
    """A container to prove that it works: what ``answers`` gives, and whether it ``runs``, so that nobody waits for one that does not."""
    name = item["declaration"]["name"]
    runs = any(found["name"] == name and found["state"] in ("running", "restarting") for found in have["containers"])
    return {"container": name, "runs": runs, **answers(item)}


def url(declaration: t.Mapping[str, t.Any]) -> str:
    """Where the host itself reaches the container."""
    return local_url(declaration["bind"], declaration["port"])


def faces(want: Want) -> dict[str, str]:
    """Where the host itself reaches each container that users ask: of a group the one that bears its name."""
    declared = [item["declaration"] for item in want["containers"]]
    return {item["name"]: url(item) for item in declared if item["group"] in (None, item["name"])}


def undeclared(have: Have, want: Want) -> list[str]:
    """Containers of this collection on the host that the inventory does not declare (any more)."""
    running = {found["labels"][LABEL_PREFIX + "container"] for found in have["containers"] if LABEL_PREFIX + "container" in found["labels"]}
    declared = {item["declaration"]["name"] for item in want["containers"]}
    return sorted((running | {name for name, folder in have["deployed"].items() if folder["current"]}) - declared)


def _switch_reason(folder: t.Mapping[str, t.Any], wanted: str, running: t.Mapping[str, t.Any] | None, value: t.Mapping[str, t.Any]) -> str | None:
    if folder["current"] != wanted:
        return "first release" if folder["current"] is None else "another release"
    if running is None:
        return "no container"
    if running["labels"].get(SPEC_LABEL) != value["labels"][SPEC_LABEL]:
        return "other settings"
    if running["state"] != "running":
        return f"it is {running['state']}"
    if not folder["releases"].get(wanted, {}).get("complete", True):
        return "its release was not whole"  # it may run, or start again and again, with a license that is not its own
    # A run that failed here, or was cut off, left it running unproven: the next run must not pass it over.
    return None if folder["proven"] == value["labels"][SPEC_LABEL] else "it has not proved that it works"


def _memory_of(back: t.Mapping[str, t.Any] | None, release: str, value: str) -> str:
    """What a reason says besides where a container was rolled back once."""
    if not back:
        return ""
    if back["kind"] == proof.MANUAL:
        return f"; ends the rollback of {back['since'][:10]}"
    return f"; it failed on {back['since'][:10]} and was rolled back" if proof.held(back, release, value) else ""


def _folder(have: Have, name: str) -> dict[str, t.Any]:
    return have["deployed"].get(name) or {"current": None, "previous": None, "releases": {}, "source": None, "proven": None, "rollback": None, "output": None}


def _sends(have: Have, steps: Plan, ready: t.Sequence[Item]) -> dict[str, list[dict[str, t.Any]]]:
    """Blobs that the host's store lacks, under the first container that needs each."""
    loads = {item["name"]: item for item in steps["images"] if item["reason"]}
    places = {item["digest"] for item in steps["models"]}
    seen: set[str] = set()
    result: dict[str, list[dict[str, t.Any]]] = {}
    for item in ready:
        name = local_image(item["declaration"]["service"], item["image"]["manifest"])
        blobs = _image_blobs(loads[name]) if name in loads and not steps["registry"] else []
        for found in _sets(item):
            blobs = blobs + (list(found["files"]) if found["digest"] in places else [])
        fresh = {
            blob["digest"]: {"digest": blob["digest"], "size": blob["size"], "container": item["declaration"]["name"]}
            for blob in blobs
            if blob["digest"] not in seen and have["store"].get(blob["digest"].rpartition(":")[2]) != blob["size"]
        }
        seen.update(fresh)
        result[item["declaration"]["name"]] = list(fresh.values())
    return result


def _sets(item: Item) -> list[dict[str, t.Any]]:
    return [item[kind] for kind in ("models", "files") if item[kind] is not None]


def _pulled(steps: Plan) -> list[dict[str, t.Any]]:
    """Blobs that the engine gets from the registry, each once."""
    loads = [item for item in steps["images"] if item["reason"]] if steps["registry"] else []
    return list({blob["digest"]: blob for item in loads for blob in _image_blobs(item)}.values())


def _image_blobs(step: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    record = step["record"]
    heads = [{"digest": record[kind], "size": record[f"{kind}_size"]} for kind in ("manifest", "config")]
    return heads + [layer for layer in record["layers"] if layer["digest"] not in step["leave_out"]]


def _lines(have: Have, want: Want, steps: Plan, sends: t.Mapping[str, list[dict[str, t.Any]]]) -> list[str]:
    """One line a step, for people: the plan that a change ticket carries."""
    lines = []
    if steps["engine"]["reason"]:
        names = ", ".join(item["name"] for item in steps["engine"]["packages"])
        start = "" if have["engine"] else ", start it"
        lines.append(f"engine: {steps['engine']['reason']}" + (f", install {names}" if names else start))
    lines += [f"network {name}: make it" for name in steps["networks"]]
    if steps["registry"] and steps["pull_bytes"]:
        place = f"/etc/docker/certs.d/{steps['registry']}/ca.crt"
        beside = "" if steps["engine"]["managed"] else f"; its certificate is laid into {place}, nothing else of this engine changes"
        lines.append(f"images: {human(steps['pull_bytes'])} to pull from {steps['registry']}{beside}")
    staged = {step["container"]: step for step in steps["releases"]}
    switched = {step["container"]: step for step in steps["switch"]}
    for item in want["containers"]:
        name = item["declaration"]["name"]
        size = sum(blob["size"] for blob in sends.get(name, []))
        back = pin(have, want, item) if item["release"] is not None else None
        if back is not None:
            same = back["to"]["release"] == item["release"]["id"]
            onward = "its declared settings" if same else item["release"]["id"]
            place = f"{back['to']['release']}{' with former settings' if same else ''}"
            lines.append(f"container {name}: stays at {place}, rolled back by hand on {back['since'][:10]}; azure_ai_unpin=true goes on to {onward}")
        if name not in staged and name not in switched and not size:
            continue
        lines.append(f"container {name}: " + ", ".join(_words(item, size, staged.get(name), switched.get(name), want)))
    lines += [front.line(steps["front"])] if steps["front"] else []
    lines += [surplus.line(steps["prune"], bool(steps["switch"]))] if steps["prune"] else []
    lines += [f"container {name}: not declared any more and left as it is; declare it, or retire it" for name in steps["undeclared"]]
    return lines


def _words(item: Item, size: int, staged: t.Mapping[str, t.Any] | None, switched: t.Mapping[str, t.Any] | None, want: Want) -> list[str]:
    words = []
    if switched:
        words.append(f"{switched['from'] or 'none'} -> {switched['to']} ({switched['reason']})")
        if staged and switched["from"] == switched["to"]:
            words.append(f"staged anew ({staged['reason']})")
    elif staged:
        words.append(f"stage {staged['release']['id']} ({staged['reason']})")
    words.append(f"{human(size)} to send")
    if switched:
        words.append("restart" if switched["restart"] or (switched["adopt"] or {}).get("running") else "start")
    if not entries.licensed(item["entry"]):
        return words
    days = checks.license_days(item["release"], want["control_now"])
    words.append("license end unknown" if days is None else f"license {days} days")
    return words
