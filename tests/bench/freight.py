# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three images of 1.5 GB together for one host, a newer one of which one layer has changed, and the ways to bring them there."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.module_utils._run.spec import DEFAULT_ROOT
from ansible_collections.airgap.azure_ai.tests.bench import layers
from ansible_collections.airgap.azure_ai.tests.bench.control import RESOURCE, Control, Json, name_of
from ansible_collections.airgap.azure_ai.tests.bench.hosts import USER

SIZE, CHANGED = 1_500_000_000, 5_000_000  # bytes as they are sent
BASE = 18  # layers that the images share
SERVICE, REPOSITORY, TAGS = "sentiment", "azure-cognitive-services/textanalytics/sentiment", ("1.0", "2.0", "3.0")
STAGE = "airgap.azure_ai.stage"
_RSYNC = """#!/bin/sh
exec {program} --log-file={log} --log-file-format='blob %b' "$@"
"""


class Freight:
    """The images in a control node's store, declared for its only host."""

    def __init__(self, control: Control) -> None:
        self.control, self.host = control, control.hosts[0]
        made = layers.Layers(control.store)
        each = (SIZE - len(TAGS) * CHANGED) // (BASE + len(TAGS))
        base = [made.make(each) for _number in range(BASE)]
        rows = [[*base, made.make(each), made.make(CHANGED)] for _tag in TAGS]
        self.records = [self._enter(tag, row) for tag, row in zip(TAGS, rows)]
        self._changing = [*rows[-1][:-1], made.make(CHANGED)]
        self.changed = self._changing[-1]["size"]
        self._log = control.folder / "rsync.log"
        self._watch_rsync()
        sizes = {layer["digest"]: layer["size"] for record in self.records for layer in record["layers"]}
        self.size = sum(sizes.values())
        declared = [{"name": f"c{number}", "service": SERVICE, "tag": tag, "resource": RESOURCE, "port": 5001 + number} for number, tag in enumerate(TAGS)]
        control.inventory(declared)

    def _enter(self, tag: str, rows: t.Sequence[Json]) -> Json:
        record = self.control.add_image(SERVICE, REPOSITORY, tag, *layers.image(rows))
        self.control.add_release(record, f"a license for {record['manifest']}")
        return record

    def change(self) -> Json:
        """A newer image with the last tag is in the store; its record."""
        return self._enter(TAGS[-1], self._changing)

    def _watch_rsync(self) -> None:
        """Have rsync note how many bytes it sends of each file."""
        program = self.control.folder / "bin" / "rsync"
        program.parent.mkdir()
        found = subprocess.run(["sh", "-c", "command -v rsync"], capture_output=True, text=True, check=True).stdout.strip()
        program.write_text(_RSYNC.format(program=found, log=self._log))
        program.chmod(0o755)
        self.control.environment["PATH"] = f"{program.parent}:{self.control.environment['PATH']}"

    def sent(self) -> int:
        """Bytes that rsync sent of blobs since this was last asked."""
        text = self._log.read_text()
        self._log.unlink()
        return sum(int(line.rpartition(" ")[2]) for line in text.splitlines() if "] blob " in line)

    # What lies on the host

    def empty(self) -> None:
        """The host has never seen any of this."""
        self.host.script("docker image ls -aq | sort -u | xargs -r docker image rm -f")
        self.host.script(f"rm -rf {DEFAULT_ROOT} /home/{USER}/.azure-ai /home/{USER}/peer /var/tmp/*.tar; sync")
        os.sync()

    def forget(self, record: Json) -> None:
        """The host has seen all but this image."""
        self.host.script(f"docker image rm -f {name_of(record)} || true; rm -rf /var/tmp/*.tar; sync")
        releases = f"{DEFAULT_ROOT}/containers/*/releases"
        self.host.script(f"grep -l {record['manifest']} {releases}/*/release.json | while read f; do rm -rf $(dirname $f); done")
        os.sync()

    # Ways to bring it there

    def stage(self) -> None:
        """Ours."""
        self.control.run(STAGE, changed=True)

    def tree(self) -> Path:
        """A folder with the same bytes, as docker load wants them: what a user would make once."""
        folder = self.control.folder / "tree"
        (folder / "blobs" / "sha256").mkdir(parents=True)
        rows = []
        for record in self.records:
            digests = [layer["digest"] for layer in record["layers"]]
            for digest in [record["config"], *digests]:
                target = folder / place(digest)
                if not target.exists():
                    os.link(self.control.blob(digest), target)
            rows.append({"Config": place(record["config"]), "RepoTags": [name_of(record)], "Layers": [place(digest) for digest in digests]})
        (folder / "manifest.json").write_text(json.dumps(rows))
        return folder

    def rsync_and_load(self, tree: Path) -> None:
        """Peer of the first staging."""
        subprocess.run(["rsync", "-a", "-e", f"ssh -F {self.control.keys}/ssh_config", f"{tree}/", f"{self.host.name}:peer/"], check=True)
        self.control.shell(self.host, "tar -C peer -cf - . | sudo docker load")

    def stream(self, tree: Path) -> None:
        """Floor of the first staging: through ssh into the engine."""
        command = f"tar -C {tree} -cf - . | ssh -F {self.control.keys}/ssh_config {self.host.name} sudo docker load >/dev/null"
        subprocess.run(["sh", "-c", command], check=True)

    def copy_and_load(self, saved: Path) -> str:
        """Peer of a later staging: a playbook."""
        return self.control.play(
            {"ansible.builtin.copy": {"src": str(saved), "dest": "/var/tmp/peer.tar", "mode": "0644"}},
            {"community.docker.docker_image_load": {"path": "/var/tmp/peer.tar"}},
            become=True,
        )


def place(digest: str) -> str:
    """Where a blob lies in an archive."""
    return f"blobs/sha256/{digest.rpartition(':')[2]}"
