# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the lab: ``python3 -m tests.lab up|down|status|exec|leaks`` from the repository's root."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import typing as t

from tests.lab import hosts, lab, leaks, shell
from tests.lab.settings import host


def arguments(argv: t.Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.lab", description="Air-gapped hosts to test on, made of systemd containers.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring the lab up; safe to run again at any time")
    up.add_argument("--only", choices=["roots"], help="only fill the cache of Debian trees")
    commands.add_parser("down", help="remove the lab and everything it made, except the cache")
    commands.add_parser("status", help="print the state of networks and hosts as JSON")
    commands.add_parser("leaks", help="print how many packets tried to leave, and left, as JSON")
    inside = commands.add_parser("exec", help="run a command in a host: exec HOST [--user USER] -- COMMAND...")
    inside.add_argument("host")
    inside.add_argument("--user", default="root")
    given = list(sys.argv[1:] if argv is None else argv)
    split = given.index("--") if "--" in given else len(given)
    options = parser.parse_args(given[:split])
    options.argv = given[split + 1 :]
    return options


def execute(name: str, user: str, argv: t.Sequence[str]) -> int:
    """Run a command in a host with our own input and output; return its exit status."""
    command = list(argv) or ["/bin/bash"]
    home = "/root" if user == "root" else f"/home/{user}"
    terminal = ["-t"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    begin = shell.as_root(["docker", "exec", "-i", *terminal, "-u", user, "-w", home, host(name).container])
    return subprocess.call([*begin, *command])


def main() -> int:
    """Run one command; a LabError is one line on stderr and exit status 1."""
    options = arguments()
    os.umask(0o022)
    try:
        if options.command == "up":
            lab.only_roots() if options.only else lab.up()
        elif options.command == "down":
            lab.down()
        elif options.command == "exec":
            return execute(options.host, options.user, options.argv)
        else:
            print(json.dumps(hosts.status() if options.command == "status" else leaks.counters(), indent=2))
    except shell.LabError as exc:
        print(f"lab: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
