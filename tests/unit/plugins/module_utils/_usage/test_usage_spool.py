# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The spool: what goes in, what a hostile host cannot bring in, where files go."""

from __future__ import annotations

import copy
import itertools
import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import spool
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.answer import compact

READING = {
    "name": "c",
    "source": None,
    "url": "http://h/records/usage-logs/",
    "scope": "all",
    "outcome": "usage",
    "http_status": 200,
    "api_type": "a",
    "service_name": "s",
    "meters": [{"name": "M", "quantity": "1.5", "billed_unit": None}],
    "extra": {},
    "observed_at": "2026-03-01T00:00:00Z",
    "body_sha256": "00",
}
FAILURE = {"name": "c", "url": "http://h", "scope": "2026-03", "kind": "no_answer", "reason": "why"}
ENDPOINTS = [{"name": "c", "url": "http://h"}]


def answer() -> dict[str, t.Any]:
    return t.cast(dict, json.loads(compact(ENDPOINTS, [READING], [FAILURE])))


def test_compact_and_load_are_a_round_trip() -> None:
    found = spool.load_answer(compact(ENDPOINTS, [READING], [FAILURE]), "it")
    assert found["readings"] == [READING]
    assert found["failures"] == [FAILURE]
    assert found["endpoints"][0]["source"] is None
    assert spool.counts(found) == {"usage": 1, "no_usage": 0, "failures": 1}


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("readings", "name", "another"),
        ("readings", "scope", "2026-13"),
        ("readings", "outcome", "usage "),
        ("readings", "http_status", "200"),
        ("readings", "extra", None),
        ("readings", "observed_at", None),
        ("readings", "url", "a\nb"),
        ("readings", "body_sha256", 5),
        ("readings", "meters", {}),
        ("readings", "meters", [{"name": "M", "quantity": "-1", "billed_unit": None}]),
        ("readings", "meters", [{"name": "M", "quantity": "1e5", "billed_unit": None}]),
        ("readings", "meters", [{"name": "M", "quantity": 1, "billed_unit": None}]),
        ("readings", "meters", [{"name": "M", "quantity": "1", "billed_unit": "x"}]),
        ("readings", "meters", [{"name": "M", "quantity": "1"}, {"name": "M", "quantity": "1"}]),
        ("failures", "kind", "usage"),
        ("failures", "name", "another"),
        ("failures", "reason", None),
        ("endpoints", "source", 7),
        ("endpoints", "name", "x" * 5000),
    ],
)
def test_malformed_parts_are_refused(part: str, key: str, value: object) -> None:
    found = copy.deepcopy(answer())
    found[part][0][key] = value
    with pytest.raises(InputError, match="malformed"):
        spool.check_answer(found, "it")


@pytest.mark.parametrize("text", [None, 5, "", "{}", "[]", "[" * 100000, '{"endpoints":[],"readings":[],"failures":[1.5]}', '{"endpoints":[],"readings":NaN}'])
def test_other_texts_are_refused(text: object) -> None:
    with pytest.raises(InputError):
        spool.load_answer(text, "it")


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:5001"),
        ("0.0.0.0", "http://127.0.0.1:5001"),
        ("::", "http://[::1]:5001"),
        ("", "http://127.0.0.1:5001"),
        ("fd00::1", "http://[fd00::1]:5001"),
    ],
)
def test_endpoints_of_containers(bind: str, url: str) -> None:
    found = spool.endpoints_of([{"name": "stt", "port": 5001, "bind": bind, "service": "speech_to_text", "resource": "r"}])
    assert found == [{"name": "stt", "url": url, "container": "stt", "service": "speech_to_text", "resource": "r"}]


@pytest.mark.parametrize("host", ["h1", "../../etc/passwd", ".hidden", "a b", "..", "ü"])
def test_a_host_name_is_one_file_name(host: str, tmp_path: Path) -> None:
    name = spool.file_name(host)
    assert "/" not in name
    assert not name.startswith(".")
    (tmp_path / name).write_text("x")
    assert [item.name for item in tmp_path.iterdir()] == [name]


def test_no_two_harvests_or_hosts_share_a_file() -> None:
    words = ["".join(letters) for length in (1, 2, 3) for letters in itertools.product("a-./", repeat=length)] + ["%2D", "-%2D", "%2Ea"]
    names = [spool.file_name(*pair) for pair in itertools.product(words, repeat=2)]
    assert len(set(names)) == len(names)
    assert not any(name.startswith(".") or "/" in name for name in names)


def plan(tmp_path: Path, **more: object) -> spool.Plan:
    args = {"spool": str(tmp_path / "ledger/spool"), "site": "s", "host": "h1", "harvest": "x", "endpoints": ENDPOINTS, "timeout": 3}
    return spool.Plan.of({**args, **more})


def test_a_plan_passes_on_what_the_host_needs(tmp_path: Path) -> None:
    found = plan(tmp_path, months=3)
    assert set(found.module_args) == {"endpoints", "timeout", "compact", "since", "until"}
    assert found.module_args["compact"] is True
    assert len(found.months) == 3
    assert (found.module_args["since"], found.module_args["until"]) == (found.months[0], found.months[-1])


def test_silence_names_every_scope(tmp_path: Path) -> None:
    found = plan(tmp_path, since="2026-01", until="2026-02")
    found.write(found.silence("host not\nreached"))
    path = tmp_path / "ledger/spool/x--h1.json"
    assert path.stat().st_mode & 0o777 == 0o600
    document = spool.load_document(path.read_bytes(), "it")
    assert [item["scope"] for item in document["answer"]["failures"]] == ["2026-01", "2026-02", "all"]
    assert document["host"] == "h1"


@pytest.mark.parametrize("more", [{"site": ""}, {"harvest": None}, {"months": 1000}, {"months": "x"}, {"since": "x"}, {"endpoints": [{"name": "c"}]}])
def test_wrong_options_are_named(tmp_path: Path, more: dict[str, object]) -> None:
    with pytest.raises(InputError):
        plan(tmp_path, **more)


@pytest.mark.parametrize("endpoints", [5, "x", ["x"], [5], {"name": "c"}])
def test_endpoints_of_another_kind_are_named(tmp_path: Path, endpoints: object) -> None:
    with pytest.raises(InputError, match="harvest_endpoints.*not a list of dictionaries"):
        plan(tmp_path, endpoints=endpoints)
    with pytest.raises(InputError, match="harvest_endpoints.*not a list of dictionaries"):
        spool.targets({"host": "h1", "direct": "http://{host}", "endpoints": endpoints})


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "5"])
def test_a_file_of_closed_months_that_is_none_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "h1.json").write_text(text)
    assert spool.read_closed(str(tmp_path), "h1") == {}


def test_closed_months_reach_their_endpoint(tmp_path: Path) -> None:
    spool.write_closed(str(tmp_path / "closed"), {("s", "h1", "c"): {"source": "s1", "months": ["2026-01"]}})
    endpoints = [{"name": "c", "url": "http://h", "container": "c"}, {"name": "d", "url": "http://h", "container": "d"}]
    found = plan(tmp_path, endpoints=endpoints, closed=str(tmp_path / "closed"))
    assert found.module_args["endpoints"][0]["closed"] == {"source": "s1", "months": ["2026-01"]}
    assert "closed" not in found.module_args["endpoints"][1]
    assert spool.read_closed(str(tmp_path), "h2") == {}


def test_a_folder_is_read_and_archived(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    good = spool.document("s", "h1", "x/1", answer(), "2026-03-01T00:00:00Z")
    (folder / "h1.json").write_text(json.dumps(good))
    (folder / "h2.json").write_text(json.dumps({**good, "site": "other"}))
    (folder / "h3.json").write_text("{")
    (folder / ".airgap-1.json").write_text("half")
    box = spool.Folder(str(folder))
    found, refused = box.load("s")
    assert [item.name for item in found] == ["h1.json"]
    assert list(box.documents(found)) == [good]
    assert [name for name, _why in refused] == ["h2.json", "h3.json"]
    box.archive(found, refused)
    assert (tmp_path / "done/x%2F1/h1.json").is_file()
    assert sorted(item.name for item in (tmp_path / "refused").iterdir()) == ["h2.json", "h3.json"]
    assert [item.name for item in folder.iterdir()] == [".airgap-1.json"]
    assert spool.Folder(str(tmp_path / "nowhere")).load("s") == ([], [])


def test_documents_come_oldest_first(tmp_path: Path) -> None:
    for name, moment in (("a", "2026-03-03T00:00:00Z"), ("b", "2026-03-01T00:00:00Z"), ("c", "2026-03-02T00:00:00Z")):
        (tmp_path / f"{name}.json").write_text(json.dumps(spool.document("s", "h1", name, answer(), moment)))
    found, _refused = spool.Folder(str(tmp_path)).load("s")
    assert [item.harvest for item in found] == ["b", "c", "a"]


def test_targets_are_endpoints_as_the_control_node_reaches_them() -> None:
    container = {"name": "stt", "port": 5001, "service": "speech_to_text", "resource": "r0", "bind": "0.0.0.0"}
    other = {"name": "k8s", "url": "https://speech.example.com/stt", "source": "claim-1"}
    args = {"host": "h1", "direct": "https://ai.example.com/{host}/{container}:{port}", "containers": [container], "endpoints": [other]}
    assert spool.targets(args) == [
        {"host": "h1", "container": "stt", "url": "https://ai.example.com/h1/stt:5001", "service": "speech_to_text", "resource": "r0"},
        {"host": "h1", "container": "k8s", "url": "https://speech.example.com/stt", "source": "claim-1"},
    ]
