# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a simulated container asks of Azure: a license, models, whether a key is good."""

from __future__ import annotations

import json
import os
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request

import sim_license
from sim_settings import Settings

MODELS = "/usr/local/models"
# Answers of the stand-in Azure, and what the container prints for them.
_SENTENCES = {"NotApproved": "Feature is not supported", "ModelNotFound": "The model was not found in this resource"}


class Refused(Exception):
    """The container cannot go on; the text is what it prints, the code its exit status."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


class Azure:
    """The Billing endpoint, spoken to with the resource's key."""

    def __init__(self, settings: Settings) -> None:
        self._endpoint, self._key = settings.get("Billing").rstrip("/"), settings.get("ApiKey")
        if not self._endpoint or not self._key:
            raise Refused(f"Billing endpoint '{self._endpoint}' validation failed: Billing and ApiKey must be given")

    def call(self, path: str, body: dict[str, t.Any] | None = None) -> bytes:
        """The answer's body; raises Refused with the sentence for a refusal."""
        data = None if body is None else json.dumps(body).encode()
        try:
            request = urllib.request.Request(f"{self._endpoint}/{path}", data, {"Ocp-Apim-Subscription-Key": self._key})
            with urllib.request.urlopen(request, timeout=30) as answer:
                return t.cast(bytes, answer.read())
        except urllib.error.HTTPError as exc:
            status = json.loads(exc.read() or b"{}").get("status", "Unknown")
            raise Refused(_SENTENCES.get(status, f"Endpoint connection failed with status '{status}'")) from exc
        except (OSError, ValueError) as exc:
            raise Refused("Endpoint connection failed with status 'CouldNotConnect'") from exc

    def license(self, service: dict[str, t.Any], models: str | None, more: dict[str, str]) -> str:
        """A fresh license text for this image and model set; ``more`` is sealed into it."""
        wanted = {"service": service["product"], "kind": service["kind"], "version": service["version"], "models": models, "more": more}
        return t.cast(str, json.loads(self.call("license", wanted))["license"])


def models_root(service: dict[str, t.Any]) -> str:
    """Where models lie; tests move it."""
    return os.environ.get("SIM_MODELS") or service.get("models", {}).get("root", MODELS)


def split_models(text: str) -> list[str]:
    """Paths of a MODELS setting, in the loose form of the documentation or the strict one of the logs."""
    return ["/" + part.strip().strip("/") for part in text.split(",") if part.strip()]


def selected(settings: Settings, root: str) -> list[str]:
    """Folders below ``root`` that MODELS and TRANSLATORSYSTEMCONFIG name; raises Refused when one is not there."""
    paths = split_models(settings.get("MODELS")) + split_models(settings.get("TRANSLATORSYSTEMCONFIG"))
    for path in paths:
        if os.path.commonpath([root, path]) != root or not os.path.isdir(path):
            raise Refused(f"Model folder '{path}' was not found")
    return [os.path.relpath(path, root) for path in paths]


def present(service: dict[str, t.Any], root: str) -> list[str]:
    """Folders that hold models below ``root``, as deep as this service lays them; raises Refused when there is none."""
    found = []
    for place, _folders, names in os.walk(root):
        if any(not name.endswith(".part") for name in names) and place != root:
            found.append(os.path.relpath(place, root))
    if not found:
        raise Refused(f"No models were found in '{root}'")
    return sorted(found)


def download_models(azure: Azure, service: dict[str, t.Any], query: dict[str, str]) -> list[str]:
    """Fetch what is missing or damaged; return the folders that belong together. Finished files are only checked."""
    root = models_root(service)
    listing = json.loads(azure.call("models?" + urllib.parse.urlencode({"kind": service["kind"], **query})))
    for row in listing["files"]:
        path = os.path.join(root, row["path"])
        if os.path.isfile(path) and sim_license.file_digest(path) == row["sha256"]:
            print(f"Validated {row['path']}", flush=True)
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".part", "wb") as stream:
            stream.write(azure.call("files/" + urllib.parse.quote(row["path"])))
        os.replace(path + ".part", path)
        print(f"Downloaded {row['path']}", flush=True)
    return t.cast("list[str]", listing["folders"])


def write_license(folder: str, name: str, data: bytes) -> None:
    """Put the license into its folder, whole."""
    path = os.path.join(folder, name)
    with open(path + ".part", "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(path + ".part", path)


def stay(settings: Settings) -> None:
    """After a download: end, or hang around as some kits saw it."""
    if settings.switch("SIM_AFTER_DOWNLOAD") == "stay":
        while True:
            time.sleep(60)
