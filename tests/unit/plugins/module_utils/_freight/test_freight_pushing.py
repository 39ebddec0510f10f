# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry is filled with what it lacks, once; what the store no longer holds goes; whatever is wrong is said."""

from __future__ import annotations

import http.server
import os
import socketserver
import sys
import tempfile
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import IntegrityError, MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import pushing
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit

Record = dict[str, t.Any]


class Site(t.NamedTuple):
    """A store with two images and the folder of a registry."""

    store: Store
    folder: Path
    program: str

    @property
    def images(self) -> list[Record]:
        return t.cast("list[Record]", self.store.holdings()["images"])

    def fill(self, images: list[Record] | None = None) -> list[str]:
        """Fill it; what was asked for beside the first word."""
        (self.folder / "asked").unlink(missing_ok=True)
        pushing.fill(self.program, str(self.folder), self.store, self.images if images is None else images, lambda _size: None)
        return [line for line in (self.folder / "asked").read_text().splitlines() if not line.endswith(" /v2/")]

    def holds(self) -> set[str]:
        return {path.name for path in (self.folder / "data").rglob("sha256:*")}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    store, folder = Store(str(tmp_path / "store")).create(), tmp_path / "registry"
    freight_kit.add_image(store, "1.0", "base", "one")
    freight_kit.add_image(store, "2.0", "base", "two", repository="azure-cognitive-services/textanalytics/sentiment")
    folder.mkdir()
    program = tmp_path / "docker-registry"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(freight_kit.__file__).with_name("toy_registry.py")} "$@"\n')
    program.chmod(0o700)
    return Site(store, folder, str(program))


def everything(images: list[Record]) -> set[str]:
    return {digest for image in images for digest in (image["manifest"], image["config"], *(layer["digest"] for layer in image["layers"]))}


def test_all_of_the_store_goes_in_once(site: Site) -> None:
    assert pushing.held(str(site.folder)) == [] and pushing.reason([], pushing.wanted(site.images)) == "2 images to push"
    asked = site.fill()
    assert site.holds() == everything(site.images)
    assert [line for line in asked if line.startswith("PUT") and "/manifests/" in line] == [
        f"PUT /v2/{image['repository']}/manifests/{image['tag']}" for image in site.images
    ]
    assert sum(line.startswith("PUT") and "/blobs/" in line for line in asked) == 5, "the base that both share is sent once"
    assert pushing.held(str(site.folder)) == pushing.wanted(site.images)
    assert pushing.reason(pushing.held(str(site.folder)), pushing.wanted(site.images)) is None
    assert {line.split()[0] for line in site.fill()} == {"HEAD"}, "what is there is not sent again"
    assert not (site.folder / "collected").exists()


def test_a_run_that_was_cut_off_is_finished(site: Site) -> None:
    (site.folder / "full").touch()
    with pytest.raises(RemoteError, match="1.0: the registry refuses it .500: no space left"):
        site.fill()
    assert pushing.held(str(site.folder)) == []
    (site.folder / "full").unlink()
    site.fill()
    assert site.holds() == everything(site.images)


def test_what_the_store_no_longer_holds_goes(site: Site) -> None:
    site.fill()
    kept, gone = site.images
    assert pushing.reason(pushing.held(str(site.folder)), pushing.wanted([kept])) == "1 that the store no longer holds"
    site.fill([kept])
    assert gone["manifest"] not in site.holds() and kept["manifest"] in site.holds()
    assert (site.folder / "collected").exists(), "the space of its layers is given back"
    assert pushing.held(str(site.folder)) == pushing.wanted([kept])


def test_a_manifest_under_a_second_tag_stays_with_the_first(site: Site) -> None:
    first = site.images[0]
    site.fill([first, {**first, "tag": "again"}])
    site.fill([first])
    assert first["manifest"] in site.holds()


def test_a_damaged_or_missing_blob_is_named(site: Site) -> None:
    layer = site.images[0]["layers"][0]
    path = Path(site.store.path) / "blobs/sha256" / layer["digest"].partition(":")[2]
    path.write_bytes(b"x" * layer["size"])
    with pytest.raises(IntegrityError, match=rf"{layer['digest']} .image .*: damaged in the store"):
        site.fill()
    path.unlink()
    with pytest.raises(MissingError, match=layer["digest"]):
        site.fill()
    assert pushing.held(str(site.folder)) == []


def test_a_program_that_does_not_start_is_told_in_its_own_words(site: Site) -> None:
    (site.folder / "broken").touch()
    with pytest.raises(RemoteError, match=r"does not start \(panic: of its own\)"):
        site.fill()
    with pytest.raises(MissingError, match="cannot be started"):
        site._replace(program=str(site.folder / "none")).fill()


def test_the_one_that_takes_images_in_ends_with_whoever_started_it(site: Site, tmp_path: Path) -> None:
    note, program = tmp_path / "pid", tmp_path / "silent"
    program.write_text(f"#!/bin/sh\necho $$ > {note}.new; mv {note}.new {note}; exec sleep 60\n")
    program.chmod(0o700)
    code = (
        f"from {Store.__module__} import Store; from {pushing.__name__} import fill; fill('{program}', '{site.folder}', Store('{site.store.path}'), [], print)"
    )
    assert freight_kit.ends_with(code, note), "nobody would end it any more"


@pytest.fixture
def short() -> t.Iterator[Path]:
    """A folder whose path leaves room for that of a socket."""
    with tempfile.TemporaryDirectory(prefix="a-") as folder:
        yield Path(folder)


def test_what_a_killed_run_left_goes_with_the_next_one(site: Site, short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = short / "tmp"
    old, fresh, other = (base / name for name in ("azure-ai-registry-old", "azure-ai-registry-fresh", "others-old"))
    for folder in (old, fresh, other):
        folder.mkdir(parents=True)
    (base / "azure-ai-registry-link").symlink_to(other)
    for folder in (old, other):
        os.utime(folder, (1, 1))
    monkeypatch.setattr(tempfile, "tempdir", str(base))
    site.fill()
    assert {path.name for path in base.iterdir()} == {"azure-ai-registry-fresh", "azure-ai-registry-link", "others-old"}


def test_one_that_takes_images_in_now_is_not_swept_away(tmp_path: Path) -> None:
    """However long it has been at it."""
    folder = tmp_path / "azure-ai-registry-busy"
    folder.mkdir()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def address_string(self) -> str:
            return "socket"

        def log_message(self, *_args: object) -> None:
            pass

    with socketserver.UnixStreamServer(str(folder / "socket"), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.utime(folder, (1, 1))
        pushing._sweep(str(tmp_path))
        server.shutdown()
    assert folder.is_dir()


def test_a_note_that_is_cut_off_counts_as_none(site: Site) -> None:
    (site.folder / pushing.FILLED).write_text('[["a"')
    assert pushing.held(str(site.folder)) == []


def test_shared_layers_count_for_each_image(site: Site) -> None:
    sizes = [image["config_size"] + sum(layer["size"] for layer in image["layers"]) for image in site.images]
    assert pushing.size(site.images) == sum(sizes)
