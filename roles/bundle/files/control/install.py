# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lays a verified control kit down as a Python environment of its own; started by install.sh, standard library only.

<prefix>/control-<version>/ is such an environment without venv or pip: pyvenv.cfg, bin/, lib/python3.x/site-packages/. The links
<prefix>/current and <prefix>/previous say which one is in use and which one was.
"""

from __future__ import annotations

import argparse
import compileall
import configparser
import contextlib
import fcntl
import hashlib
import io
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import typing as t
import zipfile

KIND = "airgap.azure_ai/control"
FORMAT = 1
LIMIT = 512 * 1024 * 1024  # bytes of one file of a kit; it is held in memory while it is unpacked
COMMANDS = re.compile(r"ansible(-[a-z]+)?")
LINKS = "/usr/local/bin"  # where root's kit puts its commands
MARK = "control.json"  # written into an environment last of all

Record = dict[str, t.Any]


class RefusedError(Exception):
    """What is wrong and what to do, in one line."""


class Kit:
    """The kit in ``folder`` as its verified manifest describes it."""

    def __init__(self, folder: str, manifest: str) -> None:
        self._folder = folder
        with open(manifest, encoding="utf-8") as stream:
            self.manifest: Record = json.load(stream)
        if self.manifest.get("kind") != KIND or self.manifest.get("format") != FORMAT:
            raise RefusedError(f"control.json: a kit of format {self.manifest.get('format')}, this installer reads {FORMAT}; ask the sender for another kit")
        self.name = f"control-{self.manifest['version']}"

    def of(self, kind: str) -> list[Record]:
        """The files of one kind."""
        return [entry for entry in self.manifest["files"] if entry["kind"] == kind]

    def read(self, entry: Record) -> bytes:
        """The bytes of a file, checked. Raise RefusedError naming it."""
        path = os.path.join(self._folder, "blobs", "sha256", entry["digest"].partition(":")[2])
        try:
            with open(path, "rb") as stream:
                data = stream.read(min(entry["size"], LIMIT) + 1)
        except OSError as exc:
            raise RefusedError(f"{entry['filename']}: cannot be read ({exc.strerror}), {path}") from None
        if "sha256:" + hashlib.sha256(data).hexdigest() != entry["digest"]:
            raise RefusedError(f"{entry['filename']}: damaged, {path}")
        return data

    def problems(self) -> list[str]:
        """Every file that is missing or damaged, by name."""
        found = []
        for entry in self.manifest["files"]:
            try:
                self.read(entry)
            except RefusedError as exc:
                found.append(str(exc))
        return found

    def misfits(self) -> list[str]:
        """Why the kit is not for this machine."""
        target = self.manifest["target"]
        arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        here = {"os": system(), "python": f"{sys.version_info[0]}.{sys.version_info[1]}", "arch": arch}
        return [f"{name} is {here[name]} here, the kit is for {target[name]}" for name in sorted(here) if target[name] != here[name]]


class Prefix:
    """The folder that environments are installed in."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)

    def link(self, name: str) -> str | None:
        """The environment that ``current`` or ``previous`` points to."""
        try:
            return os.readlink(os.path.join(self.path, name))
        except OSError:
            return None

    def manifest(self, environment: str) -> Record:
        """What an environment was made of; empty when it is not whole."""
        try:
            with open(os.path.join(self.path, environment, MARK), encoding="utf-8") as stream:
                return t.cast(Record, json.load(stream))
        except (OSError, ValueError):
            return {}

    def switch(self, environment: str) -> None:
        """Make an environment the current one, and the current one the previous one."""
        before = self.link("current")
        if before and before != environment:
            self._point("previous", before)
        self._point("current", environment)

    @contextlib.contextmanager
    def alone(self) -> t.Iterator[None]:
        """Let one run at a time work here."""
        os.makedirs(self.path, mode=0o755, exist_ok=True)
        with open(os.path.join(self.path, ".lock"), "a", encoding="ascii") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RefusedError(f"{self.path}: another install.sh is at work here; wait for it to end") from None
            yield

    def _point(self, name: str, target: str) -> None:
        temporary = os.path.join(self.path, f".{name}")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        os.symlink(target, temporary)
        os.replace(temporary, os.path.join(self.path, name))


class Builder:
    """Makes the environment of a kit; what an interrupted run finished is not done again."""

    def __init__(self, kit: Kit, prefix: Prefix) -> None:
        self._kit = kit
        self.final = os.path.join(prefix.path, kit.name)
        self._part = os.path.join(prefix.path, f".{kit.name}.part")
        self._site = os.path.join(self._part, "lib", f"python{kit.manifest['target']['python']}", "site-packages")

    def build(self) -> None:
        """Unpack, compile, name."""
        os.makedirs(os.path.join(self._part, "done"), exist_ok=True)
        os.makedirs(os.path.join(self._part, "bin"), exist_ok=True)
        os.makedirs(self._site, exist_ok=True)
        for kind, unpack in (("wheel", self._wheel), ("collection", self._collection)):
            for entry in self._kit.of(kind):
                self._once(entry, unpack)
        self._python()
        self._scripts()
        compileall.compile_dir(self._site, maxlevels=30, quiet=2, stripdir=self._part, prependdir=self.final)
        shutil.rmtree(os.path.join(self._part, "done"))
        pathlib.Path(self._part, MARK).write_text(json.dumps(self._kit.manifest, indent=1, sort_keys=True), "utf-8")
        os.sync()
        if os.path.lexists(self.final):
            shutil.rmtree(self.final)  # not whole, or it would not be made again
        os.rename(self._part, self.final)

    def _once(self, entry: Record, unpack: t.Callable[[Record, bytes], None]) -> None:
        mark = pathlib.Path(self._part, "done", entry["digest"].partition(":")[2])
        if not mark.exists():
            unpack(entry, self._kit.read(entry))
            mark.touch()

    def _wheel(self, entry: Record, data: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                parts = inside(info.filename, entry["filename"])
                if parts[0].endswith(".data"):
                    if len(parts) < 3 or parts[1] not in ("purelib", "platlib"):
                        continue  # scripts, headers, manuals
                    parts = parts[2:]
                path = os.path.join(self._site, *parts)
                if info.is_dir():
                    os.makedirs(path, exist_ok=True)
                    continue
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with archive.open(info) as source, open(path, "wb") as target:
                    shutil.copyfileobj(source, target)

    def _collection(self, entry: Record, data: bytes) -> None:
        home = os.path.join(self._site, "ansible_collections", *entry["name"].split("."))
        shutil.rmtree(home, ignore_errors=True)
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for member in archive:
                path = os.path.join(home, *inside(member.name, entry["filename"]))
                source = archive.extractfile(member) if member.isfile() else None
                if source is None:
                    raise RefusedError(f"{entry['filename']}: holds {member.name}, which is no file; ask the sender for another kit")
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with source, open(path, "wb") as target:
                    shutil.copyfileobj(source, target)
                os.chmod(path, 0o755 if member.mode & 0o100 else 0o644)

    def _python(self) -> None:
        """What makes a folder a Python environment."""
        interpreter = os.path.realpath(sys.executable)
        text = f"home = {os.path.dirname(interpreter)}\ninclude-system-site-packages = false\nversion = {platform.python_version()}\n"
        pathlib.Path(self._part, "pyvenv.cfg").write_text(text, "utf-8")
        for name in ("python3", "python"):
            path = os.path.join(self._part, "bin", name)
            if not os.path.lexists(path):
                os.symlink(interpreter if name == "python3" else "python3", path)

    def _scripts(self) -> None:
        """The commands that the wheels announce, started with the environment's own Python."""
        for folder in sorted(os.listdir(self._site)):
            points = os.path.join(self._site, folder, "entry_points.txt")
            if not folder.endswith(".dist-info") or not os.path.isfile(points):
                continue
            parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
            parser.optionxform = str
            parser.read(points, encoding="utf-8")
            for name, target in parser.items("console_scripts") if parser.has_section("console_scripts") else ():
                module, _colon, function = target.partition("[")[0].strip().partition(":")
                self._program(name, f"import sys\nfrom {module} import {function.split('.')[0]}\nsys.exit({function}())\n")
        shutil.copyfile(__file__, os.path.join(self._part, "install.py"))

    def _program(self, name: str, text: str) -> None:
        python = os.path.join(self.final, "bin", "python3")
        # A first line with a blank, or a long one, is cut by the kernel; so sh starts Python there.
        first = f"#!{python}\n" if len(python) < 120 and " " not in python else f"#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n"
        path = os.path.join(self._part, "bin", name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o777), "w", encoding="utf-8") as stream:
            stream.write(first + text)


def inside(name: str, owner: str) -> list[str]:
    """The parts of a clean relative path; raise RefusedError for one that leaves its folder."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise RefusedError(f"{owner}: holds the path {name!r}, which leaves its folder; ask the sender for another kit")
    return parts


def system() -> str:
    """This machine's release, such as ``debian-12``."""
    fields: dict[str, str] = {}
    with contextlib.suppress(OSError), open("/etc/os-release", encoding="utf-8") as stream:
        fields = {name: value.strip().strip('"') for name, _equals, value in (line.partition("=") for line in stream)}
    return f"{fields.get('ID', 'unknown')}-{fields.get('VERSION_ID', 'unknown')}"


def due(kit: Kit) -> dict[str, str]:
    """What is said of each package that was asked for and is absent here, or older than in the kit, by name."""
    command = ["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n"]
    rows = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines() if kit.of("package") else []
    here = {name: version for name, version, state in (row.split(" ") for row in rows if row.count(" ") == 2) if state == "installed"}
    found = {}
    for name, version in ((entry["name"], entry["version"]) for entry in kit.of("package") if entry["requested"]):
        if name not in here:
            found[name] = f"{name} {version}"
        elif subprocess.run(["dpkg", "--compare-versions", here[name], "lt", version], check=False).returncode == 0:
            found[name] = f"{name} {version} in place of {here[name]}"
    return found


def install_packages(kit: Kit, names: t.Iterable[str]) -> None:
    """Let apt install what was asked for, and what that needs, out of the kit and from nowhere else; no source is written, nothing is removed."""
    with tempfile.TemporaryDirectory() as folder:
        options = offer(kit, folder)
        command = ["install", "--yes", "--no-remove", "--no-install-recommends", "-oDPkg::Lock::Timeout=300", "-oDPkg::Options::=--force-confold", *names]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        for words in (["update", "-qq"], command):
            done = subprocess.run(["apt-get", *options, *words], env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                lines = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith(("E:", "dpkg:"))] or ["no message"]
                raise RefusedError(f"packages: apt-get would not install them ({lines[0][:200]}); mend that, or run again with --no-packages")


def offer(kit: Kit, folder: str) -> list[str]:
    """Lay all packages of the kit out as an archive in ``folder``, and give the options by which apt takes from there alone."""
    os.makedirs(os.path.join(folder, "lists", "partial"))
    with open(os.path.join(folder, "Packages"), "wb") as index:
        for number, entry in enumerate(kit.of("package")):
            path = pathlib.Path(folder, f"{number}.deb")  # the escaped colon of an epoch would be escaped once more
            path.write_bytes(kit.read(entry))
            fields = subprocess.run(["dpkg-deb", "--field", path], capture_output=True, check=False).stdout
            index.write(fields + f"Filename: ./{number}.deb\nSize: {entry['size']}\nSHA256: {entry['digest'][7:]}\n\n".encode())
    pathlib.Path(folder, "sources.list").write_text(f"deb [trusted=yes] file:{folder} ./\n", "utf-8")
    places = (f"Etc::sourcelist={folder}/sources.list", "Etc::sourceparts=-", f"State::lists={folder}/lists", "Cache::pkgcache=", "Cache::srcpkgcache=")
    return [*(f"-oDir::{place}" for place in places), "-oAPT::Sandbox::User=root"]


def reason(kit: Kit, prefix: Prefix, allow_older: bool) -> str | None:
    """Why something has to be done to the environment, or None."""
    current = prefix.link("current")
    held = prefix.manifest(current) if current else {}
    if not held:
        return f"{kit.name} is the first one" if current is None else f"{current} is not whole"
    if held.get("id") == kit.manifest["id"]:
        return None
    if kit.manifest["created"] < held["created"] and not allow_older:
        raise RefusedError(f"{kit.name}: made {kit.manifest['created']}, before {current} of {held['created']}; add --allow-older if you mean it")
    return f"{kit.name} takes the place of {current}"


def links(prefix: Prefix) -> list[str]:
    """Commands of root's kit that have no link in the search path yet; another one's command is left alone."""
    if os.geteuid() != 0 or prefix.path != "/opt/azure-ai":
        return []
    with contextlib.suppress(OSError):
        names = [name for name in sorted(os.listdir(os.path.join(prefix.path, "current", "bin"))) if COMMANDS.fullmatch(name)]
        return [name for name in names if not os.path.lexists(os.path.join(LINKS, name))]
    return []


def install(kit: Kit, prefix: Prefix, arguments: argparse.Namespace) -> None:
    """Do what is missing, and tell it."""
    why = reason(kit, prefix, arguments.allow_older)
    packages = {} if arguments.no_packages else due(kit)
    names = ", ".join(packages.values())
    if packages and (os.geteuid() != 0 or arguments.check):
        say(f"packages {'would be installed' if os.geteuid() == 0 else 'are missing or older, and only root can install them'}: {names}")
    elif packages:
        say(f"installing packages: {names}")
        install_packages(kit, packages)
    if why and arguments.check:
        say(f"would install {prefix.path}/{kit.name}: {why}")
        return
    if why:
        if prefix.manifest(kit.name).get("id") != kit.manifest["id"]:
            room(kit, prefix)
            say(f"installing {prefix.path}/{kit.name}: {why}")
            Builder(kit, prefix).build()
        prefix.switch(kit.name)
    for name in [] if arguments.check else links(prefix):
        os.symlink(os.path.join(prefix.path, "current", "bin", name), os.path.join(LINKS, name))
    say(f"{kit.name} is in use: {prefix.path}/current/bin" + ("" if why else ", nothing had to be done"))


def room(kit: Kit, prefix: Prefix) -> None:
    """Raise RefusedError when the disk is too small; unpacked and compiled, a kit takes some five times its size."""
    needed = 5 * sum(entry["size"] for entry in kit.of("wheel") + kit.of("collection")) + 64 * 1024 * 1024
    free = shutil.disk_usage(prefix.path).free
    if free < needed:
        raise RefusedError(f"{prefix.path}: {needed // 10**6} MB are needed and {free // 10**6} MB are free; make room and run again")


def rollback(prefix: Prefix) -> None:
    """Use the previous environment again."""
    before = prefix.link("previous")
    if before is None or not prefix.manifest(before):
        raise RefusedError(f"{prefix.path}: no previous kit is there that is whole; install one")
    prefix.switch(before)
    say(f"{before} is in use again: {prefix.path}/current/bin")


def say(text: str) -> None:
    """Tell the user, at once."""
    print(text, flush=True)


def run(arguments: argparse.Namespace) -> None:
    """Judge the kit, then install it; all problems at once."""
    prefix = Prefix(arguments.prefix)
    if arguments.rollback:
        with prefix.alone():
            rollback(prefix)
        return
    kit = Kit(arguments.kit, arguments.manifest)
    problems = kit.misfits() or kit.problems()
    if problems:
        way_out = "ask the sender for a kit for this machine" if kit.misfits() else "copy the folder from the medium again, or have it sent again"
        raise RefusedError("\n".join([*problems, way_out]))
    if arguments.check:
        install(kit, prefix, arguments)
        return
    with prefix.alone():
        install(kit, prefix, arguments)


def main() -> int:
    """Read the arguments, run, tell problems without a traceback."""
    os.umask(0o022)  # everyone may use what is installed
    parser = argparse.ArgumentParser(prog="install.py")
    for name in ("--kit", "--manifest", "--prefix"):
        parser.add_argument(name, required=name == "--prefix", default="")
    for name in ("--check", "--no-packages", "--allow-older", "--rollback"):
        parser.add_argument(name, action="store_true")
    try:
        run(parser.parse_args())
    except RefusedError as exc:
        for line in str(exc).splitlines():
            print(f"install.sh: {line}", file=sys.stderr)
        return 1
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, tarfile.TarError) as exc:
        print(f"install.sh: {type(exc).__name__}: {exc}; nothing that is in use was changed", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
