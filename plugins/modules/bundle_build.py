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
  - Blobs are linked into the folder where the file system can, else copied. Each is read and compared with its digest, unless it was before
    and is the very same file still.
  - With O(holdings) or O(former), blobs that the site holds are left out; the manifest lists them all the same.
  - A bundle is built only when its contents differ from the last one of that site, or when that one leaves out more than the site holds;
    then its sequence is one higher.
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
      repository:
        description: Repository of the image. Needed only where versions of a service share a tag and differ in repository.
        type: str
      release:
        description: Id of the release to take. Without it, the one bound last; a store that serves several sites holds one for each vault id.
        type: str
  os:
    description: Releases whose packages go along, for example V(debian-12).
    type: list
    elements: str
    default: []
  packages:
    description:
      - Packages of a release in place of the store's whole set for it, where C(package_fetch) could work out from the site's wants what its hosts lack.
        A dictionary of releases; each is a list of records as C(package_fetch) returns them (C(chosen)).
      - What the site's store holds of the whole set, by O(holdings) or O(former), stays in the bundle, as it costs nothing there.
    type: dict
    default: {}
  other_packages:
    description: Names of packages that the store has because other sites asked for them. They go along, and hosts of this site do not install them.
    type: list
    elements: str
    default: []
  holdings:
    description:
      - What the site holds, as it sent it out, C(holdings.json) with its signature beside it. Those blobs are left out.
      - Or a folder with files of many sites; the site's own with the highest counter is taken. Without one, the bundle is complete.
    type: path
  former:
    description: A bundle that the site has taken in, its folder or C(bundle.json). Its blobs are left out. For sites that send nothing out.
    type: path
  missing:
    description:
      - C(missing.json) that the site wrote when a bundle built on blobs that it lacks, or the code that it showed. Exactly these blobs go along.
      - A code is understood where what it stands for can be worked out from the bundle built last and O(holdings).
    type: str
  format:
    description: Format of the bundle. V(1) for sites whose collection reads no later one; it cannot leave anything out.
    type: int
    choices: [1, 2]
    default: 2
  allowed_signers:
    description: Allowed-signers file of OpenSSH that O(holdings), O(former) and O(missing) are judged by.
    type: path
  full:
    description: Read all blobs again, also those that were found good before.
    type: bool
    default: false
  signing_key:
    description: Private key (or, with an agent, public key) that signs the manifest.
    type: path
    required: true
  receipts:
    description:
      - Receipt files to be carried to the site; each has its signature beside it as C(<file>.sig).
      - Public keys (C(.pub)) that the site is to be told of have none of their own. No site trusts a key because it came.
    type: list
    elements: path
    default: []
  control_kit:
    description:
      - Folder of a control kit that travels in the bundle's folder, made by M(airgap.azure_ai.control_kit). It is no part of the bundle's contents.
      - It is left out where the bundle builds on one that brought this very kit, and with O(format=1), which has no place for it.
    type: path
  progress_file:
    description: File that the progress is written to, for the callback C(airgap.azure_ai.progress).
    type: path
requirements:
  - ssh-keygen
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._signers
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

- name: Build what plant-7 does not hold yet
  airgap.azure_ai.bundle_build:
    store: "{{ azure_ai_home }}/store"
    dest: "{{ azure_ai_home }}/bundles"
    site: plant-7
    selectors:
      - service: speech_to_text
        tag: 4.9.0-amd64-en-us
        resource: speech-dc0
    os: [debian-12]
    holdings: "{{ azure_ai_home }}/inbox"
    allowed_signers: "{{ azure_ai_allowed_signers }}"
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
carried_bytes:
  description: Bytes of the blobs that lie in the bundle's folder.
  returned: success
  type: int
control_kit:
  description: Whether the control kit travels in the bundle's folder.
  returned: success
  type: bool
base:
  description: What the bundle builds on, as its manifest says, or null when it is complete.
  returned: success
  type: dict
notes:
  description: Files that were passed over, and why.
  returned: success
  type: list
  elements: str
lost_signatures:
  description: Further signatures of before that are of other bytes and not in the folder any more.
  returned: success
  type: list
  elements: str
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
    carried: {description: Number of blobs that lie in the folder., type: int, returned: always}
    carried_bytes: {description: Their bytes., type: int, returned: always}
msg:
  description: What was done and why, in one line.
  returned: always
  type: str
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, Problems, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress, human
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import carried, delta, manifest, shape
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.bundle import Bundles, receipts
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store

COLLECTION = "1.0.0"


def run(params, check_mode):
    """Compose, compare with the last bundle, build when they differ; return the module's result."""
    store = Store(params["store"])
    bundles = Bundles(params["dest"], store)
    key = params["signing_key"]
    last = bundles.last(params["site"])
    base, notes, trust = _base(params)
    composed = _compose(params, store, base.held if base else (), keep=not check_mode)
    wanted, received = _lean(params, composed, last, base, trust, bundles)
    kit = _kit(params, bundles, received)
    reason = bundles.reason(wanted, last, key, kit)
    if bundles.serves(wanted, last):
        wanted = last  # a folder that is gone comes back as it was, with its sequence
    else:
        wanted = manifest.identified({**wanted, "sequence": bundles.next_sequence(params["site"], last)})
    lost = bundles.unsigned(wanted, kit) if reason else []
    if reason and not check_mode:
        size = manifest.summary(wanted)["carried_bytes"]
        with Progress(f"bundle {params['site']}-{wanted['sequence']}", size, params["progress_file"]) as progress:
            bundles.build(wanted, key, progress.advance, params["full"], kit)
    elif not check_mode:
        bundles.remember(wanted)
    return {**_result(bundles.folder(wanted), wanted, last, reason, check_mode, lost), "notes": notes, "control_kit": bool(kit), "lost_signatures": lost}


def _kit(params, bundles, received):
    """Folder of the control kit that goes along: format 1 has no place for it, and a site that builds on a bundle with it has it already."""
    kit = params["control_kit"]
    return kit if kit and params["format"] > 1 and not bundles.brought(params["site"], received, kit) else None


def _base(params):
    """What the site holds, as far as it is known; notes; whose signatures count."""
    base, notes = None, []
    given = [name for name in ("holdings", "former", "missing") if params[name]]
    if given and not params["allowed_signers"]:
        raise InputError(", ".join(given), "cannot be verified without allowed_signers", "name the signers file")
    trust = Trust(params["allowed_signers"], params["revoked_keys"]) if given else None
    if params["former"]:
        base = carried.former(params["former"], params["site"], trust, params["signing_key"])
    elif params["holdings"]:
        base, notes = carried.holdings(params["holdings"], params["site"], trust)
    return base, notes, trust


def _lean(params, composed, last, base, trust, bundles):
    """The manifest in the wanted format without what the site holds, and the bundle that the site has taken in."""
    if params["missing"]:
        base = carried.missing(params["missing"], composed, last, base, trust, lambda: bundles.kept(params["site"]))
    return manifest.in_format(delta.lean(composed, base), params["format"]), base.received if base else None


def _compose(params, store, held, keep):
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())))
    files = receipts(store, params["receipts"], keep)
    _judge(params["packages"])
    given = {"created": now, "receipts": files, "chosen": params["packages"], "held": held, "others": params["other_packages"]}
    composed = manifest.compose(store.holdings(), params["selectors"], params["os"], params["site"], COLLECTION, **given)
    problems = shape.validate(composed)
    if problems:  # the site would refuse it, days later
        raise Problems(f"bundle for {params['site']}", problems)
    return composed


def _judge(packages):
    records = [(f"packages of {system}[{place}]", entry) for system, entries in packages.items() for place, entry in enumerate(entries or [])]
    problems = [line for where, entry in records for line in shape.record(entry, shape.SHAPES["packages"], where)]
    if problems:
        raise Problems("packages", problems[: shape.MAX_PROBLEMS])


def _result(path, wanted, last, reason, check_mode, lost):
    contents = manifest.summary(wanted)
    verb, again = "would build" if check_mode else "built", f"; {', '.join(lost)} of before signed other bytes, have it signed again" if lost else ""
    return {
        "changed": reason is not None,
        "msg": f"{verb} {path}, {_size(contents)}: {reason}{again}" if reason else f"{path} has these contents already",
        "path": path,
        "id": wanted["id"],
        "sequence": wanted["sequence"],
        "bytes": contents["bytes"],
        "carried_bytes": contents["carried_bytes"],
        "base": wanted["base"],
        "blobs": contents["blobs"],
        "contents": contents,
        "diff": {"before": _text(last), "after": _text(wanted)},
    }


def _size(contents):
    whole, brought = contents["bytes"], contents["carried_bytes"]
    return human(whole) if brought == whole else f"{human(brought)} of {human(whole)}"


def _text(bundle):
    return "".join(f"{line}\n" for line in manifest.contents(bundle)) if bundle else ""


def main():
    """Read the options, run, report."""
    selector = {name: {"type": "str", "required": True} for name in ("service", "tag", "resource")}
    optional = {"options": {"type": "dict", "default": {}}, "repository": {"type": "str"}, "release": {"type": "str"}}
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "path", "required": True},
            "dest": {"type": "path", "required": True},
            "site": {"type": "str", "required": True},
            "selectors": {"type": "list", "elements": "dict", "required": True, "options": {**selector, **optional}},
            "os": {"type": "list", "elements": "str", "default": []},
            "packages": {"type": "dict", "default": {}},
            "other_packages": {"type": "list", "elements": "str", "default": []},
            "signing_key": {"type": "path", "required": True, "no_log": False},
            "holdings": {"type": "path"},
            "former": {"type": "path"},
            "missing": {"type": "str"},
            "format": {"type": "int", "choices": [1, 2], "default": 2},
            "allowed_signers": {"type": "path"},
            "revoked_keys": {"type": "path"},
            "full": {"type": "bool", "default": False},
            "receipts": {"type": "list", "elements": "path", "default": []},
            "control_kit": {"type": "path"},
            "progress_file": {"type": "path"},
        },
        mutually_exclusive=[("holdings", "former")],
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
