# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting and licensing of simulated containers: each documented message and refusal."""

from __future__ import annotations

import datetime
import re
import typing as t

import pytest
import sim_license
from hypothesis import given
from hypothesis import strategies as st

NO_LICENSE = "Container does not have a valid disconnected container license"
TRANSLATOR: t.Any = {"service": "text_translation", "version": "1.0.842"}
LATER = "2099-01-01T00:00:00Z"


def test_eula_must_be_accepted(licensed: t.Any) -> None:
    status, output = licensed.run({**licensed.offline(), "Eula": "no"})
    assert status and "Eula must be accepted" in output


def test_neither_billing_nor_license(box: t.Any) -> None:
    status, output = box.run({"Eula": "accept"})
    assert status and "Billing endpoint" in output and "validation failed" in output


def test_license_mount_missing(licensed: t.Any) -> None:
    status, output = licensed.run({**licensed.offline(), "Mounts:License": str(licensed.license) + "-not"})
    assert status and "The provided license path was not found." in output


@pytest.mark.parametrize("output", ["", "/not/there", "/dev/null"])
def test_output_mount_must_be_writable(licensed: t.Any, output: str) -> None:
    status, text = licensed.run({**licensed.offline(), "Mounts:Output": output})
    assert status and "output path" in text


def test_download_gives_a_file_and_exit_zero(licensed: t.Any) -> None:
    assert [path.name for path in licensed.license.iterdir()] == ["license.dat"]
    first = (licensed.license / "license.dat").read_text()
    assert first.startswith(sim_license.CANARY)
    status, output = licensed.run(licensed.download())
    assert status == 0 and sim_license.CANARY not in output
    assert (licensed.license / "license.dat").read_text() != first


def test_redownload_refused_by_switch(licensed: t.Any) -> None:
    status, output = licensed.run(licensed.download(), SIM_REDOWNLOAD="refuse")
    assert status and "a valid license has been found" in output


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        ("speech-unapproved", "Feature is not supported"),
        ("speech-s0", "status 'ContainerUseUnauthorized'"),
        ("translator", "status 'Mismatch'"),
        ("nobody", "status 'Invalid'"),
    ],
)
def test_download_refusals(box: t.Any, resource: str, message: str) -> None:
    status, output = box.run(box.download(resource))
    assert status and message in output
    assert not list(box.license.iterdir())


def test_wrong_key_and_no_way_out(box: t.Any) -> None:
    status, output = box.run({**box.download(), "apikey": "wrong"})
    assert status and "Endpoint connection failed with status 'Invalid'" in output and "wrong" not in output
    status, output = box.run({**box.download(), "billing": "http://127.0.0.1:1"})
    assert status and "CouldNotConnect" in output


@pytest.mark.parametrize(
    "settings",
    [
        {"EULA": "Accept", "MOUNTS__LICENSE": "L", "mounts__output": "O"},
        {"eula": "accept", "mounts:license": "L", "MOUNTS:OUTPUT": "O"},
    ],
)
@pytest.mark.parametrize("as_environment", [False, True])
def test_names_in_any_case_and_form(licensed: t.Any, settings: dict[str, str], as_environment: bool) -> None:
    places = {"L": str(licensed.license), "O": str(licensed.output)}
    settings = {name: places.get(value, value) for name, value in settings.items()}
    running = licensed.start({}, **settings) if as_environment else licensed.start(settings)
    assert "non-metered" in running.until("/ready")


def test_no_license(box: t.Any) -> None:
    status, output = box.run(box.offline())
    assert status and NO_LICENSE in output


def test_edited_license(licensed: t.Any) -> None:
    path = licensed.license / "license.dat"
    path.write_text(path.read_text() + " ")
    status, output = licensed.run(licensed.offline())
    assert status and NO_LICENSE in output


@pytest.mark.parametrize(("service", "version"), [("speech_to_text", "4.10.0"), ("sentiment", "4.9.0")])
def test_license_of_another_image(licensed: t.Any, service: str, version: str) -> None:
    status, output = licensed.run(licensed.offline(), service=service, version=version)
    assert status and NO_LICENSE in output


def test_expired_license(licensed: t.Any) -> None:
    status, output = licensed.run(licensed.offline(), SIM_NOW=LATER)
    assert status and NO_LICENSE in output
    running = licensed.start(SIM_NOW=LATER, SIM_EXPIRED="unready")
    assert running.until("/ready", 503) == NO_LICENSE


@pytest.mark.parametrize("mode", ["refuse_start", "unready", "stop"])
def test_license_that_expires_while_running(licensed: t.Any, mode: str) -> None:
    expires = sim_license.read(str(licensed.license))["expires"]
    before = datetime.datetime.fromisoformat(expires) - datetime.timedelta(seconds=1)
    switches = {"SIM_NOW": before.isoformat(), "SIM_EXPIRED": mode}
    if mode == "stop":
        status, output = licensed.run(licensed.offline(), **switches)
        assert status == 1 and "Application started" in output and NO_LICENSE in output
        return
    running = licensed.start(**switches)
    if mode == "unready":
        assert running.until("/ready", 503) == NO_LICENSE
    else:
        running.until("/ready")


def test_translator_needs_english(box: t.Any) -> None:
    status, output = box.run(box.download("translator", Languages="fr,es"), **TRANSLATOR)
    assert status and "Languages must hold en" in output


def test_translator_downloads_models_and_prints_its_template(box: t.Any) -> None:
    status, output = box.run(box.download("translator", Languages="en,fr"), **TRANSLATOR)
    assert status == 0
    captured = {name: re.findall(rf"-e {name}=(\S+)", output)[-1] for name in ("MODELS", "TRANSLATORSYSTEMCONFIG")}
    assert len(captured["MODELS"].split(",")) == 2
    status, output = box.run(box.download("translator", Languages="en,fr"), **TRANSLATOR)
    assert status and "a valid license has been found" in output

    running = box.start(box.offline(**captured), **TRANSLATOR)
    running.until("/ready")
    loose = {**captured, "MODELS": " " + captured["MODELS"].lstrip("/").replace(",", "/, ") + "/"}
    box.start(box.offline(**loose), **TRANSLATOR).until("/ready")

    next(box.models.glob("enu_fr_*/*")).write_bytes(b"other")
    status, output = box.run(box.offline(**captured), **TRANSLATOR)
    assert status and NO_LICENSE in output
    status, output = box.run(box.offline(**{**captured, "MODELS": str(box.models / "none")}), **TRANSLATOR)
    assert status and "was not found" in output


def test_translator_validates_finished_models_after_a_restart(box: t.Any) -> None:
    box.run(box.download("translator", Languages="en,fr"), **TRANSLATOR)
    (box.license / "license.dat").unlink()
    damaged = next(box.models.glob("enu_fr_*/*"))
    damaged.write_bytes(b"half")
    status, output = box.run(box.download("translator", Languages="en,fr"), **TRANSLATOR)
    assert status == 0
    assert re.findall(r"Downloaded (\S+)", output) == [str(damaged.relative_to(box.models))]
    assert output.count("Validated ") == 2


def test_online_run_with_good_and_bad_key(box: t.Any) -> None:
    running = box.start(box.online("speech"))
    assert "Api Key is valid" in running.until("/ready")
    assert running.json("/status")["apiStatus"] == "Valid"
    running = box.start({**box.online("speech"), "apikey": "wrong"})
    running.until("/status", holding="Invalid")
    status, text = running.request("/ready")
    assert status == 503 and "Invalid" in text


def test_container_that_stays_after_the_download(box: t.Any) -> None:
    process, _port = box._begin("speech_to_text", "4.9.0", box.download(), {"SIM_AFTER_DOWNLOAD": "stay"})
    assert process.stdout.readline().startswith("License downloaded")
    assert (box.license / "license.dat").exists() and process.poll() is None
    process.kill()
    process.communicate()


def test_unknown_switch_value(licensed: t.Any) -> None:
    status, output = licensed.run(licensed.offline(), SIM_EXPIRED="perhaps")
    assert status and "SIM_EXPIRED=perhaps" in output


@given(st.integers(min_value=0), st.characters(codec="ascii"))
def test_any_edit_breaks_the_seal(place: int, character: str) -> None:
    text = sim_license.seal({"service": "speech_to_text"})
    place %= len(text)
    edited = text[:place] + character + text[place + 1 :]
    opened = sim_license.unseal(edited)
    assert (opened is not None and opened["service"] == "speech_to_text") if edited == text else opened is None
