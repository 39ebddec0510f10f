# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Four simulated containers for every host of a site, and the same state as a user would declare it without this collection."""

from __future__ import annotations

import datetime
import json
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import render
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.spec import DEFAULT_ROOT, spec
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _want
from ansible_collections.airgap.azure_ai.tests.bench.control import RESOURCE, Control, Json
from tests.lab import roots, settings
from tests.simulator import images, sim_license

SERVICES = ("sentiment", "key_phrase_extraction", "language_detection", "named_entity_recognition")
FIRST_PORT = 5001


def fill(control: Control) -> list[Json]:
    """Images and releases of the four in the store, and their declarations."""
    tree = roots.DISTROLESS
    declared = []
    for number, service in enumerate(SERVICES):
        image = images.wanted({"service": service})
        folder = images.make(roots.whole(tree), tree.key(), settings.CACHE / "images", [image]) / image.folder
        manifest = (folder / "manifest.json").read_bytes()
        for layer in json.loads(manifest)["layers"]:
            control.store.put_file(str(folder / layer["digest"].partition(":")[2]))
        config = (folder / json.loads(manifest)["config"]["digest"].partition(":")[2]).read_bytes()
        record = control.add_image(service, image.repository, image.tag, manifest, config)
        control.add_release(record, license_of(record))
        declared.append({"name": service.replace("_", "-"), "service": service, "tag": image.tag, "resource": RESOURCE, "port": FIRST_PORT + number})
    return declared


def license_of(record: t.Mapping[str, t.Any]) -> str:
    """A license that the simulator takes."""
    today = datetime.datetime.now(datetime.timezone.utc)
    dates = {"issued": today.isoformat(), "expires": (today + datetime.timedelta(days=30)).isoformat()}
    product = images.service_json(record["service"], record["tag"], record["repository"])["product"]
    return sim_license.seal({"service": product, "version": record["tag"], "models": None, "resource": RESOURCE, **dates})


def plain(control: Control, declared: t.Sequence[Json]) -> str:
    """The playbook of the peer: folders, licenses and archives of images by file and copy, the rest by community.docker's modules."""
    want = _want.want({"azure_ai_containers": list(declared), "azure_ai_catalog": control.catalog}, control.store.holdings(), DEFAULT_ROOT, False, True)
    runs, licenses, archives, folders = [], [], [], []
    for item in want["containers"]:
        release = Release.load(item["release"])
        value = spec(item["entry"], item["declaration"], release)
        runs.append(render.docker_container(value))
        place = next(mount["source"] for mount in value["mounts"] if mount["read_only"])
        licenses.append({"src": control.blob(str(release.license)), "dest": f"{place}/{release.license_file}"})
        folders += [mount["source"] for mount in value["mounts"]]
        archives.append({"src": str(control.save(item["image"])), "dest": f"/var/tmp/{item['declaration']['name']}.tar"})
    names = sorted(set().union(*runs))
    container = {name: f"{{{{ item.{name} }}}}" for name in names}
    return control.play(
        {"ansible.builtin.file": {"path": "{{ item }}", "state": "directory"}, "loop": folders},
        {"ansible.builtin.copy": {"src": "{{ item.src }}", "dest": "{{ item.dest }}", "mode": "0400"}, "loop": licenses, "no_log": True},
        {"ansible.builtin.copy": {"src": "{{ item.src }}", "dest": "{{ item.dest }}", "mode": "0644"}, "loop": archives, "register": "copied"},
        {"community.docker.docker_image_load": {"path": "{{ item.dest }}"}, "loop": "{{ copied.results | selectattr('changed') | map(attribute='item') }}"},
        {"community.docker.docker_container": container, "loop": runs, "loop_control": {"label": "{{ item.name }}"}},
        become=True,
    )
