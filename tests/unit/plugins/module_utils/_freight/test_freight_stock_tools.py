# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden files are what the normative pages say: held against them with ssh-keygen, sha256sum and cat. Nothing of the collection is used.

``media``, ``control`` and ``outbox-2`` were written by hand after the pages, by no code of the collection.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
BUNDLES = ("format-1", "format-2")
PARTS = sorted((GOLDEN / "media").glob("plant-7-3-part-*"))
SIGNED = [
    *((f"{name}/bundle.json", "builder@hq", "azure-ai-bundle", "signers") for name in BUNDLES),
    ("outbox/wants.json", "site@plant-7", "azure-ai-wants", "signers"),
    ("outbox-2/wants.json", "site@plant-7", "azure-ai-wants", "outbox-2/signers"),
    ("outbox/holdings.json", "site@plant-7", "azure-ai-holdings", "signers"),
    ("outbox/missing.json", "site@plant-7", "azure-ai-holdings", "signers"),
    ("control/control.json", "builder@hq", "azure-ai-control", "media/signers"),
    *((f"media/{part.name}/{name}", "builder@hq", "azure-ai-bundle", "media/signers") for part in PARTS for name in ("bundle.json", "parts.json")),
]
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def sha(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def canonical(value: t.Any) -> bytes:
    """bundle-format.md, section 2."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def written(value: t.Any) -> bytes:
    """The written form, section 2."""
    return (json.dumps(value, sort_keys=True, indent=1, separators=(",", ": "), ensure_ascii=False) + "\n").encode()


def load(name: str | Path) -> t.Any:
    return json.loads((GOLDEN / name).read_bytes())


def verified(path: Path, signature: Path, signer: str, namespace: str, signers: str) -> bool:
    argv = ["ssh-keygen", "-Y", "verify", "-f", str(GOLDEN / signers), "-I", signer, "-n", namespace, "-s", str(signature)]
    with path.open("rb") as stream:
        return subprocess.run(argv, stdin=stream, capture_output=True, check=False).returncode == 0


def summed(folder: Path, wanted: t.Mapping[str, str]) -> None:
    """sha256sum finds the files (digest by name) as they should be."""
    lines = "".join(f"{digest[7:]} *{name}\n" for name, digest in wanted.items())
    done = subprocess.run(["sha256sum", "--check", "--strict", "--quiet"], cwd=folder, input=lines, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def blob(digest: str) -> bytes:
    """A blob out of whatever bundle has it."""
    found = next(GOLDEN / name / "blobs" / "sha256" / digest[7:] for name in BUNDLES if (GOLDEN / name / "blobs" / "sha256" / digest[7:]).exists())
    return found.read_bytes()


@pytest.fixture
def joined(tmp_path: Path) -> Path:
    """The bundle on the media, put together by hand: cat joins pieces."""
    folder = tmp_path / "joined"
    (folder / "blobs" / "sha256").mkdir(parents=True)
    for entry in load(PARTS[0] / "parts.json")["files"]:
        shutil.copy(PARTS[0] / entry["file"], folder)
    pieces = [(piece, part / piece["file"]) for part in PARTS for piece in load(part / "parts.json")["parts"][int(part.name[-8:-6]) - 1]["pieces"]]
    for digest in {piece["blob"] for piece, _path in pieces}:
        paths = [str(path) for piece, path in sorted(pieces, key=lambda item: str(item[1].name)) if piece["blob"] == digest]
        with (folder / "blobs" / "sha256" / digest[7:]).open("wb") as stream:
            subprocess.run(["cat", *paths], stdout=stream, check=True)
    return folder


@pytest.mark.parametrize(("name", "signer", "namespace", "signers"), SIGNED)
def test_signatures(tmp_path: Path, name: str, signer: str, namespace: str, signers: str) -> None:
    path, signature = GOLDEN / name, GOLDEN / f"{name}.sig"
    assert verified(path, signature, signer, namespace, signers)
    (tmp_path / "other").write_bytes(path.read_bytes() + b"\n")
    assert not verified(tmp_path / "other", signature, signer, namespace, signers) and not verified(path, signature, signer, "azure-ai-usage", signers)
    assert path.read_bytes() == written(load(name)), "signed in the written form"


def test_an_officers_signature_is_of_the_same_bytes() -> None:
    for part in PARTS:
        assert verified(part / "bundle.json", part / "bundle.json.officer.sig", "officer@hq", "azure-ai-bundle", "media/signers")


def test_blobs_bear_the_names_of_their_bytes(joined: Path) -> None:
    for folder in [*(GOLDEN / name for name in (*BUNDLES, "control")), joined]:
        blobs = folder / "blobs" / "sha256"
        summed(blobs, {path.name: f"sha256:{path.name}" for path in blobs.iterdir()})


def test_each_part_is_what_the_list_says() -> None:
    lists = {(part / "parts.json").read_bytes() for part in PARTS}
    assert len(lists) == 1 and len(PARTS) == 3
    for number, part in enumerate(PARTS, 1):
        listed = load(part / "parts.json")
        here = listed["parts"][number - 1]
        wanted = {entry["file"]: entry["digest"] for entry in [*listed["files"], *here["pieces"]]}
        summed(part, wanted)
        assert {entry["file"]: entry["size"] for entry in [*listed["files"], *here["pieces"]]} == {name: (part / name).stat().st_size for name in wanted}
        around = {"label.txt", "label.html", "part.json", "parts.json", "parts.json.sig"}
        assert {str(path.relative_to(part)) for path in part.rglob("*") if path.is_file()} == {*wanted, *around}
        said = {"format": 1, "kind": "airgap.azure_ai/part", "number": number, "of": 3, "parts": sha(lists.copy().pop())}
        assert (part / "part.json").read_bytes() == written(said) and here["bytes"] == sum(piece["size"] for piece in here["pieces"])
        assert listed["bundle"] == load(part / "bundle.json")["id"] and {"bundle.json", "bundle.json.sig", "index.json", "oci-layout"} <= set(wanted)
    cut = sorted((piece["offset"], piece["size"]) for part in listed["parts"] for piece in part["pieces"] if piece["digest"] != piece["blob"])
    assert cut == [(0, 1700), (1700, 1200), (2900, 800), (3700, 1300)], "a blob in four pieces on three media"


@pytest.mark.parametrize("name", [*BUNDLES, "joined"])
def test_a_bundle_follows_from_its_page(name: str, joined: Path) -> None:
    folder = joined if name == "joined" else GOLDEN / name
    made = load(folder / "bundle.json")
    bytes_of = (lambda digest: (joined / "blobs" / "sha256" / digest[7:]).read_bytes()) if name == "joined" else blob
    assert made["id"] == sha(canonical({key: value for key, value in made.items() if key not in ("id", "created")}))
    assert (folder / "oci-layout").read_bytes() == b'{"imageLayoutVersion":"1.0.0"}\n'
    assert (folder / "index.json").read_bytes() == written(index(made["images"]))
    for image in made["images"]:
        manifest, config = json.loads(bytes_of(image["manifest"])), json.loads(bytes_of(image["config"]))
        assert [(layer["digest"], layer["size"], layer["mediaType"]) for layer in manifest["layers"]] == [
            (layer["digest"], layer["size"], layer["media_type"]) for layer in image["layers"]
        ]
        assert config["rootfs"]["diff_ids"] == [sha(gzip.decompress(bytes_of(layer["digest"]))) for layer in image["layers"]]
        assert (manifest["mediaType"], manifest["config"]["digest"]) == (image["media_type"], image["config"])
    for release in made["releases"]:
        what = {key: release[key] for key in ("image", "license", "models", "settings", "resource", *(["files"] if release["files"] else []))}
        assert release["id"] == sha(canonical(what))[7:23]
        assert release["selector"] == f"{release['service']}:{release['tag']}@{release['resource']}#{sha(canonical(release['options']))[7:19]}"
    assert all(models["digest"] == sha(canonical(sorted(models["files"], key=lambda file: file["path"]))) for models in made["models"])
    sizes = {entry["digest"]: entry["size"] for entry in made["blobs"]}
    assert sizes == {digest: len(bytes_of(digest)) for digest in sizes} == {digest: size for digest, size, _kind in used(made)}
    assert {(entry["digest"], entry["kind"]) for entry in made["blobs"]} == {(digest, kind) for digest, _size, kind in used(made)}
    carried = {entry["digest"][7:] for entry in made["blobs"] if entry.get("carried", True)}
    assert carried == {path.name for path in (folder / "blobs" / "sha256").iterdir()}


def index(images: list[t.Any]) -> t.Any:
    """Section 5."""
    entries = [
        {
            "mediaType": image["media_type"],
            "digest": image["manifest"],
            "size": image["manifest_size"],
            "platform": {"os": "linux", "architecture": "amd64"},
            "annotations": {"org.opencontainers.image.ref.name": f"{image['repository']}:{image['tag']}"},
        }
        for image in images
    ]
    return {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": sorted(entries, key=canonical)}


def used(made: t.Any) -> t.Iterator[tuple[str, int, str]]:
    """Section 4: every blob that a list refers to."""
    for image in made["images"]:
        yield from ((image[kind], image[f"{kind}_size"], kind) for kind in ("manifest", "config"))
        yield from ((layer["digest"], layer["size"], "layer") for layer in image["layers"])
    yield from ((release["license"], release["license_size"], "license") for release in made["releases"])
    yield from ((file["digest"], file["size"], "model") for models in made["models"] for file in models["files"])
    yield from ((entry["digest"], entry["size"], kind) for kind in ("package", "receipt") for entry in made[f"{kind}s"])


def test_the_delta_builds_on_the_holdings_as_they_were_signed() -> None:
    base = load("format-2/bundle.json")["base"]
    assert base == {"kind": "holdings", "site": "plant-7", "counter": 1, "digest": sha((GOLDEN / "outbox/holdings.json").read_bytes())}
    left = [entry["digest"] for entry in load("format-2/bundle.json")["blobs"] if not entry["carried"]]
    assert left == load("outbox/holdings.json")["blobs"]


def test_the_code_of_a_missing_list_can_be_worked_out_by_hand() -> None:
    missing = load("outbox/missing.json")
    for turn in range(100):
        number = int(hashlib.sha256(f"{turn}\n{chr(10).join(missing['blobs'])}".encode()).hexdigest(), 16) >> (256 - 35)
        if number % 37 < 32:
            break
    text = "".join(CROCKFORD[number >> 5 * place & 31] for place in range(6, -1, -1)) + CROCKFORD[number % 37]
    assert missing["code"] == f"{text[:4]}-{text[4:]}" and missing["blobs"] == sorted(missing["blobs"])


def test_the_line_on_a_kits_label_starts_what_was_signed(tmp_path: Path) -> None:
    made = load("control/control.json")
    assert made["id"] == sha(canonical({key: value for key, value in made.items() if key not in ("id", "version", "created")}))
    assert made["version"] == f"{made['collection']}-{made['id'][7:15]}"
    assert {(entry["digest"][7:], entry["size"]) for entry in made["files"]} == {
        (path.name, path.stat().st_size) for path in (GOLDEN / "control/blobs/sha256").iterdir()
    }
    shutil.copytree(GOLDEN / "control", tmp_path / "kit")
    shutil.copy(GOLDEN / "media/signers", tmp_path / "kit/allowed_signers")
    line = (
        "ssh-keygen -Y verify -f allowed_signers -I builder@hq -n azure-ai-control -s control.json.sig < control.json"
        ' && grep -q "$(sha256sum < install.sh | cut -c1-64)" control.json && sh install.sh --signers allowed_signers'
    )
    done = [subprocess.run(["sh", "-c", line], cwd=tmp_path / "kit", capture_output=True, text=True, check=False)]
    (tmp_path / "kit/install.sh").write_text("echo evil\n")
    done.append(subprocess.run(["sh", "-c", line], cwd=tmp_path / "kit", capture_output=True, text=True, check=False))
    assert done[0].stdout.endswith("installed: --signers allowed_signers\n") and done[1].returncode != 0 and "evil" not in done[1].stdout
