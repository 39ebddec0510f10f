# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One bounded archive about a host, made of what can be read: an engine that is down or was never there is a finding, no failure.

This file is private to the collection.
"""

from __future__ import annotations

import datetime
import io
import json
import os
import re
import subprocess
import tarfile
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import LABEL_PREFIX
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import checks, deployed, host, lock, messages, remaining
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.masking import Mask

RESERVED = 256 * 1024  # bytes kept for the summary, which comes last and is never left out
_MOST_LICENSE = 1024 * 1024
_MOST_LISTED = 2000  # files of an output folder that are listed
_LOGS = re.compile(r".*\.log(\.\d+)?", re.IGNORECASE)
_RELEASE = ("selector", "service", "tag", "resource", "image", "license", "models", "files", "downloaded", "expires", "complete")
_INFO = ("ServerVersion", "Driver", "DriverStatus", "DockerRootDir", "SecurityOptions", "KernelVersion", "LiveRestoreEnabled", "Warnings")
_STATE = ("Status", "ExitCode", "OOMKilled", "StartedAt", "Error")
Json = dict[str, t.Any]


class Archive:
    """Members are struck out, cut to their share and never more than the bound together.

    :param tar: open for writing
    :param limit: bytes of all members
    """

    def __init__(self, tar: tarfile.TarFile, limit: int, mask: Mask) -> None:
        self._tar = tar
        self._left = max(limit, 2 * RESERVED) - RESERVED
        self._mask = mask
        self.cut: list[str] = []

    def add(self, name: str, text: str, most: int) -> str:
        """Keep a text, of one that is too long the end; return what was kept."""
        room = max(0, min(most, self._left))
        data = self._mask.text(text).encode("utf-8", "replace")
        if len(data) > room:
            self.cut.append(f"{name}: the last {human(room)} of {human(len(data))}")
            # From the next line on: half a key at the edge would not be known as one, so it was struck out before.
            data = data[len(data) - room :].partition(b"\n")[2]
        self._write(name, data)
        self._left -= len(data)
        return data.decode("utf-8", "replace")

    def end(self, name: str, text: str) -> None:
        """Keep a text whatever the bound: it grows with the number of containers alone."""
        self._write(name, self._mask.text(text).encode("utf-8", "replace"))

    def _write(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o600
        self._tar.addfile(info, io.BytesIO(data))


class Diagnosis:
    """Looks at one host. Use: ``write``.

    :param told: from the control node: {control_now, problems, warnings, lines, declared}
    :param lines: how many lines of a log
    """

    def __init__(self, root: str, socket: str, told: Json, lines: int) -> None:
        self._root, self._engine, self._told, self._lines = root, Engine(socket, timeout=30), told, lines
        self._notes: list[str] = []
        self._explained: dict[str, set[str]] = {}

    def write(self, stream: t.BinaryIO, limit: int) -> Json:
        """Write the archive; return its summary."""
        with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
            archive = Archive(tar, limit, Mask(_licenses(self._root)))
            share = limit // 8
            facts = self._host(archive)
            releases = self._releases(archive, facts["now"])
            engine = self._about_engine(archive, share)
            containers = self._containers(archive, engine, share)
            self._written(archive, share)
            archive.add("plan.json", _pretty(self._told), share)
            summary = self._summary(facts, engine, containers, releases, archive.cut)
            archive.end("summary.json", _pretty(summary))
            archive.end("summary.txt", _words(summary))
        return summary

    def _host(self, archive: Archive) -> Json:
        facts = host.facts([self._root, "/", "/var/lib/docker"], ["docker.io", "containerd", "runc", "rsync"])
        facts.update(hostname=os.uname().nodename, kernel=os.uname().release, clock_offset=_offset(facts["now"], self._told.get("control_now")))
        archive.add("host.json", _pretty(facts), RESERVED)
        for name in ("mounts", "meminfo", "loadavg", "uptime"):
            archive.add(f"proc/{name}", _read(f"/proc/{name}"), RESERVED)
        holder = lock.holder(self._root)
        if holder is not None:
            self._notes.append(f"lock: {holder.who} from {holder.node} since {holder.since}")
        return facts

    def _releases(self, archive: Archive, now: str) -> list[Json]:
        """Names and digests of what is deployed, never content; with the days that licenses have left."""
        found = []
        for name, folder in deployed.containers(self._root).items():
            for identity, release in folder["releases"].items():
                kept: Json = {key: release.get(key) for key in _RELEASE}
                role = next((role for role in ("current", "previous") if folder[role] == identity), "staged")
                days = checks.license_days(release, self._told.get("control_now") or now) if release.get("license") else None
                found.append({"container": name, "release": identity, "role": role, "license_days": days, **kept})
        archive.add("releases.json", _pretty(found), RESERVED)
        return found

    def _about_engine(self, archive: Archive, share: int) -> Json:
        archive.add("daemon.json", _read("/etc/docker/daemon.json"), share)
        for unit in ("docker", "containerd"):
            archive.add(f"journal/{unit}.txt", self._journal(unit), share)
        try:
            version, info = self._engine.version(), self._engine.info()
        except AirgapError as exc:
            return {"version": None, "error": str(exc)}
        found = {"version": version.get("Version"), "error": None, **{key: info.get(key) for key in _INFO}}
        archive.add("engine.json", _pretty(found), share)
        return found

    def _journal(self, unit: str) -> str:
        command = ["journalctl", f"--unit={unit}", f"--lines={self._lines}", "--no-pager", "--output=short-iso"]
        try:
            done = subprocess.run(command, capture_output=True, timeout=30, check=False)
        except (OSError, subprocess.TimeoutExpired) as exc:
            return f"no journal: {exc}\n"
        self._known(f"journal of {unit}", text := done.stdout.decode("utf-8", "replace"))
        return text

    def _containers(self, archive: Archive, engine: Json, share: int) -> list[Json]:
        if engine["error"]:
            return []
        found = []
        for item in self._engine.containers([LABEL_PREFIX + "container"]):
            name = str((item.get("Names") or ["/"])[0]).lstrip("/")
            try:
                found.append(self._container(archive, item["Id"], name, share))
            except AirgapError as exc:
                self._notes.append(f"container {name}: {exc}")
        return found

    def _container(self, archive: Archive, identity: str, name: str, share: int) -> Json:
        full = self._engine.inspect(identity) or {}
        config = full.get("Config") or {}
        config["Env"] = Mask().environment(config.get("Env") or [])
        archive.add(f"containers/{name}/inspect.json", _pretty(full), share)
        log = _bounded(self._engine.logs(identity, tail=self._lines), share)
        self._known(f"container {name}", archive.add(f"containers/{name}/log.txt", log, share))
        state = full.get("State") or {}
        return {"name": name, **{key.lower(): state.get(key) for key in _STATE}, "restarts": full.get("RestartCount")}

    def _written(self, archive: Archive, share: int) -> None:
        """Log files of the output mounts, and what else lies there by name and size: records of usage stay where they are."""
        for name in deployed.containers(self._root):
            base = os.path.join(self._root, "containers", name, "output")
            listed = []
            for place, _folders, files in os.walk(base):
                for each in sorted(files):
                    path = os.path.join(place, each)
                    listed.append(f"{os.lstat(path).st_size:>12} {os.path.relpath(path, base)}")
                    if _LOGS.fullmatch(each) and not os.path.islink(path):
                        inner = re.sub(r"[^A-Za-z0-9._/-]", "_", os.path.relpath(path, base))
                        self._known(f"log of {name}", archive.add(f"containers/{name}/output/{inner}", _tail(path, share), share))
            archive.add(f"containers/{name}/output.txt", "\n".join(listed[:_MOST_LISTED]) + "\n", RESERVED)

    def _known(self, where: str, text: str) -> None:
        for message in messages.explain(text):
            self._explained.setdefault(message.quote, set()).add(where)

    def _summary(self, facts: Json, engine: Json, containers: list[Json], releases: list[Json], cut: list[str]) -> Json:
        known = {message.quote: message for message in messages.MESSAGES}
        explained = [
            {"message": quote, "where": sorted(where), "cause": known[quote].cause, "command": known[quote].command} for quote, where in self._explained.items()
        ]
        names = ("hostname", "os", "kernel", "arch", "cpus", "cpu_flags", "memory", "disk", "now", "clock_offset")
        return {
            "format": 1,
            "host": {name: facts[name] for name in names},
            "engine": {"version": engine["version"], "error": engine["error"]},
            "containers": containers,
            "releases": releases,
            "problems": list(self._told.get("problems") or []),
            "warnings": list(self._told.get("warnings") or []),
            "messages": explained,
            "notes": self._notes,
            "cut": cut,
        }


def _words(found: Json) -> str:
    facts, offset = found["host"], found["host"]["clock_offset"]
    lines = [
        f"host {facts['hostname']}: {facts['os']}, kernel {facts['kernel']}, {facts['arch']}, {facts['cpus']} CPUs, {human(facts['memory'])} of memory",
        f"clock: {facts['now']}, " + ("offset unknown" if offset is None else f"about {offset:+.0f} seconds against whoever asked"),
        *(f"disk {path}: {human(size['free'])} of {human(size['total'])} free" for path, size in facts["disk"].items()),
        f"engine: {found['engine']['version'] or found['engine']['error']}",
    ]
    lines += [f"container {item['name']}: {item['status']}, {item['restarts']} restarts, exit code {item['exitcode']}" for item in found["containers"]]
    lines += [remaining.words(f"license of {item['container']} ({item['role']})", item["license_days"]) for item in found["releases"] if item["license"]]
    lines += [f"PROBLEM {line}" for line in found["problems"]] + [f"warning: {line}" for line in found["warnings"]] + found["notes"]
    for item in found["messages"]:
        lines.append(f"message `{item['message']}` in {', '.join(item['where'])}: {item['cause']}; {item['command']}")
    return "\n".join(lines + [f"cut: {line}" for line in found["cut"]]) + "\n"


def _licenses(root: str) -> list[bytes]:
    """Contents of the licenses on this host, so that nothing of them is carried away."""
    found = []
    for name, folder in deployed.containers(root).items():
        for identity in folder["releases"]:
            base = os.path.join(root, "containers", name, "releases", identity, "license")
            for each in os.listdir(base) if os.path.isdir(base) else []:
                with open(os.path.join(base, each), "rb") as stream:
                    found.append(stream.read(_MOST_LICENSE))
    return found


def _offset(here: str, there: t.Optional[str]) -> t.Optional[float]:
    """Seconds that the host's clock is ahead of the control node's, as far as a connection lets one tell."""
    try:
        times = [datetime.datetime.strptime(str(value), "%Y-%m-%dT%H:%M:%SZ") for value in (here, there)]
    except ValueError:
        return None
    return (times[0] - times[1]).total_seconds()


def _bounded(chunks: t.Iterable[bytes], most: int) -> str:
    """The end of a stream, in memory that does not grow with it."""
    kept, cut = b"", False
    for chunk in chunks:
        kept += chunk
        if len(kept) > 4 * most:
            kept, cut = kept[-2 * most :], True
    return _from_a_line(kept, cut)


def _tail(path: str, most: int) -> str:
    """The end of a file, a little more than ``most``, so that it is told as cut."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
            start = max(0, os.fstat(stream.fileno()).st_size - 2 * most)
            stream.seek(start)
            return _from_a_line(stream.read(2 * most), start > 0)
    except OSError as exc:
        return f"not readable: {exc.strerror}\n"


def _from_a_line(data: bytes, cut: bool) -> str:
    """Half a secret at the edge would not be known as one, so what was cut begins with a whole line."""
    return (data.partition(b"\n")[2] if cut else data).decode("utf-8", "replace")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(RESERVED)
    except OSError as exc:
        return f"not readable: {exc.strerror}\n"


def _pretty(value: t.Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
