# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What travels is enough: apt installs it without any archive on every kind of host that wants told of, whatever the packages depend on."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import closure, packages, sources, states
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight.mirror_kit import Mirror, deb

OFFER = Path(__file__).resolve().parents[5] / "roles" / "engine" / "files" / "offer.sh"
WORLD = ["docker.io", "liba1", "libb2", "helper", "shell", "rsync"]


class Canned:
    """Stands in for apt: an answer for each host in turn."""

    def __init__(self, *answers: t.Any) -> None:
        self.answers = list(answers)

    def lacking(self, _status: str, _names: t.Sequence[str]) -> list[tuple[str, t.Any, int]]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return [(f"{name}_{version}_amd64.deb", packages.Digest.of(f"{name}{version}".encode()), 1) for name, version in answer]


@pytest.fixture
def request_(tmp_path: Path) -> packages.Request:
    (tmp_path / "keyring").write_text("")
    return packages.Request("debian-12", "amd64", ("docker.io",), sources.Mirrors("http://m", "http://s"), str(tmp_path / "keyring"))


def choose(request_: packages.Request, *answers: t.Any, whole: t.Sequence[t.Any] = (("a1", "1"),)) -> closure.Chosen:
    records = [packages.record(request_, *entry) for entry in Canned(whole).lacking("", [])]
    return closure.choose(t.cast(packages.Apt, Canned(*answers)), request_, [{}] * len(answers), records, [])


def test_the_union_goes_and_what_is_not_of_the_set_is_told(request_: packages.Request) -> None:
    found = choose(request_, [("b1", "1"), ("a1", "1")], [("a1", "1")], [])
    assert [entry["name"] for entry in found.records or []] == ["a1", "b1"] and [entry["name"] for entry in found.besides] == ["b1"] and not found.note


def test_two_versions_of_one_package_make_the_set_whole(request_: packages.Request) -> None:
    found = choose(request_, [("a1", "1")], [("a1", "2")])
    assert found.records is None and "hosts want a1 1 and 2" in found.note


def test_a_host_that_cannot_be_helped_makes_the_set_whole_and_a_mirror_that_fails_does_not(request_: packages.Request) -> None:
    found = choose(request_, InputError("packages of debian-12", "the packages do not go together"))
    assert found.records is None and "one kind of the hosts: packages of debian-12: the packages do not go together" in found.note
    with pytest.raises(IntegrityError):
        choose(request_, IntegrityError("mirror", "changed"))


def test_what_a_host_has_in_that_version_does_not_travel(request_: packages.Request) -> None:
    apt = t.cast(packages.Apt, Canned([("a1", "1"), ("b1", "2"), ("c1", "3")]))
    found = closure.choose(apt, request_, [{"a1": "1", "b1": ["2", "Provides: x"], "c1": "2"}], [], [])
    assert [entry["name"] for entry in found.records or []] == ["c1"]


def test_only_entries_of_the_system_count() -> None:
    entry = {"os": "debian-12", "arch": "amd64", "all": {"a1": "1"}, "each": [{}, {"b1": "1"}]}
    assert closure.check([entry], "debian-12", "amd64") == [{"a1": "1"}, {"a1": "1", "b1": "1"}]
    assert closure.check([entry], "debian-13", "amd64") == [] == closure.check([entry], "debian-12", "arm64")
    with pytest.raises(Problems, match="hosts of debian-12"):
        closure.check([{**entry, "all": 1}], "debian-12", "amd64")


def test_an_index_names_the_store_s_files(store: Store, tmp_path: Path) -> None:
    data = deb("Package: a1\nVersion: 1\nArchitecture: amd64\nDepends: b1\nMaintainer: x\nDescription: x\n")
    record = {"name": "a1", "filename": "a1_1_amd64.deb", "digest": str(store.put_bytes(data)), "size": len(data)}
    text = closure.index(store, [record])
    assert "Package: a1\n" in text and "Depends: b1\n" in text and f"SHA256: {record['digest'][7:]}\n" in text and f"Size: {len(data)}\n" in text
    broken = {"name": "b1", "digest": str(store.put_bytes(b"no package")), "size": 10}
    with pytest.raises(IntegrityError, match="package b1: dpkg-deb cannot read"):
        closure.index(store, [broken])


class Archive(t.NamedTuple):
    """One archive for all examples; each publishes anew."""

    mirror: Mirror
    folder: Path


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    folder = tmp_path_factory.mktemp("closure")
    return Archive(Mirror(folder / "mirror"), folder)


def world(draw: random.Random) -> dict[str, dict[str, str]]:
    """Packages of version 2, each on some of those after it, a few on exactly one version."""
    made = {}
    for place, name in enumerate(WORLD):
        later = [other for other in WORLD[place + 1 :] if draw.random() < 0.5]
        bounds = [f"{other} (= 2)" if draw.random() < 0.3 else f"{other} (>= 2)" if draw.random() < 0.3 else other for other in later]
        made[name] = {"Version": "2", "Depends": ", ".join(bounds), "Provides": "virtual" if name == "shell" else ""}
    return made


def host(draw: random.Random, made: dict[str, dict[str, str]]) -> states.Kind:
    """A host that has some of them, of version 1 or 2, consistent in itself."""
    kind: states.Kind = {"base": "1"}
    version = draw.choice(["1", "2"])
    for name in draw.sample(WORLD, draw.randint(0, 3)):
        todo = [name]
        while todo:
            item = todo.pop()
            depends = made[item]["Depends"].replace("= 2)", f"= {version})")
            exact = ", ".join(clause for clause in depends.split(", ") if "(= " in clause)
            kind[item] = [version, f"Depends: {exact}"] if exact else version
            todo += [clause.split(" ")[0] for clause in depends.split(", ") if clause]
    return kind


def simulate(folder: Path, kind: states.Kind, files: t.Sequence[str], names: t.Sequence[str]) -> subprocess.CompletedProcess[str]:
    """apt on such a host, offered these files and no archive, as the role engine does it."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("cache/archives/partial", "etc/apt.conf.d", "sent"):
        (folder / name).mkdir(parents=True)
    for path in files:
        shutil.copy(path, folder / "sent")
    (folder / "status").write_text(states.status(kind, "amd64"))
    where = {"Etc::sourcelist": "sent/sources.list", "State::lists": "sent/lists", "State::status": "status", "Cache": "cache", "Etc": "etc", "State": "."}
    options = [f"-o=Dir::{name}={folder / place}" for name, place in where.items()]
    options += ["-o=Dir::Etc::sourceparts=-", "-o=APT::Architecture=amd64", "-o=APT::Sandbox::User=root"]
    subprocess.run(["sh", str(OFFER), str(folder / "sent"), *options], check=True, capture_output=True)
    return subprocess.run(["apt-get", *options, "install", "--simulate", "-y", "--no-remove", *names], capture_output=True, text=True, check=False)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
@example(seed=263)  # hosts that lack nothing
def test_what_travels_is_enough_for_every_host_and_no_more_than_some_host_takes(archive: Archive, seed: int) -> None:
    draw = random.Random(seed)
    made = world(draw)
    archive.mirror.publish(made)
    pool = archive.mirror.folder
    request = packages.Request(
        "debian-12", "amd64", ("docker.io", "rsync"), sources.Mirrors(f"file://{pool}/debian", f"file://{pool}/debian-security"), str(pool / "keyring.gpg")
    )
    apt = packages.Apt(str(archive.folder / "apt"), request)
    apt.prepare()
    apt.update()
    whole = [packages.record(request, *entry) for entry in apt.wanted()]
    kinds = [host(draw, made) for _number in range(3)]
    chosen = closure.choose(apt, request, kinds, whole, [])
    assert chosen.records is not None, chosen.note
    paths = {entry["name"]: f"{pool}/debian/pool/{entry['filename']}" for entry in chosen.records}
    assert all(kit.sha(Path(path).read_bytes()) == entry["digest"] for path, entry in zip(paths.values(), chosen.records))
    used = set()
    for kind in kinds:
        names = [name for name in request.packages if name not in kind]
        done = simulate(archive.folder / "host", kind, list(paths.values()), names)
        assert done.returncode == 0, (kind, names, done.stdout, done.stderr)
        assert set(re.findall("^Inst ([^ ]+)", done.stdout, re.MULTILINE)) >= set(names)
        alone = closure.choose(apt, request, [kind], whole, [])
        used |= {entry["name"] for entry in alone.records or []}
        assert all(states.version(kind, entry["name"]) != entry["version"] for entry in alone.records or [])
    assert set(paths) == used
    if paths:  # and not one of them may stay behind
        name = draw.choice(sorted(paths))
        rest = [path for other, path in paths.items() if other != name]
        results = [simulate(archive.folder / "host", kind, rest, states.asked(request.packages, kind)).returncode for kind in kinds]
        assert any(results), f"{name} travels in vain"
