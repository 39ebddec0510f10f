#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch container images from a registry into the store, by digest."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: image_fetch
short_description: Fetch container images from a registry into the store
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Copies images for linux/amd64 from a registry into the content-addressed store, with the registry's original bytes, so that digests
    equal those upstream. Layers that the store has, of whatever image, are not fetched again.
  - All images are looked up before the first is fetched; what cannot be had is told at once.
  - A tag is looked up at each run. Once fetched it is locked to its digest, since licenses are made for one digest. Where the tag has moved or is gone,
    O(accept_moved) takes the new image and O(keep_locked) stays with the old one.
  - Mirrors that C(containers-registries.conf) declares for the registry are asked first, in order, by C(skopeo).
  - Runs on the builder in the connected zone. Needs C(skopeo).
options:
  store:
    description: Folder of the store. Made when it is not there.
    type: path
    required: true
  registry:
    description: Host of the registry with an optional port, without scheme and path.
    type: str
    required: true
  images:
    description: The images to fetch. Two alike count once.
    type: list
    elements: dict
    required: true
    suboptions:
      service:
        description: Name of the service in the catalog.
        type: str
        required: true
      repository:
        description: Repository without the registry's host.
        type: str
        required: true
      tag:
        description: Tag of the image.
        type: str
        required: true
  accept_moved:
    description: Take the new image where a tag has moved to another digest since it was fetched. Licenses must be downloaded anew for it.
    type: bool
    default: false
  keep_locked:
    description:
      - Take the image of the digest that a tag is locked to, whatever the registry has under the tag now, for as long as licenses are made for it.
      - The registry is asked for that digest, and for nothing where the store has the image whole.
    type: bool
    default: false
  ca_path:
    description: Folder with C(ca.crt) of the authority that signed the registry's certificate, and C(client.cert) and C(client.key) if it asks for them.
    type: path
  validate_certs:
    description: Whether the registry must speak TLS with a certificate that is trusted. Turn it off only for a registry on this machine.
    type: bool
    default: true
  authfile:
    description: File with the registry's login as C(skopeo login) writes it.
    type: path
  timeout:
    description: Seconds without a new byte after which a request has failed.
    type: int
    default: 120
  retries:
    description: How often a failed request is tried again, after 1, 2, 4, … seconds. Layers that came whole are not fetched again.
    type: int
    default: 2
  lock:
    description:
      - File that holds each tag's digest as of its first fetch, for version control; written after each image and obeyed by the next fetch.
      - Without it, the store itself is the lock.
    type: path
  bandwidth:
    description: Bytes a second that layers may take of the line, on the average. V(0) takes all of it.
    type: int
    default: 0
  newer:
    description: Whether to look for newer tags too and tell them in RV(newer).
    type: bool
    default: false
  proxy:
    description:
      - Proxy through which the registry is reached, as C(HTTP_PROXY), C(HTTPS_PROXY), C(HTTP_PROXY_CREDS) and C(NO_PROXY).
      - C(skopeo) gets them in its environment. They may hold a password, so they are not shown.
    type: dict
    default: {}
  progress_file:
    description: File that the progress is written to, for the callback C(airgap.azure_ai.progress).
    type: path
requirements:
  - skopeo
extends_documentation_fragment:
  - airgap.azure_ai._attributes
attributes:
  check_mode:
    support: full
    details:
      - The registry is asked for manifests and configs; nothing is kept.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - The registry's tags are part of the outside state.
seealso:
  - module: airgap.azure_ai.bundle_build
"""

EXAMPLES = r"""
- name: Fetch two images that share layers
  airgap.azure_ai.image_fetch:
    store: "{{ azure_ai_home }}/store"
    registry: "{{ azure_ai_registry }}"
    images:
      - service: speech_to_text
        repository: azure-cognitive-services/speechservices/speech-to-text
        tag: 4.9.0-amd64-en-us
      - service: language_detection
        repository: azure-cognitive-services/textanalytics/language
        tag: 1.1.013570001-amd64
"""

RETURN = r"""
images:
  description: Record of each image, in the order asked for.
  returned: success
  type: list
  elements: dict
  contains:
    service: {description: Name of the service., type: str, returned: always}
    repository: {description: Repository without the registry's host., type: str, returned: always}
    tag: {description: Tag of the image., type: str, returned: always}
    manifest: {description: Digest of the image's manifest for the platform., type: str, returned: always}
    media_type: {description: Media type of the manifest., type: str, returned: always}
    manifest_size: {description: Bytes of the manifest., type: int, returned: always}
    config: {description: Digest of the image's config., type: str, returned: always}
    config_size: {description: Bytes of the config., type: int, returned: always}
    layers: {description: "Layers with C(digest), C(size), C(media_type) and C(diff_id), base first.", type: list, elements: dict, returned: always}
    platform: {description: Always C(linux/amd64)., type: str, returned: always}
    fetched: {description: "When it was fetched first, in UTC.", type: str, returned: always}
newer:
  description: Tags with a higher version of the same flavour, highest first, for each image that has some.
  returned: when O(newer)
  type: list
  elements: dict
  contains:
    service: {description: Name of the service., type: str, returned: always}
    tag: {description: Tag of the image., type: str, returned: always}
    newer: {description: The newer tags., type: list, elements: str, returned: always}
notes:
  description: Images that O(keep_locked) held to their digest, and where they come from.
  returned: success
  type: list
  elements: str
fetched_bytes:
  description: Bytes that were fetched, or would be in check mode.
  returned: success
  type: int
  sample: 3221225472
msg:
  description: What was done, in one line.
  returned: always
  type: str
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import proxy
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress, human
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import fetch, lockfile
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.skopeo import Access, Skopeo
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store


def run(params, check_mode):
    """Look up every image before the first is fetched; return the module's result."""
    store = Store(params["store"])
    access = (params["validate_certs"], params["ca_path"], params["authfile"], params["timeout"], params["retries"], proxy.of_program(params["proxy"]))
    source = Skopeo(Access(*access, limit=params["bandwidth"]))
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    before = [_line(image) for image in store.holdings()["images"]]
    wanted = list({tuple(sorted(image.items())): image for image in params["images"]}.values())
    locks = lockfile.load(params["lock"])
    if params["accept_moved"] and params["keep_locked"]:
        raise InputError("accept_moved and keep_locked", "say the opposite of each other", "give one of them")
    plans = fetch.plan_all(store, source, params["registry"], wanted, now, params["accept_moved"], locks, params["keep_locked"])
    due = [plan for plan in plans if not plan.known]
    size = fetch.total(due)
    news = lockfile.add(params["lock"], [plan.record for plan in plans], write=False)
    if not check_mode:
        lockfile.add(params["lock"], [plan.record for plan in plans if plan.known])
        _fetch(params, store, source, due)
    after = before + [_line(plan.record) for plan in due]
    return {
        "changed": bool(due or news),
        "msg": _told(due, size, news, len(plans), check_mode),
        "images": [plan.record for plan in plans],
        "notes": [plan.note for plan in plans if plan.note],
        "fetched_bytes": size,
        "diff": {
            "before": _text(before) + _text(f"lock {name} {locks[name]}" for name in news if name in locks),
            "after": _text(after) + _text(f"lock {name} {digest}" for name, digest in news.items()),
        },
        **({"newer": list(_newer(source, params["registry"], wanted))} if params["newer"] else {}),
    }


def _fetch(params, store, source, due):
    """Fetch; each image is locked as soon as it is there, so that one which fails does not take the others' locks with it."""
    if not due:
        return
    fetch.prepare(store, due)
    with Progress("images", fetch.total(due), params["progress_file"]) as progress:
        for plan in due:
            fetch.carry_out(store, source, params["registry"], plan, progress.advance)
            lockfile.add(params["lock"], [plan.record])


def _told(due, size, news, count, check_mode):
    names = ", ".join(_line(plan.record) for plan in due)
    said = f"{'would fetch' if check_mode else 'fetched'} {human(size)}: {names}" if due else f"all {count} images are in the store"
    return said + (f"; {'would lock' if check_mode else 'locked'} {', '.join(sorted(news))}" if news else "")


def _newer(source, host, wanted):
    """Newer tags; a registry that does not list its tags keeps nobody from fetching."""
    tags = {}
    for image in wanted:
        reference = f"{host}/{image['repository']}"
        if reference not in tags:
            try:
                tags[reference] = source.tags(reference)
            except AirgapError:
                tags[reference] = []
        found = fetch.newer(tags[reference], image["tag"])
        if found:
            yield {"service": image["service"], "tag": image["tag"], "newer": found}


def _line(image):
    return f"{image['service']}:{image['tag']} {image['manifest']}"


def _text(lines):
    return "".join(f"{line}\n" for line in sorted(set(lines)))


def main():
    """Read the options, run, report."""
    image = {name: {"type": "str", "required": True} for name in ("service", "repository", "tag")}
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "path", "required": True},
            "registry": {"type": "str", "required": True},
            "images": {"type": "list", "elements": "dict", "required": True, "options": image},
            "accept_moved": {"type": "bool", "default": False},
            "keep_locked": {"type": "bool", "default": False},
            "ca_path": {"type": "path"},
            "validate_certs": {"type": "bool", "default": True},
            "authfile": {"type": "path"},
            "timeout": {"type": "int", "default": 120},
            "retries": {"type": "int", "default": 2},
            "lock": {"type": "path"},
            "bandwidth": {"type": "int", "default": 0},
            "newer": {"type": "bool", "default": False},
            "proxy": {"type": "dict", "default": {}, "no_log": True},
            "progress_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))
    if not module._diff:
        del result["diff"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
