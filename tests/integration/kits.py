# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control kits: small ones of made-up wheels for this machine, and the real one for Debian 12."""

from __future__ import annotations

import io
import platform
import subprocess
import tarfile
import typing as t
import zipfile
from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import control
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store

INSTALLER = Path(__file__).resolve().parents[2] / "roles" / "bundle" / "files" / "control"
PROBE = """
import platform, sys
fields = dict(line.rstrip().replace('"', "").split("=", 1) for line in open("/etc/os-release") if "=" in line)
print(fields["ID"] + "-" + fields.get("VERSION_ID", ""), "%d.%d" % sys.version_info[:2])
"""


class Sender:
    """A builder with a key, and the file that trusts it."""

    def __init__(self, folder: Path, namespace: str = "azure-ai-control", who: str = "builder@hq") -> None:
        folder.mkdir(parents=True)
        self.folder, self.key, self.signers = folder, folder / "key", folder / "allowed_signers"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(self.key)], check=True)
        self.signers.write_text(f'{who} namespaces="{namespace}" {(folder / "key.pub").read_text()}')

    def sign(self, kit: Path, name: str, namespace: str = "azure-ai-control") -> None:
        """As docs/trust.md tells an officer to."""
        with open(kit / "control.json", "rb") as data, open(kit / f"control.json.{name}.sig", "wb") as signature:
            subprocess.run(["ssh-keygen", "-Y", "sign", "-q", "-f", str(self.key), "-n", namespace], check=True, stdin=data, stdout=signature)


def target() -> control.Target:
    """A control node like this machine, with the Python that install.sh finds."""
    done = subprocess.run(["python3", "-c", PROBE], capture_output=True, text=True, check=True)
    system, python = done.stdout.split()
    return control.Target(system, python, {"x86_64": "amd64"}.get(platform.machine(), platform.machine()))


def wheel(version: str, **extra: str) -> bytes:
    """A wheel whose command ``ansible-toy`` tells its version."""
    files = {
        "toy/__init__.py": f'def main():\n    print("toy {version}")\n',
        f"toy-{version}.dist-info/entry_points.txt": "[console_scripts]\nansible-toy = toy:main\n",
        f"toy-{version}.data/purelib/extra.py": "value = 1\n",
        **extra,
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return stream.getvalue()


def collection(version: str) -> bytes:
    """A collection of one file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        info = tarfile.TarInfo("galaxy.yml")
        info.size = len(version)
        tar.addfile(info, io.BytesIO(version.encode()))
    return stream.getvalue()


def package(folder: Path, name: str, version: str, depends: str = "") -> bytes:
    """A Debian package without files."""
    tree = folder / f"{name}-{version}"
    (tree / "DEBIAN").mkdir(parents=True)
    fields = {"Package": name, "Version": version, "Architecture": "all", "Maintainer": "nobody <nobody@example.org>", "Description": "empty"}
    fields |= {"Depends": depends} if depends else {}
    (tree / "DEBIAN" / "control").write_text("".join(f"{field}: {value}\n" for field, value in fields.items()))
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", str(tree), f"{tree}.deb"], check=True, capture_output=True)
    return Path(f"{tree}.deb").read_bytes()


def small(
    folder: Path,
    sender: Sender,
    version: str = "1.0",
    created: str = "2026-01-31T12:00:00Z",
    node: t.Optional[control.Target] = None,
    packages: t.Optional[dict[tuple[str, str, bool], bytes]] = None,
    **extra: str,
) -> Path:
    """A kit of one wheel, one collection, and packages by (name, version, whether it was asked for); return its folder, whose files are its own."""
    store = Store(str(folder / "store")).create()
    contents = {
        ("installer", "install", "install.py"): (INSTALLER / "install.py").read_bytes(),
        ("wheel", "toy", f"toy-{version}-py3-none-any.whl"): wheel(version, **extra),
        ("collection", "a.b", f"a-b-{version}.tar.gz"): collection(version),
    }
    files = [
        {"kind": kind, "name": name, "version": version, "filename": file, "digest": str(store.put_bytes(data)), "size": len(data), "requested": True}
        for (kind, name, file), data in contents.items()
    ]
    for (name, number, asked), data in (packages or {}).items():
        entry = {"kind": "package", "name": name, "version": number, "filename": f"{name}_{number.replace(':', '%3a')}_all.deb", "requested": asked}
        files.append({**entry, "digest": str(store.put_bytes(data)), "size": len(data)})
    script = (INSTALLER / "install.sh").read_bytes()
    node = node or target()
    made = control.manifest(node, version, {"digest": str(Digest.of(script)), "size": len(script)}, files, created)
    return Path(control.Kits(str(folder / "bundles"), store).build(made, node, script, str(sender.key)))
