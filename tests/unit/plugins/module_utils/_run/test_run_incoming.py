# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan that fitted fits as well after a part of it arrived."""

from __future__ import annotations

import typing as t
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import incoming
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.plan import plan
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, have, item, want

IMAGE = Image(b"some bytes of a layer")
WISH = want(item(IMAGE))
SEND = plan(have(), WISH)["send"]
SIZE = sum(blob["size"] for blob in SEND)
LARGEST = max(blob["size"] for blob in SEND)


def host(free: int, blobs: t.Mapping[str, int] | None = None, loose: int = 0, on: t.Sequence[str] = ("docker", "root")) -> dict[str, t.Any]:
    disk = {name: {"free": free if name in on else 10**12, "total": 10**12} for name in ("root", "docker")}
    return have(disk=disk, incoming=blobs if blobs is None else {"blobs": blobs, "loose": loose, "on": list(on)})


@given(
    parts=st.tuples(*(st.integers(0, blob["size"]) for blob in SEND)),
    loose=st.integers(0, SIZE),
    slack=st.integers(-SIZE, SIZE),
    on=st.sets(st.sampled_from(["docker", "root"])),
)
def test_what_arrived_changes_no_verdict(parts: tuple[int, ...], loose: int, slack: int, on: set[str]) -> None:
    free = 2 * SIZE + slack
    first = plan(host(free, {}, on=sorted(on)), WISH)
    assert bool(first["problems"]) is (slack < 0 and bool(on))
    there = {blob["digest"][7:]: part for blob, part in zip(SEND, parts)}
    again = plan(host(free - sum(parts) - loose, there, loose, sorted(on)), WISH)
    assert bool(again["problems"]) is bool(first["problems"])
    assert first["send_room"] == SIZE + LARGEST
    assert again["send_room"] == first["send_room"] - sum(parts), "it takes from the folder as much as it saves"


@given(parts=st.tuples(*(st.integers(0, blob["size"]) for blob in SEND)))
def test_the_room_suffices_for_what_rsync_does(parts: tuple[int, ...]) -> None:
    """rsync writes each file whole beside what came of it, and only then gives that away."""
    there = {blob["digest"][7:]: part for blob, part in zip(SEND, parts)}
    free = incoming.room(host(0, there), SEND)
    for blob, part in zip(SEND, parts):
        free -= blob["size"]
        assert free >= 0
        free += part


def test_more_than_a_blob_is_no_more_than_it() -> None:
    name = SEND[0]["digest"][7:]
    assert incoming.arrived(host(0, {name: 10**9, "f" * 64: 10**9}), SEND) == SEND[0]["size"]
    assert incoming.arrived(have(), SEND) == 0 and incoming.room(have(), []) == 0


def test_elsewhere_it_helps_nobody() -> None:
    there = {blob["digest"][7:]: blob["size"] for blob in SEND}
    (problem,) = plan({**host(SIZE, there, on=["root"]), "incoming": {"blobs": there, "loose": 0, "on": ["docker"]}}, WISH)["problems"]
    assert "free for root" in problem and "(twice what is sent)" in problem


def test_what_still_lacks_is_told_with_what_came_before() -> None:
    there = {SEND[0]["digest"][7:]: 1}
    problems = plan(host(0, there), WISH)["problems"]
    assert problems[1] == f"disk: 0 B free for root, {2 * SIZE - 1} B needed (twice what is sent, less 1 B that came before); make room"


def test_the_folder_is_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    found = incoming.look(str(folder), {"root": str(tmp_path / "root"), "proc": "/proc"})
    assert found.pop("free") > 0
    assert found == {"folder": str(folder), "blobs": {}, "loose": 0, "on": ["root"]}
    (folder / ".~tmp~").mkdir(parents=True)
    data = b"x" * 8192
    for name in ("a" * 64, f".~tmp~/{'a' * 64}", f".~tmp~/{'b' * 64}", f".{'c' * 64}.Ab3xyZ", ".blobs", "notes"):
        (folder / name).write_bytes(data)
    (folder / ("a" * 64)).write_bytes(data[:100])
    with (folder / ("d" * 64)).open("wb") as stream:
        stream.truncate(10**9)
    (folder / ("e" * 64)).symlink_to(folder / "notes")
    found = incoming.look(str(folder), {})
    assert found["blobs"] == {"a" * 64: 8192, "b" * 64: 8192, "d" * 64: 0} and found["loose"] == 8192


def test_a_home_that_is_too_small_is_told_before_the_run() -> None:
    def told(free: int, loose: int = 0, **more: t.Any) -> list[str]:
        return plan(have(incoming={"folder": "/home/deploy/in", "free": free, "blobs": {}, "loose": loose, "on": []}, **more), WISH)["problems"]

    needed = SIZE + LARGEST
    assert told(needed) == told(needed - 5, 5) == []
    (problem,) = told(needed - 1)
    assert problem.startswith(f"disk: {needed - 1} B free for /home/deploy/in, {needed} B needed for what is still to be sent and to go on inside")
    assert problem.endswith("; make room, or name another folder in stage_incoming")
    assert told(0, store={blob["digest"][7:]: blob["size"] for blob in SEND}) == [], "nothing is sent"
