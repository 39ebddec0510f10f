# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container looks at before it serves: its folders, its license, the machine it runs on."""

from __future__ import annotations

import datetime
import json
import os
import socket
import sys
import threading
import time
import typing as t

import sim_license
import sim_translation
import sim_vision
from sim_azure import Refused, models_root, present, selected
from sim_http import State
from sim_settings import Settings
from sim_usage import Usage

NO_LICENSE = "Container does not have a valid disconnected container license"
NO_LICENSE_PATH = (
    "The provided license path was not found. Please ensure a volume is mounted and a directory exists at the location specified by Mounts:License"
)
NO_OUTPUT = "The provided output path was not found or is not writable. Please ensure a volume is mounted at the location specified by Mounts:Output"
_BOUND = ".bound"


def hostname() -> str:
    """The container's, which tests set."""
    return os.environ.get("SIM_HOSTNAME") or socket.gethostname()


def license_folder(settings: Settings) -> str:
    """The license mount; raises Refused when it is not there."""
    folder = settings.get("Mounts:License")
    if not folder or not os.path.isdir(folder):
        raise Refused(NO_LICENSE_PATH)
    return folder


def no_license(settings: Settings, status: str) -> Refused:
    """How the container words that its license does not serve, and how it ends."""
    texts = {"license": NO_LICENSE, "status": f"License validation failed with status '{status}'", "silent": ""}
    return Refused(texts[settings.switch("SIM_REFUSAL_TEXT")], int(settings.switch("SIM_REFUSAL_EXIT")))


def machine(settings: Settings, service: dict[str, t.Any]) -> None:
    """What the processor and the engine must give; raises Refused."""
    wanted = {"documented": bool(service.get("avx2")), "all": True, "off": False}[settings.switch("SIM_CPU")]
    if wanted and "avx2" not in _read(os.environ.get("SIM_CPUINFO") or "/proc/cpuinfo").split():
        raise Refused("Illegal instruction: this processor has no AVX2", 132)
    if service.get("gpu") and not settings.switch("SIM_GPU") and not os.path.exists("/dev/nvidiactl"):
        raise Refused("CUDA driver initialization failed, you might not have a CUDA gpu.")
    needs = settings.switch("SIM_NEEDS")
    if needs == "capabilities" and not _bounding(_read(os.environ.get("SIM_PROC_STATUS") or "/proc/self/status")):
        raise Refused("Failed to start: Operation not permitted")
    if needs == "writable_root" and os.statvfs("/").f_flag & os.ST_RDONLY:
        raise Refused("Failed to create the cache folder: Read-only file system")
    for name in service.get("terms", ()):
        if settings.get(name).lower() != "accept":
            raise Refused(f"{name} must be accepted")
    glossary = settings.get("HotfixDataFolder")
    if glossary:
        try:
            sim_translation.glossary(glossary)
        except (OSError, ValueError, AttributeError) as exc:
            raise Refused(f"HotfixDataFolder '{glossary}' cannot be loaded: {exc}") from exc
    links = service.get("needs", {})
    if links and not any(settings.get(name) for name in links):
        raise Refused(f"{' or '.join(links)} must be given")


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def _bounding(status: str) -> int:
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd:")), 16)


def loaded_models(settings: Settings, service: dict[str, t.Any]) -> list[str]:
    """Folders of the models that this run uses; raises Refused when they are not there."""
    how = service.get("models")
    if not how:
        return []
    root = models_root(service)
    return selected(settings, root) if how["while"] == "licensing" else present(service, root)


def models_digest(service: dict[str, t.Any], folders: t.Sequence[str]) -> str | None:
    """What a license that is tied to models is tied to."""
    bound = service.get("models", {}).get("bound")
    return sim_license.models_digest(models_root(service), folders) if bound else None


def offline(settings: Settings, service: dict[str, t.Any]) -> State:
    """Check license, models and output as an unconnected start does; raises Refused."""
    folder = license_folder(settings)
    usage = open_output(settings, service)
    machine(settings, service)
    state = State(settings, service, usage, online=False, shared=shared(settings))
    state.models = loaded_models(settings, service)
    found = sim_license.read(folder)
    if found is None or not sim_license.fits(found, service["product"], service["version"], models_digest(service, state.models)):
        raise no_license(settings, "Mismatch" if found else "Invalid")
    check_binding(settings, found, usage.folder)
    check_clock(settings, found)
    watch_expiry(state, found)
    state.problem = state.problem or (sim_vision.clock_problem(service["version"], settings.get("EnableSyncNTPServer")) if service.get("ntp") else "")
    state.loaded.set()
    return state


def check_binding(settings: Settings, found: dict[str, t.Any], folder: str) -> None:
    """A license may belong to the first host that used it, or to the one that fetched it; raises Refused."""
    mode = settings.switch("SIM_BINDING")
    path = os.path.join(os.path.dirname(folder), _BOUND)
    if mode == "first_host":
        hosts = json.loads(_read(path)) if os.path.exists(path) else {}
        hosts.setdefault(found["nonce"], hostname())
        with open(path, "w", encoding="utf-8") as stream:
            json.dump(hosts, stream)
        owner = hosts[found["nonce"]]
    else:
        owner = found.get("host", hostname()) if mode == "download_host" else hostname()
    if owner != hostname():
        raise no_license(settings, "Mismatch")


def check_clock(settings: Settings, found: dict[str, t.Any]) -> None:
    """A clock that the license cannot believe; raises Refused."""
    mode, issued = settings.switch("SIM_CLOCK"), datetime.datetime.fromisoformat(found["issued"])
    early = mode == "before_issue" and settings.now() < issued - datetime.timedelta(minutes=5)
    if early or (mode == "far_future" and settings.now() > issued + datetime.timedelta(days=366)):
        raise no_license(settings, "Invalid")


def watch_expiry(state: State, found: dict[str, t.Any]) -> None:
    """Refuse an expired license; what happens to one that expires later is a switch."""
    mode = state.settings.switch("SIM_EXPIRED")
    refusal = no_license(state.settings, "Expired")
    if sim_license.expired(found, state.settings.now()):
        if mode != "unready":
            raise refusal
        state.problem = NO_LICENSE

    def watch() -> None:
        while not sim_license.expired(found, state.settings.now()):
            time.sleep(0.2)
        state.problem = NO_LICENSE
        if mode == "stop":
            print(refusal, file=sys.stderr, flush=True)
            os._exit(refusal.code)

    if mode != "refuse_start":
        threading.Thread(target=watch, daemon=True).start()


def open_output(settings: Settings, service: dict[str, t.Any]) -> Usage:
    """The usage records below Mounts:Output; raises Refused when nothing can be written there."""
    output = settings.get("Mounts:Output")
    try:
        if not output or not os.path.isdir(output):
            raise Refused(NO_OUTPUT)
        usage = Usage(output, service, hostname(), settings)
        _probe(usage.folder)
    except OSError as exc:
        raise Refused(NO_OUTPUT) from exc
    print(f"Using '{usage.folder}' for writing logs and other output data.")
    return usage


def shared(settings: Settings) -> str:
    """The folder of asynchronous results, empty when none is given; raises Refused when nothing can be written there."""
    folder = settings.get("Mounts:Shared") or settings.get("SharedRootFolder")
    if folder:
        try:
            _probe(folder)
        except OSError as exc:
            raise Refused(f"Access to the path '{folder}' is denied.") from exc
    return folder


def _probe(folder: str) -> None:
    probe = os.path.join(folder, ".writable")
    with open(probe, "w", encoding="utf-8"):
        pass
    os.unlink(probe)
