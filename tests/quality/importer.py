# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the tarball and has galaxy-importer judge it as Galaxy would: any error or warning fails."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

CONFIG = "[galaxy-importer]\nRUN_ANSIBLE_TEST = False\nRUN_ANSIBLE_LINT = False\nCHECK_REQUIRED_TAGS = True\nCHECK_CHANGELOG = True\n"


def main() -> int:
    """0 when the importer has nothing to say."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "importer.cfg")
        config.write_text(CONFIG)
        subprocess.run(["tests/quality/copy", "ansible-galaxy", "collection", "build", "--output-path", folder], check=True, stdout=subprocess.DEVNULL)
        tarball = next(Path(folder).glob("*.tar.gz"))
        done = subprocess.run(
            [sys.executable, "-m", "galaxy_importer.main", str(tarball)],
            cwd=folder,  # it leaves importer_result.json where it runs
            env={**os.environ, "GALAXY_IMPORTER_CONFIG": str(config)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    complaints = [line for line in done.stdout.splitlines() if line.startswith(("ERROR", "WARNING", "CRITICAL", "Traceback"))]
    if done.returncode or complaints:
        print(done.stdout)
        return 1
    print(f"{tarball.name}: nothing to complain about")
    return 0


if __name__ == "__main__":
    sys.exit(main())
