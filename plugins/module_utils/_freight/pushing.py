# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store's images into a registry of this machine, by the registry's own API over a socket that only its owner can open.

What the registry has is passed over, bytes and digests stay as they are, and what the store no longer holds goes.
This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import typing as t
import urllib.parse

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import IntegrityError, MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import watch
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.registry import MAX_MANIFEST
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store

FILLED = "filled.json"
_WAIT = 30  # seconds that the registry may take to answer first
_SILENCE = 300  # seconds that it may take over one request, as when it hashes a large layer
_PRIVATE = "azure-ai-registry-"  # begins the name of the folder with the socket
_STALE = 600  # seconds after which such a folder behind whose socket nobody listens is what a killed run left
_WORDS = 300  # characters of its words that an error quotes

Record = t.Mapping[str, t.Any]
Advance = t.Callable[[int], object]


def wanted(images: t.Iterable[Record]) -> list[list[str]]:
    """[repository, tag, manifest] of every image, sorted: what a registry filled with them holds."""
    return sorted([image["repository"], image["tag"], image["manifest"]] for image in images)


def held(folder: str) -> list[list[str]]:
    """The same of the registry in ``folder``, as the run that filled it last noted; empty when none did."""
    try:
        with open(os.path.join(folder, FILLED), encoding="utf-8") as stream:
            return t.cast("list[list[str]]", json.load(stream))
    except (FileNotFoundError, ValueError, RecursionError):
        return []


def reason(have: t.Sequence[list[str]], want: t.Sequence[list[str]]) -> str | None:
    """Why the registry must be filled, or None."""
    new, old = [item for item in want if item not in have], [item for item in have if item not in want]
    parts = [f"{len(new)} images to push" if new else "", f"{len(old)} that the store no longer holds" if old else ""]
    return ", ".join(part for part in parts if part) or None


def size(images: t.Sequence[Record]) -> int:
    """Bytes that pushing them goes through."""
    return sum(size for image in images for _digest, size in _blobs(image))


def fill(program: str, folder: str, store: Store, images: t.Sequence[Record], advance: Advance) -> None:
    """Have the registry in ``folder`` hold exactly these images.

    :param program: docker-registry, started for this alone
    :raises IntegrityError: a blob of the store is damaged; MissingError: it is not there; RemoteError: the registry refuses.
    """
    want = wanted(images)
    gone = sorted({(item[0], item[2]) for item in held(folder)} - {(item[0], item[2]) for item in want})
    with _running(program, folder) as registry:
        for repository, manifest in gone:
            registry.remove(repository, manifest)
        places: dict[str, str] = {}
        for image in images:
            push(store, registry, image, places, advance)
    if gone:
        _run(program, "garbage-collect", folder)
    write_bytes(os.path.join(folder, FILLED), (json.dumps(want, indent=1) + "\n").encode(), 0o600)


def push(store: Store, registry: Registry, image: Record, places: dict[str, str], advance: Advance) -> None:
    """One image: its config and layers first, as a registry takes no manifest whose blobs it lacks.

    :param places: blob to the repository that is known to have it, which needs no second transfer; what is pushed is added
    """
    repository, what = image["repository"], f"image {image['repository']}:{image['tag']}"
    for digest, size in _blobs(image):
        there = places.setdefault(digest, repository)
        if not registry.has(f"{repository}/blobs/{digest}") and not (there != repository and registry.share(repository, digest, there)):
            with store.open(Digest.parse(digest)) as stream:
                registry.put_blob(repository, digest, size, stream, what)
        advance(size)
    if not registry.has(f"{repository}/manifests/{image['manifest']}"):
        data = store.read(Digest.parse(image["manifest"]), MAX_MANIFEST)
        registry.put_manifest(repository, image["tag"], image["media_type"], data, what)


def _blobs(image: Record) -> list[tuple[str, int]]:
    """(digest, size) of config and layers, each once."""
    found = [(image["config"], image["config_size"]), *((layer["digest"], layer["size"]) for layer in image["layers"])]
    return list(dict.fromkeys(found))


class Registry:
    """A registry behind a Unix socket."""

    def __init__(self, path: str) -> None:
        self._path = path

    def answers(self) -> bool:
        """Whether it does."""
        try:
            return self._ask("GET", "/v2/")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def has(self, place: str) -> bool:
        """Whether there is something at ``<repository>/blobs/<digest>`` or ``<repository>/manifests/<digest>``."""
        return self._ask("HEAD", f"/v2/{place}")[0] == 200

    def share(self, repository: str, digest: str, place: str) -> bool:
        """Let a repository have a blob of another one; False where the registry does not."""
        query = urllib.parse.urlencode({"mount": digest, "from": place})
        return self._ask("POST", f"/v2/{repository}/blobs/uploads/?{query}")[0] == 201

    def put_blob(self, repository: str, digest: str, size: int, stream: t.BinaryIO, what: str) -> None:
        """Send a blob whole; the registry itself judges it by its digest."""
        status, headers, body = self._ask("POST", f"/v2/{repository}/blobs/uploads/")
        if status != 202:
            raise _refusal(what, status, body)
        place = urllib.parse.urlsplit(headers.get("location", ""))
        query = "&".join(part for part in (place.query, urllib.parse.urlencode({"digest": digest})) if part)
        told = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        status, _headers, body = self._ask("PUT", f"{place.path}?{query}", stream, told)
        if status == 400 and b"DIGEST_INVALID" in body:
            raise IntegrityError(f"blob {digest} ({what})", "damaged in the store", "run airgap.azure_ai.store_gc, then receive the next bundle")
        if status != 201:
            raise _refusal(what, status, body)

    def put_manifest(self, repository: str, tag: str, media_type: str, data: bytes, what: str) -> None:
        """Send a manifest, byte by byte as it is."""
        status, _headers, body = self._ask("PUT", f"/v2/{repository}/manifests/{tag}", data, {"Content-Type": media_type})
        if status != 201:
            raise _refusal(what, status, body)

    def remove(self, repository: str, manifest: str) -> None:
        """Take a manifest and its tags away; one that is not there is as good as taken."""
        status, _headers, body = self._ask("DELETE", f"/v2/{repository}/manifests/{manifest}")
        if status not in (202, 404):
            raise _refusal(f"image {repository}@{manifest}", status, body)

    def _ask(
        self, method: str, path: str, body: t.BinaryIO | bytes | None = None, headers: t.Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = _Connection(self._path)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SILENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _sweep(base: str) -> None:
    """Remove what runs of ours left that were killed."""
    with os.scandir(base) as found:
        old = [each for each in found if each.name.startswith(_PRIVATE) and each.is_dir(follow_symlinks=False)]
    for each in old:
        with contextlib.suppress(FileNotFoundError):
            state = each.stat(follow_symlinks=False)
            if state.st_uid == os.getuid() and time.time() - state.st_mtime > _STALE and not Registry(os.path.join(each.path, "socket")).answers():
                shutil.rmtree(each.path, ignore_errors=True)


@contextlib.contextmanager
def _running(program: str, folder: str) -> t.Iterator[Registry]:
    """An instance that takes images in, behind a socket in a folder of our own, as long as the block runs."""
    _sweep(tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix=_PRIVATE) as private, open(os.path.join(folder, "push.log"), "wb") as log:
        path = os.path.join(private, "socket")  # short: the kernel allows 107 characters
        environment = {**os.environ, "REGISTRY_HTTP_ADDR": path}
        try:
            process = subprocess.Popen(
                [program, "serve", os.path.join(folder, "push.yml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                preexec_fn=watch.bound_to(os.getpid()),
            )
        except OSError as exc:
            raise MissingError(program, f"cannot be started ({exc.strerror})", "name another one in registry_program") from exc
        try:
            registry, end = Registry(path), time.monotonic() + _WAIT
            while not registry.answers():
                if process.poll() is not None or time.monotonic() > end:
                    raise RemoteError("the registry that takes images in", f"does not start ({_last(log.name)})", f"see {log.name}")
                time.sleep(0.05)
            yield registry
        except (OSError, http.client.HTTPException) as exc:
            raise RemoteError("the registry that takes images in", f"broke off ({exc}; {_last(log.name)})", f"see to disk space and {log.name}") from exc
        finally:
            process.terminate()
            try:
                process.wait(_WAIT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _run(program: str, command: str, folder: str) -> None:
    done = subprocess.run([program, command, os.path.join(folder, "push.yml")], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RemoteError(f"docker-registry {command}", (words or ["no message"])[-1][:_WORDS])


def _refusal(what: str, status: int, body: bytes) -> RemoteError:
    return RemoteError(what, f"the registry refuses it ({status}: {body.decode('utf-8', 'replace').strip()[:_WORDS]})")


def _last(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as stream:
        lines = stream.read().strip().splitlines()
    return lines[-1][:_WORDS] if lines else "it said nothing"
