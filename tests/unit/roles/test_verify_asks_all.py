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
import typing as t
from pathlib import Path

import pytest

DOCKER = '#!/bin/sh\necho "$*" >> {asked}\necho "Error response from daemon: No such container: gone" >&2\nexit 1\n'


@contextlib.contextmanager
def service() -> t.Iterator[tuple[str, list[str]]]:
    """A service that is ready, and what it was asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
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
        role = {"name": "Verify", "ansible.builtin.include_role": {"name": "airgap.azure_ai.containers", "tasks_from": "verify.yml"}}
        play = {
            "name": "Verify",
            "hosts": "all",
            "gather_facts": False,
            "environment": {"PATH": f"{tools}:/nowhere"},
            "vars": {
                "ansible_become": False,
                "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                "containers_docker_socket": "/run/other.sock",
                "containers_plan": {"verify": rows, "licenses": []},
            },
            "tasks": [role],
        }
        (tmp_path / "play.yml").write_text(json.dumps([play]))
        command = ["ansible-playbook", "-i", "text-1,", "-c", "local", "play.yml"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "ANSIBLE_NOCOLOR": "1"})
    line = [each for each in done.stdout.splitlines() if each.startswith("fatal:")][-1]
    assert done.returncode != 0
    assert '"msg": "text-1: container gone: wait until it is ready failed (' in line, done.stdout
    assert "not ready after 0 s, no answer" in line
    assert f"its log cannot be read: {log}" in line
    assert line.rstrip('"}').endswith("; mend the cause and run the rollout again")
    assert asked == ["/ready", "/smoke"], "the one behind it proved itself"
    if docker is not None:
        assert asked_docker.read_text() == "--host unix:///run/other.sock logs --tail 5 gone\n"
