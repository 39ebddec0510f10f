# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts from a store, YAML that every reader reads alike, and files of a folder."""

from __future__ import annotations

import gzip
import json
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _kubernetes, _manifest_files
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import PASSWD, declaration, sha, tar

ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
TEXT = st.text(st.characters(blacklist_categories=["Cs"]))
POD = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {"a": "YQ=="}}


def record(store: Store, user: str, *layers: tuple[dict[str, bytes], str]) -> dict[str, t.Any]:
    """An image's record; each layer is its files and how it is packed."""
    packed = []
    for files, kind in layers:
        data = tar(files)
        packed.append((subprocess.run(["zstd", "-cq"], input=data, capture_output=True, check=True).stdout if kind == ZSTD else gzip.compress(data), kind))
    config = store.put_bytes(json.dumps({"config": {"User": user}}).encode())
    held = [{"digest": str(store.put_bytes(data)), "size": len(data), "media_type": kind} for data, kind in packed]
    return {"repository": "a/b", "tag": "1", "manifest": sha(b"m"), "config": str(config), "layers": held}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path)).create()


@pytest.mark.parametrize(
    ("user", "wanted"),
    [("", (0, 0)), ("root", (0, 0)), ("nonroot", (65532, 65533)), ("65532", (65532, 65533)), ("7:8", (7, 8)), ("1000", (1000, 0)), ("nonroot:9", (65532, 9))],
)
@pytest.mark.parametrize("kind", ["tar+gzip", ZSTD])
def test_the_image_s_user(store: Store, user: str, wanted: tuple[int, int], kind: str) -> None:
    found = _kubernetes.image_user(store, record(store, user, ({"./etc/passwd": PASSWD.encode(), "x": b""}, kind), ({"opt/x": b"y"}, kind)))
    assert (found["uid"], found["gid"]) == wanted


def test_the_upper_layer_s_accounts_count(store: Store) -> None:
    above = PASSWD.replace("65532", "1001")
    found = _kubernetes.image_user(store, record(store, "nonroot", ({"etc/passwd": PASSWD.encode()}, "gzip"), ({"etc/passwd": above.encode()}, "gzip")))
    assert found["uid"] == 1001


def test_a_name_that_no_layer_knows(store: Store) -> None:
    with pytest.raises(MissingError, match="kubernetes_users"):
        _kubernetes.image_user(store, record(store, "nobody-knows", ({"x": b""}, "gzip")))


def test_a_damaged_layer_is_told(store: Store) -> None:
    image = record(store, "nonroot", ({"x": b"y" * 10000}, "gzip"))
    Path(store.path_of(_kubernetes.Digest.parse(image["layers"][0]["digest"]))).write_bytes(b"\x1f\x8bbroken")
    with pytest.raises(IntegrityError, match="receive the bundle again"):
        _kubernetes.image_user(store, image)


def test_facts_of_sets(store: Store) -> None:
    small = {"digest": "sha256:" + "a" * 64, "files": [{"path": "d/f", "digest": str(store.put_bytes(b"abc")), "size": 3}]}
    large = {"digest": "sha256:" + "b" * 64, "files": [{"path": "m", "digest": sha(b""), "size": 10**10}]}
    item = {"image": record(store, ""), "entry": {"health": {"ready": "/r"}}, "declaration": declaration()}
    release = {"models": large["digest"], "files": small["digest"]}
    found = _kubernetes.facts(store, {**item, "release": release}, {"models": [small, large]}, "5:6")
    assert found["sets"] == {"a" * 64: {"size": 3, "files": {"d/f": b"abc"}}, "b" * 64: {"size": 10**10, "files": None}}
    assert (found["user"]["uid"], found["user"]["gid"], found["health"]) == (5, 6, {"ready": "/r"})


@given(st.dictionaries(TEXT, st.one_of(TEXT, st.booleans(), st.integers(), st.lists(TEXT))))
def test_text_reads_back(value: dict[str, t.Any]) -> None:
    assert list(yaml.safe_load_all(_kubernetes.text([value, value]))) == [value, value]


@pytest.mark.parametrize("value", ["1e3", "0o17", "on", "yes", "y", "~", "null", "1_000", "0x1f", ".inf", "1:30", "2026-01-01", "=", "<<", ""])
def test_what_some_reader_takes_for_no_text_is_quoted(value: str) -> None:
    assert f'a: "{value}"' in _kubernetes.text([{"a": value}]).splitlines()


def test_faults_never_quote_a_secret() -> None:
    (fault,) = _kubernetes.validate([{**POD, "data": {"a": 7}, "stringData": {"b": "CANARY"}}], "1.30") or [""]
    assert fault.startswith("Secret x: data.a does not keep to the schema of Kubernetes 1.30") and "CANARY" not in fault
    assert _kubernetes.validate([POD], "1.30") == []


@pytest.mark.parametrize(("version", "told"), [("2.0", "not one of Kubernetes"), ("1.99", "does not know it")])
def test_versions(version: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        _kubernetes.validate([POD], version)


def test_nobody_validates_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_kubernetes, "published", None)
    assert _kubernetes.validate([POD], "1.30") is None


def test_a_diff_shows_no_license(tmp_path: Path) -> None:
    head = _kubernetes.HEAD
    (tmp_path / "gone.license.yml").write_text(head + "OLD")
    (tmp_path / "a.license.yml").write_text(head + "OLD")
    steps = _manifest_files.steps(str(tmp_path), [_manifest_files.File("a", "a.license.yml", head + "NEW", True)])
    shown = [step.diff() for step in steps]
    assert [step.reason is not None for step in steps] == [True, True] and not any(word in json.dumps(shown) for word in ("OLD", "NEW"))
    assert all(one["before"] != one["after"] for one in shown)


def test_an_interrupted_write_leaves_the_old_file_and_can_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [_manifest_files.File("a", "a.yml", _kubernetes.HEAD + "new", False)]
    (tmp_path / "a.yml").write_text("old")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):
        patch.setattr("os.replace", lambda *_names: (each for each in ()).throw(OSError("full")))
        _manifest_files.write(str(tmp_path), _manifest_files.steps(str(tmp_path), wanted))
    assert (tmp_path / "a.yml").read_text() == "old" and len(list(tmp_path.iterdir())) == 1
    _manifest_files.write(str(tmp_path), _manifest_files.steps(str(tmp_path), wanted))
    assert _manifest_files.words(_manifest_files.steps(str(tmp_path), wanted)) == "every file is as it should be"


def test_a_bad_user_is_told() -> None:
    with pytest.raises(AirgapError, match="not uid:gid"):
        _kubernetes.facts(Store("/nowhere"), {"image": {"repository": "", "tag": "", "manifest": ""}, "release": {}, "declaration": declaration()}, {}, "me")
