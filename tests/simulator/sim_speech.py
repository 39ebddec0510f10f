# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech: recognition of WAV files, synthesis of SSML."""

from __future__ import annotations

import decimal
import io
import re
import typing as t
import wave
from xml.etree import ElementTree

from sim_forms import Answer, Request, Wrong, bad

if t.TYPE_CHECKING:
    from sim_http import State

# <version>-<platform>-<locale>[-<voice>], locale in lower case
_TAG = re.compile(r"-amd64-([a-z]{2,3})-([a-z0-9]{2,8})(?:-([a-z]+neural))?")
_FORMATS = {"riff-8khz-16bit-mono-pcm": 8000, "riff-16khz-16bit-mono-pcm": 16000, "riff-24khz-16bit-mono-pcm": 24000, "riff-48khz-16bit-mono-pcm": 48000}
_SSML = "{http://www.w3.org/2001/10/synthesis}"


def audio(state: State, request: Request) -> Answer:
    """Recognition: seconds of a WAV file in the locale of the image."""
    language = request.query.get("language", "")
    if not request.of_type("audio/wav") or not re.fullmatch(r"[A-Za-z]{2,3}-[A-Za-z0-9-]+", language):
        raise bad("needs ?language= and a body of type audio/wav")
    locale = _locale(state.service["version"])
    if locale and language.lower() != locale.lower():
        raise bad(f"language {language} is not that of this container, {locale}")
    try:
        with wave.open(io.BytesIO(request.body)) as stream:
            seconds = decimal.Decimal(stream.getnframes()) / stream.getframerate()
    except (wave.Error, EOFError, ZeroDivisionError) as exc:
        raise bad(f"not a WAV file: {exc}") from exc
    seconds = seconds.quantize(decimal.Decimal("0.001"))
    return Answer({"RecognitionStatus": "Success", "DisplayText": "simulated.", "Offset": 0, "Duration": int(seconds * 10**7)}, use=seconds)


def _locale(tag: str) -> str:
    found = _TAG.search(tag)
    return f"{found[1]}-{found[2].upper()}" if found else ""


def voice(tag: str) -> dict[str, str]:
    """The one voice of an image as the list of voices shows it; Aria where the tag names none."""
    found = _TAG.search(tag)
    locale = f"{found[1]}-{found[2].upper()}" if found else "en-US"
    name = found[3].removesuffix("neural").capitalize() if found and found[3] else "Aria"
    short = f"{locale}-{name}Neural"
    full = f"Microsoft Server Speech Text to Speech Voice ({locale}, {name}Neural)"
    return {"Name": full, "DisplayName": name, "LocalName": name, "ShortName": short, "Gender": "Female", "Locale": locale, "VoiceType": "Neural"}


def voices(state: State, request: Request) -> Answer:
    """The list of voices."""
    return Answer([voice(state.service["version"])])


def ssml(state: State, request: Request) -> Answer:
    """Synthesis: characters of SSML that names the image's voice, as RIFF wav."""
    if not request.of_type("application/ssml+xml"):
        raise Wrong(415, "needs a body of type application/ssml+xml")
    rate = _FORMATS.get(request.headers.get("X-Microsoft-OutputFormat", ""))
    if not rate:
        raise Wrong(400, "needs a header X-Microsoft-OutputFormat: " + " or ".join(_FORMATS))
    try:
        root = ElementTree.fromstring(request.body)
    except ElementTree.ParseError as exc:
        raise Wrong(400, f"not SSML: {exc}") from exc
    spoken = next((element for element in root if element.tag.removeprefix(_SSML) == "voice"), None)
    own = voice(state.service["version"])
    if root.tag.removeprefix(_SSML) != "speak" or spoken is None:
        raise Wrong(400, "needs <speak> with a <voice>")
    if spoken.get("name") not in (own["ShortName"], own["Name"]):
        raise Wrong(400, f"voice {spoken.get('name')} is not in this container, which has {own['ShortName']}")
    text = "".join(spoken.itertext()).strip()
    if not text:
        raise Wrong(400, "nothing to say")
    return Answer(_silence(len(text) / 15, rate), kind="audio/x-wav", use=decimal.Decimal(len(text)))


def _silence(seconds: float, rate: int) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(rate)
        stream.writeframes(bytes(2 * int(seconds * rate)))
    return target.getvalue()


FORMS = {"audio": audio, "voices": voices, "ssml": ssml}
