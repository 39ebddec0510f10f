# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker Engine over its Unix socket, with nothing but the standard library: bare hosts have no client library.

Works with 20.10 and newer; the version of the API is negotiated. Every error carries the engine's own words.
A container's environment travels in the body of a request, so it shows up in no command line.
This file is private to the collection.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import tarfile
import typing as t
from contextlib import contextmanager
from urllib.parse import quote, urlencode

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import CHUNK
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import MissingError, RemoteError

DEFAULT_SOCKET = "/var/run/docker.sock"
STOP_SECONDS = 60  # what a container may take to write its last records of use
NEWEST = (1, 47)  # of the API as known here
_WORDS = 400  # characters of the engine's words that an error quotes
_MAX_ANSWER = 64 * 1024 * 1024

Json = t.Any


class Engine:
    """One engine. Every call is one connection, so an Engine may be kept and shared.

    :param path: the socket
    :param timeout: seconds that the engine may stay silent
    """

    def __init__(self, path: str = DEFAULT_SOCKET, timeout: float = 120.0) -> None:
        self.path = path
        self.timeout = timeout
        self._prefix: str | None = None

    # What is there

    def version(self) -> dict[str, Json]:
        """The engine's version as it tells it: Version, ApiVersion, MinAPIVersion, Os, Arch and more."""
        return self._json("GET", "/version", negotiated=False)

    def info(self) -> dict[str, Json]:
        """Facts about the engine: ID, Driver, DriverStatus, DockerRootDir, SecurityOptions and more."""
        return self._json("GET", "/info")

    def images(self) -> list[dict[str, Json]]:
        """Every image in short."""
        return self._json("GET", "/images/json")

    def image(self, name: str) -> dict[str, Json] | None:
        """An image in full, by name or ID; None when it is not there."""
        return self._json("GET", f"/images/{quote(name, safe='/:@')}/json", missing_ok=True)

    def containers(self, labels: t.Sequence[str] = ()) -> list[dict[str, Json]]:
        """Every container in short, stopped ones included; ``labels`` (``key`` or ``key=value``) choose some."""
        filters = {"filters": json.dumps({"label": list(labels)})} if labels else {}
        return self._json("GET", "/containers/json", {"all": "1", **filters})

    def networks(self) -> list[dict[str, Json]]:
        """Every network in short."""
        return self._json("GET", "/networks")

    def remove_network(self, name: str) -> bool:
        """Remove a network that no container uses; return whether it was there."""
        return self._json("DELETE", f"/networks/{quote(name, safe='')}", missing_ok=True) is not None

    # Images

    def load(self, chunks: t.Iterable[bytes]) -> list[str]:
        """Load an image archive that comes in chunks; return the lines the engine says.

        An error of ``chunks`` breaks the request off and comes through as it is. A load whose client went away may
        still end well in the engine: look again, never assume.

        :raises RemoteError: the engine refuses; what it says may come after it answered 200.
        """
        with self._request("POST", self._path("/images/load", {"quiet": "1"}), chunks=chunks) as answer:
            text = self._body(answer)
        lines = []
        for item in _json_lines(text):
            if item.get("error"):
                raise RemoteError("image load", _short(str(item["error"])))
            if item.get("stream"):
                lines.append(str(item["stream"]).strip())
        return lines

    def pull(self, reference: str) -> None:
        """Pull an image from a registry, by digest or tag; what it says goes by line by line.

        :raises RemoteError: the registry or the engine refuses; this may come after the engine answered 200.
        """
        target = self._path("/images/create", {"fromImage": reference})
        with self._request("POST", target) as answer:
            self._refuse(answer, "/images/create")
            for line in answer:
                for item in _json_lines(line):
                    if item.get("error"):
                        raise RemoteError(f"image {reference}", _short(str(item["error"])))

    def tag(self, image: str, repository: str, tag: str) -> None:
        """Give an image another name."""
        self._json("POST", f"/images/{quote(image, safe='/:@')}/tag", {"repo": repository, "tag": tag})

    def remove_image(self, name: str, force: bool = False) -> bool:
        """Take a name away, and the image with its last name; return whether it was there."""
        return self._json("DELETE", f"/images/{quote(name, safe='/:@')}", {"force": str(int(force))}, missing_ok=True) is not None

    # Containers that run once

    def create(self, config: t.Mapping[str, Json], name: str | None = None) -> str:
        """Create a container; return its ID. ``config`` is the API's: Image, Env, Cmd, Labels, HostConfig …

        It never pulls: an image that is not there is an error.
        """
        return self._json("POST", "/containers/create", {"name": name} if name else {}, body=config)["Id"]

    def start(self, container: str) -> None:
        """Start a created container."""
        self._json("POST", f"/containers/{container}/start")

    def wait(self, container: str, timeout: float | None = None) -> int:
        """Wait for a container's end; return its exit code. RemoteError when ``timeout`` seconds pass before."""
        return int(self._json("POST", f"/containers/{container}/wait", timeout=timeout)["StatusCode"])

    def inspect(self, container: str) -> dict[str, Json] | None:
        """A container in full; None when it is not there."""
        return self._json("GET", f"/containers/{container}/json", missing_ok=True)

    def logs(self, container: str, follow: bool = False, timeout: float | None = None, tail: int | None = None) -> t.Iterator[bytes]:
        """What a container (without a terminal) wrote to stdout and stderr, as it comes when ``follow``; only its last ``tail`` lines when given."""
        query = {"stdout": "1", "stderr": "1", "follow": str(int(follow)), **({"tail": str(tail)} if tail is not None else {})}
        with self._request("GET", self._path(f"/containers/{container}/logs", query), timeout=timeout) as answer:
            self._refuse(answer, f"/containers/{container}/logs")
            while True:
                # Each piece has eight bytes before it: the stream's number, three zeros, the length.
                head = _exactly(answer, 8)
                if len(head) < 8:
                    return
                yield _exactly(answer, int.from_bytes(head[4:], "big"))

    def stop(self, container: str, seconds: int = STOP_SECONDS) -> None:
        """Ask a container to end, kill it after ``seconds``."""
        self._json("POST", f"/containers/{container}/stop", {"t": str(seconds)}, timeout=seconds + self.timeout, missing_ok=True)

    def update(self, container: str, changes: t.Mapping[str, Json]) -> None:
        """Change a container that may run: its RestartPolicy or limits."""
        self._json("POST", f"/containers/{container}/update", body=changes)

    def rename(self, container: str, name: str) -> None:
        """Give a container another name."""
        self._json("POST", f"/containers/{container}/rename", {"name": name})

    def remove(self, container: str, volumes: bool = True) -> bool:
        """Kill and remove a container, with its anonymous volumes unless told otherwise; return whether it was there."""
        return self._json("DELETE", f"/containers/{container}", {"force": "1", "v": str(int(volumes))}, missing_ok=True) is not None

    @contextmanager
    def container(self, config: t.Mapping[str, Json], name: str | None = None) -> t.Iterator[str]:
        """Create a container and remove it whatever happens; gives its ID."""
        made = self.create(config, name)
        try:
            yield made
        finally:
            self.remove(made)

    def archive(self, container: str, path: str, limit: int = _MAX_ANSWER) -> bytes | None:
        """A tar archive of a path in a container that need not run; None when the path is not there."""
        target = f"/containers/{container}/archive"
        with self._request("GET", self._path(target, {"path": path})) as answer:
            if answer.status == 404:
                return None
            self._refuse(answer, target)
            return self._body(answer, limit)

    # Requests

    def _json(
        self,
        method: str,
        path: str,
        query: t.Mapping[str, str] | None = None,
        body: t.Mapping[str, Json] | None = None,
        missing_ok: bool = False,
        negotiated: bool = True,
        timeout: float | None = None,
    ) -> Json:
        target = self._path(path, query) if negotiated else path
        with self._request(method, target, body=body, timeout=timeout) as answer:
            if missing_ok and answer.status == 404:
                return None
            self._refuse(answer, path)
            data = self._body(answer)
        try:
            return json.loads(data) if data.strip() else {}
        except (ValueError, RecursionError) as exc:
            raise RemoteError(f"Docker Engine at {self.path}", f"answered {path} with something that is not JSON") from exc

    def _path(self, path: str, query: t.Mapping[str, str] | None = None) -> str:
        if self._prefix is None:
            told = self.version()
            newest, oldest = _number(told.get("ApiVersion", "1.41")), _number(told.get("MinAPIVersion", "1.12"))
            self._prefix = "/v{}.{}".format(*max(min(newest, NEWEST), oldest))
        return self._prefix + path + (f"?{urlencode(query)}" if query else "")

    @contextmanager
    def _request(
        self,
        method: str,
        target: str,
        body: t.Mapping[str, Json] | None = None,
        chunks: t.Iterable[bytes] | None = None,
        timeout: float | None = None,
    ) -> t.Iterator[http.client.HTTPResponse]:
        connection = _Connection(self.path, self.timeout if timeout is None else timeout)
        try:
            self._send(connection, method, target, body, chunks)
            yield connection.getresponse()
        except socket.timeout as exc:  # since Python 3.10 this is TimeoutError
            raise RemoteError(f"Docker Engine at {self.path}", f"no answer in {connection.timeout:.0f} s", "look at the engine's log") from exc
        except FileNotFoundError as exc:
            raise MissingError(
                f"Docker Engine at {self.path}", "no such socket", "install and start the engine, or name its socket in azure_ai_docker_socket"
            ) from exc
        except PermissionError as exc:
            raise RemoteError(f"Docker Engine at {self.path}", "access denied", "run with become") from exc
        except ConnectionRefusedError as exc:
            raise RemoteError(f"Docker Engine at {self.path}", "nobody listens", "start the engine") from exc
        except (http.client.HTTPException, OSError) as exc:
            raise RemoteError(
                f"Docker Engine at {self.path}", f"the connection broke ({exc.__class__.__name__})", "look at the engine's log and run it again"
            ) from exc
        finally:
            connection.close()

    @staticmethod
    def _send(connection: _Connection, method: str, target: str, body: t.Mapping[str, Json] | None, chunks: t.Iterable[bytes] | None) -> None:
        if chunks is None:
            data = json.dumps(body).encode("utf-8") if body is not None else None
            connection.request(method, target, body=data, headers={"Content-Type": "application/json"})
            return
        # Opened beforehand: an error of the socket must not look like an error of the chunks.
        connection.connect()
        headers = {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"}
        try:
            connection.request(method, target, body=_Own(chunks), headers=headers, encode_chunked=True)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the engine has heard enough; its answer says why
        except _Source as exc:
            raise exc.error from None

    def _refuse(self, answer: http.client.HTTPResponse, path: str) -> None:
        if answer.status >= 400:
            raise RemoteError(f"Docker Engine at {self.path}", f"{path} answered {answer.status}: {_message(self._body(answer))}")

    @staticmethod
    def _body(answer: http.client.HTTPResponse, limit: int = _MAX_ANSWER) -> bytes:
        buffer = io.BytesIO()
        while buffer.tell() <= limit:
            chunk = answer.read(CHUNK)
            if not chunk:
                return buffer.getvalue()
            buffer.write(chunk)
        raise RemoteError("Docker Engine", f"an answer of more than {limit} bytes")


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        if self.sock is None:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(self._path)


class _Source(Exception):
    """Wraps an error of the chunks while http.client passes it on."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


class _Own:
    """Chunks whose errors are told from those of the socket."""

    def __init__(self, chunks: t.Iterable[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> t.Iterator[bytes]:
        try:
            yield from self._chunks
        except Exception as exc:
            raise _Source(exc) from exc


def file_in(archive: bytes, limit: int = 1024 * 1024) -> bytes:
    """The first regular file in a tar archive, at most ``limit`` bytes; empty when there is none."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            stream = tar.extractfile(member) if member.isreg() else None
            if stream is not None:
                return stream.read(limit)
    return b""


def _exactly(answer: http.client.HTTPResponse, size: int) -> bytes:
    parts = b""
    while len(parts) < size:
        chunk = answer.read(size - len(parts))
        if not chunk:
            break
        parts += chunk
    return parts


def _json_lines(data: bytes) -> t.Iterator[dict[str, Json]]:
    """JSON values one after the other; an engine that refuses may answer plain text."""
    decoder, text, place = json.JSONDecoder(), data.decode("utf-8", "replace").strip(), 0
    while place < len(text):
        try:
            value, place = decoder.raw_decode(text, place)
        except ValueError:
            yield {"error": text[place:]}
            return
        yield {"error": value["message"]} if set(value) == {"message"} else value
        while place < len(text) and text[place].isspace():
            place += 1


def _message(data: bytes) -> str:
    try:
        return _short(str(json.loads(data)["message"]))
    except (ValueError, KeyError, TypeError):
        return _short(data.decode("utf-8", "replace"))


def _short(text: str) -> str:
    return " ".join(text.split())[:_WORDS] or "no message"


def _number(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in str(text).split(".")[:2])
