# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages that a host lacks, resolved by apt itself for another release than this machine's.

apt works with a state of its own in a folder of ours: nothing of the machine's is read but its proxies and
passwords for mirrors, nothing is written, no rights are needed. This file is private to the collection.
"""

from __future__ import annotations

import os
import re
import shutil
import typing as t
import urllib.parse
from dataclasses import dataclass

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, MissingError, RemoteError, TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import REGISTRY_PACKAGE
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.zstd import PROGRAM
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import watch
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.sources import Mirrors
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store

SUITES = {"debian-12": "bookworm", "debian-13": "trixie"}
REQUESTED = {  # the one place that says what a bare host needs for the roles of this collection, and a control node that serves images
    "debian-12": ("docker.io", "rsync", "python3-requests", "iptables", PROGRAM, REGISTRY_PACKAGE),  # its engine reads no layers of zstd
    "debian-13": ("docker.io", "docker-cli", "docker-compose", "rsync", "python3-requests", "iptables", REGISTRY_PACKAGE),
}
ARCHITECTURES = ("amd64",)
LOCKED = "airgap.azure_ai locked"
INDEX = 128 * 1024 * 1024  # bytes that lists and caches of apt take for one release, with some to spare

Record = dict[str, t.Any]
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_URI = re.compile(r"'(?P<uri>[^']+)' (?P<file>\S+) (?P<size>\d+)(?: (?P<hash>\S+))?")
_REASONS: tuple[tuple[str, type[AirgapError], str, str], ...] = (
    (r"Unable to locate package (\S+)", InputError, "has no package {0}", "look at packages"),
    (r"Package '?([^' ]+)'? has no installation candidate", InputError, "has no package {0} to install", "look at packages"),
    (r"NO_PUBKEY|is not signed|couldn't be verified|BADSIG|EXPKEYSIG|sqv", TrustError, "its index is not signed by a key of the keyring", "look at keyring"),
    (r"Release file .*(?:expired|not valid yet)", TrustError, "its index is out of date", "look at this machine's clock, then at the mirror"),
    (r"Hash Sum mismatch|unexpected size", IntegrityError, "the mirror is changing or damaged", "run again"),
    (r"[Uu]nmet dependencies|held broken packages|remove is disabled", InputError, "the packages do not go together", "look at packages and status_file"),
    (r"[Nn]o space left|have enough free space", RemoteError, "no space left on the disk of the store", "make room and run again"),
    (
        r"Could not (?:resolve|connect)|Failed to fetch|Connection failed|does not have a Release file",
        RemoteError,
        "the mirror does not answer",
        "look at mirror and the network, then run again",
    ),
)


@dataclass(frozen=True)
class Request:
    """What is asked for.

    :param system: e.g. ``debian-12``
    :param status_file: the target's ``/var/lib/dpkg/status``, or None for a target that has nothing
    :param timeout: seconds without a new byte after which apt is stopped
    :param own: paths of package files that are installed with the others; what they depend on comes from the archive
    """

    system: str
    architecture: str
    packages: tuple[str, ...]
    mirrors: Mirrors
    keyring: str
    status_file: str | None = None
    timeout: float = 120
    own: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise InputError or MissingError for what cannot be asked."""
        if self.system not in SUITES:
            known = ", ".join(sorted(SUITES))
            raise InputError(
                f"os {self.system!r}",
                f"packages can be fetched for {known} only",
                "install Docker, rsync and python3-requests there yourself, set azure_ai_engine_manage: false and take it out of azure_ai_host_os",
            )
        if self.architecture not in ARCHITECTURES:
            raise InputError(f"arch {self.architecture!r}", "the containers exist for amd64 only")
        for name in self.packages:
            if not _PACKAGE.fullmatch(name):
                raise InputError(f"package {name!r}", "not the name of a package")
        for path in (self.keyring, self.status_file):
            if path is not None and not os.path.isfile(path):
                raise MissingError(
                    path, "no such file", "install debian-archive-keyring or name the file" if path == self.keyring else "name the target's dpkg status"
                )


class Apt:
    """apt-get with a state of its own in ``folder``."""

    def __init__(self, folder: str, request: Request) -> None:
        self._request = request
        self._folder = os.path.abspath(folder)
        self.archives = os.path.join(self._folder, "archives")
        self._locked: list[str] = []  # options that make apt take the locked set first

    def prepare(self) -> None:
        """Lay out the private state; lists and archives of a former run stay, apt judges them."""
        for name in ("state/lists/partial", "cache", "archives/partial", "nothing", "etc"):
            os.makedirs(os.path.join(self._folder, name), exist_ok=True)
        status = os.path.join(self._folder, "state", "status")
        if self._request.status_file:
            shutil.copyfile(self._request.status_file, status)
        else:
            self._write("state/status", "")
        suite, mirrors = SUITES[self._request.system], self._request.mirrors
        option = f"[arch={self._request.architecture} signed-by={self._request.keyring}]"
        # apt takes packages of file: where they lie; copy: brings them as every other method does.
        main, security = (re.sub(r"^file:", "copy:", address) for address in mirrors)
        lines = (f"deb {option} {main} {suite} main", f"deb {option} {security} {suite}-security main")
        self._write("etc/sources.list", "\n".join(lines) + "\n")
        self._write("etc/apt.conf", self._acquire() + self._settings())

    def lock(self, index: str) -> None:
        """Let hosts be judged by the packages of ``index`` first, in place of newer ones of the archive. It is vouched for by the store's digests."""
        os.makedirs(os.path.join(self._folder, "locked"), exist_ok=True)
        data = index.encode()
        self._write("locked/Packages", index)
        self._write("locked/Release", f"Label: {LOCKED}\nSHA256:\n {Digest.of(data).hex} {len(data)} Packages\n")
        self._write("locked/sources.list", f"deb [trusted=yes] copy:{self._folder}/locked ./\n")
        self._write("locked/preferences", f"Package: *\nPin: release l={LOCKED}\nPin-Priority: 990\n")
        source = f"Dir::Etc::sourcelist={self._folder}/locked/sources.list"
        self._get(["-o", source, "-o", "APT::Get::List-Cleanup=false", "update", "-qq"])
        with open(os.path.join(self._folder, "etc", "sources.list"), "a", encoding="utf-8") as stream:
            stream.write(f"deb [trusted=yes] copy:{self._folder}/locked ./\n")
        self._locked = ["-o", f"Dir::Etc::preferences={self._folder}/locked/preferences"]

    def lacking(self, status: str, names: t.Sequence[str]) -> list[tuple[str, Digest, int]]:
        """The same as ``wanted`` for a host of that dpkg status that is to have ``names``; nothing is removed from it."""
        self._write("state/host", status)
        options = ["-o", f"Dir::State::status={self._folder}/state/host", *self._locked]
        command = [*options, "install", "-y", "-qq", "--no-remove", "--print-uris", *names, *self._request.own]
        return parse_uris(self._get(command, archives=os.path.join(self._folder, "nothing")).stdout.decode("utf-8", "replace"))

    def download_exactly(self, records: t.Sequence[Record], advance: t.Callable[[int], object] | None = None) -> None:
        """Fetch just these into ``archives``, whatever they depend on."""
        names = [f"{entry['name']}={entry['version']}" for entry in records]
        self._get(["download", "-qq", *names], [self.archives], advance, inside=self.archives)

    def update(self) -> None:
        """Fetch the index; apt checks its signature against the keyring."""
        self._get(["update", "-qq"])

    def wanted(self) -> list[tuple[str, Digest, int]]:
        """(file name, digest, size in bytes) of every package to be installed, as the signed index announces them."""
        # --print-uris leaves out what lies in the archives, so it looks into an empty folder.
        done = self._get(["install", "-y", "-qq", "--print-uris", *self._names()], archives=os.path.join(self._folder, "nothing"))
        return parse_uris(done.stdout.decode("utf-8", "replace"))

    def download(self, advance: t.Callable[[int], object] | None = None) -> None:
        """Fetch the packages into ``archives``; what is there whole stays."""
        self._get(["install", "-y", "-qq", "--download-only", *self._names()], [self.archives], advance)

    def _names(self) -> list[str]:
        return [*self._request.packages, *self._request.own]

    def _get(
        self, arguments: list[str], folders: t.Sequence[str] = (), advance: t.Callable[[int], object] | None = None, archives: str = "", inside: str = ""
    ) -> watch.Done:
        environment = {"APT_CONFIG": os.path.join(self._folder, "etc", "apt.conf")}
        command = ["apt-get", "-o", f"Dir::Cache::archives={archives or self.archives}", *arguments]
        if inside:
            command = ["sh", "-c", 'cd "$0" && exec "$@"', inside, *command]
        done = watch.run(command, self._request.timeout, [*folders, os.path.join(self._folder, "state", "lists")], advance, environment)
        if done.returncode != 0:
            raise explain(self._request.system, done.stderr)
        return done

    def _acquire(self) -> str:
        """The machine's own proxies and certificates: how it reaches its mirrors at all."""
        done = watch.run(["apt-config", "dump", "Acquire"], self._request.timeout)
        return "\n".join(line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.startswith("Acquire::")) + "\n"

    def _settings(self) -> str:
        settings = {
            "Dir::Etc": os.path.join(self._folder, "etc"),
            "Dir::Etc::main": "none",
            "Dir::Etc::parts": "none",
            "Dir::Etc::sourcelist": os.path.join(self._folder, "etc", "sources.list"),
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferences": "none",
            "Dir::Etc::preferencesparts": "none",
            "Dir::Etc::trusted": "none",
            "Dir::Etc::trustedparts": "none",
            "Dir::Etc::netrc": "/etc/apt/auth.conf",
            "Dir::Etc::netrcparts": "/etc/apt/auth.conf.d",
            "Dir::State": os.path.join(self._folder, "state"),
            "Dir::State::lists": os.path.join(self._folder, "state", "lists"),
            "Dir::State::status": os.path.join(self._folder, "state", "status"),
            "Dir::State::extended_states": os.path.join(self._folder, "state", "extended_states"),
            "Dir::Cache": os.path.join(self._folder, "cache"),
            "Dir::Log": os.path.join(self._folder, "cache"),
            "APT::Architecture": self._request.architecture,
            "APT::Architectures": self._request.architecture,
            "APT::Install-Recommends": "false",
            "APT::Install-Suggests": "false",
            "APT::Update::Error-Mode": "any",  # without it apt takes a mirror that does not answer for a warning
            "APT::Sandbox::User": "root",  # _apt could not enter the folder
            "Acquire::ForceHash": "SHA256",  # what --print-uris prints; by itself it is MD5
            "Acquire::Languages": "none",
            "Acquire::AllowInsecureRepositories": "false",
            "Acquire::AllowWeakRepositories": "false",
            "APT::Get::AllowUnauthenticated": "false",
            "Debug::NoLocking": "true",  # the folder's own lock is held
        }
        return "".join(f'{name} "{value}";\n' for name, value in settings.items())

    def _write(self, name: str, text: str) -> None:
        handle = os.open(os.path.join(self._folder, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)


def parse_uris(text: str) -> list[tuple[str, Digest, int]]:
    """(file name, digest, size) of the lines of ``--print-uris``. Raise IntegrityError on a package without SHA-256."""
    found = []
    for match in map(_URI.fullmatch, text.splitlines()):
        if match is None or (match["hash"] is None and match["uri"].startswith("file:")):  # one's own files; their hashes are taken elsewhere
            continue
        algorithm, _colon, value = (match["hash"] or "").partition(":")
        if algorithm != "SHA256":
            raise IntegrityError(f"package {match['file']}", "the mirror's index announces no SHA-256 for it", "use another mirror")
        found.append((match["file"], Digest.parse(f"sha256:{value.lower()}"), int(match["size"])))
    return sorted(found)


def record(request: Request, filename: str, digest: Digest, size: int) -> Record:
    """The package record of a file ``name_version_arch.deb`` as apt names it (an epoch's colon is ``%3a``)."""
    name, version, _rest = (urllib.parse.unquote(filename).split("_") + ["", ""])[:3]
    return {
        "os": request.system,
        "arch": request.architecture,
        "name": name,
        "version": version,
        "filename": filename,
        "digest": str(digest),
        "size": size,
        "requested": name in request.packages,
    }


def missing(store: Store, records: t.Sequence[Record]) -> list[Record]:
    """The records whose files the store lacks."""
    return [entry for entry in records if not store.has(Digest.parse(entry["digest"]), entry["size"])]


def reason(held: Record, system: str, records: t.Sequence[Record], lacking: t.Sequence[Record]) -> str | None:
    """Why the store has to change, or None."""
    if lacking:
        return f"{len(lacking)} of {len(records)} packages are missing"
    before = [entry for entry in held["packages"] if entry["os"] == system]
    return None if sorted(before, key=_name) == sorted(records, key=_name) else "the set of packages has changed"


def adopt(store: Store, apt: Apt, lacking: t.Sequence[Record]) -> None:
    """Move the downloaded files into the store, each against the hash that the signed index announced."""
    for entry in lacking:
        path = os.path.join(apt.archives, entry["filename"])
        what = f"package {entry['name']} {entry['version']}"
        if not os.path.isfile(path):
            raise IntegrityError(what, "apt did not bring it", "run again")
        store.adopt(path, Digest.parse(entry["digest"]), entry["size"], what=what)


def explain(system: str, stderr: str) -> AirgapError:
    """The error that apt's output means, in one line."""
    for pattern, error, problem, way_out in _REASONS:
        match = re.search(pattern, stderr)
        if match:
            return error(f"packages of {system}", problem.format(*match.groups()), way_out)
    lines = [line.strip() for line in stderr.splitlines() if line.startswith("E:")]
    return RemoteError(f"packages of {system}", f"apt-get failed: {(lines or ['no message'])[0][:300]}")


def _name(entry: Record) -> str:
    return t.cast(str, entry["name"])
