# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running commands, telling how long steps took, and files that are whole or absent."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

_printing = threading.Lock()


class LabError(Exception):
    """The lab cannot be brought to the wanted state; the text says what to look at."""


def say(text: str) -> None:
    """Print one line to stderr, so that stdout stays machine-readable."""
    with _printing:
        print(text, file=sys.stderr, flush=True)


@contextmanager
def step(name: str) -> t.Iterator[None]:
    """Print ``name`` with the seconds its block took."""
    start = time.monotonic()
    outcome = "FAILED"
    try:
        yield
        outcome = "ok"
    finally:
        say(f"{time.monotonic() - start:7.1f} s  {name}: {outcome}")


def as_root(argv: t.Sequence[str]) -> list[str]:
    """The command with sudo in front unless we are root already."""
    return list(argv) if os.geteuid() == 0 else ["sudo", "-n", *argv]


def run(
    argv: t.Sequence[str],
    *,
    stdin: bytes | None = None,
    timeout: float = 300,
    check: bool = True,
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command with captured output; raises LabError with the end of its output when it fails and ``check``."""
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env={**os.environ, **(environment or {})},
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise LabError(f"{' '.join(argv)[:200]}: no end after {timeout:.0f} s") from exc
    except FileNotFoundError as exc:
        raise LabError(f"{argv[0]}: no such command") from exc
    if check and done.returncode:
        tail = (done.stderr or done.stdout).decode(errors="replace").strip()[-1500:]
        raise LabError(f"{' '.join(argv)[:300]}: exit {done.returncode}: {tail}")
    return done


def out(argv: t.Sequence[str], **options: t.Any) -> str:
    """Standard output of a command, stripped."""
    return run(argv, **options).stdout.decode().strip()


def docker(*argv: str, **options: t.Any) -> str:
    """Standard output of the docker client."""
    return out(as_root(["docker", *argv]), **options)


def inside(container: str, *argv: str, **options: t.Any) -> str:
    """Standard output of a command run as root in a container."""
    return docker("exec", container, *argv, **options)


def write_whole(path: Path, data: bytes | str, mode: int = 0o600) -> None:
    """Make ``path`` hold exactly ``data``, or leave it as it was."""
    content = data.encode() if isinstance(data, str) else data
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def wait_for(what: str, probe: t.Callable[[], bool], seconds: float, pause: float = 0.1) -> None:
    """Call ``probe`` until it is true; raises LabError naming ``what`` when that takes longer than ``seconds``."""
    end = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > end:
            raise LabError(f"{what}: not so after {seconds:.0f} s")
        time.sleep(pause)
