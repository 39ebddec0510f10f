# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on a site host: ``traffic.py REQUESTS PORT...`` uses the service behind each port as a client of the site would."""

import io
import json
import sys
import urllib.request
import wave


def sound():
    """A second of silence, 16 kHz mono."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(32000))
    return stream.getvalue()


REQUESTS = {
    "speechtotext": ("/speech/recognition/conversation/cognitiveservices/v1?language=en-US", "audio/wav", sound),
    "texttranslation": ("/translate?api-version=3.0&from=en&to=fr", "application/json", lambda: json.dumps([{"Text": "Good morning"}]).encode()),
    "sentiment": (
        "/text/analytics/v3.0/sentiment",
        "application/json",
        lambda: json.dumps({"documents": [{"id": "1", "language": "en", "text": "A fine ship."}]}).encode(),
    ),
}

for port in map(int, sys.argv[2:]):
    base = f"http://127.0.0.1:{port}"
    with urllib.request.urlopen(base + "/status", timeout=30) as answer:
        service = json.load(answer)["service"]
    path, kind, body = REQUESTS[service]
    for _each in range(int(sys.argv[1])):
        request = urllib.request.Request(base + path, data=body(), headers={"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
