#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Import a bundle into the store of a site, and write what the site sends out."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bundle_import
short_description: Import a bundle into a site's store
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Verifies a bundle's signature before anything of it is parsed, refuses another site's and an older one than the last received, and
    copies the blobs that the store lacks, hashing them on the way.
  - A bundle that leaves out what the site holds is refused before anything is touched when one of those blobs is missing. With O(outbox), the
    list of them is written there as C(missing.json), signed; the error shows its short code.
  - Blobs of the store are read once and then known by size, time and inode.
  - What the store holds is written last. Interrupted or stopped by a damaged blob, it goes on where it was; all damaged blobs are named at once.
  - With O(outbox), writes and signs the site's holdings, and its wants if given, for the way out.
  - Runs on the site's control node. Needs C(ssh-keygen) of OpenSSH 8.9 or later.
options:
  path:
    description: Folder of the bundle.
    type: path
    required: true
  store:
    description: Folder of the site's store. Made when it is not there.
    type: path
    required: true
  site:
    description: Name of this site.
    type: str
    required: true
  allow_older:
    description: Take a bundle although it is older than the last received, or another one of the same sequence.
    type: bool
    default: false
  signatures_required:
    description: How many principals, each with a key of its own, must have signed the manifest; further signatures are C(bundle.json.<name>.sig).
    type: int
    default: 1
  beside:
    description: Folders of other bundles. Blobs that this one leaves out may come from there; they are judged by their digests.
    type: list
    elements: path
    default: []
  full:
    description: Read the store's blobs again, also those that were found good before.
    type: bool
    default: false
  outbox:
    description: Folder for what the site sends out. Needs O(signing_key).
    type: path
  signing_key:
    description: Private key of the site (or, with an agent, public key) that signs what it sends out.
    type: path
  progress_file:
    description: File that the progress is written to, for the callback C(airgap.azure_ai.progress).
    type: path
requirements:
  - ssh-keygen
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._signers.bundle
  - airgap.azure_ai._wants
attributes:
  check_mode:
    support: full
    details:
      - Signature, manifest, names and sizes are judged; blobs are not read.
  diff_mode:
    support: full
    details:
      - Shows what the store holds before and after, a line each.
  idempotent:
    support: full
seealso:
  - module: airgap.azure_ai.bundle_info
"""

EXAMPLES = r"""
- name: Take in what has arrived
  airgap.azure_ai.bundle_import:
    path: "{{ azure_ai_home }}/inbox/plant-7-12"
    store: "{{ azure_ai_home }}/store"
    site: plant-7
    allowed_signers: "{{ azure_ai_allowed_signers }}"
    outbox: "{{ azure_ai_home }}/outbox"
    signing_key: "{{ azure_ai_signing_key }}"
    wants:
      containers:
        - service: speech_to_text
          tag: 4.9.0-amd64-en-us
          resource: speech-dc0
          options: {}
      os: [debian-12]
      control: {os: debian-12, python: "3.11", arch: amd64}
"""

RETURN = r"""
id:
  description: Digest of the bundle's contents.
  returned: success
  type: str
sequence:
  description: Sequence of the bundle.
  returned: success
  type: int
  sample: 12
signer:
  description: Principal that signed the bundle; all of them where several must.
  returned: success
  type: str
  sample: builder@headquarters
copied:
  description: Number of blobs that were copied, or would be in check mode.
  returned: success
  type: int
copied_bytes:
  description: Their bytes.
  returned: success
  type: int
receipts:
  description: Paths of the receipt files that the bundle brought.
  returned: success
  type: list
  elements: path
control_kit:
  description: The control kit that lies in the bundle's folder; empty where none does.
  returned: success
  type: dict
  contains:
    version: {description: Version of the kit., type: str, returned: when a kit came}
    in_use: {description: "Version of the kit that this Ansible runs from, or empty.", type: str, returned: when a kit came}
    newer: {description: Whether it was made after the one in use., type: bool, returned: when a kit came}
    command: {description: The line that verifies and installs it., type: str, returned: when a kit came}
written:
  description: Names of the files in the outbox that were written, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [holdings.json, wants.json]
msg:
  description: What was done and why, in one line.
  returned: always
  type: str
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress, human
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import kits, outbox, receive, states
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.delta import LackingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store


def run(params, check_mode):
    """Judge, take, write the outbox; return the module's result."""
    store, site = Store(params["store"]), params["site"]
    wants = outbox.wants(site, states.told(params["wants"])) if params["wants"] is not None else None
    before = store.holdings()
    try:
        parcel = _judge(params, store)
    except LackingError as exc:
        if params["outbox"] and not check_mode:
            _ask(params, store, exc.document)
        raise
    if parcel.reason and not check_mode:
        with Progress(f"bundle {site}-{parcel.manifest['sequence']}", parcel.bytes, params["progress_file"]) as progress:
            receive.take(parcel, store, site, progress.advance)
    elif not check_mode:
        parcel.verified.save()
    after = receive.outcome(before, parcel.manifest, site) if check_mode else store.holdings()
    written = _send(params, _present(store, after, parcel, check_mode), wants, check_mode) if params["outbox"] else []
    news = kits.news(os.path.abspath(params["path"]), parcel.kit, _trust(params))
    return {**_result(store, parcel, written, check_mode, {"before": receive.lines(before), "after": receive.lines(after)}), "control_kit": news}


def _trust(params):
    return Trust(params["allowed_signers"], params["revoked_keys"], signatures=params["signatures_required"])


def _judge(params, store):
    with Progress("blobs of the store", 0, params["progress_file"]) as progress:
        given = (params["path"], store, params["site"], _trust(params), params["allow_older"], params["beside"], params["full"])
        return receive.judge(*given, progress.advance, progress.expect)


def _ask(params, store, missing):
    """Write what is missing, and holdings that do not claim to have it."""
    documents = [("missing.json", missing)]
    if store.holdings()["site"] is not None:
        documents.append((outbox.HOLDINGS, outbox.holdings(store.note_lacking(bad=missing["blobs"]))))
    for name, document in documents:
        if outbox.reason(params["outbox"], name, document, outbox.HOLDINGS_NAMESPACE, params["signing_key"]):
            outbox.write(params["outbox"], name, document, outbox.HOLDINGS_NAMESPACE, params["signing_key"])


def _present(store, held, parcel, check_mode):
    """Holdings as a document without blobs that got lost; those of the parcel are there, or will be."""
    brought = {blob["digest"] for blob in parcel.manifest["blobs"]}
    if not check_mode:
        return outbox.holdings(store.note_lacking(good=brought))
    return outbox.holdings({**held, "lacking": store.lacking(held, good=brought)})


def _send(params, holdings, wants, check_mode):
    """Names of the documents in the outbox that were not as they should be."""
    documents = [(outbox.HOLDINGS, holdings, outbox.HOLDINGS_NAMESPACE)]
    if wants is not None:
        documents.append((outbox.WANTS, wants, outbox.WANTS_NAMESPACE))
    written = []
    for document in documents:
        if outbox.reason(params["outbox"], *document, params["signing_key"]):
            written.append(document[0])
            if not check_mode:
                outbox.write(params["outbox"], *document, params["signing_key"])
    if not check_mode:
        outbox.withdraw(params["outbox"], "missing.json")  # what was asked for has come
    return written


def _result(store, parcel, written, check_mode, diff):
    name = f"{parcel.manifest['site']}-{parcel.manifest['sequence']}"
    done = f"{'would copy' if check_mode else 'copied'} {human(parcel.bytes)}: {parcel.reason}" if parcel.reason else "imported before"
    sent = f"; {'would write' if check_mode else 'wrote'} {', '.join(written)}" if written else ""
    folder = receive.receipts_folder(store, parcel.manifest)
    return {
        "changed": bool(parcel.reason or written),
        "msg": f"{name}: {done}{sent}",
        "id": parcel.manifest["id"],
        "sequence": parcel.manifest["sequence"],
        "signer": parcel.signer,
        "copied": len(parcel.missing),
        "copied_bytes": parcel.bytes,
        "receipts": [os.path.join(folder, receipt["name"]) for receipt in parcel.manifest["receipts"]],
        "written": written,
        "diff": diff,
    }


def main():
    """Read the options, run, report."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "store": {"type": "path", "required": True},
            "site": {"type": "str", "required": True},
            "allowed_signers": {"type": "path", "required": True},
            "revoked_keys": {"type": "path"},
            "signatures_required": {"type": "int", "default": 1},
            "beside": {"type": "list", "elements": "path", "default": []},
            "full": {"type": "bool", "default": False},
            "allow_older": {"type": "bool", "default": False},
            "outbox": {"type": "path"},
            "signing_key": {"type": "path", "no_log": False},
            "wants": {"type": "dict", "options": outbox.WANTS_OPTIONS},
            "progress_file": {"type": "path"},
        },
        required_by={"outbox": "signing_key", "wants": "outbox"},
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
