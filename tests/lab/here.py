# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python3 -m tests.lab.here FOLDER``: walk the road up to the air gap and make FOLDER a site's control folder on this machine."""

from __future__ import annotations

import argparse
import io
import json
import sys
import tarfile
from pathlib import Path

from tests.lab import access, overlay, road, settings
from tests.lab.shell import LabError, as_root, run, write_whole


def fill(folder: Path) -> None:
    """Keys, inbox and an inventory layer for this machine's own way to the hosts; safe to run again."""
    road.init()
    road.bundle()
    road.carry()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stream = run(as_root(["docker", "exec", road.CONTROL, "tar", "-C", road.HOME, "-cf", "-", "keys", "inbox"])).stdout
    with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
        archive.extractall(folder, filter="data")
    hosts = json.loads(access.inventory(str(settings.STATE), f"-F {settings.STATE}/ssh_config"))
    variables = overlay.layer("site")["group_vars/all.yml"] | {"azure_ai_home": str(folder)}
    write_whole(folder / "inventory" / "hosts.yml", json.dumps(hosts, indent=1))
    write_whole(folder / "inventory" / "group_vars" / "all.yml", json.dumps(variables, indent=1))


def main() -> int:
    """A LabError is one line and exit status 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    try:
        fill(parser.parse_args().folder.resolve())
    except LabError as exc:
        print(f"lab: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
