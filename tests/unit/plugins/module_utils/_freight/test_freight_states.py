# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import outbox, states

SCHEMA = json.loads((Path(__file__).resolve().parents[5] / "docs" / "wants.schema.json").read_text())
FIELDS = ("Depends", "Pre-Depends", "Provides", "Conflicts", "Breaks", "Multi-Arch")

names = st.from_regex(r"[a-z][a-z0-9+.-]{1,5}", fullmatch=True)
versions = st.from_regex(r"([1-9]:)?[0-9][0-9A-Za-z.+~]{0,4}(-[0-9])?", fullmatch=True)
clauses = st.lists(st.tuples(names, st.sampled_from(["", " (= 1)", " (<< 2~)", " (>= 3)", " | other (<= 4)"])).map("".join), min_size=1, max_size=3)
fields = st.dictionaries(st.sampled_from(FIELDS[:5]), clauses.map(", ".join), max_size=3).map(lambda found: [f"{key}: {found[key]}" for key in sorted(found)])
packages = st.one_of(versions, st.builds(lambda version, lines: [version, *lines] if lines else version, versions, fields))
kinds = st.dictionaries(names, packages, min_size=1, max_size=6)


def row(name: str, version: str = "1", arch: str = "amd64", status: str = "installed", **said: str) -> str:
    return "\x1f".join([status, name, arch, version, *(said.get(field.replace("-", "_"), "") for field in FIELDS)]) + "\x1e"


def note(kind: states.Kind, system: str = "debian-12") -> dict[str, t.Any]:
    return {"os": system, "arch": "amd64", "packages": kind}


def test_what_dpkg_says_is_read() -> None:
    text = (
        row("dpkg", "1.22")
        + row("gone", status="config-files")
        + row("foreign", arch="i386")
        + row("pages", arch="all")
        + row(
            "systemd", "252", Depends="libc6 (>= 2.36), libsystemd-shared (=\n 252), a (<< 3) | b", Pre_Depends="x (>= 1)", Provides="sd", Multi_Arch="foreign"
        )
        + row("python3", "3.11", Multi_Arch="allowed")
    )
    assert states.installed(text) == (
        "amd64",
        {
            "dpkg": "1.22",
            "pages": "1",
            "python3": ["3.11", "Multi-Arch: allowed"],
            "systemd": ["252", "Depends: libsystemd-shared (= 252), a (<< 3) | b", "Provides: sd"],
        },
    )
    assert states.installed("") == ("", {})


def test_this_machine_s_own_packages_are_of_the_form_that_wants_have() -> None:
    arch, kind = states.installed(states.query())
    assert arch and "dpkg" in kind and states.problems(states.gather([{**note(kind), "arch": arch}], ["debian-12"])) == []


def test_no_dpkg_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingError, match="dpkg-query"):
        states.query()
    (tmp_path / "dpkg-query").write_text("#!/bin/sh\necho broken database >&2\nexit 2\n")
    (tmp_path / "dpkg-query").chmod(0o755)
    with pytest.raises(InputError, match="broken database"):
        states.query()


@given(st.lists(kinds, min_size=1, max_size=5))
def test_hosts_come_back_as_their_kinds_whatever_their_order(hosts: list[states.Kind]) -> None:
    entries = states.gather([note(kind) for kind in hosts], ["debian-12"])
    assert states.problems(entries) == [] and len(entries) == 1
    found = states.kinds(entries[0])
    assert all(kind in found for kind in hosts) and all(kind in hosts for kind in found)
    assert len(found) == len([kind for place, kind in enumerate(hosts) if kind not in hosts[:place]]), "each kind once"
    assert states.gather([note(kind) for kind in reversed(hosts)], ["debian-12"]) == entries
    document = outbox.wants("plant-7", {"packages": entries})
    assert document["format"] == 2 and outbox.wants_problems(document) == []
    jsonschema.validate(document, SCHEMA)


def test_of_very_many_kinds_what_all_have_is_told() -> None:
    hosts = [note({"base": "1", "other": str(number)}) for number in range(states.MAX_KINDS + 1)]
    assert states.gather(hosts, ["debian-12"]) == [{"os": "debian-12", "arch": "amd64", "all": {"base": "1"}, "each": []}]
    assert len(states.gather(hosts[1:], ["debian-12"])[0]["each"]) == states.MAX_KINDS


def test_only_declared_systems_are_told_of() -> None:
    hosts = [note({"a1": "1"}), note({"a1": "2"}, "debian-13"), note({}, "fedora-40")]
    assert [entry["os"] for entry in states.gather(hosts, ["debian-13", "fedora-40"])] == ["debian-13"]


def test_notes_of_all_hosts_or_of_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(note({"a1": "1"})))
    here, nowhere = str(tmp_path / "a.json"), str(tmp_path / "b.json")
    assert states.read_notes([here]) == [note({"a1": "1"})] and states.read_notes([]) == []
    assert states.read_notes([here, nowhere]) is None, "a host that nobody looked at may lack anything"
    told = states.told({"os": ["debian-12"], "control": {}, "packages": [here]})
    assert told["packages"][0]["all"] == {"a1": "1"} and told["control"] == {}
    assert states.told({"os": ["debian-12"], "packages": [here, nowhere]})["packages"] == []
    (tmp_path / "b.json").write_text('{"os": "debian-12", "packages": {"x": 1}}')
    with pytest.raises(Problems, match="arch is missing"):
        states.read_notes([nowhere])


GOOD: dict[str, t.Any] = {"os": "debian-12", "arch": "amd64", "all": {"libc6": ["2.36", "Provides: x (= 1)"]}, "each": []}


@pytest.mark.parametrize(
    "change",
    [
        {"os": "Debian"},
        {"arch": "x/y"},
        {"all": {"libc6": "2.36\nStatus: install"}},
        {"all": {"../x": "1"}},
        {"all": {"libc6": []}},
        {"all": {"libc6": 2}},
        {"all": {"libc6": ["2.36", "Description: secrets"]}},
        {"all": {"libc6": ["2.36", "Provides: x\nStatus: y"]}},
        {"each": [{}] * 65},
        {"each": {}},
        {"host": "h1"},
    ],
)
def test_other_forms_are_refused_by_code_and_schema(change: dict[str, t.Any]) -> None:
    entry = {**GOOD, **change}
    assert states.problems([GOOD]) == [] and states.problems([entry])
    with pytest.raises(Problems):
        outbox.wants("plant-7", {"packages": [entry]})
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**outbox.wants("plant-7", {"packages": [GOOD]}), "packages": [entry]}, SCHEMA)


def test_one_that_wins_over_another_is_refused() -> None:
    assert "twice" in states.problems([GOOD, GOOD])[0]
    assert "libc6 of debian-12 is in all and in each" in states.problems([{**GOOD, "each": [{"libc6": "1"}]}])[0]
    assert states.problems("x") and states.problems([GOOD] * 17)


def test_a_status_has_what_was_told_and_no_registry() -> None:
    text = states.status({"b1": ["2", "Provides: p"], "a1": "1", "docker-registry": "3"}, "amd64")
    assert [stanza.splitlines()[0] for stanza in text.split("\n\n")] == ["Package: a1", "Package: b1"]
    assert "Status: install ok installed\nVersion: 2\nArchitecture: amd64\nProvides: p\n" in text


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ({}, ["docker-registry", "docker.io", "iptables", "rsync"]),
        ({"rsync": "1", "docker-registry": "1"}, ["docker-registry", "docker.io", "iptables"]),
        ({"docker.io": "1", "runc": "1", "rsync": "1", "iptables": "1"}, ["docker-registry", "docker.io", "runc"]),
        ({"docker-ce": "1", "iptables": "1"}, ["docker-registry", "rsync"]),
    ],
)
def test_what_is_asked_for_a_host(kind: dict[str, t.Any], wanted: list[str]) -> None:
    assert states.asked(["docker.io", "rsync", "iptables", "docker-registry"], kind) == wanted
