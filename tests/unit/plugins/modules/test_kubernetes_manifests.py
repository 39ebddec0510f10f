# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kubernetes_manifests through Ansible itself: files whole and private, runs that change nothing, a license that nobody sees."""

from __future__ import annotations

import base64
import gzip
import inspect
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

from ansible_collections.airgap.azure_ai.plugins.action import kubernetes_manifests as action
from ansible_collections.airgap.azure_ai.plugins.modules import kubernetes_manifests
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import PASSWD, Image, release, sha, tar

TREE = str(Path(inspect.getfile(action)).parents[5])
LICENSE = b"license\0CANARY\xff"
RAW = {"name": "sent-en", "service": "sentiment", "tag": "3.0-en", "port": 5001, "resource": "lang-dc0", "cpus": 1, "memory": "2g"}
Json = dict[str, t.Any]
Play = t.Callable[..., tuple[Json, str]]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with the image, whose account lies in its lowest layer, and a release with an encrypted license."""
    layers = [gzip.compress(tar({"etc/passwd": PASSWD.encode()})), gzip.compress(tar({"app/model.bin": b"x"}))]
    image = Image(*layers)
    image.lay(tmp_path)
    secret = VaultSecret(b"password")
    data = VaultLib([("azure", secret)]).encrypt(LICENSE, secret, "azure")
    (tmp_path / "store/blobs/sha256" / sha(data)[7:]).write_bytes(data)
    (tmp_path / "password").write_text("password")
    holdings = {"images": [image.record], "models": [], "releases": [release(image, license=sha(data), expires="2099-12-31")], "packages": []}
    (tmp_path / "store/holdings.json").write_text(json.dumps(holdings))
    return tmp_path / "store"


@pytest.fixture
def play(tmp_path: Path, store: Path) -> Play:
    """Run the module once; its result and all that Ansible said."""

    def run(*argv: str, containers: t.Any = (RAW,), **options: t.Any) -> tuple[Json, str]:
        task = {"store": str(store), "dest": str(tmp_path / "out/plant-7/c1"), "registry": "registry.example.com/azure-ai", **options}
        book = [{"hosts": "localhost", "gather_facts": False, "tasks": [{"airgap.azure_ai.kubernetes_manifests": task}]}]
        book[0]["vars"] = {"azure_ai_containers": list(containers), "ansible_python_interpreter": sys.executable}
        (tmp_path / "play.yml").write_text(yaml.safe_dump(book))
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": TREE,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "l"),
        }
        secret = ("--vault-id", f"azure@{tmp_path / 'password'}")
        command = [sys.executable, "-m", "ansible", "playbook", "-vvv", "-i", "localhost,", "-c", "local", *secret, *argv, str(tmp_path / "play.yml")]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
        found: Json = json.loads(done.stdout[done.stdout.index("{\n") :])["plays"][0]["tasks"][0]["hosts"]["localhost"]
        return found, done.stdout + done.stderr

    return run


def files(folder: Path) -> dict[str, int]:
    """Names below a folder with their modes."""
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}


def test_files_are_private_and_a_second_run_changes_nothing(play: Play, tmp_path: Path) -> None:
    result, said = play("--diff")
    assert result["changed"] and result["services"] == ["sent-en.azure-ai"] and result["validated"] == "1.30", result
    out = tmp_path / "out/plant-7/c1"
    assert files(out) == {"sent-en.yml": 0o640, "sent-en.license.yml": 0o600} and stat.S_IMODE(out.stat().st_mode) == 0o700
    (secret,) = yaml.safe_load_all((out / "sent-en.license.yml").read_text())
    assert base64.b64decode(secret["data"]["license.dat"]) == LICENSE
    deployment = list(yaml.safe_load_all((out / "sent-en.yml").read_text()))[-1]
    assert deployment["spec"]["template"]["spec"]["securityContext"]["runAsUser"] == 65532
    assert not any(word in said for word in (base64.b64encode(LICENSE).decode(), "CANARY", "license\\u0000"))
    assert [one["after_header"].rpartition("/")[2] for one in result["diff"]] == ["sent-en.yml", "sent-en.license.yml"]
    before = {name: (out / name).stat().st_mtime_ns for name in files(out)}
    again, _said = play("--diff")
    assert not again["changed"] and again["diff"] == [] and [one["reason"] for one in again["files"]] == [None, None]
    assert {name: (out / name).stat().st_mtime_ns for name in files(out)} == before


def test_check_mode_tells_the_same_and_writes_nothing(play: Play, tmp_path: Path) -> None:
    told, _said = play("--check")
    assert told["changed"] and not (tmp_path / "out").exists()
    done, _said = play()
    assert (told["files"], told["msg"]) == (done["files"], done["msg"])


def test_what_is_not_declared_goes_and_what_is_not_ours_stays(play: Play, tmp_path: Path) -> None:
    play()
    out = tmp_path / "out/plant-7/c1"
    (out / "ingress.yml").write_text("kind: Ingress\n")
    (out / "sent-en.license.yml").chmod(0o644)
    result, _said = play(containers=[{**RAW, "name": "other"}])
    assert set(files(out)) == {"ingress.yml", "other.yml", "other.license.yml"}
    assert {Path(one["path"]).name for one in result["files"] if one["state"] == "absent"} == {"sent-en.yml", "sent-en.license.yml"}


def test_a_license_that_others_may_read_is_made_private(play: Play, tmp_path: Path) -> None:
    play()
    (tmp_path / "out/plant-7/c1/sent-en.license.yml").chmod(0o644)
    result, _said = play()
    assert [one["reason"] for one in result["files"]] == [None, "its mode is 0644"]
    assert files(tmp_path / "out/plant-7/c1")["sent-en.license.yml"] == 0o600


def test_a_claim_for_the_license_needs_no_secret_and_no_password(play: Play, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("another")
    result, _said = play(license="claim", users={"sentiment": "7:8"}, validate=False)
    assert list(files(tmp_path / "out/plant-7/c1")) == ["sent-en.yml"] and result["validated"] is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"namespace": "No"}, "namespace 'No': not a DNS label"),
        ({"registry": "https://registry.example.com"}, "without https://"),
        ({"sizes": {"outputs": "1Gi"}}, "sizes.outputs: unknown; use output, shared, state, license"),
        ({"users": {"sent-en": "nonroot"}}, "user nonroot of container sent-en: not uid:gid"),
        ({"version": "0.9"}, "version 0.9: not one of Kubernetes"),
        ({"containers": [{**RAW, "tag": "4.0"}, {**RAW, "name": "b", "port": 2, "tag": "5.0"}]}, "2 problems"),
    ],
)
def test_failures_are_one_line_and_write_nothing(play: Play, tmp_path: Path, options: Json, told: str) -> None:
    result, said = play(**options)
    assert result["failed"] and told in result["msg"] and "\n" not in result["msg"]
    assert not (tmp_path / "out").exists() and "Traceback" not in said


def test_another_password_is_told(play: Play, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("another")
    result, _said = play()
    assert "license of container sent-en: no vault secret at hand opens it" in result["msg"] and not (tmp_path / "out").exists()


def test_options_are_documented() -> None:
    documented = yaml.safe_load(kubernetes_manifests.DOCUMENTATION)["options"]
    taken = {
        name: {key: value for key, value in option.items() if key in ("type", "choices", "default", "required", "elements")}
        for name, option in documented.items()
    }
    assert taken == action.ARGUMENTS
