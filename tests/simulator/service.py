# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One program that plays any Azure AI container: which one is said by an image file, /service.json.

Settings come as arguments (``Name=value``) or environment variables. See README.md for what is copied from
the documented behaviour and which switches stand for what nobody knows.
"""

from __future__ import annotations

import http.server
import json
import os
import signal
import sys
import threading
import time
import typing as t

import sim_documents
import sim_license
import sim_proxy
import sim_studio
from sim_azure import Azure, Refused, download_models, models_root, present, stay, write_license
from sim_http import State, serve
from sim_settings import Settings
from sim_start import hostname, license_folder, loaded_models, machine, models_digest, offline, shared


def download(settings: Settings, service: dict[str, t.Any]) -> None:
    """DownloadLicense=True: models where this kind has them in the same run, then the license; raises Refused."""
    folder = license_folder(settings)
    azure = Azure(settings)
    for name in service.get("terms", ()):
        if settings.get(name).lower() != "accept":
            raise Refused(f"{name} must be accepted")
    found = sim_license.read(folder)
    refuse = settings.switch("SIM_REDOWNLOAD") or service.get("redownload", "overwrite")
    if found and found["service"] == service["product"] and not sim_license.expired(found, settings.now()) and refuse == "refuse":
        raise Refused("a valid license has been found")
    folders: list[str] = []
    how = service.get("models", {})
    if how.get("while") == "licensing":
        languages = [part.strip() for part in settings.get("Languages").split(",") if part.strip()]
        if "en" not in languages:
            raise Refused("Languages must hold en")
        folders = download_models(azure, service, {"Languages": ",".join(languages)})
    elif how.get("bound"):
        # The license is tied to the models that lie there already.
        folders = loaded_models(settings, service)
    name = settings.switch("SIM_LICENSE_NAME")
    text = azure.license(service, models_digest(service, folders), {"file": name, "host": hostname()})
    time.sleep(settings.seconds("SIM_DOWNLOAD_SECONDS", 0))
    write_license(folder, name, sim_license.pack(text, settings.switch("SIM_LICENSE_FORMAT")))
    print("License downloaded", flush=True)
    if how.get("while") == "licensing":
        print_template(models_root(service), folders)
    stay(settings)


def print_template(root: str, folders: t.Sequence[str]) -> None:
    """The run command that the translator prints, with the two values that only its log tells."""
    models = ",".join(os.path.join(root, folder) for folder in folders if not folder.startswith("Config/"))
    config = next(os.path.join(root, folder) for folder in folders if folder.startswith("Config/"))
    print("Use the following command to run the container:")
    print("docker run --rm -it -p 5000:5000 -v {MODEL_MOUNT_PATH}:" + root + " -e eula=accept -e Mounts:License={CONTAINER_LICENSE_DIR}")
    print(f"  -e Mounts:Output={{CONTAINER_OUTPUT_DIR}} -e MODELS={models} -e TRANSLATORSYSTEMCONFIG={config} {{IMAGE}}", flush=True)


def wants_models(settings: Settings, service: dict[str, t.Any]) -> dict[str, str] | None:
    """What a run that only fetches models asks Azure for; None when this run is another one. Raises Refused."""
    how = service.get("models", {})
    if how.get("while") != "command" or not (settings.get(how["setting"]) or settings.word(how["setting"])):
        return None
    query = {name: settings.get(name) for name in how["query"]}
    missing = [name for name, value in query.items() if not value]
    if missing:
        raise Refused(f"{', '.join(missing)} must be given")
    if any("," in value for value in query.values()):
        raise Refused(f"{how['setting']} takes one at a time")
    return query


def online(settings: Settings, service: dict[str, t.Any]) -> State:
    """A connected run: it stays up with a bad key, and loads its models first where it has any."""
    machine(settings, service)
    state = State(settings, service, None, online=True, shared=shared(settings))
    azure = Azure(settings)

    def load() -> None:
        try:
            azure.call("validate", {"kind": service["kind"]})
            how = service.get("models", {}).get("while")
            if how == "serving" and not _loaded(service, state):
                state.models = download_models(azure, service, {"ModelId": settings.get("ModelId")})
            elif how == "command":
                state.models = present(service, models_root(service))
        except Refused as exc:
            state.invalid = str(exc)
            print(exc, file=sys.stderr, flush=True)
        state.loaded.set()

    threading.Thread(target=load, daemon=True).start()
    return state


def _loaded(service: dict[str, t.Any], state: State) -> bool:
    """Whether a model lies there already: then ModelId is passed over."""
    try:
        state.models = present(service, models_root(service))
    except Refused:
        return False
    print(f"Found {', '.join(state.models)}; ModelId is ignored", flush=True)
    return True


def container(settings: Settings, service: dict[str, t.Any]) -> http.server.ThreadingHTTPServer | None:
    """A run of a licensed service; None when it has done what it was started for. Raises Refused."""
    query = wants_models(settings, service)
    if query is not None:
        download_models(Azure(settings), service, query)
        return None
    if settings.get("Eula").lower() != "accept":
        raise Refused("Eula must be accepted")
    if settings.get("BaseModelLocale") and service.get("models", {}).get("while") == "serving":
        print(Azure(settings).call(f"base_models?kind={service['kind']}&locale={settings.get('BaseModelLocale')}").decode(), flush=True)
        return None
    if settings.true("DownloadLicense"):
        download(settings, service)
        return None
    connected = bool(settings.get("Billing") or settings.get("ApiKey") or not settings.get("Mounts:License"))
    state = (online if connected else offline)(settings, service)

    def end(*_signal: object) -> None:
        state.end()
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    print("WARNING: No access control enabled!")
    return serve(state, *_place(5000))


def _place(port: int) -> tuple[str, int]:
    return os.environ.get("SIM_ADDRESS", "0.0.0.0"), int(os.environ.get("SIM_PORT") or port)


def program(settings: Settings, service: dict[str, t.Any]) -> http.server.ThreadingHTTPServer | None:
    """The server that this image is; raises Refused."""
    if service.get("plays") == "proxy":
        site = sim_proxy.site()
        return sim_proxy.serve(site, *_place(site.port))
    if service.get("plays") == "studio":
        sim_studio.check(settings)
        return sim_studio.serve(*_place(sim_studio.PORT))
    return container(settings, service)


def main() -> int:
    """Play the service; the exit status is 0 only for a finished download and a stop by signal."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    settings = Settings(sys.argv[1:], os.environ)
    with open(os.environ.get("SIM_SERVICE", "/service.json"), encoding="utf-8") as stream:
        service = sim_documents.complete(json.load(stream))
    try:
        server = program(settings, service)
    except Refused as exc:
        if str(exc):
            print(exc, file=sys.stderr, flush=True)
        return exc.code
    except PermissionError as exc:
        print(exc, file=sys.stderr, flush=True)
        return 1
    if server is None:
        return 0
    print(f"Now listening on: http://0.0.0.0:{server.server_address[1]}\nApplication started. Press Ctrl+C to shut down.", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
