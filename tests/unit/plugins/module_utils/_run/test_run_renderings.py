# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Four renderings of one spec say the same, whatever service, options and settings somebody declares."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import kubernetes, render
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _kubernetes
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run import readings
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.wishes import ROOT, SERVICES, Wish, wishes

USERS = st.sampled_from([(0, 0), (65532, 65532), (1000, 0)])
# Drawing a group's options takes its time on a machine that does other things as well.
PATIENT = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def options(**changes: t.Any) -> dict[str, t.Any]:
    """Options of a cluster."""
    dns = {"cluster_domain": "cluster.local", "resolver": "kube-dns.kube-system.svc.cluster.local"}
    sizes = {"output": "5Gi", "shared": "10Gi", "state": "1Gi", "license": "1Gi"}
    base = {"namespace": "azure-ai", "registry": "registry.example.com/azure-ai/", "license": "secret", "network_policy": True, "gpus": 1}
    return {**base, "storage_class": "", "access_mode": "ReadWriteOnce", "sizes": sizes, "pull_secrets": [], **dns, **changes}


def facts(wish: Wish, user: tuple[int, int], small: bool) -> dict[str, t.Any]:
    """What the control node knows of an image that does not exist."""
    sets = {digest[7:]: {"size": 10**9, "files": None} for digest in (wish.release.models, wish.release.files) if digest}
    if small and wish.release.files:
        sets[wish.release.files[7:]] = {"size": 3, "files": {"a.txt": b"abc", "b/c.txt": b"d"}}
    image = {"repository": wish.entry["repository"], "tag": wish.declaration["tag"], "manifest": wish.release.image}
    return {"image": image, "user": {"uid": user[0], "gid": user[1]}, "health": wish.entry["health"], "license_file": "license.dat", "sets": sets}


@pytest.mark.parametrize("service", SERVICES)
@PATIENT
@given(data=st.data())
def test_the_four_renderings_agree(service: str, data: st.DataObject) -> None:
    user = data.draw(USERS)
    for wish in data.draw(wishes(service)):
        value, image_user = wish.spec, readings.user(None, user)
        wanted = readings.of_spec(value, ROOT, image_user)
        assert readings.of_arguments(render.docker_container(value), value, ROOT, image_user) == wanted
        assert readings.of_compose(render.compose_text(value), value, ROOT, image_user) == wanted
        assert readings.of_docker_run(render.docker_run(value), value, ROOT, image_user) == wanted
        chosen = options(license=data.draw(st.sampled_from(["secret", "claim"])))
        made = kubernetes.manifests(value, facts(wish, user, data.draw(st.booleans())), chosen, ROOT)
        wanted.pop("published")  # a Service has a name of its own where a host has an address and a port
        assert readings.of_kubernetes(_kubernetes.text(made), wish.entry["repository"]) == wanted


@pytest.mark.parametrize("service", SERVICES)
@PATIENT
@given(data=st.data())
def test_names_are_labels_and_links_lead_to_services(service: str, data: st.DataObject) -> None:
    found = data.draw(wishes(service))
    services = set()
    documents = []
    for wish in found:
        made = kubernetes.manifests(wish.spec, facts(wish, (0, 0), False), options(), ROOT)
        documents += made
        services |= {(one["metadata"]["name"], one["spec"]["ports"][0]["port"]) for one in made if one["kind"] == "Service"}
    assert all(kubernetes.is_dns_label(one["metadata"]["name"]) for one in documents)
    for url in [url for wish in found for url in wish.declaration["links"].values()]:
        name, _colon, port = url.partition("//")[2].partition("/")[0].partition(":")
        assert (name, int(port)) in services
