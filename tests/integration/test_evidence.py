# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The harvest playbook and the record files of a host: what grew comes, hashed and in its place, whether or not the container answers."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import schema
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.faults import ALL, Endpoint, report
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import rows

HOSTILE = b"a\nb $(id) ..;\xff"
DOWN = 9  # a port on which nothing listens


class Site:
    """A control folder, and one host, which is this machine under another name, with a container that answers and one that is down."""

    def __init__(self, folder: Path, port: int) -> None:
        self.home, self.root, self.folder = folder / "home", folder / "root", folder
        for name in ("up", "down"):
            (self.root / "containers" / name / "output").mkdir(parents=True)
        kinds = {"service": "sentiment", "tag": "3.0-en", "resource": "language-dc0"}
        declared = [{"name": "up", "port": port, **kinds}, {"name": "down", "port": DOWN, **kinds}]
        host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False, "azure_ai_containers": declared}
        common = {"azure_ai_home": str(self.home), "azure_ai_root": str(self.root), "azure_ai_site": "plant-7", "harvest_months": 1, "harvest_retries": 0}
        self.home.mkdir()
        (folder / "hosts.json").write_text(json.dumps({"azure_ai_hosts": {"hosts": {"h1": host}}, "all": {"vars": common}}))

    def output(self, container: str) -> Path:
        return self.root / "containers" / container / "output"

    def harvest(self, *more: str) -> str:
        command = ["ansible-playbook", "-i", str(self.folder / "hosts.json"), "airgap.azure_ai.harvest", *more]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kept(self, container: str) -> list[dict[str, t.Any]]:
        """The index of this month, every piece of it held against its bytes."""
        folder = self.home / "evidence/plant-7/h1" / container / month()
        if not folder.exists():
            return []
        pieces = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
        for piece in pieces:
            data = (folder / piece["file"]).read_bytes()[piece["at"] :][: piece["size"]]
            assert hashlib.sha256(data).hexdigest() == piece["sha256"]
        return pieces


def month() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m")


@pytest.fixture
def site(tmp_path: Path) -> t.Iterator[Site]:
    with Endpoint({ALL: report(7)}) as server:
        yield Site(tmp_path, server.server_address[1])


def test_a_container_that_is_down_leaves_its_records(site: Site) -> None:
    records = site.output("down") / "records" / "usage.jsonl"
    records.parent.mkdir()
    records.write_bytes(b'{"used":1}\n')
    site.harvest()
    found = rows(schema.Database(str(site.home / "ledger/ledger.db")), "looks", "container", "outcome", "scope")
    assert {row[:2] for row in found if row[2] == "all"} == {("up", "usage"), ("down", "no_answer")}
    assert [(piece["path"], piece["offset"], piece["size"]) for piece in site.kept("down")] == [("records/usage.jsonl", 0, 11)]
    with records.open("ab") as stream:
        stream.write(b'{"used":2}\n')
    site.harvest()
    site.harvest()
    assert [(piece["path"], piece["offset"], piece["size"]) for piece in site.kept("down")] == [("records/usage.jsonl", 0, 11), ("records/usage.jsonl", 11, 11)]
    assert (site.home / "evidence/plant-7/h1/down" / month() / "records+usage.jsonl").read_bytes() == records.read_bytes()


def test_nothing_but_plain_files_comes_whatever_their_names(site: Site) -> None:
    output, secret = site.output("up"), site.folder / "secret"
    secret.write_text("secret")
    (output / "link").symlink_to(secret)
    (output / "folder").symlink_to(site.folder)
    os.mkfifo(output / "pipe")
    os.mknod(output / "device", 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero, which never ends
    (output / "huge").write_bytes(b"x" * 2000)
    with open(os.path.join(os.fsencode(output), HOSTILE), "wb") as stream:
        stream.write(b"record")
    said = site.harvest("-e", "harvest_evidence_max_file=1000")
    (piece,) = site.kept("up")
    assert (piece["path"], piece["size"]) == ("a%0Ab%20%24%28id%29%20..%3B%FF", 6)
    assert sorted(path.name for path in (site.home / "evidence/plant-7/h1/up").iterdir()) == sorted([month(), "known.json"])
    for word in ("link: a link", "pipe: no regular file", "device: no regular file", "huge: 2.0 kB, more than the 1.0 kB allowed"):
        assert word in said
    assert not any(b"secret" in path.read_bytes() for path in (site.home / "evidence").rglob("*") if path.is_file())


def test_none_leaves_them_where_they_are(site: Site) -> None:
    (site.output("up") / "records").write_bytes(b"record")
    assert "0.00 Bytes of evidence" in site.harvest("-e", "harvest_evidence=none")
    hosts = json.loads((site.folder / "hosts.json").read_text())
    hosts["all"]["vars"]["harvest_evidence"] = "none"  # in the inventory, as the guide has it
    (site.folder / "hosts.json").write_text(json.dumps(hosts))
    site.harvest()
    assert not (site.home / "evidence").exists()


def test_months_that_are_long_over_go_and_nothing_comes_anew(site: Site) -> None:
    (site.output("up") / "records").write_bytes(b"record")
    site.harvest()
    folder = site.home / "evidence/plant-7/h1/up"
    (folder / month()).rename(folder / "2020-01")
    known = json.loads((folder / "known.json").read_text())
    (folder / "known.json").write_text(json.dumps({**known, "month": "2020-01"}))
    assert f"evidence: would remove {folder}/2020-01" in site.harvest("-e", "harvest_evidence_keep_months=24", "--check")
    assert (folder / "2020-01").is_dir()
    assert f"evidence: removed {folder}/2020-01" in site.harvest("-e", "harvest_evidence_keep_months=24")
    assert [path.name for path in folder.iterdir()] == ["known.json"]
    site.harvest()
    assert site.kept("up") == []
