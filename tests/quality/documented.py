# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has ansible-doc show every plugin and role of the collection: what a user cannot read is not there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

COLLECTION = "airgap.azure_ai"
FOLDERS = {"modules": "module", "lookup": "lookup", "filter": "filter", "callback": "callback"}


def public(folder: str) -> list[str]:
    """Names of the public plugins of a kind, from documentation files and Python files."""
    found = {path.stem for pattern in ("*.py", "*.yml") for path in Path("plugins", folder).glob(pattern)}
    return sorted(name for name in found if not name.startswith("_"))


def shown(kind: str, names: list[str]) -> dict[str, object]:
    """What ``ansible-doc --json`` knows of the plugins of a kind; raises CalledProcessError when it stumbles."""
    command = ["ansible-doc", "--json", "-t", kind, *(f"{COLLECTION}.{name}" for name in names)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    sys.stderr.write(done.stderr)
    done.check_returncode()
    return dict(json.loads(done.stdout))


def main() -> int:
    """0 when everything is documented."""
    kinds = {kind: public(folder) for folder, kind in FOLDERS.items() if Path("plugins", folder).is_dir()}
    kinds["role"] = sorted(path.name for path in Path("roles").iterdir() if (path / "meta").is_dir())
    missing = []
    for kind, names in kinds.items():
        known = shown(kind, names) if names else {}
        missing += [f"{kind} {name}" for name in names if not known.get(f"{COLLECTION}.{name}")]
    print("\n".join(f"no documentation: {name}" for name in missing) or f"{sum(map(len, kinds.values()))} documented")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
