# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests against the schemas that Kubernetes published, the playbook through Ansible, and images out of the store as the guide says."""

from __future__ import annotations

import gzip
import json
import os
import stat
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from kubernetes_validate.utils import ValidationError, validate

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings, registry
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import kubernetes
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _kubernetes
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import PASSWD, tar
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.test_run_renderings import facts, options
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.wishes import ROOT
from tests.integration import samples

VERSIONS = ("1.27", "1.34")
WISHES = samples.plainest()
CANARY = "LICENSE-CANARY"


def documents(name: str, **changes: t.Any) -> list[dict[str, t.Any]]:
    """Manifests and license of a service's simplest container, as a reader of YAML sees them."""
    wish = WISHES[name]
    about, chosen = facts(wish, (65532, 65532), small=True), options(**changes)
    made = kubernetes.manifests(samples.nasty(wish.spec), about, chosen, ROOT)
    made.append(kubernetes.license_secret(wish.spec, about, chosen, b"\0license"))
    return list(yaml.safe_load_all(_kubernetes.text(made)))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", WISHES)
def test_manifests_keep_to_the_published_schemas(name: str, version: str) -> None:
    for document in [*documents(name), *documents(name, license="claim", pull_secrets=["pull"], storage_class="slow", access_mode="ReadWriteMany")]:
        assert validate(document, version, strict=True) == version


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_would_have_refused(version: str) -> None:
    *_rest, deployment, _secret = documents("sentiment/no")
    for wrong in ({"replicas": "one"}, {"replica": 1}):
        with pytest.raises(ValidationError):
            validate({**deployment, "spec": {**deployment["spec"], **wrong}}, version, strict=True)


def add_image(store: Store) -> dict[str, t.Any]:
    """Put an image of one real layer, which knows its user, into the store; return its record."""
    layer = gzip.compress(tar({"etc/passwd": PASSWD.encode()}))
    config = json.dumps(
        {"os": "linux", "architecture": "amd64", "config": {"User": "nonroot"}, "rootfs": {"type": "layers", "diff_ids": [kit.sha(b"")]}}
    ).encode()
    kinds = {"config": "application/vnd.docker.container.image.v1+json", "layer": "application/vnd.docker.image.rootfs.diff.tar.gzip"}
    parts = [{"mediaType": kinds[kind], "size": len(data), "digest": str(store.put_bytes(data))} for kind, data in (("config", config), ("layer", layer))]
    manifest = json.dumps({"schemaVersion": 2, "mediaType": registry.DOCKER_MANIFEST, "config": parts[0], "layers": parts[1:]}).encode()
    store.put_bytes(manifest)
    record = registry.image_record("speech_to_text", kit.REPOSITORY, "4.9.0-amd64-en-us", manifest, config, kit.NOW)
    with store.changing() as held:
        holdings.add_image(held, record)
    return record


@pytest.fixture
def control(tmp_path: Path) -> Path:
    """A control folder with a store that holds one release, its vault password, and an inventory of two hosts with one container."""
    store = Store(str(tmp_path / "store")).create()
    secret = VaultSecret(b"password")
    ciphertext = VaultLib([("plant-7", secret)]).encrypt(CANARY.encode(), secret, "plant-7")
    kit.add_release(store, add_image(store), ciphertext=ciphertext, expires="2099-12-31")
    (tmp_path / "password").write_text("password")
    container = {"name": "stt-en", "service": "speech_to_text", "tag": "4.9.0-amd64-en-us", "port": 5001, "resource": "speech-dc0"}
    variables = {"azure_ai_containers": [container], "azure_ai_home": str(tmp_path), "azure_ai_site": "plant-7"}
    cluster = {"kubernetes_registry": "registry.example.com/azure-ai", "kubernetes_namespace": "{{ inventory_hostname }}"}
    hosts = {"azure_ai_hosts": {"hosts": {"c1": {}, "c2": {}}, "vars": {**variables, **cluster}}}
    (tmp_path / "hosts.yml").write_text(json.dumps(hosts))
    return tmp_path


def play(control: Path, *argv: str) -> tuple[int, str]:
    """Exit status and all that the playbook said."""
    command = ["ansible-playbook", "airgap.azure_ai.kubernetes", "-i", str(control / "hosts.yml"), "--vault-id", f"plant-7@{control / 'password'}", *argv]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCAL_TEMP": str(control / "tmp")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_playbook_renders_checks_and_settles(control: Path) -> None:
    status, said = play(control, "--check", "--diff", "-vvv")
    assert status == 0 and "changed=1" in said and not (control / "kubernetes").exists(), said
    assert play(control, "--diff", "-vvv")[0] == 0
    folder = control / "kubernetes/plant-7/c1"
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {"stt-en.yml": 0o640, "stt-en.license.yml": 0o600}
    status, again = play(control, "--diff", "-vvv")
    assert status == 0 and "changed=0" in again
    encoded = yaml.safe_load((folder / "stt-en.license.yml").read_text())["data"]["license.dat"]
    assert not any(word in text for text in (said, again) for word in (CANARY, encoded))


def test_one_name_twice_in_a_namespace_is_refused(control: Path) -> None:
    status, said = play(control, "-e", "kubernetes_namespace=both")
    assert status != 0 and "give each host a kubernetes_namespace of its own" in said


def test_a_key_at_a_site_is_refused(control: Path) -> None:
    hosts = json.loads((control / "hosts.yml").read_text())
    hosts["azure_ai_hosts"]["vars"]["azure_ai_resources"] = {"x": {"api_key": "k"}}
    (control / "hosts.yml").write_text(json.dumps(hosts))
    status, said = play(control)
    assert status != 0 and "keys belong to the connected zone alone" in said


def test_images_reach_a_registry_by_their_digests(control: Path) -> None:
    held = json.loads((control / "store/holdings.json").read_text())["images"][0]
    assert play(control)[0] == 0
    target = control / "registry" / f"{held['repository']}:{held['tag']}"
    target.parent.mkdir(parents=True)
    command = [str(control / "kubernetes/push-images.sh"), str(control / "store"), f"dir:{control / 'registry'}/", "--insecure-policy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert str(Digest.of((target / "manifest.json").read_bytes())) == held["manifest"]
    assert {path.name for path in target.iterdir()} >= {held["config"][7:], *(layer["digest"][7:] for layer in held["layers"])}


def test_the_library_is_the_one_of_this_python() -> None:
    assert _kubernetes.published is not None, f"{sys.executable} has kubernetes-validate"
