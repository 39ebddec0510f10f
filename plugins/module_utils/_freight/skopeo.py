# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a registry through skopeo, and say in one line why it did not answer.

This file is private to the collection.
"""

from __future__ import annotations

import os
import re
import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import registry, watch

_BUSY = re.compile(r"unexpected HTTP status:? (?:code )?50[0234]|50[0234] \(|\bEOF\b|connection reset", re.IGNORECASE)
_LOG_LINE = re.compile(r'level=(?:fatal|error) msg="((?:[^"\\]|\\.)*)"')
_REASONS: tuple[tuple[str, type[AirgapError], str, str], ...] = (
    (
        r"proxyconnect|proxy authentication|\b407\b",
        RemoteError,
        "the proxy refuses us or does not answer",
        "look at azure_ai_proxy: address, credentials, and whether the proxy lets the registry and its data hosts through",
    ),
    (r"manifest unknown|name unknown|repository name not known|not found", MissingError, "the registry has no such tag", "look at repository and tag"),
    (
        r"unauthorized|authentication required|access denied|denied:|403 \(Forbidden\)|\b401\b",
        RemoteError,
        "the registry refuses us",
        "log in (skopeo login --authfile) and name that file in authfile",
    ),
    (
        r"x509|certificate|tls: ",
        RemoteError,
        "the registry's certificate is not trusted",
        "put the authority's certificate as ca.crt into a folder and name the folder in ca_path",
    ),
    (
        r"HTTP response to HTTPS client",
        RemoteError,
        "the registry speaks plain HTTP",
        "use its TLS port; validate_certs=false only for a registry on this machine",
    ),
    (r"toomanyrequests|\b429\b", RemoteError, "the registry asks us to come back later", "run again after some minutes"),
    (r"no space left", RemoteError, "no space left on the disk of the store", "make room and run again: whole layers are kept"),
    (
        r"connection refused|no such host|i/o timeout|no route to host|network is unreachable|EOF|pinging container registry|deadline",
        RemoteError,
        "the registry does not answer",
        "look at the registry's name and the network, then run again",
    ),
)


@dataclass(frozen=True)
class Access:
    """How the registry is reached.

    :param ca_path: folder with ``ca.crt`` (and a client's ``.cert`` and ``.key``), or None
    :param timeout: seconds without a new byte after which skopeo is stopped
    :param retries: how often skopeo tries again by itself, and we where it does not
    :param environment: variables of a proxy; never in the command line, which everybody can read
    :param limit: bytes a second that layers may take of the line, 0 for all of it
    """

    validate_certs: bool = True
    ca_path: str | None = None
    authfile: str | None = None
    timeout: float = 120
    retries: int = 2
    environment: t.Mapping[str, str] = field(default_factory=dict, repr=False)
    limit: int = 0


class Skopeo:
    """The three questions that fetching needs."""

    def __init__(self, access: Access, program: str = "skopeo") -> None:
        self._access = access
        self._program = program

    def manifest(self, reference: str) -> bytes:
        """The original bytes that lie under a tag or digest: a manifest or an index."""
        return self._run(reference, ["inspect", "--raw", *self._options(""), f"docker://{reference}"])

    def config(self, reference: str) -> bytes:
        """The original bytes of the image config."""
        return self._run(reference, ["inspect", "--config", "--raw", *self._options(""), f"docker://{reference}"])

    def tags(self, reference: str) -> list[str]:
        """All tags of a repository; ``reference`` is without a tag."""
        value = parse(self._run(reference, ["list-tags", *self._options(""), f"docker://{reference}"]), f"tags of {reference}")
        found = value.get("Tags") if isinstance(value, dict) else None
        return [tag for tag in found if registry.is_tag(tag)] if isinstance(found, list) else []

    def copy(self, reference: str, layout: str, blobs: str, advance: t.Callable[[int], object] | None = None) -> None:
        """Bring the layers of ``reference`` unchanged into ``blobs``/sha256; those that lie there are not fetched.

        ``layout`` gets what skopeo writes besides: a manifest and a config of its own making.
        """
        # Without accept-uncompressed skopeo would compress a plain layer, and so change its digest.
        options = ["--quiet", "--dest-oci-accept-uncompressed-layers", "--dest-shared-blob-dir", blobs, *self._options("src-")]
        self._run(reference, ["copy", *options, f"docker://{reference}", f"oci:{layout}:image"], [layout, blobs], advance)

    def _options(self, side: str) -> list[str]:
        access = self._access
        options = [f"--{side}tls-verify={'true' if access.validate_certs else 'false'}", f"--retry-times={access.retries}"]
        if access.ca_path:
            options.append(f"--{side}cert-dir={access.ca_path}")
        if access.authfile:
            options.append(f"--authfile={access.authfile}")
        return options

    def _run(self, reference: str, arguments: list[str], folders: t.Sequence[str] = (), advance: t.Callable[[int], object] | None = None) -> bytes:
        command = [self._program, *_policy(), *arguments]
        failure: AirgapError = RemoteError(f"image {reference}", "was not asked for")
        for attempt in range(self._access.retries + 1):
            try:
                done = watch.run(command, self._access.timeout, folders, advance, self._access.environment, self._access.limit)
                if done.returncode == 0:
                    return done.stdout
                failure, again = explain(f"image {reference}", done.stderr), bool(_BUSY.search(done.stderr))
            except watch.StalledError as exc:
                failure, again = RemoteError(f"image {reference}", exc.problem, exc.way_out), True
            # Not all of this does skopeo try again by itself: not a registry that is busy when it is first asked, nor each line that breaks or falls silent.
            if not again:
                break
            if attempt < self._access.retries:
                time.sleep(2**attempt)
        raise failure


def explain(what: str, stderr: str) -> AirgapError:
    """The error that skopeo's output means, in one line without its noise."""
    messages = _LOG_LINE.findall(stderr)
    text = (messages[-1] if messages else stderr.strip().splitlines()[-1] if stderr.strip() else "no message").replace('\\"', '"')
    for pattern, error, problem, way_out in _REASONS:
        if re.search(pattern, text, re.IGNORECASE):
            return error(what, problem, way_out)
    return RemoteError(what, f"skopeo failed: {text[-300:]}")


def _policy() -> list[str]:
    # skopeo refuses to start without a policy file; where the administrator has made none, digests are what we check.
    places = (os.path.expanduser("~/.config/containers/policy.json"), "/etc/containers/policy.json")
    return [] if any(os.path.exists(place) for place in places) else ["--insecure-policy"]
