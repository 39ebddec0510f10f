# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to a registry: what is asked for, and what a refusal means in one line. (Whole images: test_freight_fetch.py.)"""

from __future__ import annotations

import shlex
import types
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import skopeo
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

REFERENCE = "registry.example/x:1.0"


@pytest.fixture
def remote(tmp_path: Path) -> kit.FolderRegistry:
    return kit.FolderRegistry(tmp_path / "registry")


def test_manifest_and_config_are_the_original_bytes(remote: kit.FolderRegistry) -> None:
    image = kit.make_image("base")
    remote.push("1.0", image)
    source = skopeo.Skopeo(skopeo.Access(), str(remote.program))
    assert source.manifest(REFERENCE) == image.manifest
    assert source.config(REFERENCE) == image.config


def test_how_the_registry_is_reached_goes_along(tmp_path: Path) -> None:
    program = tmp_path / "skopeo"
    program.write_text('#!/bin/sh\necho "$*"\n')
    program.chmod(0o755)
    access = skopeo.Access(validate_certs=False, ca_path="/ca", authfile="/login.json", retries=5)
    words = shlex.split(skopeo.Skopeo(access, str(program)).manifest(REFERENCE).decode())
    assert {"--tls-verify=false", "--cert-dir=/ca", "--authfile=/login.json", "--retry-times=5"} <= set(words)
    assert words[-1] == f"docker://{REFERENCE}"
    words = shlex.split(skopeo.Skopeo(skopeo.Access(), str(program)).config(REFERENCE).decode())
    assert "--tls-verify=true" in words
    assert [word for word in words if word.startswith(("--cert-dir", "--authfile"))] == []


def test_the_proxy_is_in_the_environment_and_in_no_command_line(tmp_path: Path) -> None:
    program = tmp_path / "skopeo"
    program.write_text('#!/bin/sh\necho "$HTTPS_PROXY|$NO_PROXY|$*"\n')
    program.chmod(0o755)
    access = skopeo.Access(environment={"HTTPS_PROXY": "http://user:word@proxy.example:3128", "NO_PROXY": "local"})
    proxy, exceptions, words = skopeo.Skopeo(access, str(program)).manifest(REFERENCE).decode().split("|")
    assert (proxy, exceptions) == ("http://user:word@proxy.example:3128", "local")
    assert "word" not in words and "word" not in repr(access)


@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        ("reading manifest x in r: manifest unknown: manifest unknown", MissingError, "no such tag"),
        ("reading manifest x: unauthorized: authentication required", RemoteError, "refuses us"),
        ("unexpected status from GET request to r: 401 Unauthorized", RemoteError, "refuses us"),
        ("unexpected status from GET request to r: 429 Too Many Requests", RemoteError, "come back later"),
        ("pinging container registry r: Get: x509: certificate signed by unknown authority", RemoteError, "certificate is not trusted"),
        ("pinging container registry r: http: server gave HTTP response to HTTPS client", RemoteError, "plain HTTP"),
        ("pinging container registry r: dial tcp: lookup r: no such host", RemoteError, "does not answer"),
        ("writing blob sha256:9401f429: no space left on device", RemoteError, "no space left"),
        ("Get https://r/v2/: proxyconnect tcp: dial tcp: lookup p: no such host", RemoteError, "proxy refuses us or does not answer"),
        ("Get https://r/v2/: Proxy Authentication Required", RemoteError, "look at azure_ai_proxy"),
        ("something new", RemoteError, "skopeo failed: something new"),
    ],
)
def test_failures_are_one_clear_line(remote: kit.FolderRegistry, said: str, error: type[Exception], text: str) -> None:
    remote.fail(said)
    with pytest.raises(error, match=text) as caught:
        skopeo.Skopeo(skopeo.Access(), str(remote.program)).manifest(REFERENCE)
    assert "level=fatal" not in str(caught.value) and "\n" not in str(caught.value)
    assert REFERENCE in str(caught.value)


def test_a_failure_without_a_word_is_told_as_such() -> None:
    assert "no message" in str(skopeo.explain("image x", ""))


def test_a_missing_program_is_named() -> None:
    with pytest.raises(MissingError, match="install the package"):
        skopeo.Skopeo(skopeo.Access(), "no-such-skopeo").manifest(REFERENCE)


def test_tags_of_a_repository(remote: kit.FolderRegistry) -> None:
    for tag in ("1.0", "2.0"):
        remote.push(tag, kit.make_image("base", tag))
    assert {"1.0", "2.0"} <= set(skopeo.Skopeo(skopeo.Access(), str(remote.program)).tags(f"registry.example/{kit.REPOSITORY}"))


@pytest.mark.parametrize(
    ("retries", "text", "asked"), [(2, "received unexpected HTTP status: 503 Service Unavailable", 3), (0, "503", 1), (2, "unauthorized", 1)]
)
def test_a_busy_registry_is_asked_again_after_pauses_that_double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, retries: int, text: str, asked: int) -> None:
    program, log = tmp_path / "skopeo", tmp_path / "log"
    slept: list[float] = []
    program.write_text(f"#!/bin/sh\necho asked >> {log}\necho 'level=fatal msg=\"pinging container registry: {text}\"' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(skopeo.time, "sleep", slept.append)
    with pytest.raises(AirgapError):
        skopeo.Skopeo(skopeo.Access(retries=retries), str(program)).manifest(REFERENCE)
    assert log.read_text().split() == ["asked"] * asked and [pause for pause in slept if pause >= 1] == [1, 2][: asked - 1]


def test_a_transfer_that_stalls_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, count, naps = tmp_path / "skopeo", tmp_path / "count", []
    monkeypatch.setattr(skopeo, "time", types.SimpleNamespace(sleep=naps.append))
    program.write_text(f'#!/bin/sh\necho x >>{count}\n[ "$(wc -l <{count})" -gt 1 ] || exec sleep 30\necho "said"\n')
    program.chmod(0o755)
    assert skopeo.Skopeo(skopeo.Access(timeout=0.5, retries=1), str(program)).manifest(REFERENCE) == b"said\n"
    assert naps == [1] and count.read_text().split() == ["x", "x"]
    count.unlink()
    with pytest.raises(RemoteError, match=f"^image {REFERENCE}: no byte came in 0.5 s; look at the network, or raise timeout"):
        skopeo.Skopeo(skopeo.Access(timeout=0.5, retries=0), str(program)).manifest(REFERENCE)
