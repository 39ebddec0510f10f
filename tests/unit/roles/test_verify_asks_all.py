# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry point verify of the containers role: one that is gone is told in full, and keeps nobody from asking those behind it."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import socket
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest

DOCKER = '#!/bin/sh\necho "$*" >> {asked}\necho "Error response from daemon: No such container: gone" >&2\nexit 1\n'


Smoke = t.Callable[[int], int]  # the status of a smoke request, by how many came before it


@contextlib.contextmanager
def service(smoke: Smoke = lambda _before: 200) -> t.Iterator[tuple[str, list[str]]]:
    """A service that is ready, and what it was asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            before = asked.count(self.path)
            asked.append(self.path)
            self.send_response(smoke(before) if self.path == "/smoke" else 200)
            self.end_headers()

        def log_message(self, *_args: t.Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def verify(folder: Path, rows: list[dict[str, t.Any]], path: str, **variables: t.Any) -> subprocess.CompletedProcess[str]:
    """Run the entry point on this machine."""
    role = {"name": "Verify", "ansible.builtin.include_role": {"name": "airgap.azure_ai.containers", "tasks_from": "verify.yml"}}
    play = {
        "name": "Verify",
        "hosts": "all",
        "gather_facts": False,
        "environment": {"PATH": path},
        "vars": {
            "ansible_become": False,
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "containers_docker_socket": "/run/other.sock",
            "containers_plan": {"verify": rows, "licenses": []},
            **variables,
        },
        "tasks": [role],
    }
    (folder / "play.yml").write_text(json.dumps([play]))
    command = ["ansible-playbook", "-i", "text-1,", "-c", "local", "play.yml"]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env={**os.environ, "ANSIBLE_NOCOLOR": "1"})


def slow(before: int) -> int:
    """The first inference takes longer than it may."""
    time.sleep(0 if before else 3)
    return 200


@pytest.mark.parametrize(
    ("smoke", "asked", "fine"),
    [(slow, 2, True), (lambda before: 200 if before else 503, 2, True), (lambda _before: 503, 2, False), (lambda _before: 400, 1, False)],
    ids=["slow at first", "busy at first", "busy", "refused"],
)
def test_a_smoke_request_without_an_answer_is_sent_once_more(tmp_path: Path, smoke: Smoke, asked: int, fine: bool) -> None:
    with service(smoke) as (url, seen):
        row = {"container": "there", "runs": True, "url": url, "health": {"ready": "/ready"}, "smoke": {"path": "/smoke", "method": "GET"}}
        done = verify(tmp_path, [row], "/nowhere", containers_smoke_seconds=1)
    assert (done.returncode == 0) is fine, done.stdout
    assert seen == ["/ready", *["/smoke"] * asked]
    assert fine or "container there: send its smoke request failed (" in done.stdout


@pytest.mark.parametrize(("docker", "log"), [(DOCKER, "Error response from daemon: No such container: gone"), (None, "Error executing command")])
def test_verify(tmp_path: Path, docker: str | None, log: str) -> None:
    tools, asked_docker = tmp_path / "bin", tmp_path / "asked"
    tools.mkdir()
    if docker is not None:
        (tools / "docker").write_text(docker.format(asked=asked_docker))
        (tools / "docker").chmod(0o755)
    with socket.socket() as closed, service() as (url, asked):
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
        health = {"ready": "/ready"}
        rows = [
            {"container": "gone", "runs": False, "url": nowhere, "health": health, "smoke": None},
            {"container": "there", "runs": True, "url": url, "health": health, "smoke": {"path": "/smoke", "method": "GET"}},
        ]
        done = verify(tmp_path, rows, f"{tools}:/nowhere")
    line = [each for each in done.stdout.splitlines() if each.startswith("fatal:")][-1]
    assert done.returncode != 0
    assert '"msg": "text-1: container gone: wait until it is ready failed (' in line, done.stdout
    assert "not ready after 0 s, no answer" in line
    assert f"its log cannot be read: {log}" in line
    assert line.rstrip('"}').endswith("; mend the cause and run the rollout again")
    assert asked == ["/ready", "/smoke"], "the one behind it proved itself"
    if docker is not None:
        assert asked_docker.read_text() == "--host unix:///run/other.sock logs --tail 5 gone\n"
