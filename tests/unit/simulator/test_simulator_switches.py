# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switches for what nobody documents of licenses and machines. Those of usage are tested in test_simulator_http."""

from __future__ import annotations

import datetime
import subprocess
import typing as t
from pathlib import Path

import pytest
import sim_license
import sim_settings

NO_LICENSE = "Container does not have a valid disconnected container license"
README = Path(sim_settings.__file__).with_name("README.md").read_text()
NOW = datetime.datetime.now(datetime.timezone.utc)


@pytest.mark.parametrize("name", sim_settings.SWITCHES["SIM_LICENSE_NAME"])
@pytest.mark.parametrize("form", sim_settings.SWITCHES["SIM_LICENSE_FORMAT"])
def test_name_and_form_of_the_license_file(box: t.Any, name: str, form: str) -> None:
    assert box.run(box.download(), SIM_LICENSE_NAME=name, SIM_LICENSE_FORMAT=form)[0] == 0
    file = next(box.license.iterdir())
    assert file.name == name and sim_license.CANARY.encode() in file.read_bytes()
    if form == "binary":
        assert file.stat().st_size > 65536
        with pytest.raises(UnicodeDecodeError):
            file.read_text()
    box.start().until("/ready")
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert NO_LICENSE in box.run(box.offline())[1]


def test_renamed_license(licensed: t.Any) -> None:
    (licensed.license / "license.dat").rename(licensed.license / "other.dat")
    assert NO_LICENSE in licensed.run(licensed.offline())[1]


@pytest.mark.parametrize(("switch", "mismatch", "expired"), [("license", NO_LICENSE, NO_LICENSE), ("status", "'Mismatch'", "'Expired'"), ("silent", "", "")])
def test_wording_of_a_refusal(licensed: t.Any, switch: str, mismatch: str, expired: str) -> None:
    for version, now, said in (("4.10.0", "", mismatch), ("4.9.0", "2099-01-01T00:00:00Z", expired)):
        switches = {"SIM_REFUSAL_TEXT": switch, **({"SIM_NOW": now} if now else {})}
        status, output = licensed.run(licensed.offline(), version=version, **switches)
        assert status == 1 and said in output and ("icense" in output) is bool(said)


@pytest.mark.parametrize("code", sim_settings.SWITCHES["SIM_REFUSAL_EXIT"])
def test_exit_status_of_a_refusal(licensed: t.Any, code: str) -> None:
    status, output = licensed.run(licensed.offline(), version="4.10.0", SIM_REFUSAL_EXIT=code)
    assert status == int(code) and NO_LICENSE in output


def test_license_bound_to_the_first_host(licensed: t.Any) -> None:
    for host in ("host-a", "host-a"):
        licensed.start(SIM_BINDING="first_host", SIM_HOSTNAME=host).until("/ready")
    assert NO_LICENSE in licensed.run(licensed.offline(), SIM_BINDING="first_host", SIM_HOSTNAME="host-b")[1]
    licensed.start(SIM_HOSTNAME="host-b").until("/ready")
    assert licensed.run(licensed.download())[0] == 0
    licensed.start(SIM_BINDING="first_host", SIM_HOSTNAME="host-b").until("/ready")


def test_license_bound_to_the_host_that_fetched_it(licensed: t.Any) -> None:
    licensed.start(SIM_BINDING="download_host", SIM_HOSTNAME="host-a").until("/ready")
    assert NO_LICENSE in licensed.run(licensed.offline(), SIM_BINDING="download_host", SIM_HOSTNAME="host-b")[1]


@pytest.mark.parametrize(
    ("switch", "days", "refused"),
    [("ignore", -400, False), ("before_issue", -1, True), ("before_issue", 1, False), ("far_future", 20, False), ("far_future", 367, True)],
)
def test_clock(licensed: t.Any, switch: str, days: int, refused: bool) -> None:
    now = (NOW + datetime.timedelta(days=days)).isoformat()
    switches = {"SIM_CLOCK": switch, "SIM_NOW": now, "SIM_REFUSAL_TEXT": "status"}
    if refused:
        status, output = licensed.run(licensed.offline(), **switches)
        assert status == 1 and "'Invalid'" in output
    else:
        licensed.start(**switches).until("/ready")


@pytest.mark.parametrize(
    ("switch", "service", "flags", "starts"),
    [
        ("documented", "speech_to_text", "sse avx", False),
        ("documented", "speech_to_text", "sse avx2", True),
        ("documented", "sentiment", "sse", True),
        ("all", "sentiment", "sse", False),
        ("off", "speech_to_text", "sse", True),
    ],
)
def test_processor(box: t.Any, tmp_path: Path, switch: str, service: str, flags: str, starts: bool) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor : 0\nflags : {flags}\n")
    assert box.run(box.download("speech" if service == "speech_to_text" else "language"), service)[0] == 0
    switches = {"SIM_CPU": switch, "SIM_CPUINFO": str(file)}
    if starts:
        box.start(None, service, **switches).until("/ready")
    else:
        status, output = box.run(box.offline(), service, **switches)
        assert status == 132 and "AVX2" in output


def test_capabilities(licensed: t.Any, tmp_path: Path) -> None:
    status_file = tmp_path / "status"
    for bounding, starts in (("00000000a80425fb", True), ("0000000000000000", False)):
        status_file.write_text(f"Name:\tpython3\nCapBnd:\t{bounding}\n")
        switches = {"SIM_NEEDS": "capabilities", "SIM_PROC_STATUS": str(status_file)}
        if starts:
            licensed.start(**switches).until("/ready")
        else:
            assert "Operation not permitted" in licensed.run(licensed.offline(), **switches)[1]


def test_writable_root(licensed: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    import sim_start
    from sim_azure import Refused

    licensed.start(SIM_NEEDS="writable_root").until("/ready")
    read_only = os.statvfs_result((0, 0, 0, 0, 0, 0, 0, 0, os.ST_RDONLY, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: read_only)
    for switch, refused in (("", False), ("writable_root", True)):
        settings = sim_settings.Settings([], {"SIM_NEEDS": switch, "SIM_CPU": "off"})
        if refused:
            with pytest.raises(Refused, match="Read-only file system"):
                sim_start.machine(settings, {})
        else:
            sim_start.machine(settings, {})


@pytest.mark.parametrize("switch", sim_settings.SWITCHES)
def test_every_switch_is_documented_with_its_values(switch: str) -> None:
    rows = [line for line in README.splitlines() if line.startswith(f"| `{switch}`")]
    assert len(rows) == 1
    for value in sim_settings.SWITCHES[switch]:
        assert f"`{value}`" in rows[0] or (value == "" and "``" in rows[0]), value


def test_the_tables_name_tests_that_exist() -> None:
    import re

    tests = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", README)
    assert [name for name in named if f"def {name}(" not in tests] == [] and len(named) > 50
    listed = subprocess.run(["grep", "-c", "^| `SIM_", str(Path(sim_settings.__file__).with_name("README.md"))], capture_output=True, text=True, check=True)
    assert int(listed.stdout) == len(sim_settings.SWITCHES)
