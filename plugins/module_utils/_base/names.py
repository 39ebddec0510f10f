# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that several wings must spell alike.

This file is private to the collection.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest

LOCAL_REGISTRY = "azure-ai.invalid"  # RFC 2606: never resolves, so an engine can never pull it
LABEL_PREFIX = "airgap.azure_ai."
REGISTRY_PACKAGE = "docker-registry"  # comes with the hosts' packages, and is for the control node alone
# Debian's packages of the engine: what a managed host is kept up to date in, and one with an engine of another origin must not get a second time.
ENGINE_PACKAGES = frozenset(("docker.io", "docker-cli", "docker-buildx", "docker-compose", "containerd", "runc", "tini"))
OTHER_ENGINES = frozenset(("docker-ce", "docker-ce-cli", "containerd.io", "moby-engine", "moby-containerd"))
# Media types of what a registry has for an image, Docker's and OCI's.
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MANIFESTS = (DOCKER_MANIFEST, OCI_MANIFEST)
INDEXES = ("application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json")
_ANY = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def local_image(service: str, manifest: str) -> str:
    """Name of an image on a host: ours for every transport, one per manifest digest."""
    return f"{LOCAL_REGISTRY}/{service}:{Digest.parse(manifest).short}"


def is_dns_label(text: object) -> bool:
    """Whether ``text`` may be a container's name and host name (RFC 1123)."""
    return isinstance(text, str) and _DNS_LABEL.fullmatch(text) is not None


def local_url(address: str, port: int) -> str:
    """Where a host itself reaches what is published on an address of it, or on all of one kind."""
    there = _ANY.get(address, address)
    return f"http://[{there}]:{port}" if ":" in there else f"http://{there}:{port}"


def published_url(published: t.Sequence[t.Sequence[t.Any]], port: t.Optional[int] = None) -> t.Optional[str]:
    """Where a host itself reaches a container, or None; IPv4 before IPv6, as an engine publishes on both.

    :param published: [address, port, port in the container] of each
    :param port: the one in the container that is meant; any
    """
    found = sorted((each for each in published if port in (None, each[2])), key=lambda each: ":" in each[0])
    return local_url(found[0][0], found[0][1]) if found else None
