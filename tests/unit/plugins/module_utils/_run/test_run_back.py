# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback's plan: what it says of days and settings; the rest is tested through the module rollback_info."""

from __future__ import annotations

import json
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import back, links
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, release

ONE = release(Image(b"one"))
HELD: dict[str, t.Any] = {"images": [{"name": "i", "usable": True}], "containers": []}


def lay(root: Path, name: str, **more: t.Any) -> Path:
    """A container whose present run had the same release with other settings before it."""
    folder = root / "containers" / name
    (folder / "releases" / ONE["id"] / "license").mkdir(parents=True)
    (folder / "releases" / ONE["id"] / "release.json").write_text(json.dumps({**ONE, **more}))
    (folder / "releases" / ONE["id"] / "license" / "license.dat").write_text("x")
    (folder / "current").symlink_to(f"releases/{ONE['id']}")
    run = {"container": name, "release": ONE["id"], "docker_container": {"image": "i", "labels": {"airgap.azure_ai.spec": "old"}}}
    (folder / "former.json").write_text(json.dumps({"spec": "old", "release": ONE["id"], "since": "2026-05-01T00:00:00Z", "previous": None, "run": run}))
    return folder


@pytest.mark.parametrize(("now", "days"), [("2026-12-31T23:59:59Z", 0), ("2026-06-01T00:00:00Z", 213)])
def test_former_settings_of_the_same_release(tmp_path: Path, now: str, days: int) -> None:
    lay(tmp_path, "x")
    step, line = back.step(str(tmp_path), "x", None, HELD, now)
    assert step is not None and (step["from"], step["to"], step["restart"]) == (ONE["id"], ONE["id"], False)
    assert line == f"{ONE['id']} with its former settings (rollback to what proved itself on 2026-05-01), start, license {days} days"


def test_what_runs_is_asked_where_it_is_published_now(tmp_path: Path) -> None:
    lay(tmp_path, "x")
    running = {"name": "x", "state": "running", "labels": {}, "published": [["127.0.0.1", 6001, 5000]]}
    for containers, url in (([running], "http://127.0.0.1:6001"), ([], None)):
        step, _line = back.step(str(tmp_path), "x", None, {**HELD, "containers": containers}, "2026-06-01T00:00:00Z")
        assert step is not None and step["before"] == url


def test_a_license_that_ended_yesterday_is_not_started(tmp_path: Path) -> None:
    lay(tmp_path, "x")
    with pytest.raises(AirgapError, match="ended on 2026-12-31, so it is not started; bundle a new one"):
        back.step(str(tmp_path), "x", None, HELD, "2027-01-01T00:00:00Z")


def test_one_containers_problem_is_not_anothers(tmp_path: Path) -> None:
    lay(tmp_path, "ended", expires="2020-01-01")
    lay(tmp_path, "good")
    found = back.survey(str(tmp_path), [], {}, HELD, "2026-06-01T00:00:00Z")
    assert [step["container"] for step in found["steps"]] == ["good"]
    assert len(found["problems"]) == 1 and "container ended" in found["problems"][0]


NAMES = ["a", "b", "c", "d", "e", "f"]


def needing(root: Path, name: str, needs: t.Sequence[str], former: bool) -> None:
    """A container that needs others; of one that cannot go back its own note tells which."""
    folder = lay(root, name)
    note = json.loads((folder / "former.json").read_text())
    note["run"]["after"] = list(needs)
    (folder / "former.json").unlink()
    (folder / ("former.json" if former else "proven.json")).write_text(json.dumps(note))


def runs(names: t.Collection[str]) -> dict[str, t.Any]:
    return {**HELD, "containers": [{"name": name, "state": "running", "labels": {}} for name in sorted(names)]}


@given(st.permutations(NAMES), st.lists(st.sets(st.sampled_from(NAMES), max_size=3), min_size=6, max_size=6), st.data())
def test_on_the_way_back_too_what_is_needed_stops_last_and_starts_first(order: list[str], picks: list[set[str]], data: st.DataObject) -> None:
    """Whatever needs whatever, as long as nothing needs itself, whoever runs and whoever goes back, and whichever of them fails."""
    after = {name: sorted(picked & set(order[:place])) for place, (name, picked) in enumerate(zip(order, picks))}
    there, going = (data.draw(st.sets(st.sampled_from(NAMES))) for _each in range(2))
    named = data.draw(st.permutations(sorted(going)))
    with tempfile.TemporaryDirectory() as root:
        for name in NAMES:
            needing(Path(root), name, after[name], name in going)
        found = back.survey(root, named, {}, runs(there), "2026-06-01T00:00:00Z")
    steps = found["steps"]
    assert {step["container"] for step in steps} == going and len(steps) == len(going)
    assert [line.split()[1].rstrip(":") for line in found["lines"]] == [step["container"] for step in steps]
    failing = data.draw(st.sampled_from([None, *going]))
    running, anew = set(there), set()
    for step in steps:
        name = step["container"]
        for each in step["stops"]:
            assert not (links.needing(each["container"], after) & running & going - anew), "who needs it stops before it"
            running.remove(each["container"])
        assert step["stopped"] == (name in there and name not in running)
        assert not (links.needing(name, after) & running & going) if name in there else not (links.needing(name, after) & anew)
        running.discard(name)
        if name == failing:
            assert set(step["waiting"]) == there - running - {name}, "nothing is left stopped"
            assert step["waiting"] == links.ordered(step["waiting"], {each: [on for on in NAMES if each in links.needing(on, after)] for each in NAMES})
            break
        assert not {on for on in going if name in links.needing(on, after)} - anew, "what it needs runs again by now"
        running.add(name)
        anew.add(name)
    else:
        assert running == there | going


def test_one_that_stays_hands_on_who_needs_whom(tmp_path: Path) -> None:
    """The proxy needs what stays, and that needs what goes back with the proxy; in the alphabet they would go the other way round."""
    for name, needs, former in (("a-proxy", ["custom"], True), ("custom", ["layout"], False), ("layout", [], True)):
        needing(tmp_path, name, needs, former)
    found = back.survey(str(tmp_path), [], {}, runs(["a-proxy", "custom", "layout"]), "2026-06-01T00:00:00Z")
    assert [(step["container"], [each["container"] for each in step["stops"]], step["waiting"]) for step in found["steps"]] == [
        ("layout", ["a-proxy"], ["a-proxy"]),
        ("a-proxy", [], []),
    ]
    assert [line.split()[1] for line in found["lines"]] == ["layout:", "a-proxy:"]


def test_a_former_port_that_another_one_took_is_told(tmp_path: Path) -> None:
    for name, port in (("x", 5001), ("y", 5002)):
        note = json.loads((lay(tmp_path, name) / "former.json").read_text())
        note["run"]["docker_container"]["published_ports"] = [f"127.0.0.1:{port}:5000"]
        (tmp_path / "containers" / name / "former.json").write_text(json.dumps(note))
    swapped = [{"name": name, "state": "running", "labels": {}, "published": [["127.0.0.1", port, 5000]]} for name, port in (("x", 5002), ("y", 5001))]
    held = {**HELD, "containers": swapped}
    alone = back.survey(str(tmp_path), ["x"], {}, held, "2026-06-01T00:00:00Z")
    assert (alone["steps"], alone["lines"]) == ([], [])
    assert alone["problems"] == ["container x: its former port 5001 is container y's now; roll both back, or declare it with a free port"]
    both = back.survey(str(tmp_path), [], {}, held, "2026-06-01T00:00:00Z")
    assert both["problems"] == [] and [each["container"] for each in both["steps"]] == ["y", "x"]
    assert [other["container"] for other in both["steps"][0]["stops"]] == ["x"] and both["steps"][1]["stopped"]
