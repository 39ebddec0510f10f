# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech services: locale and voice of the image, custom models and the two resources that they take."""

from __future__ import annotations

import io
import json
import re
import typing as t
import wave

import azure as stand_in
import pytest

SPEAK = '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en-US"><voice name="{}">{}</voice></speak>'
TTS = "/cognitiveservices/v1"
STT = "/speech/recognition/conversation/cognitiveservices/v1?language="
NO_LICENSE = "Container does not have a valid disconnected container license"
CUSTOM: t.Any = {"service": "custom_speech_to_text", "version": "4.9.0-amd64"}
RIFF = "riff-24khz-16bit-mono-pcm"


def wav() -> bytes:
    """A second of silence."""
    target = io.BytesIO()
    with wave.open(target, "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(8000)
        stream.writeframes(bytes(16000))
    return target.getvalue()


def test_locale_of_the_image(box: t.Any) -> None:
    running = box.up("speech", "speech_to_text", "4.9.0-amd64-mr-in")
    assert running.request(STT + "mr-IN", wav(), "audio/wav")[0] == 200
    status, text = running.request(STT + "en-US", wav(), "audio/wav")
    assert status == 400 and "mr-IN" in text
    assert running.used() == {"AudioSeconds": 1}


def test_synthesis(box: t.Any) -> None:
    running = box.up("speech", "neural_text_to_speech", "4.7.0-amd64-en-us-avaneural")
    assert [voice["ShortName"] for voice in running.json("/cognitiveservices/voices/list")] == ["en-US-AvaNeural"]
    good = SPEAK.format("en-US-AvaNeural", "Hello").encode()

    def say(body: bytes, kind: str = "application/ssml+xml", form: str = RIFF) -> tuple[int, bytes]:
        status, _headers, data = running.send(TTS, body, kind, X_Microsoft_OutputFormat=form)
        return status, data

    status, data = say(good)
    assert status == 200 and data.startswith(b"RIFF")
    with wave.open(io.BytesIO(data)) as stream:
        assert stream.getframerate() == 24000
    for wrong in (b"Hello", b"<speak>Hello</speak>", SPEAK.format("en-US-AriaNeural", "Hello").encode(), SPEAK.format("en-US-AvaNeural", "").encode()):
        assert say(wrong)[0] == 400
    assert say(good, form="mp3")[0] == 400
    assert say(good, kind="text/plain")[0] == 415
    assert running.used() == {"Characters": 5}


@pytest.mark.parametrize(("tag", "name"), [("latest", "en-US-AriaNeural"), ("3.12.0-amd64-zh-cn-xiaoxiaoneural", "zh-CN-XiaoxiaoNeural")])
def test_voice_of_the_image(tag: str, name: str) -> None:
    import sim_speech

    assert sim_speech.voice(tag)["ShortName"] == name


def test_custom_model_comes_first_from_its_own_resource_and_binds_the_license(box: t.Any) -> None:
    status, output = box.run(box.download(), **CUSTOM)
    assert status and "No models were found" in output
    wrong = box.start(box.online("speech", ModelId="model-1"), **CUSTOM)
    wrong.until("/status", holding="model was not found")
    wrong.stop()
    box.start(box.online("speech-s0", ModelId="model-1"), **CUSTOM).until("/ready")
    assert box.run(box.download("speech-s0"), **CUSTOM)[0]
    assert box.run(box.download(), **CUSTOM)[0] == 0
    running = box.start(box.offline(), **CUSTOM)
    running.until("/ready")
    assert running.request(STT + "de-DE", wav(), "audio/wav")[0] == 200
    next(box.models.glob("model-1/*")).write_bytes(b"other")
    assert NO_LICENSE in box.run(box.offline(), **CUSTOM)[1]


def test_model_that_lies_there_is_kept(box: t.Any) -> None:
    box.start(box.online("speech-s0", ModelId="model-1"), **CUSTOM).until("/ready")
    box.start(box.online("speech-s0", ModelId="model-2"), **CUSTOM).until("/ready")
    assert [path.name for path in box.models.iterdir()] == ["model-1"]


def test_base_models_are_listed_and_serve_with_any_resource(box: t.Any) -> None:
    status, output = box.run(box.online("speech", BaseModelLocale="en-US"), **CUSTOM)
    assert status == 0 and not list(box.models.iterdir())
    model = json.loads(re.findall(r"\{.*\}", output)[0])["models"][0]
    assert model in stand_in.base_models("en-US")
    box.start(box.online("speech", ModelId=model), **CUSTOM).until("/ready")


def test_models_of_another_resource_are_not_found() -> None:
    resource = {"tier": "S0", "models": ["mine"]}
    assert stand_in.speech_model("mine", resource) == ["mine"]
    for model in ("other", ""):
        with pytest.raises(stand_in.Problem):
            stand_in.speech_model(model, resource)
