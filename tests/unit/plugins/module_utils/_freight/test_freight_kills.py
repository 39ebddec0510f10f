# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 between any two file operations of fetch, build, split, collect and import: the next run ends where an undisturbed one does.

Nothing is left over. AZURE_AI_KILLS sets how often each is killed; tests/integration/test_fetch.py kills while the registry sends.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import delta, fetch, receive
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.bundle import Bundles
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.skopeo import Access, Skopeo
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import media_kit

KILLS = int(os.environ.get("AZURE_AI_KILLS", "6"))
WATCHED = ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.utime", "shutil.rmtree", "subprocess.Popen")


def run_killed(work: t.Callable[[], object], at: int | None) -> int:
    """Run ``work`` in a process of its own that is killed at its ``at``-th file operation; returns how many it saw (0 when killed)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        count = 0

        def hook(event: str, _arguments: t.Any) -> None:
            nonlocal count
            if event in WATCHED:
                count += 1
                if count == at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            work()
            os.write(writer, b"%d" % count)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return int(said or b"0")


def state(folder: Path) -> dict[str, bytes]:
    """All files by path; what is remembered of inodes and the empty lock files are no result."""
    ignored = ("verified.json", "lock", ".lock", "writers")
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in ignored}


def same(killed: Path, calm: Path) -> None:
    assert [str(path) for path in killed.rglob(".airgap-*")] == []
    found, expected = state(killed), state(calm)
    assert sorted(found) == sorted(expected)
    assert [name for name in found if found[name] != expected[name]] == []


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_build_is_made_good_by_the_next(tmp_path: Path, keys: kit.Keys, seed: int) -> None:
    def build(folder: Path) -> None:
        store = Store(str(folder / "store"))
        Bundles(str(folder / "bundles"), store).build(kit.compose(store), keys.builder)

    for name in ("calm", "killed"):
        kit.fill(tmp_path / name / "store")
    steps = run_killed(lambda: build(tmp_path / "calm"), None)
    assert steps > 40
    assert run_killed(lambda: build(tmp_path / "killed"), random.Random(seed).randint(1, steps - 1)) == 0
    build(tmp_path / "killed")
    same(tmp_path / "killed", tmp_path / "calm")


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_import_is_made_good_by_the_next(tmp_path: Path, store: Store, keys: kit.Keys, seed: int) -> None:
    bundles = Bundles(str(tmp_path / "bundles"), store)
    first = bundles.build(kit.compose(store, "1.0"), keys.builder)
    second = bundles.build(delta.lean(kit.compose(store, sequence=2), delta.on_bundle(kit.compose(store, "1.0"))), keys.builder)

    def take(folder: Path) -> None:
        site = Store(str(folder))
        for path in (first, second):
            receive.take(receive.judge(path, site, kit.SITE, keys.trust), site, kit.SITE)

    steps = run_killed(lambda: take(tmp_path / "calm"), None)
    assert steps > 40
    assert run_killed(lambda: take(tmp_path / "killed"), random.Random(seed).randint(1, steps - 1)) == 0
    site = Store(str(tmp_path / "killed"))
    taken = site.holdings()["bundles"].get(kit.SITE, {}).get("sequence", 0)
    for path in (first, second)[max(taken - 1, 0) :]:
        receive.take(receive.judge(path, site, kit.SITE, keys.trust), site, kit.SITE)
    same(tmp_path / "killed", tmp_path / "calm")


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_fetch_is_made_good_by_the_next(tmp_path: Path, seed: int) -> None:
    registry = kit.FolderRegistry(tmp_path / "registry")
    wanted = [{"service": "speech_to_text", "repository": kit.REPOSITORY, "tag": tag} for tag in ("1.0", "2.0")]
    for image in wanted:
        registry.push(image["tag"], kit.make_image("base", "middle", image["tag"]))
    source = Skopeo(Access(), str(registry.program))

    def bring(folder: Path) -> None:
        store = Store(str(folder))
        plans = fetch.plan_all(store, source, "registry.example", wanted, kit.NOW, False)
        due = [plan for plan in plans if not plan.known]
        fetch.prepare(store, due)
        for plan in due:
            fetch.carry_out(store, source, "registry.example", plan)

    steps = run_killed(lambda: bring(tmp_path / "calm"), None)
    assert steps > 40
    assert run_killed(lambda: bring(tmp_path / "killed"), random.Random(seed).randint(1, steps - 1)) == 0
    bring(tmp_path / "killed")
    same(tmp_path / "killed", tmp_path / "calm")


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_fetch_of_other_images_keeps_what_a_killed_one_has_whole(tmp_path: Path, seed: int) -> None:
    """The first is killed between two of its layers; the second is for another site, which needs none of them."""
    registry = kit.FolderRegistry(tmp_path / "registry")
    texts = ["base", *(f"layer {number}" for number in range(6))]
    registry.push("1.0", kit.make_image(*texts))
    registry.push("2.0", kit.make_image("other"))
    at = random.Random(seed).randint(1, len(texts) - 1)
    slow = tmp_path / "slow" / "skopeo"
    slow.parent.mkdir()
    slow.write_text(registry.program.read_text().replace("os.rename(out.name, target)", "os.rename(out.name, target); DONE()"))
    ends = f"\ndef DONE():\n    if len(open({str(registry.log)!r}).read().split()) == {at}: os.kill(os.getppid(), 9); time.sleep(20)\n"
    slow.write_text(slow.read_text().replace("import json, os, sys, time\n", "import json, os, sys, time" + ends))
    slow.chmod(0o755)

    def bring(tag: str, program: Path) -> None:
        store, source = Store(str(tmp_path / "store")), Skopeo(Access(), str(program))
        wanted = [{"service": "speech_to_text", "repository": kit.REPOSITORY, "tag": tag}]
        due = [plan for plan in fetch.plan_all(store, source, "registry.example", wanted, kit.NOW, False) if not plan.known]
        fetch.prepare(store, due)
        for plan in due:
            fetch.carry_out(store, source, "registry.example", plan)

    assert run_killed(lambda: bring("1.0", slow), None) == 0
    (tmp_path / "store" / "work" / "images" / "blobs" / "sha256" / ("0" * 64)).write_bytes(b"not what it says")
    bring("2.0", registry.program)
    bring("1.0", registry.program)
    assert sorted(registry.fetched()) == sorted(set(registry.fetched())), "no layer came twice"
    assert len(registry.fetched()) == len(texts) + 1 and os.listdir(tmp_path / "store" / "work" / "images") == []
    assert "0" * 64 not in kit.blobs(tmp_path / "store")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, keys: kit.Keys) -> Path:
    return media_kit.bundle(tmp_path_factory.mktemp("large"), keys)


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_split_is_made_good_by_the_next(tmp_path: Path, large: Path, keys: kit.Keys, seed: int) -> None:
    def split(folder: Path) -> None:
        planned = media_kit.split(large, folder, keys)
        planned.make([number for number in planned.numbers if planned.reason(number)], media_kit.nothing)

    steps = run_killed(lambda: split(tmp_path / "calm"), None)
    assert steps > 40
    assert run_killed(lambda: split(tmp_path / "killed"), random.Random(seed).randint(1, steps - 1)) == 0
    split(tmp_path / "killed")
    same(tmp_path / "killed", tmp_path / "calm")


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory, large: Path, keys: kit.Keys) -> list[Path]:
    return media_kit.parts(large, tmp_path_factory.mktemp("carried"), keys)


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_collection_is_made_good_by_the_next(tmp_path: Path, carried: list[Path], keys: kit.Keys, seed: int) -> None:
    def gather(folder: Path) -> None:
        assert media_kit.gather(folder, keys, *carried).problems == []

    for name in ("calm", "killed"):
        (tmp_path / name).mkdir()
    steps = run_killed(lambda: gather(tmp_path / "calm"), None)
    assert steps > 40
    assert run_killed(lambda: gather(tmp_path / "killed"), random.Random(seed).randint(1, steps - 1)) == 0
    gather(tmp_path / "killed")
    same(tmp_path / "killed", tmp_path / "calm")
