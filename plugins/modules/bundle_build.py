#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build one site's signed bundle out of the store."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bundle_build
short_description: Build a signed bundle for one site out of the store
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Composes what a site needs (images, licenses with their models, packages) from the store and lays it out as a folder whose parts are
    named by their digests, with a signed manifest.
  - Blobs are linked into the folder where the file system can, else copied. All of them are read once and compared with their digests.
  - A bundle is built only when its contents differ from the last one of that site; then its sequence is one higher.
  - A license that was made for another image than the tag names now is refused, since it would not open that image's files.
  - Runs on the builder in the connected zone. Needs C(ssh-keygen) of OpenSSH 8.9 or later.
options:
  store:
    description: Folder of the store.
    type: path
    required: true
  dest:
    description:
      - Folder of the bundles. The bundle becomes the folder C(<site>-<sequence>) in it.
      - C(<site>.json) in it is the manifest built last; it says which sequence comes next. Keep it.
    type: path
    required: true
  site:
    description: Name of the site, a DNS label.
    type: str
    required: true
  selectors:
    description: What the site's containers are made of. Two alike count once.
    type: list
    elements: dict
    required: true
    suboptions:
      service:
        description: Name of the service in the catalog.
        type: str
        required: true
      tag:
        description: Tag of the image.
        type: str
        required: true
      resource:
        description: Name of the Azure resource that the license is of.
        type: str
        required: true
      options:
        description: Options of the container as declared.
        type: dict
        default: {}
      release:
        description: Id of the release to take. Without it, the one downloaded last; a store that serves several sites holds one for each vault id.
        type: str
  os:
    description: Releases whose packages go along, for example V(debian-12).
    type: list
    elements: str
    default: []
  signing_key:
    description: Private key (or, with an agent, public key) that signs the manifest.
    type: path
    required: true
  receipts:
    description: Receipt files to be carried to the site; each has its signature beside it as C(<file>.sig).
    type: list
    elements: path
    default: []
  progress_file:
    description: File that the progress is written to, for the callback C(airgap.azure_ai.progress).
    type: path
requirements:
  - ssh-keygen
extends_documentation_fragment:
  - airgap.azure_ai._attributes
attributes:
  check_mode:
    support: full
    details:
      - The contents are composed and compared; blobs are not read.
  diff_mode:
    support: full
    details:
      - Shows the contents of the last bundle and of this one, a line each.
  idempotent:
    support: full
seealso:
  - module: airgap.azure_ai.bundle_info
  - module: airgap.azure_ai.bundle_import
"""

EXAMPLES = r"""
- name: Build what plant-7 needs
  airgap.azure_ai.bundle_build:
    store: "{{ azure_ai_home }}/store"
    dest: "{{ azure_ai_home }}/bundles"
    site: plant-7
    selectors:
      - service: speech_to_text
        tag: 4.9.0-amd64-en-us
        resource: speech-dc0
    os: [debian-12]
    signing_key: "{{ azure_ai_signing_key }}"
"""

RETURN = r"""
path:
  description: Folder of the bundle.
  returned: success
  type: str
  sample: /srv/azure-ai/bundles/plant-7-12
id:
  description: Digest of the bundle's contents.
  returned: success
  type: str
sequence:
  description: Sequence of the bundle.
  returned: success
  type: int
  sample: 12
bytes:
  description: Bytes of all blobs.
  returned: success
  type: int
blobs:
  description: Number of blobs.
  returned: success
  type: int
contents:
  description: What the bundle is and holds.
  returned: success
  type: dict
  contains:
    id: {description: Digest of the contents., type: str, returned: always}
    site: {description: Name of the site., type: str, returned: always}
    sequence: {description: Sequence of the bundle., type: int, returned: always}
    created: {description: "When it was built, in UTC.", type: str, returned: always}
    collection: {description: Version of the collection that built it., type: str, returned: always}
    images: {description: "Images as C(service:tag).", type: list, elements: str, returned: always}
    releases: {description: Number of releases., type: int, returned: always}
    models: {description: Number of model sets., type: int, returned: always}
    packages: {description: Number of packages., type: int, returned: always}
    receipts: {description: Number of receipt files., type: int, returned: always}
    blobs: {description: Number of blobs., type: int, returned: always}
    bytes: {description: Bytes of all blobs., type: int, returned: always}
msg:
  description: What was done and why, in one line.
  returned: always
  type: str
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress, human
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import manifest, shape
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.bundle import Bundles, receipts
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store

COLLECTION = "1.0.0"


def run(params, check_mode):
    """Compose, compare with the last bundle, build when they differ; return the module's result."""
    store = Store(params["store"])
    bundles = Bundles(params["dest"], store)
    key = params["signing_key"]
    wanted = _compose(params, store, keep=not check_mode)
    last = bundles.last(params["site"])
    reason = bundles.reason(wanted, last, key)
    if last and manifest.same_contents(wanted, last):
        wanted = last  # a folder that is gone comes back as it was, with its sequence
    else:
        wanted["sequence"] = bundles.next_sequence(params["site"], last)
        wanted["id"] = manifest.identity(wanted)
    if reason and not check_mode:
        progress = Progress(f"bundle {params['site']}-{wanted['sequence']}", sum(blob["size"] for blob in wanted["blobs"]), params["progress_file"])
        bundles.build(wanted, key, progress.advance)
        progress.finish()
    return _result(bundles.folder(wanted), wanted, last, reason, check_mode)


def _compose(params, store, keep):
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())))
    files = receipts(store, params["receipts"], keep)
    composed = manifest.compose(store.holdings(), params["selectors"], params["os"], params["site"], COLLECTION, created=now, receipts=files)
    problems = shape.validate(composed)
    if problems:  # the site would refuse it, days later
        raise Problems(f"bundle for {params['site']}", problems)
    return composed


def _result(path, wanted, last, reason, check_mode):
    contents = manifest.summary(wanted)
    verb = "would build" if check_mode else "built"
    return {
        "changed": reason is not None,
        "msg": f"{verb} {path}, {human(contents['bytes'])}: {reason}" if reason else f"{path} has these contents already",
        "path": path,
        "id": wanted["id"],
        "sequence": wanted["sequence"],
        "bytes": contents["bytes"],
        "blobs": contents["blobs"],
        "contents": contents,
        "diff": {"before": _text(last), "after": _text(wanted)},
    }


def _text(bundle):
    return "".join(f"{line}\n" for line in manifest.contents(bundle)) if bundle else ""


def main():
    """Read the options, run, report."""
    selector = {name: {"type": "str", "required": True} for name in ("service", "tag", "resource")}
    optional = {"options": {"type": "dict", "default": {}}, "release": {"type": "str"}}
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "path", "required": True},
            "dest": {"type": "path", "required": True},
            "site": {"type": "str", "required": True},
            "selectors": {"type": "list", "elements": "dict", "required": True, "options": {**selector, **optional}},
            "os": {"type": "list", "elements": "str", "default": []},
            "signing_key": {"type": "path", "required": True, "no_log": False},
            "receipts": {"type": "list", "elements": "path", "default": []},
            "progress_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=str(exc))
    if not module._diff:
        del result["diff"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
