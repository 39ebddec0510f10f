# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Harvests on this machine, against what a user would write otherwise and against what cannot be left out, in turn in one run.

harvest.host    one host, 24 containers by 13 scopes; peer: ansible.builtin.uri in a loop; floor: ping and a bare keep-alive client
harvest.direct  200 hosts of 24 containers by 13 scopes, no ssh; peer: a task on each host; floor: ping, a raw asyncio client and the same rows appended
harvest.fleet   50 hosts over ssh with pipelining, 4 containers by 13 scopes; peer: uri for the 4 totals alone; floor: ping on the same hosts
harvest.slope   seconds for one more host, from 10 to 50; peer: from 10 to 30, which tells whether it grows; floor: ping from 10 to 50
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import answer, ledger, months, schema, spool
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.client import Answers
from ansible_collections.airgap.azure_ai.tests.bench import fleet

RUNS = 3
MONTHS = 12  # and all time: 13 scopes
HARVEST = ("airgap.azure_ai.harvest", "-e", "harvest_evidence=none")
ANSIBLE = [sys.executable, "-m", "ansible.cli.playbook"]
MODULE = """
import contextlib, importlib, json, resource, sys
from ansible.module_utils.testing import patch_module_args
module = importlib.import_module("ansible_collections.airgap.azure_ai.plugins.modules." + sys.argv[1])
with patch_module_args(json.load(open(sys.argv[2]))), contextlib.suppress(SystemExit):
    module.main()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
Json = dict[str, t.Any]


def asked() -> list[str]:
    """The months that are asked for."""
    return months.span(months.back(months.now()[:7], MONTHS - 1), None, months.now())


def paths() -> list[str]:
    """What one container is asked for."""
    return [f"/records/usage-logs/{month[5:]}/{month[:4]}" for month in asked()] + ["/records/usage-logs/"]


class Bench:
    """A folder with an inventory and playbooks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "ANSIBLE_PIPELINING": "True", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(folder / "ansible"), "ANSIBLE_FORKS": "25"}
        self.environment.update(ANSIBLE_LOCALHOST_WARNING="False", ANSIBLE_INVENTORY_UNPARSED_WARNING="False", ANSIBLE_INVENTORY=str(folder / "hosts.json"))
        self.peak = 0

    def inventory(self, hosts: t.Mapping[str, Json], **variables: t.Any) -> None:
        """Write the inventory: ``hosts`` in the group azure_ai_hosts."""
        content = {
            "all": {"children": {"azure_ai_hosts": {"hosts": hosts}}, "vars": {"azure_ai_home": str(self.folder), "azure_ai_site": "bench", **variables}}
        }
        (self.folder / "hosts.json").write_text(json.dumps(content))

    def play(self, hosts: str, *tasks: Json, **play: t.Any) -> Path:
        """Write a playbook of one play."""
        path = self.folder / f"play-{len(list(self.folder.glob('play-*')))}.yml"
        path.write_text(json.dumps([{"hosts": hosts, "gather_facts": False, **play, "tasks": list(tasks)}]))
        return path

    def run(self, playbook: Path | str, *arguments: str) -> float:
        """Seconds of ansible-playbook, every connection made anew."""
        sockets = self.folder / "cp"
        shutil.rmtree(sockets, ignore_errors=True)
        start = time.monotonic()
        done = subprocess.run(
            [*ANSIBLE, str(playbook), *arguments],
            env={**self.environment, "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets)},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - start
        assert done.returncode == 0 and "unreachable=1" not in done.stdout, done.stdout[-3000:]
        for control in sockets.glob("*") if sockets.exists() else ():
            subprocess.run(["ssh", "-o", f"ControlPath={control}", "-O", "exit", "-q", "x"], check=False, stderr=subprocess.DEVNULL)
        return seconds

    def rss(self, name: str, options: Json) -> None:
        """Note the peak of memory of a module run by itself."""
        path = self.folder / "options.json"
        path.write_text(json.dumps(options))
        done = subprocess.run([sys.executable, "-c", MODULE, name, str(path)], capture_output=True, text=True, check=True)
        said, peak = done.stdout.splitlines()[-2:]
        assert not json.loads(said).get("failed"), said[:2000]
        self.peak = max(self.peak, int(peak))

    def result(self, unit: str, times: t.Mapping[str, t.Sequence[float]], digits: int = 2) -> Json:
        """Medians."""
        runs = min(map(len, times.values()))
        return {
            "unit": unit,
            **{name: round(statistics.median(values), digits) for name, values in times.items()},
            "ours_rss_mb": round(self.peak / 1e6),
            "runs": runs,
        }


@contextmanager
def bench() -> t.Iterator[Bench]:
    """A benchmark with a folder of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="azure-ai-harvest-bench-", dir="/var/tmp") as folder:
        yield Bench(Path(folder))


def told(result: Json, words: str) -> Json:
    """Print the ratios that the bounds are about."""
    times = f"{result['peer'] / result['ours']:.1f} x faster than the peer, {result['ours'] / result['floor']:.2f} x the floor"
    print(f"  {words}: {times}", flush=True)
    return result


def host() -> Json:
    """One task against a loop of tasks; the peer runs whole, once."""
    with bench() as made, fleet.endpoints(24) as ports:
        made.inventory({})
        local = {"connection": "local", "vars": {"ansible_python_interpreter": sys.executable}}
        endpoints = [{"name": f"c{number}", "url": f"http://127.0.0.1:{port}"} for number, port in enumerate(ports)]
        options = {"endpoints": endpoints, "since": asked()[0], "compact": True}
        ours = made.play("localhost", {"airgap.azure_ai.usage_info": options}, **local)
        ping = made.play("localhost", {"ansible.builtin.ping": {}}, **local)
        urls = [f"http://127.0.0.1:{port}{path}" for port in ports for path in paths()]
        loop = made.play("localhost", {"ansible.builtin.uri": {"url": "{{ item }}", "return_content": True}, "loop": urls}, **local)
        times: dict[str, list[float]] = {"ours": [], "peer": [made.run(loop)], "floor": []}
        for _run in range(RUNS):
            times["ours"].append(made.run(ours))
            times["floor"].append(made.run(ping) + fleet.bare(ports, paths()))
        made.rss("usage_info", options)
        return told({**made.result("s", times), "runs": RUNS}, "harvest.host, at least 80 and at most 1.3")


def direct() -> Json:
    """All endpoints of a site from the control node into a new ledger."""
    count, each = 200, 24
    with bench() as made, fleet.endpoints(each) as ports:
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        made.inventory({f"h{number}": local for number in range(count)})
        names = [(f"h{number}", f"c{index}", port) for number in range(count) for index, port in enumerate(ports)]
        endpoints = [{"host": where, "container": name, "url": f"http://127.0.0.1:{port}"} for where, name, port in names]
        options = {"url": str(made.folder / "ours.db"), "site": "bench", "harvest": "x", "endpoints": endpoints, "since": asked()[0]}
        (made.folder / "options.json").write_text(json.dumps(options))
        passing = {"connection": "local", "vars": {"ansible_python_interpreter": sys.executable}}
        # As the role passes them: values of a variable, which nobody templates one by one.
        told_by_file = {**options, "endpoints": "{{ (lookup('file', 'options.json') | from_json).endpoints }}"}
        ours = made.play("localhost", {"airgap.azure_ai.usage_harvest": told_by_file}, **passing)
        ping = made.play("localhost", {"ansible.builtin.ping": {}}, **passing)
        asking = [{"name": f"c{index}", "container": f"c{index}", "url": f"http://127.0.0.1:{port}"} for index, port in enumerate(ports)]
        times: dict[str, list[float]] = {"ours": [], "peer": [], "floor": []}
        documents = _documents(endpoints)
        for _run in range(RUNS):
            for name in ("ours.db", "floor.db"):
                for path in made.folder.glob(name + "*"):
                    path.unlink()
            times["ours"].append(made.run(ours))
            times["floor"].append(made.run(ping) + fleet.raw([port for _where, _name, port in names], paths()) + _append(made.folder / "floor.db", documents))
        values = json.dumps({"harvest_containers": [], "harvest_endpoints": asking, "harvest_months": MONTHS})
        times["peer"].append(made.run(*HARVEST, "-e", values))
        for path in made.folder.glob("ours.db*"):
            path.unlink()
        made.rss("usage_harvest", options)
        return told({**made.result("s", times), "runs": RUNS}, "harvest.direct, at most 1.5 x the floor")


def _documents(endpoints: t.Sequence[Json]) -> list[Json]:
    """What the endpoints answer, as the ledger takes it."""
    moment = months.now()
    made = []
    for endpoint in endpoints:
        asking = {"name": endpoint["container"], "container": endpoint["container"], "url": endpoint["url"]}
        meters = [{"name": meter["name"], "quantity": str(meter["quantity"]), "billed_unit": str(meter["billedUnit"])} for meter in fleet.REPORT["meters"]]
        base = {
            "name": endpoint["container"],
            "url": endpoint["url"],
            "outcome": "usage",
            "http_status": 200,
            "api_type": "",
            "service_name": "s",
            "meters": meters,
        }
        readings = [{**base, "scope": scope, "extra": {}, "observed_at": moment, "body_sha256": "0" * 64} for scope in (*asked(), months.ALL)]
        answers = Answers(readings, [])
        made.append(spool.document("bench", endpoint["host"], "x", answer.whole([asking], answers.readings, answers.failures), moment))
    return made


def _append(path: Path, documents: t.Sequence[Json]) -> float:
    start = time.monotonic()
    with schema.Database(str(path)).write() as connection:
        appender = ledger.Appender(connection, "bench")
        for document in documents:
            appender.add(document)
        appender.finish()
    return time.monotonic() - start


@contextmanager
def sites(most: int) -> t.Iterator[tuple[Bench, Path, Path]]:
    """A fleet of ``most`` hosts of four containers, and the playbooks ping and uri for it."""
    with bench() as made, fleet.endpoints(4) as ports, fleet.hosts(made.folder / "sshd", most) as connections:
        asking = [{"name": f"c{index}", "container": f"c{index}", "url": f"http://127.0.0.1:{port}"} for index, port in enumerate(ports)]
        names = {f"h{number}": variables for number, variables in enumerate(connections)}
        made.inventory(names, harvest_containers=[], harvest_endpoints=asking, harvest_months=MONTHS)
        ping = made.play("azure_ai_hosts", {"ansible.builtin.ping": {}})
        urls = [f"http://127.0.0.1:{port}/records/usage-logs/" for port in ports]
        loop = made.play("azure_ai_hosts", {"ansible.builtin.uri": {"url": "{{ item }}", "return_content": True}, "loop": urls})
        yield made, ping, loop


def _limited(count: int) -> tuple[str, str]:
    return "--limit", ",".join(["localhost", *(f"h{number}" for number in range(count))])


def over_ssh() -> Json:
    """A whole site by ssh."""
    with sites(50) as (made, ping, loop):
        times: dict[str, list[float]] = {"ours": [], "peer": [made.run(loop)], "floor": []}
        for _run in range(RUNS):
            times["ours"].append(made.run(*HARVEST))
            times["floor"].append(made.run(ping))
        made.peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        return told({**made.result("s", times), "runs": RUNS}, "harvest.fleet, at most 1.35 x the floor")


def slope() -> Json:
    """What one more host costs."""
    with sites(50) as (made, ping, _loop):
        times: dict[str, list[float]] = {"ours": [], "peer": [], "floor": []}
        for _run in range(RUNS):
            few, some, many = (made.run(*HARVEST, *_limited(count)) for count in (10, 30, 50))
            times["ours"].append((many - few) / 40)
            times["peer"].append((some - few) / 20)
            times["floor"].append((made.run(ping, *_limited(50)) - made.run(ping, *_limited(10))) / 40)
        made.peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        return told(made.result("s per host", times, 3), "harvest.slope, constant when the peer is the same")


BENCHES = {"harvest.host": host, "harvest.direct": direct, "harvest.fleet": over_ssh, "harvest.slope": slope}
