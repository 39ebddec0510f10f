# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One spec as Kubernetes manifests: pure functions of the spec, of facts about image and files, and of options of the cluster.

facts
    image {repository, tag, manifest}, user {uid, gid} (the image's own), health (of the entry), license_file,
    sets {hex: {size (bytes), files ({path: bytes} for a set that fits into a ConfigMap, else None)}}.
options
    namespace, registry, license ("secret" | "claim"), network_policy, gpus (how many "all" are), storage_class ("" for the
    cluster's default), access_mode, sizes {output, shared, state, license}, pull_secrets, cluster_domain, resolver (name of the
    cluster's name server).

This file is private to the collection.
"""

from __future__ import annotations

import base64
import hashlib
import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import LABEL_PREFIX, is_dns_label
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.spec import DEFAULT_ROOT

APP = "app.kubernetes.io/"
NETWORK_LABEL = LABEL_PREFIX + "network"
MANAGED_BY = "airgap.azure_ai"
PART_OF = "azure-ai"
SMALL = 512 * 1024  # bytes; a ConfigMap and a Secret may hold 1 MiB, what is around them included
_GPU = "nvidia.com/gpu"
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")  # what clusters before 1.30 take
_LICENSE = re.compile(r"containers/[^/]+/releases/[0-9a-f]{16}/license")
_FOLDER = re.compile(r"containers/([^/]+)/([^/]+)(?:/(.+))?")
_SET = re.compile(r"models/([0-9a-f]{64})")
_STARTING = {"periodSeconds": 10, "failureThreshold": 180}  # half an hour: models of several GB are read from a claim
_DNS_PORTS = ({"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53})
_GIB = 1024**3
_DOCKER_DNS = "127.0.0.11"
_HOST = re.compile(r"(?<=://)[a-z0-9-]*[a-z][a-z0-9-]*(?=[:/\s;}]|$)")  # a bare name in a URL

Json = dict[str, t.Any]
Spec = t.Mapping[str, t.Any]
Facts = t.Mapping[str, t.Any]
Options = t.Mapping[str, t.Any]


def manifests(spec: Spec, facts: Facts, options: Options, root: str = DEFAULT_ROOT) -> list[Json]:
    """Everything of one container but its license, in the order in which a cluster wants it.

    :param root: the root that the spec was made with
    :raises InputError: something in the spec that a cluster does not take, named in words.
    """
    if not spec["name"][0].isalpha():
        raise InputError(f"container {spec['name']}", "a Service's name begins with a letter", "rename the container")
    parts = [_volume(spec, facts, options, root, mount) for mount in spec["mounts"]]
    made = {(item["kind"], item["metadata"]["name"]): item for _mount, _volume_, item in parts if item is not None}
    volumes = {volume["name"]: volume for _mount, volume, _item in parts}
    policy = [_network_policy(spec, facts, options)] if options["network_policy"] else []
    template = {"metadata": {"labels": _labels(spec, facts)}, "spec": _pod(spec, facts, options, [mount for mount, _volume_, _item in parts], volumes)}
    return [*policy, *made.values(), _service(spec, facts, options), _deployment(spec, facts, options, template)]


def license_secret(spec: Spec, facts: Facts, options: Options, data: bytes) -> Json:
    """The Secret with a container's license; one per release, so that the former one's stays for a way back."""
    if len(data) > SMALL:
        raise InputError(f"license of container {spec['name']}", f"{len(data)} bytes, too large for a Secret", "set kubernetes_license: claim")
    content = {facts["license_file"]: base64.b64encode(data).decode("ascii")}
    head = _object("v1", "Secret", license_name(spec), options, _labels(spec, facts))
    return {**head, "type": "Opaque", "immutable": True, "data": content}


def license_name(spec: Spec) -> str:
    """Name of the Secret or claim that holds the license."""
    return _name(spec["name"], "license-" + spec["labels"][LABEL_PREFIX + "release"])


def claim_name(source: str, root: str = DEFAULT_ROOT) -> str:
    """Name of the claim that stands for a folder of a host: what several containers share there they share here."""
    relative = _below(source, root)
    found = _SET.fullmatch(relative)
    if found:
        return f"models-{found[1][:16]}"
    folder = _FOLDER.fullmatch(relative)
    if not folder:
        raise InputError(f"folder {source}", "no place that a claim can stand for", "report it")
    return _name(folder[1], _dns("-".join(part for part in folder.groups()[1:] if part)))


def environment(spec: Spec) -> list[dict[str, str]]:
    """``:`` in names becomes ``__``; a cluster fills ``$(x)`` in, so every ``$`` is doubled."""
    result = []
    for name, value in spec["env"].items():
        spelled = name.replace(":", "__")
        if not _ENV_NAME.fullmatch(spelled):
            raise InputError(f"container {spec['name']}", f"setting {name} has a name that Kubernetes does not take", "use letters, digits, _ . - and :")
        result.append({"name": spelled, "value": value.replace("$", "$$")})
    return result


def config_text(text: str, options: Options) -> str:
    """A config file for a cluster: its name server instead of Docker's, which knows containers by their Services' full names alone."""
    return _HOST.sub(rf"\g<0>.{options['namespace']}.svc.{options['cluster_domain']}", text.replace(_DOCKER_DNS, options["resolver"]))


def user(spec: Spec, facts: Facts) -> tuple[int, int]:
    """uid and gid: the spec's where it names one, else the image's."""
    if spec["user"] is None:
        return facts["user"]["uid"], facts["user"]["gid"]
    uid, _colon, gid = str(spec["user"]).partition(":")
    if not uid.isdigit() or not (gid or "0").isdigit():
        raise InputError(f"container {spec['name']}", f"user {spec['user']} is not made of numbers", "write uid:gid in the catalog entry")
    return int(uid), int(gid or 0)


def _deployment(spec: Spec, facts: Facts, options: Options, template: Json) -> Json:
    # Two pods on one output folder would write one another's usage records: the old one goes before the new one comes.
    keeps_state = any(not mount["read_only"] for mount in spec["mounts"])
    content = {
        "replicas": 1,
        "strategy": {"type": "Recreate" if keeps_state else "RollingUpdate"},
        "progressDeadlineSeconds": _STARTING["periodSeconds"] * _STARTING["failureThreshold"] + 600,
        "selector": {"matchLabels": _selector(spec)},
        "template": template,
    }
    return {**_object("apps/v1", "Deployment", spec["name"], options, _labels(spec, facts)), "spec": content}


def _pod(spec: Spec, facts: Facts, options: Options, mounts: list[Json], volumes: t.Mapping[str, Json]) -> Json:
    uid, gid = user(spec, facts)
    container = {
        "name": spec["name"],
        "image": f"{options['registry'].rstrip('/')}/{facts['image']['repository']}@{facts['image']['manifest']}",
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": port["container_port"], "protocol": "TCP"} for port in spec["ports"][:1]],
        "env": environment(spec),
        "resources": _resources(spec, options),
        "securityContext": {
            "allowPrivilegeEscalation": "no-new-privileges:true" not in spec["security_opt"],
            "capabilities": {"drop": list(spec["cap_drop"])},
        },
        **_probes(spec, facts),
        "volumeMounts": mounts,
    }
    pod: Json = {
        "hostname": spec["hostname"],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Always",
        "securityContext": {
            "runAsUser": uid,
            "runAsGroup": gid,
            "runAsNonRoot": uid != 0,
            "fsGroup": gid,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": list(volumes.values()),
    }
    if options["pull_secrets"]:
        pod["imagePullSecrets"] = [{"name": name} for name in options["pull_secrets"]]
    return pod


def _resources(spec: Spec, options: Options) -> Json:
    """Requests equal limits, so that the pod has what it was promised and is the last to be evicted."""
    milli = round(float(spec["cpus"]) * 1000)
    amounts = {"cpu": str(milli // 1000) if milli % 1000 == 0 else f"{milli}m", "memory": str(spec["memory"])}
    if spec["gpus"] is not None:
        amounts[_GPU] = str(options["gpus"])
    return {"requests": dict(amounts), "limits": amounts}


def _probes(spec: Spec, facts: Facts) -> Json:
    """Ready is asked by startup and readiness probe, status by the liveness probe; a service without a path is only connected to."""
    port = spec["ports"][0]["container_port"]

    def asked(path: str | None) -> Json:
        return {"httpGet": {"path": path, "port": port}, "timeoutSeconds": 5} if path else {"tcpSocket": {"port": port}}

    ready, status = facts["health"].get("ready"), facts["health"].get("status")
    return {
        "startupProbe": {**asked(ready), **_STARTING},
        "readinessProbe": {**asked(ready), "periodSeconds": 10, "failureThreshold": 3},
        "livenessProbe": {**asked(status), "periodSeconds": 20, "failureThreshold": 6},
    }


def _service(spec: Spec, facts: Facts, options: Options) -> Json:
    """Named as the container is, on the container's port: http://<name>:5000 holds in the namespace as it does on a host."""
    port = spec["ports"][0]["container_port"]
    content = {"type": "ClusterIP", "selector": _selector(spec), "ports": [{"name": "http", "port": port, "targetPort": port, "protocol": "TCP"}]}
    return {**_object("v1", "Service", spec["name"], options, _labels(spec, facts)), "spec": content}


def _network_policy(spec: Spec, facts: Facts, options: Options) -> Json:
    """No way out. Members of the network azure-ai reach one another, as on its bridge, and the cluster's name server to find them."""
    egress: list[Json] = []
    if spec["network"] is not None:
        system = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
        egress = [
            {"to": [{"podSelector": {"matchLabels": {NETWORK_LABEL: spec["network"]}}}]},
            {"to": [system], "ports": list(_DNS_PORTS)},
        ]
    content = {"podSelector": {"matchLabels": _selector(spec)}, "policyTypes": ["Egress"], "egress": egress}
    return {**_object("networking.k8s.io/v1", "NetworkPolicy", spec["name"], options, _labels(spec, facts)), "spec": content}


def _volume(spec: Spec, facts: Facts, options: Options, root: str, mount: t.Mapping[str, t.Any]) -> tuple[Json, Json, t.Optional[Json]]:
    """(volumeMount, volume, the object behind it or None when it is in a file of its own)."""
    relative = _below(mount["source"], root)
    texts = {item["source"]: item["text"] for item in spec["config"]}
    target: Json = {"mountPath": mount["target"], "readOnly": mount["read_only"]}
    if mount["source"] in texts:
        return _config(spec, facts, options, target, texts[mount["source"]])
    if _LICENSE.fullmatch(relative):
        return _license(spec, facts, options, target)
    found = _SET.fullmatch(relative)
    if found:
        return _set(facts, options, target, found[1])
    name, folder = claim_name(mount["source"], root), _FOLDER.fullmatch(relative)
    return _claimed(target, name, _claim(name, str(options["sizes"][folder[2] if folder and folder[2] in options["sizes"] else "state"]), options))


def _license(spec: Spec, facts: Facts, options: Options, target: Json) -> tuple[Json, Json, t.Optional[Json]]:
    name = license_name(spec)
    if options["license"] == "claim":
        return _claimed(target, name, _claim(name, str(options["sizes"]["license"]), options, _labels(spec, facts)))
    if not target["readOnly"]:
        raise InputError(f"license of container {spec['name']}", "its service wants to write beside it, which no Secret bears", "set kubernetes_license: claim")
    # Readable by the group that fsGroup gives the files to, and by nobody else.
    return {"name": "license", **target}, {"name": "license", "secret": {"secretName": name, "defaultMode": 0o440}}, None


def _config(spec: Spec, facts: Facts, options: Options, target: Json, written: str) -> tuple[Json, Json, Json]:
    text = config_text(written, options)
    name = _name(spec["name"], f"config-{hashlib.sha256(text.encode('utf-8')).hexdigest()[:8]}")
    head = _object("v1", "ConfigMap", name, options, _labels(spec, facts))
    return {"name": name, **target, "subPath": "text"}, {"name": name, "configMap": {"name": name}}, {**head, "immutable": True, "data": {"text": text}}


def _set(facts: Facts, options: Options, target: Json, digest: str) -> tuple[Json, Json, Json]:
    """A model set or declared files: a claim to be filled by hand, or a ConfigMap where they are small and at hand."""
    about, name = facts["sets"][digest], f"models-{digest[:16]}"
    if about["files"] is None:
        gib = -(-about["size"] * 11 // (10 * _GIB))  # a tenth for the file system, rounded up
        return _claimed(target, name, _claim(name, f"{max(gib, 1)}Gi", options))
    keys = {path: f"file-{place}" for place, path in enumerate(sorted(about["files"]))}
    content = {key: base64.b64encode(about["files"][path]).decode("ascii") for path, key in keys.items()}
    volume = {"name": name, "configMap": {"name": name, "items": [{"key": key, "path": path} for path, key in keys.items()]}}
    return {"name": name, **target}, volume, {**_object("v1", "ConfigMap", name, options, _shared_labels()), "immutable": True, "binaryData": content}


def _claimed(target: Json, name: str, claim: Json) -> tuple[Json, Json, Json]:
    return {"name": name, **target}, {"name": name, "persistentVolumeClaim": {"claimName": name}}, claim


def _claim(name: str, size: str, options: Options, labels: t.Optional[Json] = None) -> Json:
    # Labels of no single container: a claim may be that of several, and its labels must not change with every release.
    content: Json = {"accessModes": [options["access_mode"]], "resources": {"requests": {"storage": size}}}
    if options["storage_class"]:
        content["storageClassName"] = options["storage_class"]
    return {**_object("v1", "PersistentVolumeClaim", name, options, labels or _shared_labels()), "spec": content}


def _object(version: str, kind: str, name: str, options: Options, labels: Json) -> Json:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": options["namespace"], "labels": dict(labels)}}


def _selector(spec: Spec) -> dict[str, str]:
    """What never changes while a container keeps its name: a Deployment's selector cannot."""
    return {APP + "instance": spec["name"], APP + "part-of": PART_OF}


def _shared_labels() -> dict[str, str]:
    return {APP + "part-of": PART_OF, APP + "managed-by": MANAGED_BY}


def _labels(spec: Spec, facts: Facts) -> dict[str, str]:
    labels = {
        APP + "name": spec["labels"][LABEL_PREFIX + "service"],
        APP + "version": facts["image"]["tag"][:63].rstrip("-_."),
        **_selector(spec),
        APP + "managed-by": MANAGED_BY,
        **spec["labels"],
    }
    return {**labels, NETWORK_LABEL: spec["network"]} if spec["network"] is not None else labels


def _below(path: str, root: str) -> str:
    return path[len(root.rstrip("/")) + 1 :]


def _dns(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _name(first: str, suffix: str) -> str:
    """``<first>-<suffix>`` as a DNS label; where it is too long, part of a hash stands for what is cut off."""
    name = f"{first}-{suffix}"
    if is_dns_label(name):
        return name
    short = hashlib.sha256(name.encode("utf-8")).hexdigest()[:8]
    return f"{_dns(name)[:54].rstrip('-')}-{short}"
