# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of a host that does what a plan says."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._run.layers import present
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import have


def applied(host: dict[str, t.Any], steps: dict[str, t.Any]) -> dict[str, t.Any]:
    """The host after the plan ran."""
    new = copy.deepcopy(host)
    if steps["engine"]["reason"]:
        new["packages"].update({package["name"]: package["version"] for package in steps["engine"]["packages"]})
        new["engine"] = new["engine"] or have()["engine"]
    new["store"].update({blob["digest"][7:]: blob["size"] for blob in steps["send"]})
    for step in steps["images"]:
        if step["reason"]:
            record = step["record"]
            blobs = [layer for layer in record["layers"] if layer["digest"] not in step["leave_out"]]
            held = present(record, new["images"], "classic")
            assert set(step["leave_out"]) <= set(held) or new["engine"]["store"] != "classic", "what is left out is there by then"
            assert all(new["store"].get(blob["digest"][7:]) == blob["size"] for blob in blobs), "what is loaded was sent"
            new["images"] = [image for image in new["images"] if image["name"] != step["name"]]
            chain = [layer["diff_id"] for layer in record["layers"]]
            new["images"].append({"name": step["name"], "id": record["config"], "user": "", "chain": chain, "usable": True})
    for models in steps["models"]:
        assert all(new["store"].get(file["digest"][7:]) == file["size"] for file in models["files"])
        new["models"].append(models["digest"])
    new["networks"] = sorted({*new["networks"], *steps["networks"]})
    for step in steps["releases"]:
        assert step["image"] in [image["name"] for image in steps["images"]], "its user must be told"
        folder = new["deployed"].setdefault(step["container"], {"current": None, "previous": None, "releases": {}, "source": None, "proven": None})
        folder["releases"][step["release"]["id"]] = {**step["release"], "complete": True}
    for step in steps["switch"]:
        folder = new["deployed"][step["container"]]
        folder.update(previous=folder["current"], current=step["to"], proven=step["spec"]["labels"]["airgap.azure_ai.spec"])
        new["containers"] = [found for found in new["containers"] if found["name"] != step["container"]]
        value = step["spec"]
        ports = [port["host_port"] for port in value["ports"]]
        new["containers"].append({"name": value["name"], "id": "n", "image": value["image"], "state": "running", "labels": value["labels"], "ports": ports})
    gone = steps["prune"] or {"releases": [], "images": [], "models": []}
    new["images"] = [image for image in new["images"] if image["name"] not in gone["images"]]
    new["models"] = [digest for digest in new["models"] if digest not in gone["models"]]
    for container, release in gone["releases"]:
        del new["deployed"][container]["releases"][release]
    return new
