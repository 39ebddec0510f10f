# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's hosts: rollouts that have nothing to do, first and later stagings of 1.5 GB over ssh, an image that is there.

Everything runs against systemd hosts with a real engine, from a control folder that init made; README.md says what each measures.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.airgap.azure_ai.tests.bench import containers, hosts
from ansible_collections.airgap.azure_ai.tests.bench.control import Control, Json, name_of, peak
from ansible_collections.airgap.azure_ai.tests.bench.freight import Freight

RUNS = 3
FLEET = 3
SLOPE = (1, 3, 6)
ROLLOUT = "airgap.azure_ai.rollout"
PING = {"ansible.builtin.ping": {}}
Times = dict[str, list[float]]


@contextmanager
def controls(count: int) -> t.Iterator[Control]:
    """A control node with so many hosts, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="azure-ai-site-bench-", dir="/var/tmp") as name, hosts.up(Path(name) / "keys", count) as found:
        yield Control(Path(name) / "home", Path(name) / "keys", found)


def seconds(work: t.Callable[[], object]) -> float:
    """How long it takes."""
    start = time.monotonic()
    work()
    return time.monotonic() - start


def result(unit: str, times: t.Mapping[str, t.Sequence[float]], rss: int, digits: int = 2) -> Json:
    """Medians."""
    medians = {name: round(statistics.median(values), digits) for name, values in times.items()}
    return {"unit": unit, **medians, "ours_rss_mb": round(rss / 1e6), "runs": min(map(len, times.values()))}


def told(name: str, found: Json, bound: float, **more: t.Any) -> Json:
    """Print the ratio that a bound is about, and what else is worth seeing."""
    words = ", ".join(f"{key} {value}" for key, value in more.items())
    print(f"  {name}: {found['ours'] / found['peer']:.2f} x the peer, at most {bound:.2f}" + (f"; {words}" if words else ""), flush=True)
    return found


@contextmanager
def settled(count: int) -> t.Iterator[tuple[Control, str, str]]:
    """So many hosts with four containers that run as declared; with the playbooks of the peer and of the floor, which change nothing either."""
    with controls(count) as control:
        declared = containers.fill(control)
        control.inventory(declared)
        control.run(ROLLOUT, changed=True)
        plain = containers.plain(control, declared)
        control.run(plain)
        control.run(plain, changed=False)
        yield control, plain, control.play(PING, become=True)


def unchanged() -> Json:
    """Peer: the same state by community.docker's modules, file and copy. Floor: one ping."""
    with settled(FLEET) as (control, plain, ping):
        times: Times = {"ours": [], "peer": [], "floor": []}
        for _run in range(RUNS):
            for name, playbook in (("ours", ROLLOUT), ("peer", plain), ("floor", ping)):
                times[name].append(control.run(playbook, changed=False)[0])
        return told("rollout.unchanged", result("s", times, peak()), 1 / 3)


def slope() -> Json:
    """Seconds for one more host, from the first to the sixth, with nothing to do."""
    with settled(max(SLOPE)) as (control, plain, ping):
        points: dict[str, dict[int, list[float]]] = {name: {count: [] for count in SLOPE} for name in ("ours", "peer", "floor")}
        for _run in range(RUNS):
            for count in SLOPE:
                limit = ",".join(["localhost", *(host.name for host in control.hosts[:count])])
                for name, playbook in (("ours", ROLLOUT), ("peer", plain), ("floor", ping)):
                    points[name][count].append(control.run(playbook, "--limit", limit, changed=False)[0])
        few, many = min(SLOPE), max(SLOPE)
        times = {name: [(last - first) / (many - few) for first, last in zip(found[few], found[many])] for name, found in points.items()}
        medians = {name: " ".join(f"{statistics.median(found[count]):.1f}" for count in SLOPE) for name, found in points.items()}
        print(
            f"  rollout.slope, seconds over {', '.join(map(str, SLOPE))} hosts: " + "; ".join(f"{name} {words}" for name, words in medians.items()), flush=True
        )
        return result("s per host", times, peak())


def first() -> Json:
    """Peer: rsync of the same bytes and docker load. Floor: the bytes through ssh into the engine, nothing on disk between."""
    with controls(1) as control:
        made = Freight(control)
        tree = made.tree()
        times: Times = {"ours": [], "peer": [], "floor": []}
        most = 0
        for _run in range(RUNS):
            for name, way in (("ours", made.stage), ("peer", lambda: made.rsync_and_load(tree)), ("floor", lambda: made.stream(tree))):
                made.empty()
                made.host.peak()
                times[name].append(seconds(way))
                most = max(most, made.host.peak() if name == "ours" else 0)
        return told("stage.first", result("s", times, most), 1.15, bytes=made.size)


@contextmanager
def staged() -> t.Iterator[tuple[Freight, Json]]:
    """A host on which all is staged, and a newer image of which it lacks one layer."""
    with controls(1) as control:
        made = Freight(control)
        made.stage()
        made.sent()
        yield made, made.change()


def delta_wall() -> Json:
    """Peer: copy and docker_image_load of the image that changed. Floor: the changed layer alone through ssh into the engine."""
    with staged() as (made, record):
        control = made.control
        plain = made.copy_and_load(control.save(record))
        lean = control.save(record, [layer["digest"] for layer in record["layers"][:-1]])
        times: Times = {"ours": [], "peer": [], "floor": []}
        most = 0
        for _run in range(RUNS):
            ways = ("ours", made.stage), ("peer", lambda: control.run(plain)), ("floor", lambda: control.shell(made.host, "sudo docker load", lean))
            for name, way in ways:
                made.forget(record)
                made.host.peak()
                times[name].append(seconds(way))
                most = max(most, made.host.peak() if name == "ours" else 0)
        return told("stage.delta_wall", result("s", times, most), 1 / 4)


def delta_bytes() -> Json:
    """Of blobs, what rsync sends. Peer: the archive that copy sends. Floor: the changed blob."""
    with staged() as (made, record):
        before = made.host.received()
        made.stage()
        every = made.host.received() - before
        found = {"unit": "B", "ours": made.sent(), "peer": made.control.save(record).stat().st_size, "floor": made.changed}
        print(f"  stage.delta_bytes: {found['ours'] / found['floor']:.4f} x the changed blob, at most 1.05; all that came over ssh: {every} B", flush=True)
        return {**found, "ours_rss_mb": round(made.host.peak() / 1e6), "runs": 1}


def present() -> Json:
    """One task each, over a connection that stands. Peer: docker_image_load. Floor: docker image inspect by command."""
    with controls(1) as control:
        made = Freight(control)
        made.stage()
        record, saved = made.records[0], "/var/tmp/peer.tar"
        control.shell(made.host, f"cat > {saved}", control.save(record))
        tasks = {
            "ours": {"airgap.azure_ai.image_load": {"image": record, "name": name_of(record)}},
            "peer": {"community.docker.docker_image_load": {"path": saved}},
            "floor": {"ansible.builtin.command": {"argv": ["docker", "image", "inspect", name_of(record)]}},
        }
        times = [control.tasks(["ping", *tasks], PING, *tasks.values()) for _run in range(RUNS)]
        made.host.peak()
        control.run(control.play(tasks["ours"], become=True), changed=False)
        found = result("s", {name: [each[name] for each in times] for name in tasks}, made.host.peak())
        print(f"  image_load.present: {found['ours']} s, at most 1; {found['ours_rss_mb']} MB resident, at most 100", flush=True)
        return found


BENCHES = {"rollout.unchanged": unchanged, "rollout.slope": slope, "image_load.present": present}
BENCHES.update({"stage.first": first, "stage.delta_wall": delta_wall, "stage.delta_bytes": delta_bytes})
