# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole lab: up, down, and what happens between."""

from __future__ import annotations

import fcntl
import shutil
import typing as t
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.lab import access, cloud, hosts, leaks, machine, roots, shell, tools
from tests.lab.settings import CACHE, STATE


@contextmanager
def alone() -> t.Iterator[None]:
    """Let one `up` or `down` run at a time."""
    STATE.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (STATE.parent / "lab.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise shell.LabError("another `up` or `down` of the lab is at work") from exc
        yield


def up() -> None:
    """Bring the lab up from whatever state it is in."""
    with alone(), shell.step("up"):
        _machine()
        with ThreadPoolExecutor(max_workers=3) as pool:
            work = [pool.submit(access.make), pool.submit(roots.prepare, roots.load, roots.ROOTS), pool.submit(tools.build), pool.submit(cloud.build_images)]
            for outcome in work:
                outcome.result()
        with shell.step("networks and counters"):
            hosts.make_networks()
            leaks.install()
        with shell.step("hosts"):
            hosts.make_hosts()
        with shell.step("registry and stand-in Azure"):
            cloud.fill()


def only_roots() -> None:
    """Fill the cache with the trees and touch nothing else."""
    with alone(), shell.step("roots"):
        machine.install_packages()
        roots.prepare(roots.build)


def down() -> None:
    """Remove containers, networks, volumes, images, rules and the state; stop the engine if this lab started it."""
    with alone(), shell.step("down"):
        if machine.engine_answers():
            for name in hosts.remove():
                shell.say(f"          removed {name}")
        leaks.remove()
        if machine.stop_engine():
            shell.say("          stopped dockerd")
        shutil.rmtree(STATE, ignore_errors=True)


def _machine() -> None:
    with shell.step("machine: packages and engine"):
        machine.install_packages()
        (CACHE / "images").mkdir(mode=0o700, parents=True, exist_ok=True)
        machine.start_engine()
