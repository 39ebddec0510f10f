# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sites and a headquarters that trade exports and receipts, for tests."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import typing as t
from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import schema
from ansible_collections.airgap.azure_ai.plugins.modules import usage_adjust, usage_export, usage_import, usage_receipt
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document

Result = dict[str, t.Any]
PURPOSES = {"site": "azure-ai-usage,azure-ai-adjustment", "hq": "azure-ai-receipt"}


class Keys:
    """Key pairs and one signers file that both sides use."""

    def __init__(self, folder: Path, *principals: str) -> None:
        self._folder = folder
        self.signers = folder / "allowed_signers"
        self.signers.touch()
        for principal in principals:
            self.trust(principal, principal)

    def make(self, name: str) -> Path:
        """A key of this name."""
        key = self._folder / name
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)], check=True)
        return key

    def trust(self, principal: str, name: str) -> None:
        """Let the key called ``name`` speak for ``principal``."""
        public = " ".join((self.make(name).parent / f"{name}.pub").read_text().split()[:2])
        with self.signers.open("a") as stream:
            stream.write(f'{principal} namespaces="{PURPOSES[principal.partition("@")[0]]}" {public}\n')


def defaults(module: t.Any) -> Result:
    """Options of a module as they are when nobody sets them."""
    return {name: option.get("default") for name, option in module.argument_spec().items()}


class Site:
    """One site's control node."""

    def __init__(self, folder: Path, keys: Keys, name: str = "plant-7") -> None:
        self.name, self.keys, self.folder = name, keys, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.url = str(folder / "ledger.db")
        self.outbox = folder / "outbox"
        self._harvests = 0

    @property
    def database(self) -> schema.Database:
        return schema.Database(self.url)

    def harvest(self, value: int, month: str = "2026-01", **more: t.Any) -> None:
        """One more harvest, of one container, whose counter says ``value``."""
        self._harvests += 1
        moment = f"2026-03-{1 + self._harvests // 1440:02d}T{self._harvests // 60 % 24:02d}:{self._harvests % 60:02d}:00Z"
        given = {"site": self.name, **more}
        append(self.database, document(f"x{self._harvests}", {month: {"M": value}, "all": {"M": value}}, moment, **given), site=self.name)

    def export(self, keep: bool = True, **more: t.Any) -> Result:
        """Run usage_export."""
        base = {"url": self.url, "site": self.name, "dest": str(self.outbox), "signing_key": str(self.keys.make(f"site@{self.name}"))}
        return usage_export.run({**defaults(usage_export), **base, **more}, keep)

    def carry(self, target: Path, **more: t.Any) -> Path:
        """Export, and copy the folder out; return the copy."""
        made = Path(self.export(**more)["path"])
        return Path(shutil.copytree(made, target / made.name, dirs_exist_ok=True))

    def receive(self, *paths: Path, keep: bool = True) -> Result:
        """Run usage_receipt."""
        base = {"url": self.url, "site": self.name, "path": [str(path) for path in paths], "allowed_signers": str(self.keys.signers)}
        return usage_receipt.run({**defaults(usage_receipt), **base}, keep)

    def adjust(self, keep: bool = True, **more: t.Any) -> Result:
        """Run usage_adjust."""
        what = {"host": "h1", "container": "stt", "service": "speech_to_text", "resource": "r0", "meter": "M", "month": "2026-01"}
        says = {"quantity": "2.50", "kind": "correction", "reason": "because", "site": self.name, "url": self.url}
        trust = {"signing_key": str(self.keys.make(f"site@{self.name}")), "allowed_signers": str(self.keys.signers)}
        return usage_adjust.run({**defaults(usage_adjust), **what, **says, **trust, **more}, keep)


class Headquarters:
    """Where exports arrive."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        self.keys = keys
        folder.mkdir(parents=True, exist_ok=True)
        self.url = str(folder / "hq.db")
        self.outbox = folder / "outbox"

    @property
    def database(self) -> schema.Database:
        return schema.Database(self.url)

    def take(self, *sources: Path, keep: bool = True, **more: t.Any) -> Result:
        """Run usage_import."""
        base = {"url": self.url, "src": [str(source) for source in sources], "allowed_signers": str(self.keys.signers)}
        sends = {"outbox": str(self.outbox), "signing_key": str(self.keys.make("hq@headquarters"))}
        return usage_import.run({**defaults(usage_import), **base, **sends, **more}, keep)

    def receipt(self, site: str = "plant-7") -> Path:
        """Where the receipt of a site lies."""
        return self.outbox / site / "receipt.json"


def statuses(result: Result) -> list[tuple[str, int, str]]:
    """(site, number, status) of every export."""
    return [(item["site"], item["number"], item["status"]) for item in result["exports"]]


def copied(path: str, target: str) -> str:
    """A copy of a ledger in SQLite as it is now; return its path."""
    with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(target)) as made:
        source.backup(made)
    return target
