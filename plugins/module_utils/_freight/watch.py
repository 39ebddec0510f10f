# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a fetching program: count the bytes that it lays down, end it when none come any more, and when we are killed ourselves.

This file is private to the collection.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import tempfile
import time
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import MissingError, RemoteError

INTERVAL = 0.2  # seconds between two looks
MAX_PAUSE = 2.0  # seconds; a registry gives up on one who is silent for long
MAX_OUTPUT = 64 * 1024 * 1024
PR_SET_PDEATHSIG = 1  # of prctl(2)


class Done(t.NamedTuple):
    """How a program ended: exit status, standard output, standard error as text."""

    returncode: int
    stdout: bytes
    stderr: str


class StalledError(RemoteError):
    """The program was killed, as nothing came any more."""


def run(
    command: t.Sequence[str],
    timeout: float,
    folders: t.Sequence[str] = (),
    advance: t.Callable[[int], object] | None = None,
    environment: t.Mapping[str, str] | None = None,
    limit: int = 0,
) -> Done:
    """Run ``command`` to its end.

    :param timeout: seconds without a new byte in ``folders`` (or without an end) after which it is killed
    :param advance: called with the number of bytes that came into ``folders``
    :param limit: bytes a second into ``folders`` on the average; the program is paused where it is ahead, 0 for never
    :raises MissingError: not installed; StalledError: killed because nothing came.
    """
    before = _bytes_in(folders)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, "LC_ALL": "C", **(environment or {})},
                start_new_session=True,
                preexec_fn=bound_to(os.getpid()),
            )
        except FileNotFoundError as exc:
            raise MissingError(command[0], "not installed", f"install the package that brings {command[0]}") from exc
        try:
            _wait(process, command[0], timeout, folders, before, advance, limit)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        out.seek(0)
        err.seek(0)
        return Done(process.returncode, out.read(MAX_OUTPUT), err.read(MAX_OUTPUT).decode("utf-8", "replace"))


def bound_to(parent: int) -> t.Callable[[], None] | None:
    """What lets a child end with ``parent``, whatever ends that: nobody else would, and it would write among the next run's files."""
    try:
        call = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None

    def bind() -> None:
        call(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # killed before we asked for it
            os._exit(1)

    return bind


def _wait(
    process: subprocess.Popen[bytes],
    name: str,
    timeout: float,
    folders: t.Sequence[str],
    before: int,
    advance: t.Callable[[int], object] | None,
    limit: int,
) -> None:
    heard = looked = time.monotonic()
    ahead = 0.0  # bytes beyond the limit
    while True:
        try:
            process.wait(INTERVAL)
            ended = True
        except subprocess.TimeoutExpired:
            ended = False
        size, now = _bytes_in(folders), time.monotonic()
        ahead = max(0.0, ahead + size - before - limit * (now - looked))
        looked = now
        if size > before:
            if advance is not None:
                advance(size - before)
            before, heard = size, time.monotonic()
        if ended:
            return
        if limit and ahead > 0:
            _pause(process.pid, min(ahead / limit, MAX_PAUSE))
            heard = time.monotonic()
        if time.monotonic() - heard > timeout:
            raise StalledError(name, f"no byte came in {timeout:g} s", "look at the network, or raise timeout")


def _pause(group: int, seconds: float) -> None:
    """Let the program and its children rest; the network holds the sender back meanwhile."""
    os.killpg(group, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.killpg(group, signal.SIGCONT)


def _bytes_in(folders: t.Sequence[str]) -> int:
    """Bytes of all files under ``folders``; files come and go while we look."""
    total = 0
    for folder in folders:
        for root, _folders, names in os.walk(folder):
            for name in names:
                try:
                    total += os.lstat(os.path.join(root, name)).st_size
                except FileNotFoundError:
                    continue
    return total
