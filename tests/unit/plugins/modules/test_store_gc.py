# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import carried, receive
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.modules import store_gc
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

Capture = pytest.CaptureFixture[str]


class Site(t.NamedTuple):
    """A site that received a bundle with tag 1.0, then one with tag 2.0."""

    store: Store
    keys: kit.Keys
    bundle: Path

    def take(self) -> None:
        parcel = receive.judge(str(self.bundle), self.store, kit.SITE, self.keys.trust)
        receive.take(parcel, self.store, kit.SITE)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    keys = kit.make_keys(tmp_path / "keys")
    builder = kit.fill(tmp_path / "builder")
    folders = [kit.build(builder, tmp_path / "bundles", keys, tag, sequence=number) for number, tag in enumerate(("1.0", "2.0"), 1)]
    store = Store(str(tmp_path / "store"))
    for folder in folders:
        Site(store, keys, folder).take()
    return Site(store, keys, folders[-1])


def options(site: Site, **changes: object) -> dict:
    return {"store": site.store.path, "releases": [], "keep_bundles": 1, "grace_days": 0, **changes}


def release(site: Site, tag: str) -> str:
    return next(entry["id"] for entry in site.store.holdings()["releases"] if entry["tag"] == tag)


def test_check_do_do(site: Site, capsys: Capture) -> None:
    before = kit.blobs(site.store.path)
    planned = kit.run_module(store_gc, capsys, check=True, **options(site))
    assert planned["changed"] and planned["bytes"] > 0 and kit.blobs(site.store.path) == before and len(planned["superfluous"]) == 2
    done = kit.run_module(store_gc, capsys, **options(site))
    after = kit.blobs(site.store.path)
    assert {key: done[key] for key in ("blobs", "bytes", "superfluous")} == {key: planned[key] for key in ("blobs", "bytes", "superfluous")}
    assert done["bytes"] == sum(len(data) for name, data in before.items() if name not in after) and done["blobs"] == len(before) - len(after)
    assert {image["tag"] for image in site.store.holdings()["images"]} == {"2.0"}
    assert not kit.run_module(store_gc, capsys, **options(site, verify=True))["changed"]
    assert not receive.judge(str(site.bundle), site.store, kit.SITE, site.keys.trust).missing


def test_what_a_host_has_stays(site: Site, capsys: Capture) -> None:
    before = kit.blobs(site.store.path)
    done = kit.run_module(store_gc, capsys, **options(site, releases=[release(site, "1.0")]))
    assert not done["changed"] and kit.blobs(site.store.path) == before


def test_grace_keeps_what_has_just_come(site: Site, capsys: Capture) -> None:
    assert not kit.run_module(store_gc, capsys, **options(site, grace_days=1))["changed"]


def test_a_damaged_blob_is_named_and_comes_back_with_the_next_bundle(site: Site, capsys: Capture) -> None:
    image = next(image for image in site.store.holdings()["images"] if image["tag"] == "2.0")
    digest = image["layers"][-1]["digest"]
    path = Path(site.store.path, "blobs", "sha256", digest[7:])
    good = path.read_bytes()
    path.write_bytes(b"x" * len(good))
    told = kit.run_module(store_gc, capsys, check=True, **options(site, verify=True, keep_bundles=2))
    assert digest in told["damaged"][0] and "speech_to_text:2.0" in told["damaged"][0] and path.exists()
    done = kit.run_module(store_gc, capsys, **options(site, verify=True, keep_bundles=2))
    assert done["changed"] and "next bundle" in done["damaged"][0] and "1 blobs are damaged" in done["msg"] and not path.exists()
    site.take()
    assert path.read_bytes() == good
    again = kit.run_module(store_gc, capsys, **options(site, verify=True, keep_bundles=2))
    assert again["damaged"] == [] and again["leftovers"] == [f"damaged/{path.name}"]


def outward(site: Site, folder: Path) -> dict[str, object]:
    return {"outbox": str(folder / "outbox"), "signing_key": site.keys.site}


def test_holdings_in_the_outbox_claim_nothing_that_went(tmp_path: Path, site: Site, capsys: Capture) -> None:
    told = tmp_path / "outbox" / "holdings.json"
    settings = options(site, verify=True, **outward(site, tmp_path))
    assert kit.run_module(store_gc, capsys, check=True, **settings)["written"] == ["holdings.json"] and not told.exists()
    kit.run_module(store_gc, capsys, **{**settings, "keep_bundles": 2})
    full = json.loads(told.read_text())
    planned = kit.run_module(store_gc, capsys, check=True, **settings)
    done = kit.run_module(store_gc, capsys, **settings)
    assert done["written"] == planned["written"] == ["holdings.json"] and done["diff"] == planned["diff"] and "wrote holdings.json" in done["msg"]
    document, _data = carried.document(str(told), "holdings", site.keys.trust)
    assert document["blobs"] == sorted(f"sha256:{name}" for name in kit.blobs(site.store.path)) and document["counter"] > full["counter"]
    again = kit.run_module(store_gc, capsys, **settings)
    assert not again["changed"] and again["written"] == []


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_a_lost_blob_counts_as_a_change(tmp_path: Path, site: Site, capsys: Capture, how: str) -> None:
    settings = options(site, verify=True, keep_bundles=2, **outward(site, tmp_path))
    kit.run_module(store_gc, capsys, **settings)
    told = tmp_path / "outbox" / "holdings.json"
    before = json.loads(told.read_text())
    path = Path(site.store.path, "blobs", "sha256", before["blobs"][0][7:])
    path.unlink() if how == "gone" else path.write_bytes(b"x" * path.stat().st_size)
    planned = kit.run_module(store_gc, capsys, check=True, **settings)
    done = kit.run_module(store_gc, capsys, **settings)
    after = json.loads(told.read_text())
    assert planned["written"] == done["written"] and planned["changed"] and "1 blobs of the holdings are lacking" in done["msg"]
    assert after["blobs"] == before["blobs"][1:] and after["counter"] == before["counter"] + 1
    assert not kit.run_module(store_gc, capsys, **settings)["changed"]


def test_what_was_set_aside_goes_when_the_blob_is_good_again_or_nobody_needs_it(site: Site, capsys: Capture) -> None:
    path = max(Path(site.store.path, "blobs", "sha256").iterdir(), key=lambda found: found.stat().st_size)
    path.write_bytes(b"x")
    settings = options(site, verify=True, keep_bundles=2)
    kit.run_module(store_gc, capsys, **settings)
    kept, nobodys = Path(site.store.path, "damaged", path.name), Path(site.store.path, "damaged", "0" * 64)
    nobodys.write_bytes(b"y")
    done = kit.run_module(store_gc, capsys, **settings)
    assert done["leftovers"] == [f"damaged/{nobodys.name}"] and kept.exists() and not nobodys.exists()
    site.take()
    assert kit.run_module(store_gc, capsys, check=True, **settings)["leftovers"] == [f"damaged/{path.name}"] and kept.exists()
    assert kit.run_module(store_gc, capsys, **settings)["changed"] and not kept.exists() and path.exists()
    assert not kit.run_module(store_gc, capsys, **settings)["changed"]


def test_idle_work_goes_and_what_a_run_holds_stays(site: Site, capsys: Capture) -> None:
    with site.store.working("images") as held, site.store.working("packages-debian-12") as idle:
        for folder in (held, idle):
            Path(folder, "half").write_bytes(b"half")
    settings = options(site, keep_bundles=2)
    assert not kit.run_module(store_gc, capsys, **{**settings, "grace_days": 1})["changed"]
    with site.store.working("images"):
        planned = kit.run_module(store_gc, capsys, check=True, **settings)
        assert planned["changed"] and planned["leftovers"] == ["work/packages-debian-12"] and Path(idle, "half").exists()
        assert kit.run_module(store_gc, capsys, **settings)["leftovers"] == planned["leftovers"]
    assert Path(held, "half").exists() and not Path(idle).exists()
    assert kit.run_module(store_gc, capsys, **settings)["leftovers"] == ["work/images"]
    with site.store.working("images") as again:
        assert Path(again).is_dir()


def test_the_builder_keeps_what_bundles_and_kits_need(tmp_path: Path, site: Site, capsys: Capture) -> None:
    builder = Store(str(tmp_path / "builder"))
    wheel = builder.put_bytes(b"a wheel")
    (tmp_path / "bundles" / "control-debian-12-amd64").mkdir()
    made = {"format": 1, "kind": "airgap.azure_ai/control", "files": [{"digest": str(wheel)}]}
    (tmp_path / "bundles" / "control-debian-12-amd64" / "control.json").write_text(json.dumps(made))
    stray = builder.put_bytes(b"nobody's")
    settings = {"store": builder.path, "bundles": str(tmp_path / "bundles"), "grace_days": 0}
    done = kit.run_module(store_gc, capsys, **settings)
    assert (done["blobs"], done["bytes"], done["superfluous"]) == (1, len(b"nobody's"), []) and builder.has(wheel) and not builder.has(stray)
    assert kit.run_module(store_gc, capsys, **settings, keep_bundles=1)["superfluous"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"releases": None}, "knows neither what hosts have nor which bundles were built"),
        ({"keep_bundles": 0}, "must be at least 1"),
        ({"store": "/nowhere"}, "holds no blob"),
    ],
)
def test_bad_input_is_one_line(site: Site, capsys: Capture, change: dict, text: str) -> None:
    result = kit.run_module(store_gc, capsys, **{key: value for key, value in options(site, **change).items() if value is not None})
    assert result["failed"] and text in result["msg"] and "\n" not in result["msg"]


def test_a_store_that_knows_no_bundle_is_left_alone(tmp_path: Path, capsys: Capture) -> None:
    store = kit.fill(tmp_path / "other")
    result = kit.run_module(store_gc, capsys, store=store.path, releases=[], grace_days=0)
    assert result["failed"] and "nothing to judge by" in result["msg"]
