# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The online steps in the builder's engine: run the image, take license and models out, leave nothing behind.

License and models lie in volumes, each of a container which never runs (its holder). The folders are given to the
image's user and read through the engine's archive API, so nobody needs root and no license reaches a bind mount.
A further try of a step keeps the models that have come and gets an empty license folder: some images refuse another.
This file is private to the collection.
"""

from __future__ import annotations

import http.client
import io
import tarfile
import time
import typing as t
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import LABEL_PREFIX
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import online, refusals
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.entries import CONTAINER_PORT

LABEL = LABEL_PREFIX + "download"
MAX_LICENSE = 16 * 1024 * 1024  # bytes
MAX_LOG = 4 * 1024 * 1024  # bytes of a step's log that are looked at, the last ones
POLL = 0.5  # seconds between two looks at a running step
LOOK = 5.0  # seconds between two looks at what it says and has received
QUIET_LOOKS = 4  # so many in which a run that has made its license receives nothing: it is one that does not end by itself
_END = 10  # seconds that it gets to end: it has nothing more to write
NOISE = 16 * 1024  # bytes between two looks that a network brings without anybody asking

Begin = t.Callable[[str], t.Callable[[int], object]]
"""Told in words what begins now; returns what is called with each further number of bytes (0 as a sign of life)."""
Sink = t.Callable[[str, t.BinaryIO, int], str]
"""Takes a model file's path relative to the mount, its stream and size in bytes; returns the digest it is kept under."""
Survey = t.Callable[[t.Sequence[tuple[str, int]]], object]
"""Told (path, size) of all model files before the first goes to the sink; raises when they cannot be kept."""


@dataclass(frozen=True)
class Recipe:
    """What is run.

    :param image: name or ID of the image in the engine
    :param mounts: the catalog entry's ``mounts``; ``license`` and, where the service has them, ``models`` count
    :param owner: value of the label by which leftovers of the same builder are found
    :param environment: further variables (proxies)
    :param hardening: the catalog entry's ``hardening``
    :param port: where the container listens
    :param user: ``uid:gid`` that it runs as, where that is not the image's own
    """

    image: str
    mounts: t.Mapping[str, str]
    owner: str
    network: str = "bridge"
    environment: t.Mapping[str, str] = field(default_factory=dict)
    hardening: t.Mapping[str, t.Any] = field(default_factory=dict)
    port: int = CONTAINER_PORT
    user: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What came: the license (secret), captured settings, model files as ``{path, digest, size}``."""

    license: bytes = field(repr=False)
    license_file: str
    settings: dict[str, str]
    files: list[dict[str, t.Any]]


class ArchiveEngine(Engine):
    """An engine whose containers' files can be written and read while they do not run, and whose running ones tell what they received."""

    def received(self, container: str) -> int:
        """Bytes that came over the container's networks so far; 0 when the engine does not know."""
        told = self._json("GET", f"/containers/{container}/stats", {"stream": "0", "one-shot": "1"}, missing_ok=True) or {}
        return sum(int(network.get("rx_bytes", 0)) for network in (told.get("networks") or {}).values())

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
    """

    def __init__(self, engine: ArchiveEngine, recipe: Recipe, what: str, secrets: t.Sequence[str], begin: Begin = lambda _words: lambda _size: None) -> None:
        self._engine = engine
        self._recipe = recipe
        self._what = what
        self._secrets = secrets
        self._begin = begin
        self._advance: t.Callable[[int], object] = lambda _size: None
        self._holders: dict[str, str] = {}  # of the folders `license` and `models`

    def run(self, steps: t.Sequence[online.Step], sink: Sink, survey: Survey = lambda _files: None) -> Outcome:
        """Run the steps in order and return what they made.

        :raises RemoteError: a step failed; the line says which and why, without secrets.
        """
        self.clean()
        with ExitStack() as stack:
            for folder in self._folders():
                self._hold(stack, folder)
            settings: dict[str, str] = {}
            for number, step in enumerate(steps, 1):
                log = self._tried(stack, step, f"step {step.name} ({number} of {len(steps)})")
                settings.update(online.captured(log, step.capture))
            self._advance = self._begin("keep what came")
            files = self._models(sink, survey) if any("models" in step.produces for step in steps) else []
            if "models" in self._recipe.mounts and files:
                online.check_paths(settings, self._recipe.mounts["models"], [file["path"] for file in files])
            name, data = self._license()
        return Outcome(data, name, settings, files)

    def clean(self) -> int:
        """Remove what a killed run of this builder left; return how many containers that were."""
        left = self._engine.containers([f"{LABEL}={self._recipe.owner}"])
        for container in left:
            self._engine.remove(container["Id"])
        return len(left)

    # Containers

    def _folders(self) -> list[str]:
        return [name for name in ("license", "models") if name in self._recipe.mounts]

    def _hold(self, stack: ExitStack, folder: str) -> None:
        """Make an empty volume for the folder; the one that was there goes at the end."""
        volume = {"Type": "volume", "Target": self._recipe.mounts[folder], "VolumeOptions": {"NoCopy": True}}
        host = {"NetworkMode": "none", "Mounts": [volume]}
        holder = stack.enter_context(self._engine.container({"Image": self._recipe.image, "Labels": {LABEL: self._recipe.owner}, "HostConfig": host}))
        self._own(holder, self._recipe.mounts[folder])
        self._holders[folder] = holder

    def _config(self, step: online.Step) -> dict[str, t.Any]:
        environment = {**self._recipe.environment, **step.settings}
        port = f"{self._recipe.port}/tcp"
        host: dict[str, t.Any] = {
            "NetworkMode": self._recipe.network,
            "VolumesFrom": list(self._holders.values()),
            "CapDrop": list(self._recipe.hardening.get("drop_capabilities", [])),
            "SecurityOpt": ["no-new-privileges:true"] if self._recipe.hardening.get("no_new_privileges") else [],
            # The log may hold the key: local files of the engine, bounded, gone with the container.
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "8m", "max-file": "2"}},
            "Memory": step.memory,
            "NanoCpus": self._cpus(step),
        }
        if step.until == "ready":
            host["PortBindings"] = {port: [{"HostIp": "127.0.0.1", "HostPort": ""}]}
        return {
            "Image": self._recipe.image,
            "Env": [f"{name}={value}" for name, value in environment.items()],
            "Labels": {LABEL: self._recipe.owner},
            "ExposedPorts": {port: {}},
            "HostConfig": host,
            **({"Cmd": list(step.arguments)} if step.arguments else {}),
            **({"User": self._recipe.user} if self._recipe.user else {}),
        }

    def _cpus(self, step: online.Step) -> int:
        """Billionths of CPUs, 0 for all: the engine refuses more than the builder has."""
        if not step.cpus:
            return 0
        return int(min(step.cpus, float(self._engine.info().get("NCPU") or step.cpus)) * 10**9)

    def _tried(self, stack: ExitStack, step: online.Step, words: str) -> str:
        """Run one step, again where that may help; return its log."""
        for attempt in range(step.retries + 1):
            if attempt and "license" in step.produces:
                self._hold(stack, "license")
            self._advance = self._begin(words + (f", try {attempt + 1} of {step.retries + 1}" if attempt else ""))
            code, log = self._once(step)
            if code == 0 and ("license" not in step.produces or self._has_license()):
                return log
            refusal = refusals.explain(log, code, self._secrets)
            if refusal.final or attempt == step.retries:
                break
        tries = f" (tried {attempt + 1} times)" if attempt else ""
        raise RemoteError(f"{self._what}, online step {step.name}", refusal.problem + tries, refusal.way_out)

    def _once(self, step: online.Step) -> tuple[int | None, str]:
        """(exit code, log) of one run; the code is 0 as well when it serves as the step wants, None when it did not end in time."""
        with self._engine.container(self._config(step)) as container:
            self._engine.start(container)
            return self._wait(container, step), self._log(container)

    def _wait(self, container: str, step: online.Step) -> int | None:
        now = time.monotonic()
        end, look, received, quiet = now + step.time_limit, now + LOOK, 0, 0
        while time.monotonic() < end:
            found = self._engine.inspect(container) or {}
            if found.get("State", {}).get("Status") in ("exited", "dead"):
                return int(found["State"].get("ExitCode", -1))
            if step.until == "ready" and self._is_ready(found):
                self._engine.stop(container, _END)
                return 0
            if time.monotonic() >= look:
                look, before, received = time.monotonic() + LOOK, received, self._engine.received(container)
                self._advance(max(received - before, 0))
                quiet = quiet + 1 if received - before < NOISE and self._is_made(step, container) else 0
                if quiet >= QUIET_LOOKS:
                    self._engine.stop(container, _END)
                    return 0
                refusal = refusals.known(self._log(container))
                if refusal is not None and refusal.certain:  # a container with a wrong key says so and runs on
                    return None
            self._advance(0)
            time.sleep(POLL)
        return None

    def _is_made(self, step: online.Step, container: str) -> bool:
        """Whether the license is there and the log has told all that the step wants from it. Nobody documents that each kind of download ends."""
        if "license" not in step.produces or not self._has_license():
            return False
        try:
            online.captured(self._log(container), step.capture)
        except RemoteError:
            return False
        return True

    def _is_ready(self, found: t.Mapping[str, t.Any]) -> bool:
        bindings = (found.get("NetworkSettings", {}).get("Ports") or {}).get(f"{self._recipe.port}/tcp") or []
        return bool(bindings) and _ready(int(bindings[0]["HostPort"]))

    def _log(self, container: str) -> str:
        tail = b""
        for piece in self._engine.logs(container):
            tail = (tail + piece)[-MAX_LOG:]
        return tail.decode("utf-8", "replace")

    # Files, through the archive API

    def _own(self, holder: str, path: str) -> None:
        """Give the empty folder to the image's user: a volume's root belongs to root, and many images do not run as root."""
        image = self._engine.image(self._recipe.image) or {}
        uid, gid = self._user(holder, self._recipe.user or str((image.get("Config") or {}).get("User") or ""))
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
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

    def _has_license(self) -> bool:
        with self._engine.open_archive(self._holders["license"], self._recipe.mounts["license"]) as tar:
            return any(member.isreg() and member.size for member in tar or ())

    def _license(self) -> tuple[str, bytes]:
        found: list[tuple[str, bytes]] = []
        with self._engine.open_archive(self._holders["license"], self._recipe.mounts["license"]) as tar:
            for path, member in _files(tar, self._what):
                if member.size > MAX_LICENSE:
                    raise RemoteError(self._what, f"{path} has {member.size} bytes, more than the {MAX_LICENSE} that a license may have")
                stream = tar.extractfile(member) if tar is not None else None
                found.append((path, stream.read() if stream else b""))
        named = [item for item in found if item[0] == "license.dat"] or found
        if len(named) != 1:
            raise RemoteError(self._what, f"{len(found)} files in the license folder ({', '.join(path for path, _data in found)})", "one was expected")
        return named[0]

    def _models(self, sink: Sink, survey: Survey) -> list[dict[str, t.Any]]:
        with self._engine.open_archive(self._holders["models"], self._recipe.mounts["models"]) as tar:
            survey([(path, member.size) for path, member in _files(tar, self._what)])  # sizes stand between the files: all are read for them
        files = []
        with self._engine.open_archive(self._holders["models"], self._recipe.mounts["models"]) as tar:
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
