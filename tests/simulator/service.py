# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One program that plays any Azure AI container: which one is said by an image file, /service.json.

Settings come as arguments (``Name=value``) or environment variables. See README.md for what is copied from
the documented behaviour and which switches stand for what nobody knows.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
import typing as t

import sim_license
from sim_azure import Azure, Refused, download_models, models_root, selected, stay, write_license
from sim_http import State, serve
from sim_settings import Settings
from sim_usage import Usage

NO_LICENSE = "Container does not have a valid disconnected container license"
NO_LICENSE_PATH = (
    "The provided license path was not found. Please ensure a volume is mounted and a directory exists at the location specified by Mounts:License"
)
NO_OUTPUT = "The provided output path was not found or is not writable. Please ensure a volume is mounted at the location specified by Mounts:Output"


def license_folder(settings: Settings) -> str:
    """The license mount; raises Refused when it is not there."""
    folder = settings.get("Mounts:License")
    if not folder or not os.path.isdir(folder):
        raise Refused(NO_LICENSE_PATH)
    return folder


def download(settings: Settings, service: dict[str, t.Any]) -> None:
    """DownloadLicense=True: models where this kind has them, then the license; raises Refused."""
    folder = license_folder(settings)
    root = models_root(os.environ)
    azure = Azure(settings)
    present = sim_license.read(folder)
    refuse = settings.switch("SIM_REDOWNLOAD") or service.get("redownload", "overwrite")
    if present and present["service"] == service["service"] and not sim_license.expired(present, settings.now()) and refuse == "refuse":
        raise Refused("a valid license has been found")
    models, folders = None, []
    kind = service.get("models", {}).get("while")
    if kind == "licensing":
        languages = [part.strip() for part in settings.get("Languages").split(",") if part.strip()]
        if "en" not in languages:
            raise Refused("Languages must hold en")
        folders = download_models(azure, {"Languages": ",".join(languages)}, root)
    elif kind == "serving":
        # The license is tied to the models that lie there already.
        folders = sorted(os.listdir(root))
    if kind:
        models = sim_license.models_digest(root, folders)
    text = azure.license(service, models)
    time.sleep(settings.seconds("SIM_DOWNLOAD_SECONDS", 0))
    write_license(folder, text)
    print("License downloaded", flush=True)
    if kind == "licensing":
        print_template(root, folders)
    stay(settings)


def print_template(root: str, folders: t.Sequence[str]) -> None:
    """The run command that the translator prints, with the two values that only its log tells."""
    models = ",".join(os.path.join(root, folder) for folder in folders if not folder.startswith("Config/"))
    config = next(os.path.join(root, folder) for folder in folders if folder.startswith("Config/"))
    print("Use the following command to run the container:")
    print("docker run --rm -it -p 5000:5000 -v {MODEL_MOUNT_PATH}:" + root + " -e eula=accept -e Mounts:License={CONTAINER_LICENSE_DIR}")
    print(f"  -e Mounts:Output={{CONTAINER_OUTPUT_DIR}} -e MODELS={models} -e TRANSLATORSYSTEMCONFIG={config} {{IMAGE}}", flush=True)


def offline(settings: Settings, service: dict[str, t.Any]) -> State:
    """Check license, models and output as an unconnected start does; raises Refused."""
    folder = license_folder(settings)
    usage = open_output(settings, service)
    root = models_root(os.environ)
    models = None
    kind = service.get("models", {}).get("while")
    if kind:
        folders = selected(settings, root) if kind == "licensing" else sorted(os.listdir(root))
        models = sim_license.models_digest(root, folders)
    found = sim_license.read(folder)
    if found is None or not sim_license.fits(found, service["service"], service["version"], models):
        raise Refused(NO_LICENSE)
    state = State(settings, service, usage, online=False)
    watch_expiry(state, found)
    state.loaded.set()
    return state


def watch_expiry(state: State, found: dict[str, t.Any]) -> None:
    """Refuse an expired license; what happens to one that expires later is a switch."""
    mode = state.settings.switch("SIM_EXPIRED")
    if sim_license.expired(found, state.settings.now()):
        if mode != "unready":
            raise Refused(NO_LICENSE)
        state.problem = NO_LICENSE

    def watch() -> None:
        while not sim_license.expired(found, state.settings.now()):
            time.sleep(0.2)
        state.problem = NO_LICENSE
        if mode == "stop":
            print(NO_LICENSE, file=sys.stderr, flush=True)
            os._exit(1)

    if mode != "refuse_start":
        threading.Thread(target=watch, daemon=True).start()


def open_output(settings: Settings, service: dict[str, t.Any]) -> Usage:
    """The usage records below Mounts:Output; raises Refused when nothing can be written there."""
    output = settings.get("Mounts:Output")
    try:
        if not output or not os.path.isdir(output):
            raise Refused(NO_OUTPUT)
        usage = Usage(output, service, os.environ.get("SIM_HOSTNAME") or socket.gethostname(), settings)
        probe = os.path.join(usage.folder, ".writable")
        with open(probe, "w", encoding="utf-8"):
            pass
        os.unlink(probe)
    except OSError as exc:
        raise Refused(NO_OUTPUT) from exc
    print(f"Using '{usage.folder}' for writing logs and other output data.")
    return usage


def online(settings: Settings, service: dict[str, t.Any]) -> State:
    """A connected run: it stays up with a bad key, and loads its models first where it has any."""
    state = State(settings, service, None, online=True)
    azure = Azure(settings)

    def load() -> None:
        try:
            azure.call("validate", {"kind": service["kind"]})
            if service.get("models", {}).get("while") == "serving":
                download_models(azure, {"ModelId": settings.get("ModelId")}, models_root(os.environ))
        except Refused as exc:
            state.invalid = str(exc)
            print(exc, file=sys.stderr, flush=True)
        state.loaded.set()

    threading.Thread(target=load, daemon=True).start()
    return state


def main() -> int:
    """Play the service; the exit status is 0 only for a finished download and a stop by signal."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    settings = Settings(sys.argv[1:], os.environ)
    with open(os.environ.get("SIM_SERVICE", "/service.json"), encoding="utf-8") as stream:
        service = json.load(stream)
    try:
        if settings.get("Eula").lower() != "accept":
            raise Refused("Eula must be accepted")
        if settings.true("DownloadLicense"):
            download(settings, service)
            return 0
        connected = bool(settings.get("Billing") or settings.get("ApiKey") or not settings.get("Mounts:License"))
        state = (online if connected else offline)(settings, service)
    except (Refused, PermissionError) as exc:
        print(exc, file=sys.stderr, flush=True)
        return 1
    port = int(os.environ.get("SIM_PORT", "5000"))
    server = serve(state, os.environ.get("SIM_ADDRESS", "0.0.0.0"), port)
    print("WARNING: No access control enabled!")
    print(f"Now listening on: http://0.0.0.0:{port}\nApplication started. Press Ctrl+C to shut down.", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
