# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""install.sh of the control kit: what it installs, what it refuses, and what an interruption leaves."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.control import Target
from tests.integration import kits


@pytest.fixture
def sender(tmp_path: Path) -> kits.Sender:
    return kits.Sender(tmp_path / "sender")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    return tmp_path / "home" / "kit of mine"


def install(kit: Path, sender: kits.Sender, prefix: Path, *arguments: str, environment: t.Optional[dict[str, str]] = None) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(kit / "install.sh"), "--signers", str(sender.signers), "--prefix", str(prefix), "--no-packages", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", env={**os.environ, **(environment or {})})


def toy(prefix: Path) -> str:
    return subprocess.run([prefix / "current" / "bin" / "ansible-toy"], capture_output=True, text=True, check=True, cwd="/").stdout.strip()


def tree(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_mtime_ns for path in folder.rglob("*")}


def test_check_install_again(tmp_path: Path, sender: kits.Sender, prefix: Path) -> None:
    kit = kits.small(tmp_path / "one", sender)
    planned = install(kit, sender, prefix, "--check")
    assert planned.returncode == 0 and "would install" in planned.stdout and not prefix.exists(), planned.stderr
    done = install(kit, sender, prefix)
    assert done.returncode == 0 and "signed by builder@hq" in done.stdout, done.stderr
    assert toy(prefix) == "toy 1.0"
    (site,) = prefix.glob("current/lib/python*/site-packages")
    assert (site / "ansible_collections/a/b/galaxy.yml").read_text() == "1.0" and (site / "extra.py").exists() and not (site / "toy-1.0.data").exists()
    before = tree(prefix)
    again = install(kit, sender, prefix)
    assert again.returncode == 0 and "nothing had to be done" in again.stdout and tree(prefix) == before


def test_upgrade_and_rollback(tmp_path: Path, sender: kits.Sender, prefix: Path) -> None:
    old = kits.small(tmp_path / "old", sender)
    new = kits.small(tmp_path / "new", sender, "2.0", "2026-02-28T12:00:00Z")
    assert install(old, sender, prefix).returncode == 0 and install(new, sender, prefix).returncode == 0
    assert toy(prefix) == "toy 2.0"
    back = install(new, sender, prefix, "--rollback")
    assert back.returncode == 0 and toy(prefix) == "toy 1.0", back.stderr
    assert install(new, sender, prefix).returncode == 0 and toy(prefix) == "toy 2.0"
    older = install(old, sender, prefix)
    assert older.returncode == 1 and "--allow-older" in older.stderr and toy(prefix) == "toy 2.0"
    assert install(old, sender, prefix, "--allow-older").returncode == 0 and toy(prefix) == "toy 1.0"


def test_a_damaged_wheel_is_refused_by_name(tmp_path: Path, sender: kits.Sender, prefix: Path) -> None:
    kit = kits.small(tmp_path / "one", sender)
    data = kits.wheel("1.0")
    (blob,) = [path for path in (kit / "blobs" / "sha256").iterdir() if path.read_bytes() == data or path.stat().st_size == len(data)]
    blob.unlink()
    blob.write_bytes(data[:-1] + b"!")
    done = install(kit, sender, prefix)
    assert done.returncode == 1 and "toy-1.0-py3-none-any.whl: damaged" in done.stderr and not (prefix / "current").exists()
    blob.unlink()
    assert "toy-1.0-py3-none-any.whl: cannot be read" in install(kit, sender, prefix).stderr


@pytest.mark.parametrize("change", ["wrong signer", "altered", "unsigned", "other namespace", "revoked"])
def test_what_no_trusted_builder_signed_is_refused(tmp_path: Path, sender: kits.Sender, prefix: Path, change: str) -> None:
    other = kits.Sender(tmp_path / "other", "azure-ai-bundle" if change == "other namespace" else "azure-ai-control")
    trusted = other if change in ("wrong signer", "other namespace") else sender
    kit = kits.small(tmp_path / "one", trusted if change == "other namespace" else sender)
    arguments: tuple[str, ...] = ()
    if change == "altered":
        (kit / "control.json").write_bytes((kit / "control.json").read_bytes().replace(b"2026-01-31", b"2027-01-31"))
    if change == "unsigned":
        (kit / "control.json.sig").unlink()
    if change == "revoked":
        arguments = ("--revoked", str(sender.folder / "key.pub"))
    done = install(kit, trusted, prefix, *arguments)
    assert done.returncode == 1 and not prefix.exists() and "Traceback" not in done.stderr
    assert ("missing or no regular file" if change == "unsigned" else "not signed by a builder that") in done.stderr


def test_as_many_as_the_site_requires_must_have_signed(tmp_path: Path, sender: kits.Sender, prefix: Path) -> None:
    kit, officer = kits.small(tmp_path / "one", sender), kits.Sender(tmp_path / "officer", who="officer@anna")
    with sender.signers.open("a") as trusted:
        trusted.write(officer.signers.read_text() + officer.signers.read_text().replace("anna", "bert"))
    alone = install(kit, sender, prefix, "--signatures", "2")
    assert alone.returncode == 1 and "signed by builder@hq: 1 of the 2 signatures required" in alone.stderr and not prefix.exists()
    sender.sign(kit, "again")
    officer.sign(kit, "anna", "azure-ai-bundle")
    assert "1 of the 2" in install(kit, sender, prefix, "--signatures", "2").stderr, "the builder twice, and an officer for something else"
    officer.sign(kit, "anna")
    officer.sign(kit, "bert")
    assert "signed by builder@hq officer@anna: 2 of the 3" in install(kit, sender, prefix, "--signatures", "3").stderr, "one key under two names"
    revoked = install(kit, sender, prefix, "--signatures", "2", "--revoked", str(officer.folder / "key.pub"))
    assert revoked.returncode == 1 and "1 of the 2" in revoked.stderr
    done = install(kit, sender, prefix, "--signatures", "2")
    assert done.returncode == 0 and "signed by builder@hq, officer@anna\n" in done.stdout and toy(prefix) == "toy 1.0", done.stderr
    for number in ("0", "two", "", "10"):
        assert "not a number from 1 to 9" in install(kit, sender, prefix, "--signatures", number).stderr


@pytest.mark.parametrize(
    "before", ["hq@hq {key}", "#hq@hq {key}", 'officer@hq,hq@* namespaces="azure-ai-bundle" {key}', 'builder@old valid-before="20200101" {key}']
)
def test_a_builder_is_found_wherever_the_key_stands(tmp_path: Path, sender: kits.Sender, prefix: Path, before: str) -> None:
    """The same key may stand for other roles, or as expired, on lines before."""
    line, trusted = before.format(key=(sender.folder / "key.pub").read_text().strip()), sender.signers.read_text()
    sender.signers.write_text(f"{line}\n{trusted}")
    done = install(kits.small(tmp_path / "one", sender), sender, prefix)
    assert done.returncode == 0 and "signed by builder@hq\n" in done.stdout, done.stderr
    sender.signers.write_text(sender.signers.read_text().replace(trusted, ""))
    assert "not signed by a builder that" in install(kits.small(tmp_path / "two", sender, "2.0"), sender, prefix).stderr


def test_a_broken_signature_is_refused_in_words(tmp_path: Path, sender: kits.Sender, prefix: Path) -> None:
    kit = kits.small(tmp_path / "one", sender)
    for data in (b"", b"-----BEGIN SSH SIGNATURE-----\n", b"\xff\x00", b"U1NIU0lH\n", b"A" * 100_000):
        (kit / "control.json.sig").write_bytes(data)
        done = install(kit, sender, prefix)
        assert done.returncode == 1 and "not signed by a builder that" in done.stderr and "Traceback" not in done.stderr


def test_the_program_itself_is_checked(tmp_path: Path, sender: kits.Sender, prefix: Path) -> None:
    kit = kits.small(tmp_path / "one", sender)
    size = (kits.INSTALLER / "install.py").stat().st_size
    (blob,) = [path for path in (kit / "blobs" / "sha256").iterdir() if path.stat().st_size == size]
    blob.unlink()
    blob.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    done = install(kit, sender, prefix)
    assert done.returncode == 1 and "install.py: damaged" in done.stderr and not (tmp_path / "ran").exists()


def test_another_machine_is_refused_in_words(tmp_path: Path, sender: kits.Sender, prefix: Path) -> None:
    kit = kits.small(tmp_path / "one", sender, node=Target("debian-99", "3.11", "amd64"))
    done = install(kit, sender, prefix)
    assert done.returncode == 1 and "the kit is for debian-99" in done.stderr and not prefix.exists()


def test_a_path_that_leaves_its_folder_is_refused(tmp_path: Path, sender: kits.Sender, prefix: Path) -> None:
    kit = kits.small(tmp_path / "one", sender, **{"../../outside.py": "x"})
    done = install(kit, sender, prefix)
    assert done.returncode == 1 and "leaves its folder" in done.stderr and not (prefix / "current").exists()


def test_killed_runs_go_on(tmp_path: Path, sender: kits.Sender, prefix: Path) -> None:
    kit = kits.small(tmp_path / "one", sender, **{f"toy/part{number}.py": "x = 1\n" * 400 for number in range(150)})
    command = ["sh", str(kit / "install.sh"), "--signers", str(sender.signers), "--prefix", str(prefix), "--no-packages"]
    for number in range(6):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as process:
            time.sleep(0.1 + number * 0.06)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        if (prefix / "current").exists():
            assert toy(prefix) == "toy 1.0", "what is in use is whole at any time"
    assert install(kit, sender, prefix).returncode == 0 and toy(prefix) == "toy 1.0"
    assert [path.name for path in prefix.iterdir() if path.name.endswith(".part")] == []


def test_everyone_but_root_names_a_folder(tmp_path: Path, sender: kits.Sender) -> None:
    kit = kits.small(tmp_path / "one", sender)
    program = tmp_path / "bin" / "id"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 1000\n")
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", str(kit / "install.sh"), "--signers", str(sender.signers)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1 and "name a folder of yours with --prefix" in done.stderr


STATUS = """Package: {0}
Status: install ok installed
Version: {1}
Architecture: all
Maintainer: nobody <nobody@example.org>
Description: empty

"""
APT = """#!/bin/sh
# The real apt-get upon another machine's packages, without touching this one's.
printf '%s\\n' "$*" >>{log}
case $* in *update*) exec {apt} -oDir::State::status={status} -oDebug::NoLocking=1 "$@" ;; esac
{apt} --simulate -oDir::State::status={status} -oDebug::NoLocking=1 "$@" >>{log}
"""


@pytest.fixture
def program() -> t.Any:
    """install.py of the kit as a module."""
    spec = importlib.util.spec_from_file_location("install_of_the_kit", kits.INSTALLER / "install.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def machine(folder: Path, monkeypatch: pytest.MonkeyPatch, packages: dict[str, str]) -> Path:
    """Let apt and dpkg see these packages as installed; gives the log of what apt was told and would do."""
    folder.mkdir()
    log, status = folder / "log", folder / "status"
    status.write_text("".join(STATUS.format(name, version) for name, version in packages.items()))
    programs = {
        "apt-get": APT.format(log=log, status=status, apt=shutil.which("apt-get")),
        "dpkg-query": "#!/bin/sh\n" + "".join(f"echo {name} {version} installed\n" for name, version in packages.items()) + "echo gone 1.0 config-files\n",
    }
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return log


def test_packages_come_with_what_they_need_newer(tmp_path: Path, sender: kits.Sender, program: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool wants exactly the kit's library, an older one is installed; the other tool is older than in the kit; nothing else is touched."""
    made = {
        ("tool", "2:1.0-1", True): kits.package(tmp_path, "tool", "2:1.0-1", "library (= 2.0)"),
        ("other", "3.1", True): kits.package(tmp_path, "other", "3.1"),
        ("same", "1.0", True): kits.package(tmp_path, "same", "1.0"),
        ("newer", "1.0", True): kits.package(tmp_path, "newer", "1.0"),
        ("library", "2.0", False): kits.package(tmp_path, "library", "2.0"),
        ("idle", "9.0", False): kits.package(tmp_path, "idle", "9.0"),
    }
    folder = kits.small(tmp_path / "one", sender, packages=made)
    kit = program.Kit(str(folder), str(folder / "control.json"))
    log = machine(tmp_path / "node", monkeypatch, {"library": "1.0", "other": "3.0", "same": "1.0", "newer": "1.5", "idle": "1.0"})
    found = program.due(kit)
    assert list(found.values()) == ["other 3.1 in place of 3.0", "tool 2:1.0-1"]
    program.install_packages(kit, found)
    would = sorted(line.split(" (")[0] for line in log.read_text().splitlines() if line.startswith("Inst "))
    assert would == ["Inst library [1.0]", "Inst other [3.0]", "Inst tool"]
    assert not list(tmp_path.glob("**/sources.list")), "the archive was in a folder of its own, and is gone"


def test_what_apt_refuses_is_told(tmp_path: Path, sender: kits.Sender, program: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {("tool", "1.0", True): kits.package(tmp_path, "tool", "1.0", "nowhere (>= 3)")}
    folder = kits.small(tmp_path / "one", sender, packages=made)
    kit = program.Kit(str(folder), str(folder / "control.json"))
    machine(tmp_path / "node", monkeypatch, {})
    with pytest.raises(program.RefusedError, match=r"packages: apt-get would not install them \(E: .*; mend that, or run again with --no-packages"):
        program.install_packages(kit, program.due(kit))
