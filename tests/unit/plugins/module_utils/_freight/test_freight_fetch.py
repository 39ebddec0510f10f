# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, MissingError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import fetch, skopeo
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

HOST = "registry.example"


@pytest.fixture
def remote(tmp_path: Path) -> kit.FolderRegistry:
    return kit.FolderRegistry(tmp_path / "registry")


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "empty")).create()


def plan(store: Store, remote: kit.FolderRegistry, tag: str = "1.0", accept_moved: bool = False, now: str = kit.NOW) -> fetch.Plan:
    return fetch.plan(store, source(remote), HOST, {"service": "s", "repository": kit.REPOSITORY, "tag": tag}, now, accept_moved)


def source(remote: kit.FolderRegistry) -> skopeo.Skopeo:
    return skopeo.Skopeo(skopeo.Access(timeout=20), str(remote.program))


def get(store: Store, remote: kit.FolderRegistry, tag: str = "1.0", **options: t.Any) -> dict:
    todo = plan(store, remote, tag, **options)
    if not todo.known:
        fetch.carry_out(store, source(remote), HOST, todo)
    return todo.record


@pytest.mark.parametrize("oci", [False, True])
def test_an_image_arrives_byte_for_byte(empty: Store, remote: kit.FolderRegistry, oci: bool) -> None:
    image = kit.make_image("base", "top", oci=oci)
    remote.push("1.0", image)
    record = get(empty, remote)
    held = kit.blobs(empty.path)
    assert set(held.values()) == {image.manifest, image.config, *image.layers.values()}
    assert empty.find_image(kit.REPOSITORY, "1.0") == record and record["fetched"] == kit.NOW
    assert os.listdir(Path(empty.path, "work", "images")) == []


def test_an_image_that_is_there_is_not_fetched_again(empty: Store, remote: kit.FolderRegistry) -> None:
    remote.push("1.0", kit.make_image("base"))
    get(empty, remote)
    todo = plan(empty, remote, now="2027-01-01T00:00:00Z")
    assert todo.known and todo.record["fetched"] == kit.NOW and fetch.total([todo]) == 0


def test_shared_layers_are_fetched_once(empty: Store, remote: kit.FolderRegistry) -> None:
    one, two = kit.make_image("base", "one"), kit.make_image("base", "two")
    remote.push("1.0", one)
    remote.push("2.0", two)
    plans = [plan(empty, remote, tag) for tag in ("1.0", "2.0")]
    parts = [len(image.manifest) + len(image.config) for image in (one, two)]
    assert fetch.total(plans) == sum(map(len, {**one.layers, **two.layers}.values())) + sum(parts)
    for todo in plans:
        fetch.carry_out(empty, source(remote), HOST, todo)
    assert sorted(remote.fetched()) == sorted({*one.layers, *two.layers})


def test_a_lost_blob_comes_again(empty: Store, remote: kit.FolderRegistry) -> None:
    image = kit.make_image("base", "top")
    remote.push("1.0", image)
    get(empty, remote)
    lost = list(image.layers)[1]
    os.unlink(empty.path_of(Digest.parse(lost)))
    get(empty, remote)
    assert remote.fetched()[2:] == [lost] and empty.has(Digest.parse(lost))


def test_the_platform_comes_out_of_an_index(empty: Store, remote: kit.FolderRegistry) -> None:
    image, other = kit.make_image("x"), kit.make_image("y", architecture="arm64")
    for tag, pushed in (("a", image), ("b", other)):
        remote.push(tag, pushed)
    remote.push("1.0", kit.make_index(arm64=other, amd64=image))
    assert get(empty, remote)["manifest"] == kit.sha(image.manifest)


def test_a_moved_tag_is_an_error_unless_accepted(empty: Store, remote: kit.FolderRegistry) -> None:
    old, new = kit.make_image("old"), kit.make_image("new")
    remote.push("1.0", old)
    get(empty, remote)
    remote.push("1.0", new)
    with pytest.raises(InputError) as caught:
        plan(empty, remote)
    assert kit.sha(old.manifest) in str(caught.value) and kit.sha(new.manifest) in str(caught.value) and "accept_moved" in str(caught.value)
    get(empty, remote, accept_moved=True, now="2026-06-01T00:00:00Z")
    found = empty.find_image(kit.REPOSITORY, "1.0")
    assert found and found["manifest"] == kit.sha(new.manifest)
    assert plan(empty, remote).known


@pytest.mark.parametrize("now", ["gone", "moved"])
def test_a_tag_that_is_gone_or_has_moved_may_stay_with_its_locked_image(empty: Store, remote: kit.FolderRegistry, now: str) -> None:
    old = kit.make_image("base", "old")
    remote.push("1.0", old)
    record, log = get(empty, remote), remote.fetched()
    (remote.folder / "tag-1.0").unlink()
    if now == "moved":
        remote.push("1.0", kit.make_image("base", "new"))
    with pytest.raises(AirgapError, match="stay with the one that it is locked to with keep_locked"):
        plan(empty, remote)
    other = Store(f"{empty.path}-2").create()
    lock = {f"{kit.REPOSITORY}:1.0": record["manifest"]}
    wanted = {"service": "other", "repository": kit.REPOSITORY, "tag": "1.0"}

    def locked(store: Store, **changes: t.Any) -> fetch.Plan:
        return fetch.plan(store, source(remote), HOST, wanted, kit.NOW, False, **{"lock": lock, "keep_locked": True, **changes})

    fresh = locked(other)
    assert not fresh.known and "was not asked for" in fresh.note and fresh.record["manifest"] == record["manifest"] and fresh.record["tag"] == "1.0"
    fetch.carry_out(other, source(remote), HOST, fresh)
    remote.fail("registry.example: dial tcp: lookup: no such host")
    for found in (locked(empty), locked(empty, lock=None), locked(other)):  # the store alone locks as well
        assert found.known and found.record["service"] == "other" and found.record["manifest"] == record["manifest"]
        assert found.note == f"other:1.0 stays with {record['manifest']}, which it is locked to; the store has it, and the registry was not asked"
    remote.fail("")
    assert remote.fetched()[: len(log)] == log and set(kit.blobs(other.path).values()) == {old.manifest, old.config, *old.layers.values()}
    (remote.folder / record["manifest"]).unlink()
    os.unlink(empty.path_of(Digest.parse(record["manifest"])))
    with pytest.raises(MissingError, match="neither the registry nor the store has sha256:.* whole; do without keep_locked"):
        locked(empty)


def test_a_locked_image_that_is_not_the_last_one_fetched_becomes_it_without_the_registry(empty: Store, remote: kit.FolderRegistry) -> None:
    """Which image a bundle takes for a tag is decided by which was fetched last."""
    remote.push("1.0", kit.make_image("old"))
    old = get(empty, remote)
    remote.push("1.0", kit.make_image("new"))
    new = get(empty, remote, accept_moved=True, now="2026-06-01T00:00:00Z")
    remote.fail("no such host")
    options = {"lock": {f"{kit.REPOSITORY}:1.0": old["manifest"]}, "keep_locked": True}
    todo = fetch.plan(empty, source(remote), HOST, {"service": "s", "repository": kit.REPOSITORY, "tag": "1.0"}, "2026-07-01T00:00:00Z", False, **options)
    fetch.carry_out(empty, source(remote), HOST, todo)
    found = empty.find_image(kit.REPOSITORY, "1.0")
    assert found and found["manifest"] == old["manifest"] != new["manifest"] and len(empty.holdings()["images"]) == 2
    assert fetch.plan(empty, source(remote), HOST, {"service": "s", "repository": kit.REPOSITORY, "tag": "1.0"}, kit.NOW, False, **options).known


def test_a_tag_that_nothing_locks_is_asked_for(empty: Store, remote: kit.FolderRegistry) -> None:
    remote.push("1.0", kit.make_image("base"))
    found = fetch.plan(empty, source(remote), HOST, {"service": "s", "repository": kit.REPOSITORY, "tag": "1.0"}, kit.NOW, False, None, True)
    assert found.note == "" and len(found.missing) == 1


def test_a_damaged_layer_is_named_and_comes_anew(empty: Store, remote: kit.FolderRegistry) -> None:
    image = kit.make_image("base", "top")
    remote.push("1.0", image)
    bad = list(image.layers)[1]
    (remote.folder / bad).write_bytes(b"damaged")
    with pytest.raises(IntegrityError) as caught:
        get(empty, remote)
    assert bad in str(caught.value) and "s:1.0" in str(caught.value)
    assert empty.find_image(kit.REPOSITORY, "1.0") is None and not empty.has(Digest.parse(bad))
    (remote.folder / bad).write_bytes(image.layers[bad])
    get(empty, remote)
    assert remote.fetched().count(next(iter(image.layers))) == 1  # the good layer was kept


def test_an_altered_config_is_refused(empty: Store, remote: kit.FolderRegistry) -> None:
    image = kit.make_image("base")
    remote.push("1.0", image)
    (remote.folder / kit.sha(image.config)).write_bytes(image.config + b" ")
    with pytest.raises(IntegrityError, match="its config is"):
        plan(empty, remote)


def test_everything_that_cannot_be_had_is_told_before_anything_is_fetched(empty: Store, remote: kit.FolderRegistry) -> None:
    remote.push("1.0", kit.make_image("base"))
    wanted = [{"service": "s", "repository": kit.REPOSITORY, "tag": tag} for tag in ("1.0", "8", "9")]
    with pytest.raises(Problems) as caught:
        fetch.plan_all(empty, source(remote), HOST, wanted, kit.NOW, False)
    assert len(caught.value.problems) == 2 and "8: the registry has no such tag" in str(caught.value)
    with pytest.raises(MissingError):
        fetch.plan_all(empty, source(remote), HOST, wanted[:2], kit.NOW, False)
    assert [todo.record["tag"] for todo in fetch.plan_all(empty, source(remote), HOST, wanted[:1], kit.NOW, False)] == ["1.0"]


def test_services_that_share_an_image_are_each_answered_by_name(empty: Store, remote: kit.FolderRegistry) -> None:
    remote.push("1.0", kit.make_image("base"))
    get(empty, remote)
    todo = fetch.plan(empty, source(remote), HOST, {"service": "other", "repository": kit.REPOSITORY, "tag": "1.0"}, kit.NOW, False)
    assert todo.known and todo.record["service"] == "other"
    assert [record["service"] for record in empty.holdings()["images"]] == ["s"]


@pytest.mark.parametrize(
    ("tag", "newer"),
    [
        ("4.9.0-amd64-en-us", ["5.0.0-amd64-en-us", "4.10.0-amd64-en-us"]),
        ("4.9.0-amd64-de-de", []),
        ("5.0.0-amd64-en-us", []),
        ("latest", []),
        ("1.0", ["1.0.1"]),
    ],
)
def test_newer_tags_are_of_the_same_flavour(tag: str, newer: list[str]) -> None:
    tags = ["4.9.0-amd64-en-us", "4.10.0-amd64-en-us", "5.0.0-amd64-en-us", "5.0.0-preview-amd64-en-us", "4.9.0-amd64-de-de", "latest", "1.0", "1.0.1"]
    assert fetch.newer(tags, tag) == newer
