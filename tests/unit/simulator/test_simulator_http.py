# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints of simulated containers: health, their own APIs, usage, and every switch of the usage endpoints."""

from __future__ import annotations

import datetime
import io
import json
import time
import typing as t
import wave

import pytest

SPEECH = "/speech/recognition/conversation/cognitiveservices/v1?language=en-US"
SECONDS = "CognitiveServices.SpeechToText.Container.AudioSeconds"
NON_METERED = "Container is non-metered and does not require an API Key."
NOW = datetime.datetime.now(datetime.timezone.utc)
MONTH = f"/records/usage-logs/{NOW:%m/%Y}"


def wav(seconds: float) -> bytes:
    """A silent WAV file."""
    target = io.BytesIO()
    with wave.open(target, "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(8000)
        stream.writeframes(b"\0\0" * int(8000 * seconds))
    return target.getvalue()


@pytest.fixture
def speech(licensed: t.Any) -> t.Any:
    """A running speech container that has heard 1.5 seconds."""
    running = licensed.start()
    running.until("/ready")
    assert running.request(SPEECH, wav(1.5), "audio/wav")[0] == 200
    return running


def test_health_pages(speech: t.Any) -> None:
    assert speech.json("/ready") == {"service": "speechtotext", "ready": "ready", "message": NON_METERED}
    assert speech.json("/status") == {"service": "speechtotext", "apiStatus": "NonMetered", "apiStatusMessage": NON_METERED}
    assert "up and running" in speech.request("/")[1]
    assert SPEECH.partition("?")[0] in speech.json("/swagger")["paths"]
    assert speech.request("/metrics")[0] == 404
    assert speech.stop() == 0


def test_not_ready_until_loaded(licensed: t.Any) -> None:
    running = licensed.start(SIM_READY_AFTER="1")
    assert running.request("/ready") == (503, "Service is temporarily unavailable")
    assert running.request(SPEECH, wav(1), "audio/wav")[0] == 503
    assert running.request("/records/usage-logs/")[0] == 503
    running.until("/ready")


@pytest.mark.parametrize(
    ("path", "body", "kind", "status"),
    [
        (SPEECH, b"no sound", "audio/wav", 400),
        (SPEECH, wav(1), "application/json", 400),
        (SPEECH.partition("?")[0], wav(1), "audio/wav", 400),
        ("/translate?api-version=3.0&to=fr", b"[]", "application/json", 404),
    ],
)
def test_wrong_speech_requests_are_not_metered(speech: t.Any, path: str, body: bytes, kind: str, status: int) -> None:
    assert speech.request(path, body, kind)[0] == status
    assert speech.json("/records/usage-logs/")["meters"] == [{"name": SECONDS, "quantity": 1.5}]


def test_usage_with_and_without_slash_and_by_month(speech: t.Any) -> None:
    expected = {"apiType": "speechtotext", "serviceName": "speechtotext", "meters": [{"name": SECONDS, "quantity": 1.5}]}
    for path in ("/records/usage-logs", "/records/usage-logs/", MONTH, MONTH + "/"):
        assert speech.json(path) == expected
    assert speech.request("/records/usage-logs/13/2026")[0] == 400
    assert speech.request("/records/usage-logs/03/26")[0] == 400
    assert speech.request("/records/usage-logs/3/2026")[0] == 404


def test_records_lie_below_service_and_hostname(speech: t.Any, licensed: t.Any) -> None:
    files = [path.relative_to(licensed.output) for path in licensed.output.rglob("*") if path.is_file()]
    assert [str(path) for path in files] == [f"speechtotext/host-a/usage-{NOW:%Y-%m}.jsonl"]


def test_usage_survives_and_sums_over_hostnames(speech: t.Any, licensed: t.Any) -> None:
    speech.stop()
    record = next(licensed.output.rglob("*.jsonl"))
    record.write_text(record.read_text() + '{"time": "cut off')
    other = licensed.start(SIM_HOSTNAME="host-b")
    other.until("/ready")
    other.request(SPEECH, wav(1), "audio/wav")
    assert other.json("/records/usage-logs/")["meters"] == [{"name": SECONDS, "quantity": 2.5}]
    own = licensed.start(SIM_HOSTNAME="host-b", SIM_SUM="instance")
    own.until("/ready")
    assert own.json("/records/usage-logs/")["meters"] == [{"name": SECONDS, "quantity": 1}]


def test_first_answer_and_last_record_take_their_time(licensed: t.Any) -> None:
    running = licensed.start(SIM_FIRST_ANSWER_SECONDS="0.5", SIM_LAST_RECORD_SECONDS="0.5")
    running.until("/ready")
    took = []
    for _each in range(2):
        began = time.monotonic()
        assert running.request(SPEECH, wav(1), "audio/wav")[0] == 200
        took.append(time.monotonic() - began)
    assert took[0] >= 0.5 > took[1]
    assert not list(licensed.output.rglob("*.jsonl")), "not written down yet"
    assert running.stop() == 0
    assert len(next(licensed.output.rglob("*.jsonl")).read_text().splitlines()) == 2


@pytest.mark.parametrize(("switch", "status"), [("404", 404), ("400", 400), ("empty", 200), ("zero", 200), ("204", 204)])
def test_empty_month(licensed: t.Any, switch: str, status: int) -> None:
    running = licensed.start(SIM_EMPTY_MONTH=switch)
    running.until("/ready")
    found, text = running.request("/records/usage-logs/01/2020")
    assert found == status
    assert found != 200 or json.loads(text)["meters"] == {"empty": [], "zero": [{"name": SECONDS, "quantity": 0}]}[switch]
    assert running.json("/records/usage-logs/")["meters"] == []


@pytest.mark.parametrize(("switch", "padded", "unpadded"), [("", 200, 404), ("only", 404, 200), ("both", 200, 200)])
def test_spelling_of_months(licensed: t.Any, switch: str, padded: int, unpadded: int) -> None:
    running = licensed.start(SIM_UNPADDED=switch, SIM_NOW="2026-03-05T00:00:00Z")
    running.until("/ready")
    running.request(SPEECH, wav(1), "audio/wav")
    for month, status in (("03", padded), ("3", unpadded)):
        found, text = running.request(f"/records/usage-logs/{month}/2026")
        assert found == status
        assert found != 200 or json.loads(text)["meters"] == [{"name": SECONDS, "quantity": 1}]


@pytest.mark.parametrize(("switch", "month"), [("utc", "02"), ("local", "03")])
def test_month_is_that_of_utc_or_of_the_container(licensed: t.Any, switch: str, month: str) -> None:
    running = licensed.start(SIM_MONTH_ZONE=switch, SIM_NOW="2026-02-28T23:30:00Z", TZ="EAST-9")
    running.until("/ready")
    running.request(SPEECH, wav(1), "audio/wav")
    assert running.json(f"/records/usage-logs/{month}/2026")["meters"] == [{"name": SECONDS, "quantity": 1}]
    assert running.request(f"/records/usage-logs/{'03' if month == '02' else '02'}/2026")[0] == 404


@pytest.mark.parametrize(("switch", "pattern"), [("lines", "usage-*.jsonl"), ("binary", "usage-*.bin"), ("files", "2???/*/*.json")])
def test_forms_of_records(licensed: t.Any, switch: str, pattern: str) -> None:
    for total in (1, 2):
        running = licensed.start(SIM_RECORDS=switch)
        running.until("/ready")
        running.request(SPEECH, wav(1), "audio/wav")
        assert running.json(MONTH)["meters"] == [{"name": SECONDS, "quantity": total}]
        running.stop()
    files = [path for path in licensed.output.rglob("*") if path.is_file()]
    assert files == list((licensed.output / "speechtotext" / "host-a").glob(pattern))
    assert (switch == "binary") == (b"AudioSeconds" not in files[0].read_bytes())


def test_total_over_the_whole_mount(speech: t.Any, licensed: t.Any) -> None:
    foreign = licensed.output / "sentiment" / "host-a" / "usage-2026-01.jsonl"
    foreign.parent.mkdir(parents=True)
    foreign.write_text('{"time": "2026-01-01T00:00:00", "meter": "Foreign", "quantity": "7"}\n')
    assert [meter["name"] for meter in speech.json("/records/usage-logs/")["meters"]] == [SECONDS]
    whole = licensed.start(SIM_SUM="mount")
    whole.until("/ready")
    assert [meter["name"] for meter in whole.json("/records/usage-logs/")["meters"]] == [SECONDS, "Foreign"]


@pytest.mark.parametrize(("switch", "meters"), [("empty", []), ("partial", [{"name": SECONDS, "quantity": 0.75}])])
def test_wrong_totals_while_starting(speech: t.Any, licensed: t.Any, switch: str, meters: t.Any) -> None:
    speech.stop()
    running = licensed.start(SIM_READY_AFTER="600", SIM_PARTIAL_WHILE_STARTING=switch)
    assert running.json("/records/usage-logs/")["meters"] == meters
    assert running.json(MONTH)["meters"] == meters
