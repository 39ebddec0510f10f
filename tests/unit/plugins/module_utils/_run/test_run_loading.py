# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading against imitation engines with both kinds of store."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.image import load_stream
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import loading
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import PASSWD, FakeEngine, Image

NAME = "azure-ai.invalid/sentiment:0123456789abcdef"


def load(fake: FakeEngine, image: Image, leave_out: t.Sequence[str] = (), lacking: t.Sequence[str] = ()) -> tuple[dict[str, t.Any], list[str], str]:
    def stream(left: t.Collection[str]) -> t.Iterable[bytes]:
        return load_stream(image.record, NAME, image.opener, left)

    return loading.load(Engine(fake.path), image.record, NAME, stream, leave_out, lambda: list(lacking))


@pytest.mark.parametrize(("store", "kind"), [("classic", "config"), ("containerd", "manifest")])
def test_an_image_is_loaded_proved_and_present(fake: FakeEngine, store: str, kind: str) -> None:
    fake.store = store
    image = Image(b"base", b"app")
    engine = Engine(fake.path)
    assert loading.reason(loading.state(engine, NAME), image.record) == "the image is not there"
    state, left, note = load(fake, image)
    assert state == {"id": image.record[kind], "usable": True, "user": {"name": "nonroot", "uid": 65532, "gid": 65533}}
    assert (left, note) == ([], "")
    assert loading.reason(loading.state(engine, NAME), image.record) is None
    assert fake.containers == {}, "the probe is removed"


@pytest.mark.parametrize("store", ["classic", "containerd"])
def test_layers_that_are_there_are_left_out(fake: FakeEngine, store: str) -> None:
    fake.store = store
    load(fake, Image(b"base", b"one"))
    image = Image(b"base", b"two")
    base = image.record["layers"][0]["digest"]
    state, left, _note = load(fake, image, [base])
    assert state["usable"]
    assert left == [base]
    assert f"blobs/sha256/{base[7:]}" not in fake.archives[-1]


@pytest.mark.parametrize("store", ["classic", "containerd"])
def test_an_engine_without_a_left_out_layer_gets_all(fake: FakeEngine, store: str) -> None:
    fake.store = store
    image = Image(b"base", b"two")
    state, left, note = load(fake, image, [image.record["layers"][0]["digest"]])
    assert state["usable"]
    assert left == []
    assert "so all were sent" in note
    assert any(path.startswith("DELETE /v1.41/images/") for path in fake.paths), "the half-loaded name is taken away first"


def test_a_store_that_cannot_help_says_so(fake: FakeEngine) -> None:
    image = Image(b"base", b"two")
    base = image.record["layers"][0]["digest"]
    with pytest.raises(loading.MissingLayers, match="send 1 blobs more"):
        load(fake, image, [base], [base])
    assert fake.images == {}


def test_other_refusals_come_through(fake: FakeEngine) -> None:
    fake.answers["/images/load"] = (500, b'{"message": "no space left on device"}')
    image = Image(b"base", b"two")
    with pytest.raises(RemoteError, match="no space left on device"):
        load(fake, image, [image.record["layers"][0]["digest"]])


@pytest.mark.parametrize(
    ("exc", "told"),
    [
        (RemoteError("image load", "write /x: no space left on device"), "write /x: no space left on device; make room where the engine keeps its data"),
        (RemoteError("Docker Engine at /s", "the connection broke", "look at its log"), "Docker Engine at /s: the connection broke; look at its log"),
        (RemoteError(f"image {NAME}", "after the load the image is not there"), "after the load the image is not there; look at the engine's log"),
    ],
)
def test_a_refusal_names_the_image_and_the_way_out(exc: RemoteError, told: str) -> None:
    assert str(loading.refusal(NAME, exc)).startswith(f"image {NAME}: {told}")


def test_another_image_under_the_name_is_seen(fake: FakeEngine) -> None:
    load(fake, Image(b"x"))
    assert "stands for another image" in str(loading.reason(loading.state(Engine(fake.path), NAME), Image(b"y").record))


def test_a_record_without_layers_is_not_present(fake: FakeEngine) -> None:
    image = Image(b"x")
    fake.images[NAME] = {"Id": image.record["manifest"], "Config": {"User": "nonroot"}, "broken": True}
    assert loading.reason(loading.state(Engine(fake.path), NAME), image.record) == "no container can be created from it: layers are missing"


@pytest.mark.parametrize(
    ("configured", "uid", "gid"),
    [("", 0, 0), ("nonroot", 65532, 65533), ("65532", 65532, 65533), ("1000", 1000, 0), ("1000:5", 1000, 5), ("nonroot:staff", 65532, 50), ("0:0", 0, 0)],
)
def test_users_become_numbers(configured: str, uid: int, gid: int) -> None:
    files = {"/etc/passwd": PASSWD, "/etc/group": "root:x:0:\nstaff:x:50:\n"}
    found = loading.user(configured, lambda path: files[path])
    assert (found["uid"], found["gid"]) == (uid, gid)


@pytest.mark.parametrize("configured", ["ghost", "nonroot:ghosts"])
def test_unknown_users_are_an_error(configured: str) -> None:
    with pytest.raises(RemoteError, match="not in the image's /etc/"):
        loading.user(configured, lambda path: PASSWD if path == "/etc/passwd" else "")
