# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What manifests say that no other rendering can, and what a cluster does not take."""

from __future__ import annotations

import base64
import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import kubernetes
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.spec import spec
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, declaration, release

IMAGE = Image(b"x")
FOUND = Release.load(release(IMAGE))
ENTRY = _catalog.load()["sentiment"]
FACTS = {
    "image": IMAGE.record,
    "user": {"name": "nonroot", "uid": 65532, "gid": 65533},
    "health": ENTRY["health"],
    "license_file": "license.dat",
    "sets": {},
}
OPTIONS = {
    "namespace": "ns",
    "registry": "registry.example.com/azure-ai",
    "license": "secret",
    "network_policy": True,
    "gpus": 1,
    "storage_class": "",
    "access_mode": "ReadWriteOnce",
    "sizes": {"output": "5Gi", "shared": "10Gi", "state": "1Gi", "license": "2Gi"},
    "pull_secrets": [],
    "cluster_domain": "cluster.local",
    "resolver": "dns.example",
}
SET = "ab" * 32


def value(**changes: t.Any) -> dict[str, t.Any]:
    """The spec of a container, with other values in it where wanted."""
    found = spec(ENTRY, declaration(changes.pop("name", "sent-en"), image=IMAGE), FOUND)
    return {**found, **changes}


def made(found: dict[str, t.Any] | None = None, facts: t.Any = None, **options: t.Any) -> dict[str, dict[str, t.Any]]:
    """Manifests by kind and name; a kind alone where there is one of it."""
    documents = kubernetes.manifests(found or value(), {**FACTS, **(facts or {})}, {**OPTIONS, **options})
    assert {document["metadata"]["namespace"] for document in documents} == {"ns"}
    return {**{document["kind"]: document for document in documents}, **{f"{one['kind']} {one['metadata']['name']}": one for one in documents}}


def pod(found: dict[str, t.Any]) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", found["Deployment"]["spec"]["template"]["spec"])


def mounted(more: dict[str, t.Any], **changes: t.Any) -> dict[str, t.Any]:
    """A spec with one more mount."""
    base = value(**changes)
    return {**base, "mounts": [*base["mounts"], more]}


def test_the_order_is_one_that_a_cluster_can_work_with() -> None:
    kinds = [document["kind"] for document in kubernetes.manifests(value(), FACTS, OPTIONS)]
    assert kinds == ["NetworkPolicy", "PersistentVolumeClaim", "Service", "Deployment"]


def test_the_image_is_named_by_digest_below_the_registry() -> None:
    (container,) = pod(made())["containers"]
    assert container["image"] == f"registry.example.com/azure-ai/azure-cognitive-services/sentiment@{IMAGE.record['manifest']}"


def test_probes_ask_what_the_service_answers() -> None:
    (container,) = pod(made())["containers"]
    assert container["readinessProbe"]["httpGet"] == container["startupProbe"]["httpGet"] == {"path": "/ready", "port": 5000}
    assert container["livenessProbe"]["httpGet"]["path"] == "/status"
    (bare,) = pod(made(facts={"health": {"ready": "/"}}))["containers"]
    assert bare["livenessProbe"]["tcpSocket"] == {"port": 5000} and "httpGet" not in bare["livenessProbe"]


def test_the_license_is_a_secret_of_its_release_in_no_other_manifest() -> None:
    secret = kubernetes.license_secret(value(), FACTS, OPTIONS, b"\0license")
    assert base64.b64decode(secret["data"]["license.dat"]) == b"\0license" and secret["immutable"]
    found = made()
    (volume,) = [volume for volume in pod(found)["volumes"] if "secret" in volume]
    assert (
        volume["secret"] == {"secretName": f"sent-en-license-{FOUND.id}", "defaultMode": 0o440} and secret["metadata"]["name"] == volume["secret"]["secretName"]
    )
    assert "Secret" not in found


def test_a_license_too_large_for_a_secret_is_told() -> None:
    with pytest.raises(InputError, match="kubernetes_license: claim"):
        kubernetes.license_secret(value(), FACTS, OPTIONS, b"x" * (kubernetes.SMALL + 1))


def test_the_license_may_lie_in_a_claim() -> None:
    found = made(license="claim")
    claim = found[f"PersistentVolumeClaim sent-en-license-{FOUND.id}"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "2Gi" and "storageClassName" not in claim["spec"]


def test_a_license_beside_which_the_service_writes_is_no_secret() -> None:
    written = value()
    written["mounts"][0]["read_only"] = False
    with pytest.raises(InputError, match="license of container sent-en: .* set kubernetes_license: claim"):
        made(written)
    mounts = pod(made(written, license="claim"))["containers"][0]["volumeMounts"]
    assert [mount.get("readOnly", False) for mount in mounts if mount["mountPath"] == "/license"] == [False]


def test_root_is_said_to_be_root() -> None:
    context = pod(made(facts={"user": {"uid": 0, "gid": 0}}))["securityContext"]
    assert (context["runAsUser"], context["runAsNonRoot"]) == (0, False)


@pytest.mark.parametrize(("user", "wanted"), [("7:8", (7, 8)), ("7", (7, 0)), (None, (65532, 65533))])
def test_the_catalog_may_name_the_user(user: str | None, wanted: tuple[int, int]) -> None:
    context = pod(made(value(user=user)))["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == wanted


def test_a_user_by_name_is_refused() -> None:
    with pytest.raises(InputError, match="write uid:gid"):
        made(value(user="nonroot"))


@pytest.mark.parametrize(("cpus", "wanted"), [(8, "8"), (1.5, "1500m"), (0.1, "100m"), (2.0, "2")])
def test_cpus(cpus: float, wanted: str) -> None:
    assert pod(made(value(cpus=cpus)))["containers"][0]["resources"]["limits"]["cpu"] == wanted


def test_gpus_are_counted() -> None:
    resources = pod(made(value(gpus="all"), gpus=2))["containers"][0]["resources"]
    assert resources["limits"]["nvidia.com/gpu"] == resources["requests"]["nvidia.com/gpu"] == "2"


def test_models_get_a_claim_that_fits_them() -> None:
    models = {"source": f"/var/lib/azure-ai/models/{SET}", "target": "/models", "read_only": True}
    found = made(mounted(models), {"sets": {SET: {"size": 10 * 1024**3, "files": None}}}, storage_class="slow", access_mode="ReadWriteMany")
    content = found[f"PersistentVolumeClaim models-{SET[:16]}"]["spec"]
    assert content == {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "11Gi"}}, "storageClassName": "slow"}


def test_small_declared_files_travel_in_a_config_map() -> None:
    files = {"source": f"/var/lib/azure-ai/models/{SET}", "target": "/hotfix", "read_only": True}
    found = made(mounted(files), {"sets": {SET: {"size": 3, "files": {"b/c.src": b"\xff\xfe", "a": b"x"}}}})
    data = found["ConfigMap"]["binaryData"]
    (volume,) = [volume for volume in pod(found)["volumes"] if "configMap" in volume]
    assert {item["path"]: base64.b64decode(data[item["key"]]) for item in volume["configMap"]["items"]} == {"b/c.src": b"\xff\xfe", "a": b"x"}


def test_what_a_group_shares_is_one_claim() -> None:
    shared = {"source": "/var/lib/azure-ai/containers/group/shared", "target": "/share", "read_only": False}
    claims = [made(mounted(shared, name=name))["PersistentVolumeClaim group-shared"] for name in ("group", "group-layout")]
    assert claims[0] == claims[1] and claims[0]["spec"]["resources"]["requests"]["storage"] == "10Gi"


def test_without_state_two_may_overlap() -> None:
    assert made()["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}
    assert made(value(mounts=[]))["Deployment"]["spec"]["strategy"] == {"type": "RollingUpdate"}


def test_ways_out() -> None:
    assert made()["NetworkPolicy"]["spec"]["egress"] == []
    kin, names = made(value(network="azure-ai"))["NetworkPolicy"]["spec"]["egress"]
    assert kin == {"to": [{"podSelector": {"matchLabels": {"airgap.azure_ai.network": "azure-ai"}}}]}
    assert {port["port"] for port in names["ports"]} == {53}
    assert "NetworkPolicy" not in made(network_policy=False)


def test_the_selector_outlives_a_release() -> None:
    other = value(labels={**value()["labels"], "airgap.azure_ai.release": "0" * 16, "airgap.azure_ai.spec": "1" * 16})
    assert made(other)["Deployment"]["spec"]["selector"] == made()["Deployment"]["spec"]["selector"]


def test_a_config_file_names_services_in_full() -> None:
    text = "resolver 127.0.0.11 valid=5s; a http://x-custom:5000; b http://x-layout:5000/p; c http://10.0.0.1:1; d http://a.example:1; e $scheme://$http_host;"
    wanted = "resolver dns.example valid=5s; a http://x-custom.ns.svc.cluster.local:5000; b http://x-layout.ns.svc.cluster.local:5000/p; "
    assert kubernetes.config_text(text, OPTIONS) == wanted + "c http://10.0.0.1:1; d http://a.example:1; e $scheme://$http_host;"


def test_a_changed_config_file_is_another_config_map() -> None:
    def named(text: str) -> str:
        source = "/var/lib/azure-ai/containers/sent-en/config/0"
        found = mounted({"source": source, "target": "/etc/x", "read_only": True}, config=[{"source": source, "target": "/etc/x", "text": text}])
        return str(made(found)["ConfigMap"]["metadata"]["name"])

    assert named("a") != named("b") and named("a") == named("a")


def test_long_names_stay_labels_and_apart() -> None:
    names = {kubernetes.claim_name(f"/var/lib/azure-ai/containers/{'a' * 62}{end}/output") for end in "bc"}
    assert len(names) == 2 and all(kubernetes.is_dns_label(name) for name in names)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (value(name="0stt"), "begins with a letter"),
        (value(env={"a b": "x"}), "setting a b has a name that Kubernetes does not take"),
        (value(mounts=[{"source": "/elsewhere", "target": "/x", "read_only": False}]), "no place that a claim can stand for"),
    ],
)
def test_what_a_cluster_does_not_take(found: dict[str, t.Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        made(found)
