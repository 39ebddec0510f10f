# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo``: walk the whole road through the lab and show what came of it; ``--clean`` removes everything again."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import textwrap
import time
import typing as t

from tests.lab import lab, outcome, road, settings
from tests.lab.shell import LabError

BUILD = settings.REPOSITORY / "build" / "demo"
STEPS: tuple[tuple[str, str, t.Callable[[], object]], ...] = (
    ("lab", "Build a small world: a registry and a stand-in Azure, a builder, an air gap, a site with a control node and two bare hosts.", lab.up),
    ("init", "Make keys and inventories on both sides; a person carries public keys and the vault password across.", road.init),
    ("bundle", "Connected zone: fetch images, licenses, models and packages, and write one signed bundle.", road.bundle),
    ("carry", "Carry the bundle over the air gap. Nothing else crosses.", road.carry),
    ("receive", "Site: verify the signature and every digest, and import.", road.receive),
    ("rollout", "Site: install Docker Engine from the bundle, stage, start, and prove that every container answers.", road.rollout),
    ("traffic", "Use the services, as the site's clients would.", road.traffic),
    ("harvest", "Bring the usage records into the ledger.", road.harvest),
    ("report", "Write the report.", road.report),
)


def told(output: str) -> list[str]:
    """What a playbook told its user, out of everything it printed."""
    found: list[str] = []
    for match in re.finditer(r'"msg": (\[.*?^ {4}\]|"(?:[^"\\]|\\.)*"$)', output, re.MULTILINE | re.DOTALL):
        message = json.loads(match[1])
        found += message if isinstance(message, list) else [message]
    return found


def walk() -> None:
    """Every step in order, each with its wall time."""
    begin = time.monotonic()
    for number, (name, words, step) in enumerate(STEPS, 1):
        print(f"\n[{number}/{len(STEPS)}] {name}: {words}", flush=True)
        start = time.monotonic()
        result = step()
        if name == "carry":
            path, size = t.cast("tuple[str, int]", result)
            print(f"      {size / 1e6:.1f} MB lie in {path} of the site's control node")
        for line in told(result) if isinstance(result, str) else []:
            print(textwrap.indent(textwrap.fill(line, 132), "      "))
        print(f"      done in {time.monotonic() - start:.1f} s", flush=True)
    print(f"\nThe road took {time.monotonic() - begin:.0f} s.\n")


def show() -> None:
    """The table of what runs where and what it used, and where the report lies."""
    for line in outcome.table(outcome.report()):
        print(line)
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in outcome.FILES:
        (BUILD / name).write_bytes(road.read(road.CONTROL, f"{road.HOME}/report/{name}"))
    print(f"\nReport: {BUILD / 'report.html'}")
    print(f"Look around: python3 -m tests.lab exec control --user ops        logs of each playbook: {road.LOGS}")
    print("Remove it all again: make demo-clean")


def main() -> int:
    """Walk or clean; a failure is told in words and leaves 1. Run again, the demo goes on where it was cut off."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--clean", action="store_true", help="remove the lab and what the demo wrote")
    try:
        if parser.parse_args().clean:
            lab.down()
            shutil.rmtree(BUILD, ignore_errors=True)
        else:
            walk()
            show()
    except LabError as exc:
        print(f"demo: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
