# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the benchmarks and writes build/bench.json: python -m tests.bench [NAME]

A file ``tests/bench/bench_*.py`` holds ``BENCHES``: name to a function without arguments that measures ours, peer
(what a user would do otherwise) and floor (same bytes or requests, nothing around them) in turn and returns
``{unit, ours, peer, floor, ours_rss_mb, runs}``. NAME is one name or the part before its dot. What is not
measured this time keeps its former result. What exceeds a bound (bounds.py) is named; the exit status says only whether all was measured.
"""

from __future__ import annotations

import importlib
import json
import sys
import typing as t
from pathlib import Path

from tests.bench import bounds

OUTPUT = Path("build/bench.json")
KEYS = ("unit", "ours", "peer", "floor", "ours_rss_mb", "runs")
Bench = t.Callable[[], t.Mapping[str, t.Any]]


def benches() -> dict[str, Bench]:
    """Every benchmark by name."""
    found: dict[str, Bench] = {}
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        found.update(importlib.import_module(f"tests.bench.{path.stem}").BENCHES)
    return found


def wanted(known: t.Mapping[str, Bench], only: str) -> dict[str, Bench]:
    """The benchmarks that ``only`` names; all when it is empty."""
    return {name: bench for name, bench in known.items() if not only or name == only or name.partition(".")[0] == only}


def main(only: str = "") -> int:
    """0 when all was measured, 1 when there are no benchmarks at all, 2 when nothing bears the name."""
    known = benches()
    if not known:
        print("nothing is measured yet: there is no tests/bench/bench_*.py", file=sys.stderr)
        return 1
    chosen = wanted(known, only)
    if not chosen:
        print(f"no benchmark {only!r}; there are: {', '.join(known) or 'none'}", file=sys.stderr)
        return 2
    results = {row["name"]: row for row in json.loads(OUTPUT.read_text())} if OUTPUT.exists() else {}
    for name, bench in chosen.items():
        measured = bench()
        row = {"name": name, **{key: measured[key] for key in KEYS}}
        results[name] = {**row, "over": bounds.over(name, row)}
        print("{name}: ours {ours} {unit}, peer {peer}, floor {floor}, {ours_rss_mb} MB, {runs} runs".format(**results[name]), flush=True)
        for told in results[name]["over"]:
            print(f"  {name} is OVER its bound: {told}", flush=True)
        OUTPUT.parent.mkdir(exist_ok=True)
        OUTPUT.write_text(json.dumps([results[name] for name in sorted(results)], indent=1) + "\n")
    exceeded = [name for name in chosen if results[name]["over"]]
    print(f"measured: {len(chosen)}; over a bound: {', '.join(exceeded) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
