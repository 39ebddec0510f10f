#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify a bundle and tell what is in it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bundle_info
short_description: Verify a bundle and tell what is in it
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Verifies a bundle's signature before anything of it is parsed, then that every listed blob is there with its size and digest and that
    nothing else is. All problems are returned at once, a line each. What systems lay onto media unasked (C(Thumbs.db), C(.DS_Store), C(._x)) is named
    and ignored.
  - Does not fail on a bad bundle; look at RV(valid).
  - The folder of a part that M(airgap.azure_ai.bundle_split) made is judged in the same way, by the list of parts that it carries.
  - Can write what it found as a page to print, and lay the bundle out for scanners.
options:
  path:
    description: Folder of the bundle, or of a part of one.
    type: path
    required: true
  signatures_required:
    description: How many principals, each with a key of its own, must have signed the manifest; further signatures are C(bundle.json.<name>.sig).
    type: int
    default: 1
  verify:
    description:
      - V(signature) judges signature, manifest, names and sizes.
      - V(full) reads all blobs too.
    type: str
    choices: [signature, full]
    default: full
  page:
    description: File to write the judgement and the contents to, as a page of HTML that prints and asks for nothing.
    type: path
  layout:
    description:
      - Folder to lay a valid bundle out in, so that scanners for viruses and for images can read it, by hard links where the file system can.
      - It is an OCI image layout of all images, with manifests in OCI's media types; C(packages/) and C(models/) hold the other files under
        their names. Licenses are ciphertext and left out.
      - What lies there is replaced only where it is empty or a layout that this module made. A folder with anything else, and one that holds,
        or lies in, O(path) or O(store), is refused.
    type: path
  store:
    description:
      - Folder of the site's store. A key's expiry is judged no earlier than when the bundle that it accepted last was made, RV(received) is told by
        it, and blobs that the bundle leaves out and O(layout) needs come from there.
    type: path
  progress_file:
    description: File that the progress is written to, for the callback C(airgap.azure_ai.progress).
    type: path
requirements:
  - ssh-keygen
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._signers.bundle
attributes:
  check_mode:
    support: full
    details:
      - Verifies all the same; O(page) and O(layout) are not written.
  diff_mode:
    support: none
    details:
      - Changes nothing but O(page) and O(layout).
  idempotent:
    support: full
seealso:
  - module: airgap.azure_ai.bundle_import
  - module: airgap.azure_ai.bundle_collect
"""

EXAMPLES = r"""
- name: Look at what has arrived
  airgap.azure_ai.bundle_info:
    path: "{{ azure_ai_home }}/inbox/plant-7-12"
    store: "{{ azure_ai_home }}/store"
    allowed_signers: "{{ azure_ai_allowed_signers }}"
  register: __arrived

- name: Lay it out for the virus scanner, with a page for the file
  airgap.azure_ai.bundle_info:
    path: "{{ azure_ai_home }}/inbox/plant-7-12"
    allowed_signers: "{{ azure_ai_allowed_signers }}"
    layout: /srv/gate/plant-7-12
    page: /srv/gate/plant-7-12.html

- name: Stop at a bad bundle
  ansible.builtin.assert:
    that: __arrived.valid
    fail_msg: "{{ __arrived.problems | join('\n') }}"
"""

RETURN = r"""
valid:
  description: Whether nothing is wrong, as far as O(verify) looked.
  returned: success
  type: bool
problems:
  description: Everything that is wrong, a line each.
  returned: success
  type: list
  elements: str
  sample: ["blob sha256:… is missing (layer 3 of image speech_to_text:4.9.0-amd64-en-us)"]
received:
  description: Whether O(store) accepted a bundle with this very C(bundle.json) before, whoever signed it and whatever is thought of the signer today.
  returned: success
  type: bool
bundle:
  description: What the bundle is and holds. Empty when its manifest is not to be trusted.
  returned: success
  type: dict
  contains:
    id: {description: Digest of the contents., type: str, returned: when trusted}
    site: {description: Name of the site that it is for., type: str, returned: when trusted}
    sequence: {description: Sequence of the bundle., type: int, returned: when trusted}
    created: {description: "When it was built, in UTC.", type: str, returned: when trusted}
    signer: {description: "Principal that signed it; all of them where several must.", type: str, returned: when trusted}
    collection: {description: Version of the collection that built it., type: str, returned: when trusted}
    images: {description: "Images as C(service:tag).", type: list, elements: str, returned: when trusted}
    releases: {description: Number of releases., type: int, returned: when trusted}
    models: {description: Number of model sets., type: int, returned: when trusted}
    packages: {description: Number of packages., type: int, returned: when trusted}
    receipts: {description: Number of receipt files., type: int, returned: when trusted}
    blobs: {description: Number of blobs., type: int, returned: when trusted}
    bytes: {description: Bytes of all blobs., type: int, returned: when trusted}
    carried: {description: "Number of blobs that lie in the folder; the others are in the site's store.", type: int, returned: when trusted}
    carried_bytes: {description: Their bytes., type: int, returned: when trusted}
    base: {description: "What it builds on, or null when it is complete.", type: dict, returned: when trusted}
    contents: {description: "What is in it, a line each.", type: list, elements: str, returned: when trusted}
    control_kit: {description: "Version of the control kit that lies in the folder, or empty.", type: str, returned: when trusted}
    foreign: {description: "What lies there and is not ours, such as C(Thumbs.db).", type: list, elements: str, returned: when trusted}
    lacking: {description: "C(count), C(bytes) and C(code) of what O(store) lacks of its base; empty when nothing lacks.", type: dict, returned: when trusted}
part:
  description: Which part was looked at. Empty for a whole bundle, or when the list of parts is not to be trusted.
  returned: success
  type: dict
  contains:
    name: {description: Name of the bundle., type: str, returned: for a part}
    number: {description: Number of the part., type: int, returned: for a part}
    of: {description: Number of parts., type: int, returned: for a part}
    bytes: {description: Bytes of its pieces., type: int, returned: for a part}
    pieces: {description: Number of its pieces., type: int, returned: for a part}
    foreign: {description: What lies there and is not ours., type: list, elements: str, returned: for a part}
lines:
  description: Contents and problems as a table, a line each.
  returned: success
  type: list
  elements: str
written:
  description: Paths that were written, or would be in check mode.
  returned: success
  type: list
  elements: path
msg:
  description: The judgement in one line.
  returned: always
  type: str
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import MAX_BYTES
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import read_regular, write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress, human
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import ahead, kits, layout, manifest, overview, part, parts, received, verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store


def run(params, check_mode):
    """Verify, write what is wanted; return the module's result."""
    trust = Trust(params["allowed_signers"], params["revoked_keys"], received.earliest(params["store"]), params["signatures_required"])
    look = _part if part.is_part(params["path"]) else _bundle
    with Progress("verify", 0, params["progress_file"]) as progress:
        judged, told = look(params["path"], trust, params["verify"] == "full", progress)
    bundle, notes = {}, []
    found = judged.manifest
    if found is not None:
        bundle = {**manifest.summary(found), "base": found["base"], "signer": judged.signer, "contents": manifest.contents(found)}
        bundle["control_kit"], bundle["foreign"] = judged.kit["version"] if judged.kit else "", list(judged.foreign)
        lacking = ahead.base(found, ahead.lacking(found, Store(params["store"]), ahead.beside(params["path"]))) if params["store"] else {}
        bundle["lacking"] = {name: lacking[name] for name in ("count", "bytes", "code") if lacking}
        notes = [lacking["line"]] if lacking else []
    problems = list(judged.problems)
    if problems:
        msg = f"{params['path']}: {len(problems)} problem{'' if len(problems) == 1 else 's'}, the first: {problems[0]}"
    else:
        size = told["bytes"] if told else bundle["carried_bytes"]
        msg = f"{params['path']}: {judged.title}, {human(size)}, signed by {judged.signer}, nothing is wrong"
    written = _write(params, judged, check_mode)
    result = {"changed": bool(written), "msg": msg, "valid": not problems, "problems": problems, "bundle": bundle, "part": told}
    before = received.before(params["store"], os.path.join(params["path"], verify.NAME))
    return {**result, "received": before, "lines": [*overview.lines(judged), *notes], "written": written}


def _bundle(path, trust, full, progress):
    found, signer, problems = verify.verify(path, trust, full, progress.advance, progress.expect)
    kit = kits.look(path, trust).record if found else None
    return overview.Judged(path, found, signer or "", problems, full, foreign=verify.strays(path) if found else (), kit=kit), {}


def _part(path, trust, full, progress):
    """As for a bundle; the manifest that the part carries tells what the whole bundle is."""
    try:
        here = part.Part(path, trust)
    except AirgapError as exc:
        return overview.Judged(path, None, "", [str(exc)], full), {}
    progress.expect(sum(piece["size"] for piece in here.pieces))
    problems, found = here.problems(full, progress.advance), None
    try:
        found, _signer = verify.open_manifest(path, trust)
    except AirgapError as exc:
        problems.append(str(exc))
    count, pieces = len(here.listed["parts"]), here.pieces
    told = {"name": parts.name(here.listed), "number": here.number, "of": count, "pieces": len(pieces), "foreign": here.foreign()}
    told["bytes"] = sum(piece["size"] for piece in pieces)
    kit = kits.look(path, trust)
    problems += [kit.problem] if kit.problem and not problems else []
    return overview.Judged(path, found, here.signer, problems, full, here.listed, here.number, told["foreign"], kit.record), told


def _write(params, judged, check_mode):
    """Paths of page and layout where they were not as they should be."""
    written = []
    if params["layout"] and judged.listed:
        raise InputError(f"layout {params['layout']}", "one part is not a whole bundle", "collect all parts first")
    if params["layout"] and not judged.problems:
        wanted = layout.files(judged.manifest, judged.kit)
        folders = [folder for folder in (params["path"], params["store"]) if folder]
        where = layout.sources(wanted, judged.manifest, folders, judged.kit)
        if layout.reason(wanted, where, params["layout"], folders):
            written.append(params["layout"])
            if not check_mode:
                layout.make(wanted, where, params["layout"])
    if params["page"]:
        data = overview.page(judged).encode("utf-8")
        if not os.path.isfile(params["page"]) or read_regular(params["page"], MAX_BYTES) != data:
            written.append(params["page"])
            if not check_mode:
                write_bytes(params["page"], data)
    return written


def main():
    """Read the options, run, report."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "allowed_signers": {"type": "path", "required": True},
            "revoked_keys": {"type": "path"},
            "signatures_required": {"type": "int", "default": 1},
            "verify": {"type": "str", "choices": ["signature", "full"], "default": "full"},
            "page": {"type": "path"},
            "layout": {"type": "path"},
            "store": {"type": "path"},
            "progress_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
