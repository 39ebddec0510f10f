# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What benchmarks of the harvest talk to: containers that report usage, and hosts behind real sshd, all on this machine."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

SSHD = "/usr/sbin/sshd"
_MOST_PORTS = 16  # of one sshd
_POLICY = Path("/usr/sbin/policy-rc.d")
REPORT = {
    "apiType": "speech_to_text",
    "serviceName": "speech_to_text",
    "meters": [{"name": f"CognitiveServices.Speech.{kind}", "quantity": 1250000, "billedUnit": 1250.5} for kind in ("Container", "Custom")],
}


def answer() -> bytes:
    """A whole HTTP response with a usage report in the simulator's form."""
    body = json.dumps(REPORT).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class _Protocol(asyncio.Protocol):
    """Answers every request on a kept-alive connection with the same report."""

    response = answer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = t.cast(asyncio.Transport, transport)
        self._seen = b""

    def data_received(self, data: bytes) -> None:
        self._seen += data
        while b"\r\n\r\n" in self._seen:
            _request, self._seen = self._seen.split(b"\r\n\r\n", 1)
            self._transport.write(self.response)


async def _serve(sockets: t.Sequence[socket.socket]) -> None:
    loop = asyncio.get_running_loop()
    for each in sockets:
        await loop.create_server(_Protocol, sock=each, backlog=512)
    await asyncio.Event().wait()


@contextmanager
def endpoints(count: int) -> t.Iterator[list[int]]:
    """Ports of ``count`` containers, served by a process of their own."""
    sockets = [socket.socket() for _number in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
        each.listen(512)
    ports = [each.getsockname()[1] for each in sockets]
    command = [sys.executable, __file__, *(str(each.fileno()) for each in sockets)]
    with subprocess.Popen(command, pass_fds=[each.fileno() for each in sockets]) as process:
        for each in sockets:
            each.close()
        try:
            yield ports
        finally:
            process.kill()


def ensure_sshd() -> None:
    """Install sshd where it is missing, without starting a service for the machine."""
    if os.path.exists(SSHD):
        return
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    quiet = not _POLICY.exists()
    if quiet:
        subprocess.run([*as_root, "sh", "-c", f"printf '#!/bin/sh\\nexit 101\\n' > {_POLICY} && chmod 755 {_POLICY}"], check=True)
    try:
        install = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-qq", "-y", "--no-install-recommends", "openssh-server"]
        subprocess.run([*as_root, *install], check=True, stdout=subprocess.DEVNULL)
        if shutil.which("systemctl"):
            subprocess.run([*as_root, "systemctl", "disable", "--quiet", "ssh.service"], check=False, stderr=subprocess.DEVNULL)
    finally:
        if quiet:
            subprocess.run([*as_root, "rm", "-f", str(_POLICY)], check=True)


@contextmanager
def hosts(folder: Path, count: int) -> t.Iterator[list[dict[str, t.Any]]]:
    """Connection variables of ``count`` hosts, a port and so a connection for each."""
    ensure_sshd()
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    ports = _free_ports(count)
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    servers = [_sshd(folder, ports[start : start + _MOST_PORTS]) for start in range(0, count, _MOST_PORTS)]
    try:
        for port in ports:
            _wait(port)
        base = {"ansible_host": "127.0.0.1", "ansible_user": getpass.getuser(), "ansible_ssh_private_key_file": str(folder / "user")}
        arguments = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        yield [{**base, "ansible_port": port, "ansible_ssh_common_args": arguments, "ansible_python_interpreter": sys.executable} for port in ports]
    finally:
        for server in servers:
            server.terminate()
            server.wait()


def _sshd(folder: Path, ports: t.Sequence[int]) -> subprocess.Popen[bytes]:
    """An sshd that listens on these ports and lets the user in who started it."""
    lines = [f"Port {port}" for port in ports] + [
        "ListenAddress 127.0.0.1",
        f"HostKey {folder}/host",
        f"AuthorizedKeysFile {folder}/user.pub",
        "PidFile none",
        "StrictModes no",
        "UsePAM no",
        "PermitRootLogin yes",
        "PasswordAuthentication no",
        "MaxStartups 500",
        "LogLevel ERROR",
    ]
    path = folder / f"sshd_config-{ports[0]}"
    path.write_text("\n".join(lines) + "\n")
    return subprocess.Popen([SSHD, "-D", "-e", "-f", str(path)], stderr=subprocess.DEVNULL)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _number in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait(port: int) -> None:
    for _attempt in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"sshd does not listen on {port}")


async def _raw(ports: t.Sequence[int], paths: t.Sequence[str], width: int) -> int:
    """Ask every port for every path over ``width`` connections; bytes that came."""
    waiting = iter(ports)
    size = len(answer())
    total = 0

    async def work() -> None:
        nonlocal total
        for port in waiting:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for path in paths:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
                got = await reader.readexactly(size)
                total += len(got)
            writer.close()

    await asyncio.gather(*(work() for _number in range(width)))
    return total


def raw(ports: t.Sequence[int], paths: t.Sequence[str], width: int = 16) -> float:
    """Seconds of a raw asyncio client."""
    start = time.monotonic()
    got = asyncio.run(_raw(ports, paths, width))
    assert got == len(ports) * len(paths) * len(answer()), got
    return time.monotonic() - start


def bare(ports: t.Sequence[int], paths: t.Sequence[str], width: int = 4) -> float:
    """Seconds of the bare client of Python's library, one kept-alive connection for each port, ``width`` threads."""
    import http.client

    waiting = iter(ports)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                port = next(waiting, None)
            if port is None:
                return
            connection = http.client.HTTPConnection("127.0.0.1", port)
            for path in paths:
                connection.request("GET", path)
                json.loads(connection.getresponse().read())
            connection.close()

    start = time.monotonic()
    threads = [threading.Thread(target=work) for _number in range(width)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - start


if __name__ == "__main__":
    asyncio.run(_serve([socket.socket(fileno=int(number)) for number in sys.argv[1:]]))
