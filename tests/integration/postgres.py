# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL servers for tests: the one of AZURE_AI_TEST_POSTGRES_URL, or some that tests start themselves (tests/lab/postgres.sh)."""

from __future__ import annotations

import os
import subprocess
import tempfile
import typing as t
from contextlib import contextmanager
from pathlib import Path

SCRIPT = str(Path(__file__).resolve().parents[1] / "lab/postgres.sh")


class Server:
    """A server that a test may stop and start."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.url = self.start()

    def start(self) -> str:
        """Start it, anew or again; return its URL."""
        action = "start" if not os.path.exists(f"{self._folder}/data") else "again"
        return subprocess.run([SCRIPT, action, self._folder], check=True, capture_output=True, text=True).stdout.strip()

    def stop(self) -> None:
        """Stop it; its data stays."""
        subprocess.run([SCRIPT, "stop", self._folder], check=True)


@contextmanager
def own() -> t.Iterator[Server]:
    """A server of the test's own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="azure-ai-pg-") as folder:  # short: a socket's path has 107 characters
        os.chmod(folder, 0o755)
        made = Server(f"{folder}/pg")
        try:
            yield made
        finally:
            made.stop()


@contextmanager
def any_url() -> t.Iterator[str]:
    """URL of the server that the environment names, or of one of the test's own."""
    given = os.environ.get("AZURE_AI_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    with own() as made:
        yield made.url
