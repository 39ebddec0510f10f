# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connected side's services: a real registry holding the simulator's images, and the stand-in Azure."""

from __future__ import annotations

import hashlib
import http.client
import ssl
import typing as t
import urllib.request
from pathlib import Path

from tests.lab import roots, shell
from tests.lab.settings import CACHE, REGISTRY, REGISTRY_ADDRESS, host, state_file
from tests.simulator import images

_PORT = int(REGISTRY.partition(":")[2])
_V2S2 = "application/vnd.docker.distribution.manifest.v2+json"


def build_images() -> Path:
    """Make the simulator's images in the cache, from a base that is built when it is missing or damaged."""
    tree = roots.DISTROLESS
    wanted = CACHE / "images" / images.key(tree.key())
    if not wanted.is_dir():
        with shell.step("images: build"):
            images.build(roots.whole(tree), tree.key(), CACHE / "images")
    return wanted


def fill() -> None:
    """Push what the registry lacks, give the stand-in Azure its present program, and wait until both answer."""
    cloud = host("cloud").container
    shell.inside(cloud, "systemctl", "restart", "azlab-azure")
    shell.wait_for("the registry answers", lambda: registry_status("/v2/")[0] == 200, 30)
    build_images()
    push(images.IMAGES)
    shell.wait_for("the stand-in Azure answers", azure_answers, 30)


def push(wanted: t.Iterable[images.Image]) -> None:
    """Make images that the cache lacks and push what the registry lacks."""
    cloud = host("cloud").container
    wanted = list(wanted)
    with shell.step("images: make"):
        built = images.make(roots.whole(roots.DISTROLESS), roots.DISTROLESS.key(), CACHE / "images", wanted)
    for image in wanted:
        digest = "sha256:" + hashlib.sha256((built / image.folder / "manifest.json").read_bytes()).hexdigest()
        if registry_status(f"/v2/{image.repository}/manifests/{image.tag}") != (200, digest):
            with shell.step(f"push {image.repository}:{image.tag}"):
                source = f"dir:/srv/images/{built.name}/{image.folder}"
                target = f"docker://{REGISTRY}/{image.repository}:{image.tag}"
                shell.inside(cloud, "skopeo", "copy", "-q", "--dest-cert-dir", "/etc/airgap-lab/certs", source, target, timeout=120)


def retag(image: images.Image, tag: str) -> None:
    """Let another tag of an image's repository stand for it; ``push`` puts it right."""
    place = f"docker://{REGISTRY}/{image.repository}"
    trust = ["--src-cert-dir", "/etc/airgap-lab/certs", "--dest-cert-dir", "/etc/airgap-lab/certs"]
    shell.inside(host("cloud").container, "skopeo", "copy", "-q", *trust, f"{place}:{image.tag}", f"{place}:{tag}", timeout=120)


def registry_status(path: str) -> tuple[int, str]:
    """HTTP status and content digest of a HEAD request; 0 when nothing answers."""
    trust = ssl.create_default_context(cafile=str(state_file("ca.pem")))
    connection = http.client.HTTPSConnection(REGISTRY_ADDRESS, _PORT, timeout=5, context=trust)
    try:
        connection.request("HEAD" if path != "/v2/" else "GET", path, headers={"Accept": _V2S2})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Docker-Content-Digest", "")
    except OSError:
        return 0, ""
    finally:
        connection.close()


def azure_answers() -> bool:
    """Whether the stand-in Azure says that it lives."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://{REGISTRY_ADDRESS}:8080/", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
