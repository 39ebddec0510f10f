# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small stores, images, releases and keys for the freight tests, and a folder that stands in for a registry."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import stat
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from ansible.module_utils.testing import patch_module_args

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release, selector
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust, sign_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings as records
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import manifest, registry
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.bundle import Bundles
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import SECRET_MODE, Store

SITE = "plant-7"
REPOSITORY = "azure-cognitive-services/speechservices/speech-to-text"
NOW = "2026-01-31T12:00:00Z"
LICENSE = b"$ANSIBLE_VAULT;1.1;AES256\n30313233\n"


def sha(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Image(t.NamedTuple):
    """The bytes of an image: manifest, config, layers by digest."""

    manifest: bytes
    config: bytes
    layers: dict[str, bytes]


def make_image(*texts: str, oci: bool = False, architecture: str = "amd64") -> Image:
    """An image of one gzipped layer per text; not in canonical form, as registries do not care."""
    layers = [gzip.compress(text.encode() * 100, mtime=0) for text in texts]
    docker = "application/vnd.docker."
    kinds = (
        ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip")
        if oci
        else (docker + "container.image.v1+json", docker + "image.rootfs.diff.tar.gzip")
    )
    rootfs = {"type": "layers", "diff_ids": [sha(text.encode() * 100) for text in texts]}
    config = json.dumps({"os": "linux", "architecture": architecture, "rootfs": rootfs, "config": {"User": "1000"}}, indent=3).encode()
    value: dict[str, t.Any] = {
        "schemaVersion": 2,
        "mediaType": registry.OCI_MANIFEST if oci else registry.DOCKER_MANIFEST,
        "config": {"mediaType": kinds[0], "size": len(config), "digest": sha(config)},
        "layers": [{"mediaType": kinds[1], "size": len(layer), "digest": sha(layer)} for layer in layers],
    }
    if oci:
        del value["mediaType"]
    return Image(json.dumps(value, indent=3).encode(), config, {sha(layer): layer for layer in layers})


def make_index(**images: Image) -> bytes:
    """A manifest list of images by architecture."""
    entries = [
        {"mediaType": registry.DOCKER_MANIFEST, "size": len(image.manifest), "digest": sha(image.manifest), "platform": {"os": "linux", "architecture": name}}
        for name, image in images.items()
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": registry.INDEXES[0], "manifests": entries}).encode()


def add_image(
    store: Store, tag: str = "1.0", *texts: str, service: str = "speech_to_text", fetched: str = NOW, repository: str = REPOSITORY
) -> dict[str, t.Any]:
    """Put an image into the store; return its record."""
    image = make_image(*(texts or ("base", tag)))
    for data in (image.manifest, image.config, *image.layers.values()):
        store.put_bytes(data)
    record = registry.image_record(service, repository, tag, image.manifest, image.config, fetched)
    with store.changing() as held:
        records.add_image(held, record)
    return record


def add_release(store: Store, image: dict[str, t.Any], models: dict[str, bytes] | None = None, **changes: t.Any) -> dict[str, t.Any]:
    """Put a license (and models by path) for the image into the store; return the release as holdings carry it."""
    sets = {"models": models or {}, "files": changes.pop("files", {})}
    lists = {
        kind: [{"path": path, "digest": str(store.put_bytes(data)), "size": len(data)} for path, data in sorted(found.items())] for kind, found in sets.items()
    }
    digests = {kind: records.models_digest(files) for kind, files in lists.items() if files}
    ciphertext = changes.pop("ciphertext", LICENSE)
    license_ = None if ciphertext is None else str(store.put_bytes(ciphertext, mode=SECRET_MODE))
    options = changes.pop("options", {})
    name = selector(image["service"], image["tag"], "speech-dc0", options)
    release = Release(
        name,
        image["service"],
        image["tag"],
        "speech-dc0",
        options,
        image["manifest"],
        license_,
        **{**digests, "settings": {"MODELS": "a"}, "downloaded": NOW, "expires": "2026-12-31", **changes},
    )
    record = {**release.dump(), "license_size": len(ciphertext or b"")}
    with store.changing() as held:
        records.add_release(held, record)
        for kind, digest in digests.items():
            records.add_models(held, {"digest": digest, "files": lists[kind]})
    return record


def add_package(store: Store, name: str = "docker.io", data: bytes = b"!<arch>\n") -> dict[str, t.Any]:
    """Put a package of debian-12 into the store; return its record."""
    record = {
        "os": "debian-12",
        "arch": "amd64",
        "name": name,
        "version": "1:2.3",
        "filename": f"{name}_1%3a2.3_amd64.deb",
        "digest": str(store.put_bytes(data)),
        "size": len(data),
        "requested": True,
    }
    with store.changing() as held:
        records.set_packages(held, "debian-12", [*(entry for entry in held["packages"] if entry["name"] != name), record])
    return record


def fill(path: Path) -> Store:
    """A builder's store with two images that share a layer, licenses, models and a package."""
    store = Store(str(path)).create()
    add_release(store, add_image(store, "1.0"))
    add_release(store, add_image(store, "2.0"), {"en/model.bin": b"m" * 5000, "en/list.txt": b"words"})
    add_package(store)
    return store


def selectors(*tags: str) -> list[dict[str, t.Any]]:
    return [{"service": "speech_to_text", "tag": tag, "resource": "speech-dc0", "options": {}} for tag in tags]


def compose(store: Store, *tags: str, **changes: t.Any) -> dict[str, t.Any]:
    """The manifest of the store's tags (all of ``fill`` by default)."""
    arguments = {"systems": ["debian-12"], "site": SITE, "collection": "1.0.0", "created": NOW, **changes}
    return manifest.compose(store.holdings(), selectors(*(tags or ("1.0", "2.0"))), **arguments)


class Keys(t.NamedTuple):
    """Private keys of builder and site, and the file that trusts both."""

    builder: str
    site: str
    signers: str

    @property
    def trust(self) -> Trust:
        return Trust(self.signers)

    def officer(self, folder: Path, spaces: str) -> str:
        """A key of officer@hq, whom the file trusts for these namespaces."""
        key = folder / "officer"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True)
        with open(self.signers, "a", encoding="utf-8") as stream:
            stream.write(f'officer@hq namespaces="{spaces}" {Path(f"{key}.pub").read_text().strip()}\n')
        return str(key)

    @staticmethod
    def countersign(path: Path, key: str, space: str) -> None:
        """As docs/trust.md tells an officer to."""
        with open(path, "rb") as data, open(f"{path}.officer.sig", "wb") as signature:
            subprocess.run(["ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", space], check=True, stdin=data, stdout=signature)


def make_keys(folder: Path) -> Keys:
    folder.mkdir(exist_ok=True)
    lines = []
    for role, name in (("builder", "builder@hq"), ("site", f"site@{SITE}")):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / role)], check=True)
        spaces = "azure-ai-bundle,azure-ai-control" if role == "builder" else "azure-ai-wants,azure-ai-holdings"
        lines.append(f'{name} namespaces="{spaces}" {(folder / f"{role}.pub").read_text().strip()}\n')
    (folder / "signers").write_text("".join(lines))
    return Keys(str(folder / "builder"), str(folder / "site"), str(folder / "signers"))


def build(store: Store, bundles: Path, keys: Keys, *tags: str, **changes: t.Any) -> Path:
    """Build a bundle; return its folder."""
    return Path(Bundles(str(bundles), store).build(compose(store, *tags, **changes), keys.builder))


def resign(bundle: Path, keys: Keys, made: dict[str, t.Any]) -> None:
    """Let a builder sign another manifest for the bundle."""
    (bundle / "bundle.json").write_bytes(manifest.encoded(made))
    sign_file(str(bundle / "bundle.json"), keys.builder, "azure-ai-bundle")


def accepted(folder: Path, created: str, data: bytes = b"") -> str:
    """Path of a site's store that accepted a bundle made then last, or the one whose manifest is ``data``."""
    store = Store(str(folder)).create()
    with store.changing() as held:
        held["site"], held["bundles"][SITE] = SITE, {"sequence": 9, "id": sha(b"")}
    (folder / "received").mkdir()
    (folder / "received" / f"{SITE}-9.json").write_bytes(data or json.dumps({"created": created}).encode())
    return store.path


def expire(signers: str, day: str) -> None:
    """Let every key of the file end on that day, ``YYYYMMDD``."""
    lines = Path(signers).read_text().replace(' namespaces="', f' valid-before="{day}",namespaces="')
    Path(signers).write_text(lines)


def blobs(folder: str | Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (Path(folder) / "blobs" / "sha256").iterdir() if not path.name.startswith(".")}


def detach(folder: Path) -> None:
    """Break the hard links to the store, so that a test may damage the bundle alone."""
    for path in (folder / "blobs" / "sha256").iterdir():
        data, mode = path.read_bytes(), stat.S_IMODE(path.stat().st_mode)
        path.unlink()
        path.write_bytes(data)
        path.chmod(mode)


def run_module(module: t.Any, capsys: t.Any, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
    """Run a module's main() in this process; return what it printed."""
    with patch_module_args({**options, "_ansible_check_mode": check, "_ansible_diff": True}), contextlib.suppress(SystemExit):
        module.main()
    result = json.loads(capsys.readouterr().out)
    return {name: value for name, value in result.items() if name != "invocation"}


class FolderRegistry:
    """A registry in a folder, asked through a program that behaves like skopeo as far as we use it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.program = folder / "bin" / "skopeo"
        self.program.parent.mkdir(parents=True)
        self.program.write_text(f"#!{sys.executable}\nREGISTRY = {str(folder)!r}\n" + _SKOPEO)
        self.program.chmod(0o755)
        self.log.write_text("")

    def push(self, tag: str, image: Image | bytes) -> None:
        """Let ``tag`` name the image (or the bytes of an index)."""
        parts = [image] if isinstance(image, bytes) else [image.manifest, image.config, *image.layers.values()]
        for data in parts:
            (self.folder / sha(data)).write_bytes(data)
        (self.folder / f"tag-{tag}").write_bytes(parts[0])

    def fail(self, message: str) -> None:
        """Answer every request with this fatal message (nothing for an empty one)."""
        (self.folder / "fail").write_text(message)

    def fetched(self) -> list[str]:
        """Digests of the layers that were sent, in order."""
        return self.log.read_text().split()


_SKOPEO = """
import json, os, sys, time
arguments = [word for word in sys.argv[1:] if word == "--raw" or word == "--config" or not word.startswith("--")]
fail = os.path.join(REGISTRY, "fail")
if os.path.exists(fail) and open(fail).read():
    sys.exit('time="2026" level=fatal msg="' + open(fail).read() + '"')
source = next(word for word in arguments if word.startswith("docker://"))
if "list-tags" in arguments:
    print(json.dumps({"Tags": [name[4:] for name in sorted(os.listdir(REGISTRY)) if name.startswith("tag-")]}))
    sys.exit()
name = source.rpartition("@")[2] if "@" in source else "tag-" + source.rpartition(":")[2]
path = os.path.join(REGISTRY, name)
if not os.path.exists(path):
    sys.exit('time="2026" level=fatal msg="reading manifest: manifest unknown"')
manifest = open(path, "rb").read()
if "inspect" in arguments:
    if "--config" in arguments:
        manifest = open(os.path.join(REGISTRY, json.loads(manifest)["config"]["digest"]), "rb").read()
    sys.stdout.buffer.write(manifest)
else:
    blobs = os.path.join(sys.argv[sys.argv.index("--dest-shared-blob-dir") + 1], "sha256")
    os.makedirs(arguments[-1].split(":")[1])
    for layer in json.loads(manifest)["layers"]:
        target = os.path.join(blobs, layer["digest"][7:])
        if not os.path.exists(target):
            with open(os.path.join(REGISTRY, "log"), "a") as log:
                log.write(layer["digest"] + "\\n")
            with open(target + ".part", "wb") as out:
                out.write(open(os.path.join(REGISTRY, layer["digest"]), "rb").read())
            os.rename(out.name, target)
"""


def ends_with(code: str, note: Path) -> bool:
    """Whether the process that Python ``code`` starts, and whose number comes into ``note``, ends when Python is killed."""
    ours = subprocess.Popen([sys.executable, "-c", code])
    limit = time.monotonic() + 20
    while not note.exists() and time.monotonic() < limit:
        time.sleep(0.02)
    child = int(note.read_text())
    assert _runs(child)
    ours.kill()
    ours.wait(20)
    return ends(child)


def ends(pid: int) -> bool:
    """Whether the process is gone within some seconds."""
    limit = time.monotonic() + 5
    while _runs(pid) and time.monotonic() < limit:
        time.sleep(0.02)
    return not _runs(pid)


def _runs(pid: int) -> bool:
    """Whether the process is there and no zombie that waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
