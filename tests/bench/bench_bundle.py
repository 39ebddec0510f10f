# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build, verify and import a bundle of 1 GB, deltas and fleets: against what sha256sum, cp, rsync and skopeo take, in turn in one run.

Fleets and unchanged bundles have 10 GB, which are holes: nothing but reading depends on the bytes there.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import digest_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import delta, holdings, registry
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.bundle import Bundles
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

LAYERS, LAYER = 16, 64 * 1000**2  # bytes each; random, so that nothing compresses them
RUNS, SITES = 3, 40
MODULE = """
import contextlib, importlib, json, resource, sys
from ansible.module_utils.testing import patch_module_args
name, calls = json.loads(sys.argv[1])
module = importlib.import_module("ansible_collections.airgap.azure_ai.plugins.modules." + name)
for options in calls:
    with patch_module_args(options), contextlib.suppress(SystemExit):
        module.main()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
# exec hands on the peak of whoever forked: the shell forks once more, so that ours is not counted.
SMALL_PARENT = ("sh", "-c", '"$@"; exit $?', "sh")


class Bench:
    """A bundle of random layers in a temporary folder, and the ways to handle it."""

    def __init__(self, folder: Path, holes: int = 0) -> None:
        """:param holes: so many GB of holes in files instead, for what only reads"""
        self.folder = folder
        self.keys, self.target, self.peak = kit.make_keys(folder / "keys"), folder / "target", 0
        store = Store(str(folder / "builder")).create()
        kind = "application/vnd.docker.image.rootfs.diff.tar"
        sizes = [10**9 // 4 + number for number in range(4 * holes)]
        random = [{"digest": str(store.put_bytes(os.urandom(LAYER))), "size": LAYER} for _number in range(0 if holes else LAYERS)]
        self._image(store, [{"mediaType": kind, **layer} for layer in [*random, *(self._hole(store, size) for size in sizes)]])
        self.bundle = kit.build(store, folder / "bundles", self.keys, "1.0")
        self.blobs = self.bundle / "blobs" / "sha256"

    @staticmethod
    def _hole(store: Store, size: int) -> dict[str, t.Any]:
        path = os.path.join(store.path, "hole")
        with open(path, "wb") as stream:
            stream.truncate(size)
        digest = digest_file(path)[0]
        os.rename(path, store.path_of(digest))
        return {"digest": str(digest), "size": size}

    @staticmethod
    def _image(store: Store, layers: list[dict[str, t.Any]]) -> None:
        small = kit.make_image("small")
        config, manifest = json.loads(small.config), json.loads(small.manifest)
        config["rootfs"]["diff_ids"] = [layer["digest"] for layer in layers]
        packed = json.dumps(config).encode()
        manifest["config"].update(digest=kit.sha(packed), size=len(packed))
        manifest["layers"] = layers
        record = registry.image_record("speech_to_text", kit.REPOSITORY, "1.0", json.dumps(manifest).encode(), packed, kit.NOW)
        for data in (packed, json.dumps(manifest).encode()):
            store.put_bytes(data)
        with store.changing() as held:
            holdings.add_image(held, record)
        kit.add_release(store, record)
        kit.add_package(store)

    def module(self, name: str, **options: t.Any) -> None:
        """Run a module as Ansible does, in a process of its own."""
        self._run(name, {"path": str(self.bundle), "allowed_signers": self.keys.signers, **options})

    def _run(self, name: str, *calls: dict[str, t.Any]) -> None:
        command = [*SMALL_PARENT, sys.executable, "-c", MODULE, json.dumps([name, calls])]
        *said, peak = filter(None, subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())
        assert not any(json.loads(line).get("failed") for line in said), said
        self.peak = max(self.peak, int(peak))

    def build(self, sites: int = 1) -> None:
        """Bundles for so many sites, one after the other; nothing is known of the store's blobs before the first."""
        selector = {"service": "speech_to_text", "tag": "1.0", "resource": "speech-dc0"}
        options = [
            {
                "store": str(self.folder / "builder"),
                "dest": str(self.folder / "built"),
                "site": f"plant-{number}",
                "selectors": [selector],
                "os": ["debian-12"],
                "signing_key": self.keys.builder,
            }
            for number in range(sites)
        ]
        self._run("bundle_build", *options)

    def forget(self) -> None:
        """As after the first fetch: no bundles, no memory of blobs that were read."""
        shutil.rmtree(self.folder / "built", ignore_errors=True)
        (self.folder / "builder" / "verified.json").unlink(missing_ok=True)
        self.empty()

    def link_and_check(self) -> None:
        """A folder of links for each site, all checked once: what a good script does without paying for the disk."""
        for number in range(SITES):
            subprocess.run(["cp", "-rl", str(self.bundle), str(self.folder / "built" / f"plant-{number}")], check=True)
        self.sha256sum()

    def verify(self) -> None:
        self.module("bundle_info", verify="full")

    def receive(self) -> None:
        self.module("bundle_import", store=str(self.target / "store"), site=kit.SITE)
        os.sync()

    def sha256sum(self) -> None:
        subprocess.run("ls | xargs -P 2 -n 4 sha256sum >/dev/null", shell=True, cwd=self.blobs, check=True)

    def copy(self) -> None:
        shutil.rmtree(self.target, ignore_errors=True)
        subprocess.run(["cp", "-r", str(self.bundle), str(self.target)], check=True)
        os.sync()

    def copy_and_check(self) -> None:
        self.copy()
        subprocess.run("ls | xargs -P 2 -n 4 sha256sum >/dev/null", shell=True, cwd=self.target / "blobs" / "sha256", check=True)

    def rsync_checksum(self) -> None:
        subprocess.run(["rsync", "-a", "--checksum", f"{self.blobs}/", str(self.target / "store" / "blobs" / "sha256")], check=True)

    def look(self) -> None:
        subprocess.run(["du", "-s", str(self.blobs)], check=True, capture_output=True)

    def empty(self) -> None:
        shutil.rmtree(self.target, ignore_errors=True)


def turns(made: Bench, ours: t.Callable[[], None], peer: t.Callable[[], None], floor: t.Callable[[], None], before: t.Callable[[], None]) -> dict[str, t.Any]:
    """Medians in seconds of the three, run in turn after ``before``."""
    times: dict[str, list[float]] = {"ours": [], "peer": [], "floor": []}
    for _run in range(RUNS):
        for name, work in (("ours", ours), ("peer", peer), ("floor", floor)):
            before()
            os.sync()
            start = time.monotonic()
            work()
            times[name].append(time.monotonic() - start)
    return {"unit": "s", **{name: round(statistics.median(values), 2) for name, values in times.items()}, "ours_rss_mb": round(made.peak / 1e6), "runs": RUNS}


def bench(measure: t.Callable[[Bench], dict[str, t.Any]], holes: int = 0) -> t.Callable[[], dict[str, t.Any]]:
    """A benchmark with a bundle of its own, gone afterwards."""

    def run() -> dict[str, t.Any]:
        with tempfile.TemporaryDirectory(prefix="azure-ai-bench-", dir="/var/tmp") as folder:
            return measure(Bench(Path(folder), holes))

    return run


def _verify(made: Bench) -> dict[str, t.Any]:
    return turns(made, made.verify, made.sha256sum, made.sha256sum, lambda: None)


def _import(made: Bench) -> dict[str, t.Any]:
    return turns(made, made.receive, made.copy_and_check, made.copy, made.empty)


def _reimport(made: Bench) -> dict[str, t.Any]:
    """Of 10 GB that are there; the floor looks at their names."""
    made.empty()
    made.receive()
    return turns(made, made.receive, made.rsync_checksum, made.look, lambda: None)


def _build(made: Bench) -> dict[str, t.Any]:
    return turns(made, made.build, made.copy_and_check, made.copy, made.forget)


def _fleet(made: Bench) -> dict[str, t.Any]:
    """Ours: bundles for 40 sites of the same 10 GB, without Ansible's own time for a task. Floor: the bundle of one."""

    def begin() -> None:
        made.forget()
        (made.folder / "built").mkdir()

    return turns(made, lambda: made.build(SITES), made.link_and_check, made.build, begin)


def _delta_bytes() -> dict[str, t.Any]:
    """One layer of 5 MB has changed in 1.5 GB over three images. Floor: the changed blobs.

    Peer: the smaller of the three images as skopeo lays them out, and of the changed one alone in the archive that ``docker save`` writes.
    """
    with tempfile.TemporaryDirectory(prefix="azure-ai-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        keys, store, bundles = kit.make_keys(folder / "keys"), Store(str(folder / "store")).create(), folder / "bundles"
        base, own = [_layer(store, LAYER) for _number in range(19)], [[_layer(store, LAYER + number)] for number in range(3)]
        images = [_record(store, f"{number}.0", [*base, *own[number]]) for number in range(3)]
        tags = [image["tag"] for image in images]
        former = kit.compose(store, *tags)
        changed = _layer(store, 5 * 1000**2)
        image = _record(store, "2.0", [*base, changed], fetched="2026-02-01T00:00:00Z")
        ours = Path(Bundles(str(bundles), store).build(delta.lean(kit.compose(store, *tags, sequence=2), delta.on_bundle(former)), keys.builder))
        (folder / "sync").mkdir()
        for tag in tags:
            _skopeo(store, tag, f"dir:{folder / 'sync' / tag}")
        _skopeo(store, "2.0", f"docker-archive:{folder / 'saved.tar'}")
        peer = min(_bytes(folder / "sync"), (folder / "saved.tar").stat().st_size)
        floor = changed["size"] + image["manifest_size"] + image["config_size"]
        return {"unit": "B", "ours": _bytes(ours), "peer": peer, "floor": floor, "ours_rss_mb": 0, "runs": 1}


def _skopeo(store: Store, tag: str, target: str) -> None:
    subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", f"oci:{store.path}:{kit.REPOSITORY}:{tag}", target], check=True)


def _layer(store: Store, size: int) -> dict[str, t.Any]:
    return {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": str(store.put_bytes(os.urandom(size))), "size": size}


def _record(store: Store, tag: str, layers: list[dict[str, t.Any]], fetched: str = kit.NOW) -> dict[str, t.Any]:
    small = kit.make_image("small", oci=True)
    config, manifest = json.loads(small.config), json.loads(small.manifest)
    config["rootfs"]["diff_ids"] = [layer["digest"] for layer in layers]
    packed = json.dumps(config).encode()
    manifest["config"].update(digest=kit.sha(packed), size=len(packed))
    data = json.dumps({**manifest, "layers": layers}).encode()
    record = registry.image_record("speech_to_text", kit.REPOSITORY, tag, data, packed, fetched)
    for part in (packed, data):
        store.put_bytes(part)
    with store.changing() as held:
        holdings.add_image(held, record)
    kit.add_release(store, record)
    kit.add_package(store)
    return record


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


BENCHES = {"bundle.verify": bench(_verify), "bundle.import": bench(_import), "bundle.reimport": bench(_reimport, holes=10)}
BENCHES.update({"bundle.build": bench(_build), "bundle.fleet": bench(_fleet, holes=10), "bundle.delta_bytes": _delta_bytes})
