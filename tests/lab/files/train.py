# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on a site host: ``train.py PORT`` trains a custom template model through the group's proxy and reads a page with it."""

import base64
import io
import json
import sys
import time
import urllib.parse
import urllib.request
import zipfile

BASE = f"http://127.0.0.1:{sys.argv[1]}"
MODELS = "/formrecognizer/documentModels"
VERSION = "?api-version=2023-07-31"


def later(path, body):
    """Send a request whose answer names where the result will be; return the result."""
    request = urllib.request.Request(BASE + path, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        place = urllib.parse.urlsplit(answer.headers["Operation-Location"])
    for _each in range(60):
        with urllib.request.urlopen(f"{BASE}{place.path}?{place.query}", timeout=60) as answer:
            found = json.load(answer)
        if found["status"] in ("succeeded", "failed"):
            return found
        time.sleep(0.5)
    raise SystemExit(f"{path}: no result")


labelled = io.BytesIO()
with zipfile.ZipFile(labelled, "w") as archive:
    for name in ("fields.json", *(f"{number}.pdf{end}" for number in range(5) for end in ("", ".labels.json", ".ocr.json"))):
        archive.writestr(name, "{}")
name = f"model-{time.time_ns()}"
built = later(f"{MODELS}:build{VERSION}", {"modelId": name, "buildMode": "template", "base64Source": base64.b64encode(labelled.getvalue()).decode()})
read = later(f"{MODELS}/{name}:analyze{VERSION}", {"base64Source": base64.b64encode(b"%PDF-1.4 a page %%EOF").decode()})
print(built["status"], read["status"])
