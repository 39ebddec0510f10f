# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image of 8 GiB is bundled, verified and imported, one of 2 GiB loaded, one of 1 GiB split and collected: nobody ever holds more than 150 MB.

Every step is a process of its own that measures itself, so that none hides another. The layers are holes in files, and
an import leaves holes as they are; under /var/tmp, as /tmp may be memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings, registry
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import FakeEngine

GIB = 1024**3
HOLES = {  # digests of so many GiB of zeros; the build reads them all
    5: "sha256:7f06c62352aebd8125b2a1841e2b9e1ffcbed602f381c3dcb3200200e383d1d5",
    2: "sha256:a7c744c13cc101ed66c29f672f92455547889cc586ce6d44fe76ae824958ea51",
    1: "sha256:49bc20df15e412a64472421e13fe86ff1c5165e18b2afccf160d4dc19fe68a14",
}
WHOLE = sum(HOLES) * GIB
LOADED = 2  # GiB of the image that is loaded
LIMIT = 150 * 1000**2  # bytes resident
NAME = "azure-ai.invalid/speech-to-text:0123456789abcdef"
HOLD = "held = b'x' * given"
MODULE = """
import contextlib, importlib
from ansible.module_utils.testing import patch_module_args
module = importlib.import_module("ansible_collections.airgap.azure_ai.plugins.modules." + given["module"])
with patch_module_args(given["options"]), contextlib.suppress(SystemExit):
    module.main()
"""
STREAM = """
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import image, store
opened = store.Store(given["store"])
chunks = image.load_stream(given["record"], given["name"], lambda digest: opened.open(Digest.parse(digest)))
print(json.dumps({"sent": sum(map(len, chunks))}))
"""
# ru_maxrss is in KiB. exec hands the peak of whoever forked on, which would be pytest's: the shell forks once more.
MEASURED = "import json, resource, sys\ngiven = json.loads(sys.argv[1])\n{}\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
SMALL_PARENT = ("sh", "-c", '"$@"; exit $?', "sh")


class Measured(t.NamedTuple):
    """What a step said (the result of a module) and the most bytes that it had resident."""

    result: dict[str, t.Any]
    peak: int


class ReadingEngine(FakeEngine):
    """Counts the bytes of what it is to load and keeps none of them."""

    def __init__(self, path: str, record: dict[str, t.Any]) -> None:
        super().__init__(path)
        self.record, self.received = record, 0
        engine = self

        class Handler(self.server.RequestHandlerClass):
            def _body(self) -> bytes:
                if not self.path.endswith("/images/load?quiet=1"):
                    return super()._body()
                while size := int(self.rfile.readline(), 16):
                    engine.received += len(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b""

        self.server.RequestHandlerClass = Handler

    def load(self, data: bytes) -> tuple[int, bytes]:
        self.images[NAME] = {"Id": self.record["config"], "Config": {"User": "nonroot"}, "broken": False}
        return 200, json.dumps({"stream": f"Loaded image: {NAME}\n"}).encode()


def measure(name: str, step: str, given: t.Any) -> Measured:
    """Run ``step`` on ``given`` in a process of its own; its last line is its peak, the one before its result."""
    command = [*SMALL_PARENT, sys.executable, "-c", MEASURED.format(step), json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *said, peak = done.stdout.splitlines()
    print(f"{name}: {int(peak) / 1000**2:.1f} MB resident")
    return Measured(json.loads(said[-1]) if said else {}, int(peak))


def run(module: str, **options: t.Any) -> Measured:
    """Run a module as its own process; it must not fail."""
    measured = measure(module, MODULE, {"module": module, "options": options})
    assert not measured.result.get("failed"), measured.result["msg"]
    return measured


def add_image(store: Store, tag: str, *holes: int) -> dict[str, t.Any]:
    """Put an image of layers of so many GiB, which are holes, into the store; return its record."""
    for hole in holes:
        with open(store.path_of(Digest.parse(HOLES[hole])), "wb") as stream:
            stream.truncate(hole * GIB)
    small = kit.make_image("small")
    config, manifest = json.loads(small.config), json.loads(small.manifest)
    config["rootfs"]["diff_ids"] = [HOLES[hole] for hole in holes]
    packed = json.dumps(config).encode()
    manifest["config"].update(digest=kit.sha(packed), size=len(packed))
    kind = "application/vnd.docker.image.rootfs.diff.tar"
    manifest["layers"] = [{"mediaType": kind, "digest": HOLES[hole], "size": hole * GIB} for hole in holes]
    record = registry.image_record("speech_to_text", kit.REPOSITORY, tag, json.dumps(manifest).encode(), packed, kit.NOW)
    for data in (packed, json.dumps(manifest).encode()):
        store.put_bytes(data)
    with store.changing() as held:
        holdings.add_image(held, record)
    kit.add_release(store, record)
    return record


@pytest.fixture(scope="module")
def folder() -> t.Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="azure-ai-memory-", dir="/var/tmp") as path:
        yield Path(path)


@pytest.fixture(scope="module")
def keys(folder: Path) -> kit.Keys:
    return kit.make_keys(folder / "keys")


@pytest.fixture(scope="module")
def record(folder: Path) -> dict[str, t.Any]:
    """The smaller image; both lie in the builder's store, each with a license."""
    store = Store(str(folder / "builder")).create()
    add_image(store, "1.0", *HOLES)
    return add_image(store, "2.0", LOADED)


@pytest.fixture(scope="module")
def built(folder: Path, record: dict[str, t.Any], keys: kit.Keys) -> Measured:
    paths = {"store": str(folder / "builder"), "dest": str(folder / "bundles"), "signing_key": keys.builder}
    return run("bundle_build", site=kit.SITE, selectors=kit.selectors("1.0", "2.0"), **paths)


@pytest.fixture(scope="module")
def imported(folder: Path, built: Measured, keys: kit.Keys) -> Measured:
    """The import, into a store that is a host's store in the steps after it."""
    return run("bundle_import", path=built.result["path"], store=str(folder / "host" / "store"), site=kit.SITE, allowed_signers=keys.signers)


@pytest.fixture(scope="module")
def streamed(folder: Path, imported: Measured, record: dict[str, t.Any]) -> Measured:
    return measure("load_stream", STREAM, {"store": str(folder / "host" / "store"), "record": record, "name": NAME})


@pytest.fixture(scope="module")
def split(folder: Path, keys: kit.Keys) -> Measured:
    """A bundle of a layer of 1 GiB, cut into parts: what is cut is copied, hole or not."""
    add_image(Store(str(folder / "small")).create(), "3.0", 1)
    paths = {"store": str(folder / "small"), "dest": str(folder / "cut"), "signing_key": keys.builder}
    path = run("bundle_build", site=kit.SITE, selectors=kit.selectors("3.0"), **paths).result["path"]
    return run("bundle_split", path=path, part_size="400MB", dest=str(folder / "media"), signing_key=keys.builder)


def test_the_measure_sees_what_a_process_holds_and_nothing_else() -> None:
    held = b"x" * LIMIT
    assert measure("hold", HOLD, 1000).peak < LIMIT // 3
    assert measure("hold", HOLD, len(held)).peak > LIMIT


def test_bundling(built: Measured) -> None:
    assert built.result["changed"] and built.result["bytes"] > WHOLE
    assert built.peak < LIMIT


def test_verifying(built: Measured, keys: kit.Keys) -> None:
    verified = run("bundle_info", path=built.result["path"], allowed_signers=keys.signers, verify="full")
    assert verified.result["valid"] and verified.result["bundle"]["bytes"] > WHOLE
    assert verified.peak < LIMIT


def test_importing(imported: Measured) -> None:
    assert imported.result["copied_bytes"] > WHOLE
    assert imported.peak < LIMIT


def test_streaming_to_nowhere(streamed: Measured) -> None:
    assert streamed.result["sent"] > LOADED * GIB
    assert streamed.peak < LIMIT


def test_streaming_into_an_engine(folder: Path, streamed: Measured, record: dict[str, t.Any]) -> None:
    engine = ReadingEngine(str(folder / "engine.sock"), record)
    try:
        loaded = run("image_load", root=str(folder / "host"), image=record, name=NAME, docker_socket=engine.path)
    finally:
        engine.close()
    assert loaded.result["changed"] and engine.received == streamed.result["sent"]
    assert loaded.peak < LIMIT


def test_splitting(split: Measured) -> None:
    assert split.result["made"] == [1, 2, 3]
    assert split.peak < LIMIT


def test_collecting(folder: Path, split: Measured, keys: kit.Keys) -> None:
    media = [part["path"] for part in split.result["parts"]]
    collected = run("bundle_collect", paths=media, dest=str(folder / "inbox"), site=kit.SITE, allowed_signers=keys.signers)
    assert collected.result["copied_bytes"] > GIB and collected.result["bundles"][0]["complete"]
    assert collected.peak < LIMIT
