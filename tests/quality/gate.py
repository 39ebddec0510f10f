# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs gates (lint, unit, sanity, integration, lab) step by step: python tests/quality/gate.py GATE… [beside GATE…]

A step that passes prints one line, a step that fails prints all it said and, at the very end, what failed in it once more.
Every step runs, whatever failed before; the exit status is 1 when one failed. Steps marked ``live`` show their output as it comes. Gates before and behind
``beside`` run at the same time: those of the lab wait for hosts more than they compute. The last lane goes first where they want the same processor.
"""

from __future__ import annotations

import subprocess
import sys
import time
import typing as t
from collections import deque
from concurrent.futures import ThreadPoolExecutor

PYTEST = (sys.executable, "-m", "pytest", "-q")
SHELLCHECK = "git grep --untracked -lzE '^#!.*[/ ](ba)?sh$' -- ':!*.md' ':!*.py' ':!*.j2' | xargs -0 shellcheck"
SANITY = "tests/quality/sanity"
BESIDE = "beside"
TOLD = 15
WIDTH = 300


class Step(t.NamedTuple):
    """One command; ``folder`` is where it runs, relative to the repository."""

    name: str
    command: tuple[str, ...]
    live: bool = False
    folder: str = "."


class Result(t.NamedTuple):
    """How a step ended: exit status, seconds of wall time, its last line, the lines that name what failed."""

    gate: str
    step: Step
    status: int
    seconds: float
    closing: str
    failures: tuple[str, ...] = ()


GATES: dict[str, tuple[Step, ...]] = {
    "lint": (
        Step("ruff check", ("ruff", "check", "--quiet", ".")),
        Step("ruff format", ("ruff", "format", "--quiet", "--diff", ".")),
        Step("mypy", ("mypy", "--no-error-summary", "-p", "ansible_collections.airgap.azure_ai.plugins.module_utils")),
        Step("Python 3.9", ("vermin", "--target=3.9-", "--no-tips", "--no-parse-comments", "--violations", "plugins/module_utils", "plugins/modules")),
        Step("shellcheck", ("bash", "-o", "pipefail", "-c", SHELLCHECK)),
        Step("yamllint", ("yamllint", "--strict", ".")),
        Step("ansible-lint", ("ansible-lint", "--offline", "-q", "--nocolor")),
        Step("changelog", ("antsibull-changelog", "lint")),
        Step("docs", ("antsibull-docs", "lint-collection-docs", "--plugin-docs", ".")),
        Step("galaxy-importer", (sys.executable, "tests/quality/importer.py")),
        Step("house rules", (*PYTEST, "tests/quality")),
    ),
    "unit": (Step("pytest", (*PYTEST, "-n", "2", "tests/unit", "tests/quality"), live=True),),
    "sanity": (
        Step("ansible-test", (SANITY,)),
        Step("ansible-doc", (sys.executable, "tests/quality/documented.py")),
    ),
    "integration": (
        Step("PostgreSQL", ("tests/lab/postgres.sh", "install")),
        Step("Chromium, promtool", ("tests/integration/tools.sh",)),
        Step("pytest", (*PYTEST, "tests/integration"), live=True),
    ),
    "lab": (
        Step("scenarios", (*PYTEST, "tests/lab"), live=True),
        Step("molecule", ("molecule", "test", "-s", "road"), live=True, folder="extensions"),
    ),
}


def run(gate: str, step: Step, modest: bool = False) -> Result:
    """Run one step; print its line, and its output when it is live or fails. A modest one takes what others leave of the processor."""
    command = ("nice", "-n", "10", *step.command) if modest else step.command
    if step.live:
        print(f"== {gate}: {step.name}", flush=True)
    started = time.monotonic()
    kept: deque[str] = deque(maxlen=2000)
    with subprocess.Popen(command, cwd=step.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in t.cast("t.IO[str]", process.stdout):
            kept.append(line)
            if step.live:
                print(f"{gate:11} | {line}", end="", flush=True)
    seconds = time.monotonic() - started
    closing = next((line.strip() for line in reversed(kept) if line.strip()), "")
    result = Result(gate, step, process.returncode, seconds, closing, failures(kept) if process.returncode else ())
    if not step.live:
        # In one piece, as another lane may print as well.
        print("".join(kept) * bool(result.status) + summary(result), flush=True)
    return result


def summary(result: Result) -> str:
    """The line of a step: verdict, names, seconds; pytest's own closing line says how many."""
    verdict = "FAILED" if result.status else "ok"
    closing = f"  {result.closing}" if "pytest" in result.step.command else ""
    return f"{verdict:6}  {result.gate + ': ' + result.step.name:26} {result.seconds:7.1f} s{closing}"


def failures(lines: t.Iterable[str]) -> tuple[str, ...]:
    """What pytest says failed, and the assertions' own lines: the end of a long log is what is looked at first."""
    told = [line.strip()[:WIDTH] for line in lines if line.startswith(("FAILED ", "ERROR ", "E   "))]
    named = [line for line in told if not line.startswith("E ")]
    return tuple([line for line in told if line.startswith("E ")][-TOLD:] + named[:TOLD])


def lanes(words: list[str]) -> list[list[str]]:
    """Names of gates, parted where they run beside one another."""
    found: list[list[str]] = [[]]
    for word in words:
        found.append([]) if word == BESIDE else found[-1].append(word)
    return found


def main(words: list[str]) -> int:
    """Run the gates of these names in order; 2 when a name is unknown."""
    names = [word for word in words if word != BESIDE]
    unknown = [name for name in names if name not in GATES]
    if unknown or not names:
        print(f"gates: {', '.join(GATES)}; unknown: {', '.join(unknown) or 'none given'}", file=sys.stderr)
        return 2
    started = time.monotonic()
    with ThreadPoolExecutor() as pool:
        every = lanes(words)
        work = [pool.submit(lambda lane=lane: [run(name, step, lane is not every[-1]) for name in lane for step in GATES[name]]) for lane in every]
        results = [result for lane in work for result in lane.result()]
    print("\nsummary")
    for result in results:
        print(summary(result))
    for name in names:
        print(f"        {name:26} {sum(result.seconds for result in results if result.gate == name):7.1f} s")
    print(f"        {'in all':26} {time.monotonic() - started:7.1f} s")
    for result in results:
        for line in result.failures:
            print(f"{result.gate:11} | {line}")
    failed = sum(1 for result in results if result.status)
    print(f"steps: {len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
