# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated containers and the stand-in Azure as processes on loopback ports."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

SIMULATOR = Path(__file__).resolve().parents[2] / "simulator"
sys.path.insert(0, str(SIMULATOR))

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_RESOURCES = {
    "speech": ("SpeechServices", "DC0", True, 30),
    "speech-s0": ("SpeechServices", "S0", True, 30),
    "speech-unapproved": ("SpeechServices", "DC0", False, 30),
    "translator": ("TextTranslation", "DC0", True, 30),
    "language": ("TextAnalytics", "DC0", True, 30),
    "vision": ("ComputerVision", "DC0", True, 30),
    "forms": ("FormRecognizer", "DC0", True, 30),
    "luis": ("LUIS", "DC0", True, 30),
}


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """A process that answers HTTP on a port."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port

    def send(self, path: str, body: bytes | t.Any = None, kind: str = "application/json", method: str = "", **headers: str) -> tuple[int, t.Any, bytes]:
        """Status, headers and body of a GET, or of a POST when there is a body, or of another method."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()} | ({"Content-Type": kind} if data is not None else {})
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, given, method=method or None)
        try:
            with _DIRECT.open(request, timeout=10) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def request(self, path: str, body: bytes | t.Any = None, kind: str = "application/json", **headers: str) -> tuple[int, str]:
        """Status and text of a GET, or of a POST when there is a body."""
        status, _headers, data = self.send(path, body, kind, **headers)
        return status, data.decode(errors="replace")

    def later(self, path: str, body: bytes | t.Any, kind: str = "application/json") -> t.Any:
        """The result of a request that is answered by 202 and an address."""
        status, headers, text = self.send(path, body, kind)
        assert status == 202, (status, text)
        where = urllib.parse.urlsplit(headers["Operation-Location"])
        end = time.monotonic() + 10
        while (found := self.json(f"{where.path}?{where.query}"))["status"] in ("running", "notStarted"):
            assert time.monotonic() < end, found
            time.sleep(0.02)
        return found

    def used(self) -> dict[str, float]:
        """Meter to quantity over all time."""
        return {meter["name"].rpartition(".")[2]: meter["quantity"] for meter in self.json("/records/usage-logs/")["meters"]}

    def json(self, path: str, body: t.Any = None) -> t.Any:
        """The parsed body of an answer that must be 200."""
        status, text = self.request(path, body)
        assert status == 200, (status, text)
        return json.loads(text)

    def until(self, path: str, status: int = 200, holding: str = "") -> str:
        """Ask until status and text are as wanted; fail after ten seconds or when the process is gone."""
        end = time.monotonic() + 10
        while True:
            assert self.process.poll() is None, self.process.communicate()
            try:
                found, text = self.request(path)
                if found == status and holding in text:
                    return text
            except OSError:
                pass
            assert time.monotonic() < end, f"{path} is not {status} {holding}"
            time.sleep(0.02)

    def stop(self) -> int:
        """End it as the engine does, and give the exit status."""
        self.process.terminate()
        return self.process.wait(10)


class Box:
    """A host for simulated containers: folders to mount, an Azure to ask."""

    def __init__(self, folder: Path, azure: str) -> None:
        self.azure = azure
        self.license, self.output, self.models, self.share = (folder / name for name in ("license", "output", "models", "share"))
        for path in (self.license, self.output, self.models, self.share):
            path.mkdir()
        self._folder = folder
        self.running: list[Running] = []

    def other(self, name: str) -> Box:
        """Folders for another container of this host."""
        folder = self._folder / name
        folder.mkdir()
        made = Box(folder, self.azure)
        made.running = self.running
        return made

    def _begin(
        self, service: str, version: str, settings: dict[str, str], switches: dict[str, str], repository: str = "", words: tuple[str, ...] = ()
    ) -> tuple[subprocess.Popen[str], int]:
        from images import service_json

        description = self._folder / f"{service}-{version}.json"
        description.write_text(json.dumps(service_json(service, version, repository)))
        port = free_port()
        environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "SIM_SERVICE": str(description), "SIM_PORT": str(port)}
        environment |= {"SIM_ADDRESS": "127.0.0.1", "SIM_MODELS": str(self.models), "SIM_READY_AFTER": "0", "SIM_HOSTNAME": "host-a"}
        environment |= {"SIM_CPU": "off", **switches}
        argv = [sys.executable, "-S", str(SIMULATOR / "service.py"), *words, *(f"{name}={value}" for name, value in settings.items())]
        return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True), port

    def run(
        self,
        settings: dict[str, str],
        service: str = "speech_to_text",
        version: str = "4.9.0",
        repository: str = "",
        words: tuple[str, ...] = (),
        **switches: str,
    ) -> tuple[int, str]:
        """Exit status and all output of a run that must end by itself; ``words`` are arguments that are no settings."""
        process, _port = self._begin(service, version, settings, switches, repository, words)
        try:
            output = "".join(process.communicate(timeout=15))
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return process.returncode, output

    def start(
        self, settings: dict[str, str] | None = None, service: str = "speech_to_text", version: str = "4.9.0", repository: str = "", **switches: str
    ) -> Running:
        """A container that answers; offline settings unless told otherwise."""
        running = Running(*self._begin(service, version, self.offline() if settings is None else settings, switches, repository))
        self.running.append(running)
        running.until("/", holding="")
        return running

    def up(self, resource: str, service: str, version: str = "1", repository: str = "", **more: str) -> Running:
        """A licensed container that is ready; names in ``more`` are settings, those that begin with SIM_ switches."""
        switches = {name: value for name, value in more.items() if name.startswith("SIM_")}
        settings = {name: value for name, value in more.items() if name not in switches}
        terms = {"rai_terms": "accept"} if service == "summarization" else {}
        status, output = self.run(self.download(resource, **terms), service, version, repository)
        assert status == 0, output
        running = self.start(self.offline(**terms, **settings), service, version, repository, **switches)
        running.until("/ready")
        return running

    def online(self, resource: str, **more: str) -> dict[str, str]:
        """Settings of a connected run."""
        return {"eula": "accept", "billing": f"{self.azure}/{resource}", "apikey": f"key-{resource}", **more}

    def download(self, resource: str = "speech", **more: str) -> dict[str, str]:
        """Settings of a license download."""
        return self.online(resource, DownloadLicense="True", **{"Mounts:License": str(self.license)}, **more)

    def offline(self, **more: str) -> dict[str, str]:
        """Settings of a disconnected run."""
        return {"Eula": "accept", "Mounts:License": str(self.license), "Mounts:Output": str(self.output), **more}


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[str]:
    """Address of a stand-in Azure."""
    file = tmp_path_factory.mktemp("azure") / "resources.json"
    names = ("kind", "tier", "approved", "license_lifetime_days")
    file.write_text(json.dumps({name: {"key": f"key-{name}", **dict(zip(names, values))} for name, values in _RESOURCES.items()}))
    port = free_port()
    argv = [sys.executable, str(SIMULATOR / "azure.py"), "--resources", str(file), "--port", str(port)]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    running = Running(process, port)
    running.until("/")
    yield f"http://127.0.0.1:{port}"
    running.stop()


@pytest.fixture
def box(tmp_path: Path, azure: str) -> t.Iterator[Box]:
    """A host with empty folders."""
    made = Box(tmp_path, azure)
    yield made
    for running in made.running:
        running.process.kill()
        running.process.communicate()


@pytest.fixture
def licensed(box: Box) -> Box:
    """A host with a good license for speech_to_text 4.9.0."""
    status, output = box.run(box.download())
    assert status == 0, output
    return box
