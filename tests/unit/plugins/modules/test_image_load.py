# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_load: check, do, check, do, and the ways in which it fails."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import RemoteError
from ansible_collections.airgap.azure_ai.plugins.modules import image_load
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import FakeEngine, Image

Run = t.Callable[..., dict[str, t.Any]]
NAME = "azure-ai.invalid/sentiment:0123456789abcdef"
USER = {"name": "nonroot", "uid": 65532, "gid": 65533}


def options(fake: FakeEngine, root: Path, image: Image, **more: t.Any) -> dict[str, t.Any]:
    return {"root": str(root), "image": image.record, "name": NAME, "docker_socket": fake.path, **more}


@pytest.mark.parametrize("store", ["classic", "containerd"])
def test_check_do_check_do(fake: FakeEngine, tmp_path: Path, run: Run, store: str) -> None:
    fake.store = store
    image = Image(b"base", b"app")
    image.lay(tmp_path)
    given = options(fake, tmp_path, image)
    would = run(image_load.main, check=True, **given)
    assert (would["changed"], would["image_id"], would["user"], fake.images) == (True, None, None, {})
    did = run(image_load.main, **given)
    size = sum(map(len, image.blobs.values()))
    assert (did["changed"], did["user"], did["sent_bytes"], did["left_out_bytes"]) == (True, USER, size, 0)
    assert would["diff"] == did["diff"]
    for check in (True, False):
        again = run(image_load.main, check=check, **given)
        assert (again["changed"], again["user"], again["sent_bytes"]) == (False, USER, 0)
        assert again["diff"]["before"] == again["diff"]["after"]
    assert len(fake.archives) == 1


def test_a_store_without_the_left_out_layer_is_enough(fake: FakeEngine, tmp_path: Path, run: Run) -> None:
    old, new = Image(b"base", b"one"), Image(b"base", b"two")
    old.lay(tmp_path / "old")
    run(image_load.main, **options(fake, tmp_path / "old", old))
    new.lay(tmp_path / "new")
    base = new.record["layers"][0]["digest"]
    (tmp_path / "new" / "store" / "blobs" / "sha256" / base[7:]).unlink()
    did = run(image_load.main, **options(fake, tmp_path / "new", new, leave_out=[base]))
    assert (did["changed"], did["left_out_bytes"]) == (True, 4)


def test_missing_layers_can_be_told_by_a_machine(fake: FakeEngine, tmp_path: Path, run: Run) -> None:
    image = Image(b"base", b"app")
    image.lay(tmp_path)
    base = image.record["layers"][0]["digest"]
    full = run(image_load.main, **options(fake, tmp_path, image, leave_out=[base]))
    assert (full["changed"], full["left_out_bytes"]) == (True, 0)
    assert "so all were sent" in full["msg"]
    fake.images.clear()
    (tmp_path / "store" / "blobs" / "sha256" / base[7:]).unlink()
    result = run(image_load.main, **options(fake, tmp_path, image, leave_out=[base]))
    assert (result["failed"], result["missing_layers"]) == (True, True)


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda root, image: (root / "store" / "blobs" / "sha256" / image.record["config"][7:]).unlink(), "the host's store lacks 1 of its blobs"),
        (lambda root, image: image.record.pop("layers"), "its record lacks 'layers'"),
        (lambda root, image: (root / "docker.sock").unlink(), "no such socket"),
    ],
)
def test_failures_are_one_line(fake: FakeEngine, tmp_path: Path, run: Run, break_it: t.Callable[[Path, Image], t.Any], told: str) -> None:
    image = Image(b"base")
    image.lay(tmp_path)
    break_it(tmp_path, image)
    result = run(image_load.main, **options(fake, tmp_path, image))
    assert result["failed"] is True
    assert told in result["msg"]
    assert "missing_layers" not in result


def test_damaged_blobs_that_the_engine_refuses_are_removed_and_asked_for(fake: FakeEngine, tmp_path: Path, run: Run) -> None:
    image = Image(b"base", b"app")
    image.lay(tmp_path)
    layer = image.record["layers"][1]["digest"]
    path = tmp_path / "store" / "blobs" / "sha256" / layer[7:]
    path.write_bytes(b"apq")
    fake.answers["/images/load"] = (200, b'{"error": "invalid diffID for layer 1"}')
    result = run(image_load.main, **options(fake, tmp_path, image))
    assert (result["failed"], result["missing_layers"], path.exists()) == (True, True, False)
    assert f"image {NAME}: 1 of its blobs were damaged in the host's store and are removed, the first is {layer} (invalid diffID" in result["msg"]


def test_what_the_engine_refuses_although_all_is_whole_is_no_matter_of_blobs(fake: FakeEngine, tmp_path: Path, run: Run) -> None:
    image = Image(b"base", b"app")
    image.lay(tmp_path)
    fake.answers["/images/load"] = (500, b'{"message": "write /var/lib/docker/tmp/x: no space left on device"}')
    result = run(image_load.main, **options(fake, tmp_path, image))
    assert result["failed"] is True and "missing_layers" not in result
    assert result["msg"].startswith(f"image {NAME}: ") and "make room where the engine keeps its data" in result["msg"]
    assert len(list((tmp_path / "store" / "blobs" / "sha256").iterdir())) == len(image.blobs)


@pytest.mark.parametrize(("said", "sent"), [("manifest unknown", True), ("write /x: no space left on device", False)])
def test_what_a_registry_does_not_serve_is_to_be_sent(
    fake: FakeEngine, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, said: str, sent: bool
) -> None:
    def pull(*_args: object) -> None:
        raise RemoteError("image pull", said)

    monkeypatch.setattr(image_load.lan_registry, "pull", pull)
    told = run(image_load.main, **options(fake, tmp_path, Image(b"base"), registry="10.78.1.10:5443"))
    assert told["failed"] and told.get("missing_layers", False) is sent and said in told["msg"]
    assert ("run airgap.azure_ai.registry on the control node" in told["msg"]) is sent and ("make room" in told["msg"]) is not sent
