# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's control node for benchmarks: a control folder as init makes it, on this machine, with a store that a test filled."""

from __future__ import annotations

import datetime
import json
import os
import resource
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from ansible.parsing.vault import VaultLib, VaultSecret

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import local_image
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release, selector
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings, image, registry
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import SECRET_MODE, Store
from ansible_collections.airgap.azure_ai.tests.bench.hosts import USER, Host

ANSIBLE = [sys.executable, "-m", "ansible.cli.playbook"]
SITE, RESOURCE, PASSWORD = "plant-7", "language-dc0", b"of a benchmark"
SMALL = {"minimum": {"cpus": 0.1, "memory": "64m"}, "recommended": {"cpus": 0.2, "memory": "128m"}}
Json = dict[str, t.Any]


class Control:
    """The control folder ``folder`` of a site with these hosts.

    :param keys: folder with ``ssh_config``
    """

    def __init__(self, folder: Path, keys: Path, hosts: t.Sequence[Host]) -> None:
        self.folder, self.keys, self.hosts = folder, keys, hosts
        self.environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(keys / "ansible"), "ANSIBLE_SSH_CONTROL_PATH_DIR": str(keys / "cp")}
        # The folder's own ansible.cfg rules, but for what concerns this machine and not a site.
        self.environment.update(ANSIBLE_INVENTORY=str(folder / "bench.json"), ANSIBLE_COLLECTIONS_PATH=os.environ["ANSIBLE_COLLECTIONS_PATH"])
        answers = {"init_side": "site", "azure_ai_site": SITE, "azure_ai_home": str(folder)}
        self._ansible("airgap.azure_ai.init", "-e", json.dumps(answers), cwd=keys)
        (folder / "keys" / f"vault-{SITE}").write_bytes(PASSWORD)
        (folder / "keys" / f"vault-{SITE}").chmod(0o600)
        self.store = Store(str(folder / "store")).create()
        self.catalog: Json = {}

    def inventory(self, containers: t.Sequence[Json], **variables: t.Any) -> None:
        """Declare containers on every host."""
        hosts = {host.name: {"ansible_host": host.address} for host in self.hosts}
        self.catalog = {item["service"]: {"size": SMALL} for item in containers}
        values = {
            "ansible_user": USER,
            "ansible_ssh_common_args": f"-F {self.keys}/ssh_config",
            "azure_ai_home": str(self.folder),
            "azure_ai_site": SITE,
            "azure_ai_catalog": self.catalog,
            "azure_ai_containers": list(containers),
            **variables,
        }
        (self.folder / "bench.json").write_text(json.dumps({"all": {"children": {"azure_ai_hosts": {"hosts": hosts, "vars": values}}}}))

    def add_image(self, service: str, repository: str, tag: str, manifest: bytes, config: bytes) -> Json:
        """Enter an image whose layers are in the store; its record."""
        for data in (manifest, config):
            self.store.put_bytes(data)
        record = registry.image_record(service, repository, tag, manifest, config, now())
        with self.store.changing() as held:
            holdings.add_image(held, record)
        return record

    def add_release(self, record: Json, license_text: str) -> Json:
        """Enter a release of an image with a license, encrypted as one at a site is; its record."""
        secret = VaultSecret(PASSWORD)
        ciphertext = VaultLib([(SITE, secret)]).encrypt(license_text, secret, SITE)
        license_ = str(self.store.put_bytes(ciphertext, mode=SECRET_MODE))
        name = selector(record["service"], record["tag"], RESOURCE, {})
        release = Release(name, record["service"], record["tag"], RESOURCE, {}, record["manifest"], license_, downloaded=now(), expires=later())
        with self.store.changing() as held:
            holdings.add_release(held, {**release.dump(), "license_size": len(ciphertext)})
        return release.dump()

    def blob(self, digest: str) -> str:
        """Where the store holds a blob."""
        return self.store.path_of(Digest.parse(digest))

    def save(self, record: Json, leave_out: t.Collection[str] = ()) -> Path:
        """An archive of an image under its name on hosts, as docker save makes one; without some layers."""
        path = self.folder / f"{Digest.parse(record['manifest']).short}-{len(leave_out)}.tar"
        with open(path, "wb") as stream:
            for chunk in image.load_stream(record, name_of(record), lambda digest: self.store.open(Digest.parse(digest)), leave_out):
                stream.write(chunk)
        return path

    def play(self, *tasks: Json, **play: t.Any) -> str:
        """A playbook of one play over all hosts."""
        path = self.folder / f"play-{len(list(self.folder.glob('play-*')))}.yml"
        path.write_text(json.dumps([{"hosts": "azure_ai_hosts", "gather_facts": False, **play, "tasks": list(tasks)}]))
        return str(path)

    def run(self, playbook: str, *arguments: str, changed: bool | None = None) -> tuple[float, str]:
        """Run a playbook with every connection made anew: (its seconds, what it said).

        :param changed: whether something must change; None for whatever it does
        """
        sockets = self.keys / "cp"
        shutil.rmtree(sockets, ignore_errors=True)
        start = time.monotonic()
        said = self._ansible(playbook, *arguments)
        seconds = time.monotonic() - start
        for control in sockets.glob("*"):
            subprocess.run(["ssh", "-o", f"ControlPath={control}", "-O", "exit", "-q", "x"], check=False, stderr=subprocess.DEVNULL)
        assert changed is None or changed == any(f"changed={number}" in said for number in range(1, 10)), said[-3000:]
        return seconds, said

    def tasks(self, names: t.Sequence[str], *tasks: Json) -> dict[str, float]:
        """Seconds of each task of a play, by name."""
        play = self.play(*({"name": name, **task} for name, task in zip(names, tasks)), become=True)
        text = self._ansible(play, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json")
        said, _end = json.JSONDecoder().raw_decode(text[text.index("{\n") :])  # warnings may stand around it
        spans = {task["task"]["name"]: task["task"]["duration"] for task in said["plays"][0]["tasks"]}
        start, end = ({name: datetime.datetime.fromisoformat(span[side]) for name, span in spans.items()} for side in ("start", "end"))
        return {name: (end[name] - start[name]).total_seconds() for name in names}

    def shell(self, host: Host, command: str, source: Path | None = None) -> None:
        """A command over plain ssh, with a file as its input."""
        with open(source or os.devnull, "rb") as stream:
            subprocess.run(["ssh", "-F", str(self.keys / "ssh_config"), host.name, command], stdin=stream, stdout=subprocess.DEVNULL, check=True)

    def _ansible(self, playbook: str, *arguments: str, cwd: Path | None = None, **settings: str) -> str:
        environment = {**self.environment, **settings}
        command = [*ANSIBLE, playbook, *arguments]
        done = subprocess.run(
            command, env=environment, cwd=cwd or self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-5000:]
        return done.stdout


def name_of(record: t.Mapping[str, t.Any]) -> str:
    """An image's name on a host."""
    return local_image(record["service"], record["manifest"])


def peak() -> int:
    """The most bytes that a process of this machine had resident which a benchmark started and waited for."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def now() -> str:
    """In UTC, ``YYYY-MM-DDTHH:MM:SSZ``."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def later() -> str:
    """A day in a month from now."""
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)).strftime("%Y-%m-%d")
