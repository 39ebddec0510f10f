# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A spec and its four renderings read back into one form that knows no engine: what differs there differs in what runs.

The form: name, hostname, image (16 hex), env (names as Kubernetes spells them), places ({target: (what, read only)}), port,
cpus, memory, user (uid, gid), gpus, network, labels, cap_drop, no_new_privileges, restarts, and for Docker alone published.
"""

from __future__ import annotations

import argparse
import base64
import csv
import re
import shlex
import typing as t

import yaml

Json = dict[str, t.Any]
OURS = "airgap.azure_ai."
SINGLE = ("pull", "name", "hostname", "cpus", "memory", "restart", "log-driver", "network", "gpus", "user")
SEVERAL = ("env", "mount", "publish", "security-opt", "cap-drop", "label", "log-opt")


def of_spec(spec: Json, root: str, image_user: tuple[int, int]) -> Json:
    """The spec itself."""
    (port,) = spec["ports"]
    return {
        "name": spec["name"],
        "hostname": spec["hostname"],
        "image": spec["image"].rpartition(":")[2],
        "env": folded(spec["env"]),
        "places": places(spec["mounts"], spec, root),
        "port": port["container_port"],
        "cpus": float(spec["cpus"]),
        "memory": spec["memory"],
        "user": user(spec["user"], image_user),
        "gpus": spec["gpus"] is not None,
        "network": spec["network"],
        "labels": spec["labels"],
        "cap_drop": spec["cap_drop"],
        "no_new_privileges": "no-new-privileges:true" in spec["security_opt"],
        "restarts": spec["restart"] != "no",
        "published": (port["host_ip"], port["host_port"]),
    }


def of_arguments(found: Json, spec: Json, root: str, image_user: tuple[int, int]) -> Json:
    """Arguments of docker_container."""
    assert (found["pull"], found["state"], found["image_name_mismatch"]) == ("never", "started", "recreate")
    assert all(mount["type"] == "bind" for mount in found["mounts"])
    assert found.get("network_mode") == (found["networks"][0]["name"] if "networks" in found else None)
    (published,) = found["published_ports"]
    requests = found.get("device_requests")
    assert requests in (None, [{"count": -1, "capabilities": [["gpu"]]}])
    return _docker(
        {
            "name": found["name"],
            "hostname": found["hostname"],
            "image": found["image"],
            "env": found["env"],
            "mounts": found["mounts"],
            "published": published,
            "cpus": found["cpus"],
            "memory": found["memory"],
            "user": found.get("user"),
            "gpus": requests is not None,
            "network": found.get("network_mode"),
            "labels": found["labels"],
            "cap_drop": found["cap_drop"],
            "security": found["security_opts"],
            "restart": found["restart_policy"],
        },
        spec,
        root,
        image_user,
    )


def of_compose(text: str, spec: Json, root: str, image_user: tuple[int, int]) -> Json:
    """A compose file."""
    return of_compose_data(yaml.safe_load(text), spec, root, image_user)


def of_compose_data(data: Json, spec: Json, root: str, image_user: tuple[int, int]) -> Json:
    """A compose file's content."""
    whole = undoubled(data)
    ((name, found),) = whole["services"].items()
    assert found["pull_policy"] == "never" and name == found["container_name"]
    assert all(mount["type"] == "bind" for mount in found["volumes"])
    networks = found.get("networks", [])
    assert whole.get("networks", {}) == {network: {"external": True} for network in networks}
    devices = found.get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices", [])
    assert devices in ([], [{"count": "all", "capabilities": ["gpu"]}])
    (port,) = found["ports"]
    address = f"[{port['host_ip']}]" if ":" in port["host_ip"] else port["host_ip"]
    return _docker(
        {
            "name": name,
            "hostname": found["hostname"],
            "image": found["image"],
            "env": found["environment"],
            "mounts": found["volumes"],
            "published": f"{address}:{port['published']}:{port['target']}",
            "cpus": found["cpus"],
            "memory": found["mem_limit"],
            "user": found.get("user"),
            "gpus": bool(devices),
            "network": networks[0] if networks else None,
            "labels": found["labels"],
            "cap_drop": found["cap_drop"],
            "security": found["security_opt"],
            "restart": found["restart"],
        },
        spec,
        root,
        image_user,
    )


def of_docker_run(line: str, spec: Json, root: str, image_user: tuple[int, int]) -> Json:
    """A docker run line."""
    words = shlex.split(line)
    assert words[:2] == ["docker", "run"]
    parser = argparse.ArgumentParser()
    for single in SINGLE:
        parser.add_argument(f"--{single}")
    for several in SEVERAL:
        parser.add_argument(f"--{several}", action="append", default=[])
    parser.add_argument("--detach", action="store_true")
    parser.add_argument("image")
    found = parser.parse_args(_tied(words[2:]))
    assert found.detach and found.pull == "never" and found.gpus in (None, "all")
    (published,) = found.publish
    return _docker(
        {
            **{key: getattr(found, key) for key in ("name", "hostname", "image", "cpus", "memory", "user", "network", "cap_drop", "restart")},
            "env": _pairs(found.env),
            "mounts": [_mount(text) for text in found.mount],
            "published": published,
            "gpus": found.gpus is not None,
            "labels": _pairs(found.label),
            "security": found.security_opt,
        },
        spec,
        root,
        image_user,
    )


def of_kubernetes(text: str, repository: str) -> Json:
    """Manifests of one container; what they must be for every container is held here."""
    documents = list(yaml.safe_load_all(text))
    kinds: dict[str, dict[str, Json]] = {}
    for document in documents:
        assert document["metadata"]["name"] not in kinds.setdefault(document["kind"], {}), "one object of one kind and name"
        kinds[document["kind"]][document["metadata"]["name"]] = document
    ((name, deployment),) = kinds["Deployment"].items()
    template = deployment["spec"]["template"]
    pod = template["spec"]
    (found,) = pod["containers"]
    ((service_name, service),) = kinds["Service"].items()
    (port,) = service["spec"]["ports"]
    (own,) = found["ports"]
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert service_name == name == found["name"] and service["spec"]["selector"] == selector
    assert selector.items() <= template["metadata"]["labels"].items() and port["port"] == port["targetPort"] == own["containerPort"]
    assert (deployment["spec"]["replicas"], pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (1, False, False)
    resources = found["resources"]
    assert resources["limits"] == resources["requests"]
    held = _places(pod["volumes"], found["volumeMounts"], kinds)
    writes = any(not read_only for _what, read_only in held.values())
    assert deployment["spec"]["strategy"] == {"type": "Recreate" if writes else "RollingUpdate"}
    image, digest = found["image"].split("@sha256:")
    assert image == f"registry.example.com/azure-ai/{repository}"
    whole, own_security = pod["securityContext"], found["securityContext"]
    assert whole["runAsNonRoot"] == (whole["runAsUser"] != 0) and whole["fsGroup"] == whole["runAsGroup"]
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"} and "privileged" not in own_security
    labels = template["metadata"]["labels"]
    assert labels == deployment["metadata"]["labels"]
    network = labels.get(f"{OURS}network")
    assert _ways_out(kinds["NetworkPolicy"][name], selector) == network
    return {
        "name": name,
        "hostname": pod["hostname"],
        "image": digest[:16],
        "env": {item["name"]: undoubled(item["value"]) for item in found["env"]},
        "places": held,
        "port": port["port"],
        "cpus": int(resources["limits"]["cpu"][:-1]) / 1000 if resources["limits"]["cpu"].endswith("m") else float(resources["limits"]["cpu"]),
        "memory": int(resources["limits"]["memory"]),
        "user": (whole["runAsUser"], whole["runAsGroup"]),
        "gpus": "nvidia.com/gpu" in resources["limits"],
        "network": network,
        "labels": {key: value for key, value in labels.items() if key.startswith(OURS) and key != f"{OURS}network"},
        "cap_drop": own_security["capabilities"]["drop"],
        "no_new_privileges": not own_security["allowPrivilegeEscalation"],
        "restarts": pod["restartPolicy"] == "Always",
    }


def folded(env: t.Mapping[str, str]) -> dict[str, str]:
    """Environment with names as Kubernetes takes them."""
    result = {name.replace(":", "__"): value for name, value in env.items()}
    assert len(result) == len(env)
    return result


def places(mounts: t.Sequence[Json], spec: Json, root: str) -> dict[str, tuple[t.Any, bool]]:
    """What lies where in the container, from folders of a host."""
    texts = {item["source"]: item["text"] for item in spec["config"]}

    def what(source: str) -> tuple[str, ...]:
        if source in texts:
            return "text", texts[source]
        kind, name, *rest = source[len(root) + 1 :].split("/")
        if kind == "models":
            return "set", name[:16]
        if rest[0] == "releases":
            return "license", name, rest[1]
        return "folder", "-".join([name, *rest]).replace("_", "-").lower()

    return {mount["target"]: (what(mount["source"]), mount["read_only"]) for mount in mounts}


def user(named: str | None, image_user: tuple[int, int]) -> tuple[int, int]:
    """uid and gid of what runs: Docker takes the image's where nobody names one."""
    if named is None:
        return image_user
    uid, gid = named.split(":")
    return int(uid), int(gid)


def undoubled(value: t.Any) -> t.Any:
    """Compose and Kubernetes read ``$$`` as ``$``."""
    if isinstance(value, str):
        assert value.replace("$$", "").count("$") == 0, "nothing is filled in"
        return value.replace("$$", "$")
    if isinstance(value, dict):
        return {key: undoubled(item) for key, item in value.items()}
    return [undoubled(item) for item in value] if isinstance(value, list) else value


def _docker(found: Json, spec: Json, root: str, image_user: tuple[int, int]) -> Json:
    address, host_port, port = re.fullmatch(r"(\[.+\]|[^\[]+):(\d+):(\d+)", found["published"]).groups()
    same = {key: found[key] for key in ("name", "hostname", "gpus", "network", "labels", "cap_drop")}
    return {
        **same,
        "image": found["image"].rpartition(":")[2],
        "env": folded(found["env"]),
        "places": places(found["mounts"], spec, root),
        "port": int(port),
        "cpus": float(found["cpus"]),
        "memory": int(found["memory"]),
        "user": user(found["user"], image_user),
        "no_new_privileges": "no-new-privileges:true" in found["security"],
        "restarts": found["restart"] == "unless-stopped",
        "published": (address.strip("[]"), int(host_port)),
    }


def _places(volumes: t.Sequence[Json], mounts: t.Sequence[Json], kinds: t.Mapping[str, t.Mapping[str, Json]]) -> dict[str, tuple[t.Any, bool]]:
    """What lies where in the container, from volumes; each must be there."""
    named = {volume["name"]: volume for volume in volumes}
    assert len(named) == len(volumes) and set(named) == {mount["name"] for mount in mounts}

    def what(volume: Json, part: str | None) -> tuple[str, ...]:
        if "secret" in volume:
            name, _word, release = volume["secret"]["secretName"].rpartition("-license-")
            return "license", name, release
        if "configMap" in volume:
            found = kinds["ConfigMap"][volume["configMap"]["name"]]
            if part is not None:
                # Names of Services in full, and the cluster's name server, stand for what a bridge network has.
                return "text", found["data"][part].replace(".azure-ai.svc.cluster.local", "").replace("kube-dns.kube-system.svc.cluster.local", "127.0.0.11")
            assert {item["key"] for item in volume["configMap"]["items"]} == set(found["binaryData"])
            assert all(base64.b64decode(data) for data in found["binaryData"].values())
            return "set", found["metadata"]["name"].removeprefix("models-")
        claim = volume["persistentVolumeClaim"]["claimName"]
        assert kinds["PersistentVolumeClaim"][claim]["spec"]["resources"]["requests"]["storage"].endswith("Gi")
        name, _word, release = claim.rpartition("-license-")
        if name:
            return "license", name, release
        return ("set", claim[7:]) if re.fullmatch(r"models-[0-9a-f]{16}", claim) else ("folder", claim)

    return {mount["mountPath"]: (what(named[mount["name"]], mount.get("subPath")), mount["readOnly"]) for mount in mounts}


def _ways_out(policy: Json, selector: Json) -> str | None:
    """The network that a policy lets a container speak to, None where it lets none; anything else fails."""
    assert policy["spec"]["podSelector"] == {"matchLabels": selector} and policy["spec"]["policyTypes"] == ["Egress"]
    if not policy["spec"]["egress"]:
        return None
    kin, names = policy["spec"]["egress"]
    assert {port["port"] for port in names["ports"]} == {53}
    (target,) = kin["to"]
    (label,) = target["podSelector"]["matchLabels"].items()
    assert label[0] == f"{OURS}network" and set(target) == {"podSelector"}
    return label[1]


def _tied(words: list[str]) -> list[str]:
    """argparse takes no value that begins with a hyphen unless it is tied to its option."""
    found, rest = [], iter(words)
    for word in rest:
        found.append(f"{word}={next(rest)}" if word.startswith("--") and word != "--detach" else word)
    return found


def _pairs(texts: list[str]) -> dict[str, str]:
    return dict(text.split("=", 1) for text in texts)


def _mount(text: str) -> Json:
    (fields,) = csv.reader([text])
    values = dict(field.split("=", 1) for field in fields if "=" in field)
    assert values["type"] == "bind"
    return {**values, "read_only": "readonly" in fields}
