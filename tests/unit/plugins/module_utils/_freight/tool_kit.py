# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control kits of a few bytes."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import control
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

TARGET = control.Target("debian-12", "3.11", "amd64")
SCRIPT = b"#!/bin/sh\necho installed\n"
PACKAGE = b"!<arch>\n"  # the very bytes of freight_kit's package: one blob serves both


def manifest(store: Store, version: str = "1.0", created: str = kit.NOW) -> dict[str, object]:
    """The manifest of a kit of an installer, a wheel and a package, whose files are in the store."""
    contents = {"installer": b"program", "wheel": b"wheel " + version.encode(), "package": PACKAGE}
    files = [
        {
            "kind": kind,
            "name": kind,
            "version": "1:2.3",
            "filename": f"{kind}_1%3a2.3.x",
            "digest": str(store.put_bytes(data)),
            "size": len(data),
            "requested": True,
        }
        for kind, data in contents.items()
    ]
    return control.manifest(TARGET, version, {"digest": kit.sha(SCRIPT), "size": len(SCRIPT)}, files, created)


def build(folder: Path, keys: kit.Keys, version: str = "1.0", created: str = kit.NOW) -> Path:
    """Build a kit; return its folder."""
    store = Store(str(folder / "store")).create()
    made = control.Kits(str(folder / "bundles"), store).build(manifest(store, version, created), TARGET, SCRIPT, keys.builder, Trust(keys.signers))
    return Path(made)
