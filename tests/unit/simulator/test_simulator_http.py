# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints of simulated containers: health, their own APIs, usage, and every switch of the usage endpoints."""

from __future__ import annotations

import datetime
import io
import json
import typing as t
import wave

import pytest

LANGUAGE: t.Any = {"service": "sentiment", "version": "3.0-en"}
TRANSLATOR: t.Any = {"service": "text_translation", "version": "1.0.842"}
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


@pytest.mark.parametrize(("switch", "status"), [("404", 404), ("400", 400), ("empty", 200)])
def test_empty_month(licensed: t.Any, switch: str, status: int) -> None:
    running = licensed.start(SIM_EMPTY_MONTH=switch)
    running.until("/ready")
    found, text = running.request("/records/usage-logs/01/2020")
    assert found == status
    assert found != 200 or json.loads(text)["meters"] == []
    assert running.json("/records/usage-logs/")["meters"] == []


def test_only_unpadded_months(licensed: t.Any) -> None:
    running = licensed.start(SIM_UNPADDED_ONLY="1", SIM_NOW="2026-03-05T00:00:00Z", SIM_EXPIRED="refuse_start")
    running.until("/ready")
    running.request(SPEECH, wav(1), "audio/wav")
    assert running.request("/records/usage-logs/03/2026")[0] == 404
    assert running.json("/records/usage-logs/3/2026")["meters"] == [{"name": SECONDS, "quantity": 1}]


@pytest.mark.parametrize(("switch", "meters"), [("empty", []), ("partial", [{"name": SECONDS, "quantity": 0.75}])])
def test_wrong_totals_while_starting(speech: t.Any, licensed: t.Any, switch: str, meters: t.Any) -> None:
    speech.stop()
    running = licensed.start(SIM_READY_AFTER="600", SIM_PARTIAL_WHILE_STARTING=switch)
    assert running.json("/records/usage-logs/")["meters"] == meters
    assert running.json(MONTH)["meters"] == meters


def test_sentiment(box: t.Any) -> None:
    assert box.run(box.download("language"), **LANGUAGE)[0] == 0
    running = box.start(**LANGUAGE)
    running.until("/ready")
    path = "/text/analytics/v3.1/sentiment"
    answer = running.json(path, {"documents": [{"id": "1", "language": "en", "text": "Lovely."}, {"id": "2", "text": "x" * 1001}]})
    assert [row["sentiment"] for row in answer["documents"]] == ["positive", "positive"]
    for wrong in ({}, {"documents": []}, {"documents": [{"text": "no id"}]}, [1], b"{"):
        assert running.request(path, wrong)[0] == 400
    assert [meter["quantity"] for meter in running.json("/records/usage-logs/")["meters"]] == [3]


def test_translator_meters_characters_and_billed_units(box: t.Any) -> None:
    _status, output = box.run(box.download("translator", Languages="en,fr"), **TRANSLATOR)
    captured = {name: output.split(f"-e {name}=")[1].split()[0] for name in ("MODELS", "TRANSLATORSYSTEMCONFIG")}
    running = box.start(box.offline(**captured), **TRANSLATOR)
    running.until("/ready")
    path = "/translate?api-version=3.0&from=en&to=fr"
    assert running.json(path, [{"Text": "Hello"}])[0]["translations"][0]["to"] == "fr"
    for wrong in ([], {}, [{"Txt": "Hello"}], b"["):
        assert running.request(path, wrong)[0] == 400
    assert running.request("/translate?to=fr", [{"Text": "Hello"}])[0] == 400

    form = b'--b\r\nContent-Disposition: form-data; name="document"; filename="a.txt"\r\n\r\nabcde\r\n--b--\r\n'
    path = "/translator/document:translate?api-version=2024-05-01&targetLanguage=fr"
    assert running.request(path, form, "multipart/form-data; boundary=b")[0] == 200
    assert running.request(path, b"--b--", "multipart/form-data; boundary=b")[0] == 400

    report = running.json("/records/usage-logs/")
    assert report["type"] == "CommerceUsageResponse"
    prefix = "CognitiveServices.TextTranslation.Container."
    assert report["meters"] == [
        {"name": prefix + "OneDocumentTranslatedCharacters", "quantity": 5, "billedUnit": 7.5},
        {"name": prefix + "TranslatedCharacters", "quantity": 5, "billedUnit": 5},
    ]
