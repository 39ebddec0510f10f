# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The online steps in the builder's engine: run the image, take license and models out, leave nothing behind.

License and models lie in volumes that belong to a container which never runs (the holder). Its folders are given to
the image's user and read through the engine's archive API, so nobody needs root and no license reaches a bind mount.
This file is private to the collection.
"""

from __future__ import annotations

import http.client
import io
import tarfile
import time
import typing as t
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import LABEL_PREFIX
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import online
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine

LABEL = LABEL_PREFIX + "download"
MAX_LICENSE = 16 * 1024 * 1024  # bytes
MAX_LOG = 4 * 1024 * 1024  # bytes of a step's log that are looked at, the last ones
POLL = 0.5  # seconds between two looks at a running step
_PORT = "5000/tcp"

Sink = t.Callable[[str, t.BinaryIO, int], str]
"""Takes a model file's path relative to the mount, its stream and size in bytes; returns the digest it is kept under."""


@dataclass(frozen=True)
class Recipe:
    """What is run.

    :param image: name or ID of the image in the engine
    :param mounts: the catalog entry's ``mounts``; ``license`` and, where the service has them, ``models`` count
    :param owner: value of the label by which leftovers of the same builder are found
    :param environment: further variables (proxies)
    :param hardening: the catalog entry's ``hardening``
    """

    image: str
    mounts: t.Mapping[str, str]
    owner: str
    network: str = "bridge"
    environment: t.Mapping[str, str] = field(default_factory=dict)
    hardening: t.Mapping[str, t.Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What came: the license (secret), captured settings, model files as ``{path, digest, size}``."""

    license: bytes = field(repr=False)
    license_file: str
    settings: dict[str, str]
    files: list[dict[str, t.Any]]


class ArchiveEngine(Engine):
    """An engine whose containers' files can be written and read while they do not run."""

    def put_archive(self, container: str, tar: bytes) -> None:
        """Unpack a tar archive at the container's root, into its volumes as well."""
        target = f"/containers/{container}/archive"
        with self._request("PUT", self._path(target, {"path": "/"}), chunks=[tar]) as answer:
            self._refuse(answer, target)

    @contextmanager
    def open_archive(self, container: str, path: str) -> t.Iterator[tarfile.TarFile | None]:
        """A path as a tar that is read as it comes; None when the path is not there."""
        target = f"/containers/{container}/archive"
        with self._request("GET", self._path(target, {"path": path})) as answer:
            if answer.status == 404:
                yield None
                return
            self._refuse(answer, target)
            try:
                with tarfile.open(fileobj=t.cast(t.IO[bytes], answer), mode="r|") as tar:
                    yield tar
            except tarfile.TarError as exc:
                raise RemoteError(
                    f"Docker Engine at {self.path}", f"the archive of {path} broke off ({exc})", "look at the engine's log and run it again"
                ) from exc


class Download:
    """One download with one engine.

    :param what: how errors name it
    :param secrets: never part of an error
    :param alive: called at every look at a running step
    """

    def __init__(self, engine: ArchiveEngine, recipe: Recipe, what: str, secrets: t.Sequence[str], alive: t.Callable[[], object] = lambda: None) -> None:
        self._engine = engine
        self._recipe = recipe
        self._what = what
        self._secrets = secrets
        self._alive = alive

    def run(self, steps: t.Sequence[online.Step], sink: Sink) -> Outcome:
        """Run the steps in order and return what they made.

        :raises RemoteError: a step failed; the line says which and why, without secrets.
        """
        self.clean()
        with self._engine.container(self._holder()) as holder:
            self._own_folders(holder)
            settings: dict[str, str] = {}
            for step in steps:
                settings.update(online.captured(self._step(holder, step), step.capture))
            files = self._models(holder, sink) if any("models" in step.produces for step in steps) else []
            if "models" in self._recipe.mounts and files:
                online.check_paths(settings, self._recipe.mounts["models"], [file["path"] for file in files])
            name, data = self._license(holder)
        return Outcome(data, name, settings, files)

    def clean(self) -> int:
        """Remove what a killed run of this builder left; return how many containers that were."""
        left = self._engine.containers([f"{LABEL}={self._recipe.owner}"])
        for container in left:
            self._engine.remove(container["Id"])
        return len(left)

    # Containers

    def _folders(self) -> list[str]:
        return [self._recipe.mounts[name] for name in ("license", "models") if name in self._recipe.mounts]

    def _holder(self) -> dict[str, t.Any]:
        mounts = [{"Type": "volume", "Target": path, "VolumeOptions": {"NoCopy": True}} for path in self._folders()]
        host = {"NetworkMode": "none", "Mounts": mounts}
        return {"Image": self._recipe.image, "Labels": {LABEL: self._recipe.owner}, "HostConfig": host}

    def _config(self, holder: str, step: online.Step) -> dict[str, t.Any]:
        environment = {**self._recipe.environment, **step.settings}
        host: dict[str, t.Any] = {
            "NetworkMode": self._recipe.network,
            "VolumesFrom": [holder],
            "CapDrop": list(self._recipe.hardening.get("drop_capabilities", [])),
            "SecurityOpt": ["no-new-privileges:true"] if self._recipe.hardening.get("no_new_privileges") else [],
            # The log may hold the key: local files of the engine, bounded, gone with the container.
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "8m", "max-file": "2"}},
        }
        if step.until == "ready":
            host["PortBindings"] = {_PORT: [{"HostIp": "127.0.0.1", "HostPort": ""}]}
        return {
            "Image": self._recipe.image,
            "Env": [f"{name}={value}" for name, value in environment.items()],
            "Labels": {LABEL: self._recipe.owner},
            "ExposedPorts": {_PORT: {}},
            "HostConfig": host,
        }

    def _step(self, holder: str, step: online.Step) -> str:
        """Run one step; return its log."""
        with self._engine.container(self._config(holder, step)) as container:
            self._engine.start(container)
            code = self._wait_until_ready(container, step) if step.until == "ready" else self._wait(container, step)
            log = self._log(container)
            if code != 0 or ("license" in step.produces and not self._has_license(holder)):
                problem, way_out = online.explain(log, code, self._secrets)
                raise RemoteError(f"{self._what}, online step {step.name}", problem, way_out)
        return log

    def _wait(self, container: str, step: online.Step) -> int | None:
        """The exit code, or None when the time limit passed."""
        end = time.monotonic() + step.time_limit
        while time.monotonic() < end:
            state = (self._engine.inspect(container) or {}).get("State", {})
            if state.get("Status") in ("exited", "dead"):
                return int(state.get("ExitCode", -1))
            self._alive()
            time.sleep(POLL)
        return None

    def _wait_until_ready(self, container: str, step: online.Step) -> int | None:
        """0 when the container answers that it is ready; its exit code when it ends; None when the time limit passed."""
        end = time.monotonic() + step.time_limit
        while time.monotonic() < end:
            found = self._engine.inspect(container) or {}
            if found.get("State", {}).get("Status") in ("exited", "dead"):
                return int(found["State"].get("ExitCode", -1))
            bindings = (found.get("NetworkSettings", {}).get("Ports") or {}).get(_PORT) or []
            if bindings and _ready(int(bindings[0]["HostPort"])):
                self._engine.stop(container)
                return 0
            self._alive()
            time.sleep(POLL)
        return None

    def _log(self, container: str) -> str:
        tail = b""
        for piece in self._engine.logs(container):
            tail = (tail + piece)[-MAX_LOG:]
        return tail.decode("utf-8", "replace")

    # Files, through the archive API

    def _own_folders(self, holder: str) -> None:
        """Give the empty folders to the image's user: a volume's root belongs to root, and many images do not run as root."""
        image = self._engine.image(self._recipe.image) or {}
        uid, gid = self._user(holder, str((image.get("Config") or {}).get("User") or ""))
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for path in self._folders():
                member = tarfile.TarInfo(path.strip("/"))
                member.type, member.mode, member.uid, member.gid, member.mtime = tarfile.DIRTYPE, 0o700, uid, gid, int(time.time())
                tar.addfile(member)
        self._engine.put_archive(holder, buffer.getvalue())

    def _user(self, holder: str, text: str) -> tuple[int, int]:
        """Numeric user and group of the image's configured user."""
        user, _colon, group = text.partition(":")
        if not user:
            return 0, 0
        found = self._lookup(holder, "/etc/passwd", user)
        uid = int(user) if user.isdigit() else int(found[2]) if found else None
        if uid is None:
            raise RemoteError(self._what, f"the image runs as {user}, whom its /etc/passwd does not know", "use an image that names its user by number")
        if group and not group.isdigit():
            entry = self._lookup(holder, "/etc/group", group)
            return uid, int(entry[2]) if entry else uid
        return uid, int(group) if group else int(found[3]) if found else 0

    def _lookup(self, holder: str, path: str, name: str) -> list[str] | None:
        with self._engine.open_archive(holder, path) as tar:
            for member in tar or ():
                stream = tar.extractfile(member) if tar is not None and member.isreg() else None
                for line in stream.read(MAX_LICENSE).decode("utf-8", "replace").splitlines() if stream else ():
                    fields = line.split(":")
                    if len(fields) >= 4 and name in (fields[0], fields[2]):
                        return fields
        return None

    def _has_license(self, holder: str) -> bool:
        with self._engine.open_archive(holder, self._recipe.mounts["license"]) as tar:
            return any(member.isreg() and member.size for member in tar or ())

    def _license(self, holder: str) -> tuple[str, bytes]:
        found: list[tuple[str, bytes]] = []
        with self._engine.open_archive(holder, self._recipe.mounts["license"]) as tar:
            for path, member in _files(tar, self._what):
                if member.size > MAX_LICENSE:
                    raise RemoteError(self._what, f"{path} has {member.size} bytes, more than the {MAX_LICENSE} that a license may have")
                stream = tar.extractfile(member) if tar is not None else None
                found.append((path, stream.read() if stream else b""))
        named = [item for item in found if item[0] == "license.dat"] or found
        if len(named) != 1:
            raise RemoteError(self._what, f"{len(found)} files in the license folder ({', '.join(path for path, _data in found)})", "one was expected")
        return named[0]

    def _models(self, holder: str, sink: Sink) -> list[dict[str, t.Any]]:
        files = []
        with self._engine.open_archive(holder, self._recipe.mounts["models"]) as tar:
            for path, member in _files(tar, self._what):
                stream = tar.extractfile(member) if tar is not None else None
                if stream is not None:
                    files.append({"path": path, "digest": sink(path, t.cast(t.BinaryIO, stream), member.size), "size": member.size})
        if not files:
            raise RemoteError(self._what, "the online steps left no models", "run it again; if it stays, the steps in the catalog do not fit this image")
        return sorted(files, key=lambda file: file["path"])


def _files(tar: tarfile.TarFile | None, what: str) -> t.Iterator[tuple[str, tarfile.TarInfo]]:
    """Regular files with their paths below the archived folder."""
    for member in tar or ():
        path = member.name.strip("/").partition("/")[2]
        if member.isdir():
            continue
        if not member.isreg() or not path or ".." in path.split("/"):
            raise RemoteError(what, f"{member.name} is not a regular file", "such a thing cannot cross; report it")
        yield path, member


def _ready(port: int) -> bool:
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
