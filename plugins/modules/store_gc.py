#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove from a store what no host and no bundle needs, and name damaged blobs."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: store_gc
short_description: Remove from a store what no host and no bundle needs, and name damaged blobs
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Kept are the releases in O(releases) with their images, licenses and models, everything that the last bundles of each site name, the files of control
    kits, all packages, and whatever came in the last O(grace_days) days.
  - At a site O(releases) must be what its hosts have, current, previous and staged. The role C(store_gc) asks all of them and stops when one does not answer.
  - What was set aside goes once the blob is good again or nothing needs it, and so do folders under C(work) in which nothing has changed for
    O(grace_days) days. One that a run holds is left alone.
  - Runs on the builder or on a site's control node. Needs C(ssh-keygen) with O(outbox).
options:
  store:
    description: Folder of the store.
    type: path
    required: true
  releases:
    description: Ids of the releases that hosts have.
    type: list
    elements: str
  bundles:
    description: On the builder, folder of the bundles and control kits that were built.
    type: path
  keep_bundles:
    description: How many of the last bundles of each site count.
    type: int
    default: 2
  grace_days:
    description: Days for which what has come stays in any case.
    type: float
    default: 7
  verify:
    description:
      - Read every blob that is needed. A damaged one is named and set aside, so that the next bundle, or the next fetch on the builder, brings it again.
    type: bool
    default: false
  outbox:
    description:
      - At a site, folder for what it sends out. The holdings there are written anew, so that they do not claim what the store has no more. Needs
        O(signing_key).
    type: path
  signing_key:
    description: Private key of the site (or, with an agent, public key) that signs what it sends out.
    type: path
  progress_file:
    description: File that the progress is written to, for the callback C(airgap.azure_ai.progress).
    type: path
extends_documentation_fragment:
  - airgap.azure_ai._attributes
attributes:
  check_mode:
    support: full
    details:
      - Lists what would be removed and what is damaged.
  diff_mode:
    support: full
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Tell what the builder's store need not keep
  airgap.azure_ai.store_gc:
    store: "{{ azure_ai_home }}/store"
    bundles: "{{ azure_ai_home }}/bundles"
  check_mode: true

- name: Clean a site's store, and tell headquarters what it holds then
  airgap.azure_ai.store_gc:
    store: "{{ azure_ai_home }}/store"
    releases: "{{ releases_of_all_hosts }}"
    verify: true
    outbox: "{{ azure_ai_home }}/outbox"
    signing_key: "{{ azure_ai_signing_key }}"
"""

RETURN = r"""
superfluous:
  description: Releases, images and models that are not needed, a line each.
  returned: success
  type: list
  elements: str
blobs:
  description: Number of blobs that were removed, or would be.
  returned: success
  type: int
bytes:
  description: Their bytes. On the builder, folders of older bundles may hold the same bytes until they are removed too.
  returned: success
  type: int
damaged:
  description: Damaged blobs and whose they are, a line each.
  returned: success
  type: list
  elements: str
leftovers:
  description: Folders and files in the store that runs left behind, relative to it.
  returned: success
  type: list
  elements: str
  sample: [damaged/0f1e…, work/images]
written:
  description: Names of the files in the outbox that were written, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [holdings.json]
msg:
  description: What was done, in one line.
  returned: always
  type: str
"""

import os
import shutil
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress, human
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import care, outbox
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings as records
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store


def needed(params, store, there):
    """What must stay."""
    if params["releases"] is None and not params["bundles"]:
        raise InputError("store_gc", "knows neither what hosts have nor which bundles were built", "give releases at a site, bundles on the builder")
    if params["keep_bundles"] < 1:
        raise InputError("keep_bundles", "must be at least 1", "the last bundle of a site is what is rolled out next")
    manifests = care.newest(store, params["bundles"], params["keep_bundles"])
    if not manifests:
        raise InputError(f"store {store.path}", "no bundle was received here, and none built", "there is nothing to judge by: run receive or bundle first")
    named = care.of_bundles(manifests)
    kits = care.of_kits(params["bundles"]) if params["bundles"] else frozenset()
    fresh = frozenset(digest for digest, (_size, came) in there.items() if came > _since(params))
    return care.Keep(named.releases | frozenset(params["releases"] or ()), named.images, named.blobs | kits, fresh)


def run(params, check_mode):
    """Judge, remove, verify what stays; return the module's result."""
    store = Store(params["store"])
    held, there = store.holdings(), care.blobs(store)
    if not there:
        raise InputError(f"store {store.path}", "holds no blob", "name the folder of a store")
    keep = needed(params, store, there)
    found = care.superfluous(held, keep)
    gone = sorted(digest for digest in there if digest not in found.needed and digest not in keep.fresh)
    if not check_mode and (gone or found.lines):
        with store.changing() as holdings:  # first the holdings: a blob that nothing names does no harm
            again = care.superfluous(holdings, keep)
            holdings.update({name: again.holdings[name] for name in ("releases", "images", "models")})
            care.remove(store, [digest for digest in gone if digest not in again.needed])
    bad = _damaged(params, store, found.holdings, there, check_mode) if params["verify"] else {}
    lacking, written = _tell(params, store, found, bad, check_mode) if held["site"] else (None, [])
    left = _leftovers(params, store, found.needed, check_mode)
    return _result(found, gone, sum(there[digest][0] for digest in gone), list(bad.values()), check_mode, left=left, lacking=lacking, written=written)


def _tell(params, store, found, bad, check_mode):
    """Note which blobs a site's store lacks; return their number if that is news, and the names of what had to be written into the outbox."""
    read = {reference.digest for reference in records.references(found.holdings)} if params["verify"] else ()
    good = {digest for digest in read if digest not in bad and store.has(Digest.parse(digest))}
    lacking = store.lacking(found.holdings, good, bad)
    news = lacking != found.holdings.get("lacking", [])
    if check_mode:
        after = {**found.holdings, "lacking": lacking, "counter": found.holdings["counter"] + bool(news or found.lines)}
    else:
        after = store.note_lacking(good, bad)
    document = (outbox.HOLDINGS, outbox.holdings(after), outbox.HOLDINGS_NAMESPACE)
    written = [outbox.HOLDINGS] if params["outbox"] and outbox.reason(params["outbox"], *document, params["signing_key"]) else []
    if written and not check_mode:
        outbox.write(params["outbox"], *document, params["signing_key"])
    return len(lacking) if news else None, written


def _leftovers(params, store, wanted, check_mode):
    """What was set aside and is of no use any more, and work that no run holds and none went on with; removed, and named."""
    found = [os.path.join(care.ASIDE, name) for name in care.aside(store, wanted)]
    for path in found if not check_mode else ():
        os.unlink(os.path.join(store.path, path))
    for name in care.idle(store, _since(params)):
        found.append(os.path.join("work", name))
        if not check_mode:
            shutil.rmtree(os.path.join(store.path, "work", name))
    return found


def _since(params):
    return time.time() - params["grace_days"] * 86400


def _damaged(params, store, holdings, there, check_mode):
    """Damaged blobs, set aside: a line each, by digest."""
    lines = {}
    with Progress("store", sum(size for size, _came in there.values()), params["progress_file"]) as progress:
        found = care.damaged(store, holdings, progress.advance)
    for digest, whose in found:
        where = "" if check_mode else f", set aside as {store.set_aside(Digest.parse(digest))}"
        lines[digest] = f"blob {digest} ({whose}): damaged{where}; the next bundle that carries it, or the next fetch on the builder, repairs it"
    return lines


def _result(found, gone, size, damaged, check_mode, left, lacking, written):
    verb = "would remove" if check_mode else "removed"
    said = f"{verb} {len(gone)} blobs, {human(size)}" if gone else "every blob is needed or new"
    said += f"; {verb} {len(found.lines)} releases, images and sets of models from the holdings" if found.lines else ""
    said += f"; {len(damaged)} blobs are damaged" if damaged else ""
    said += f"; {lacking} blobs of the holdings are lacking" if lacking is not None else ""
    said += f"; {verb} {', '.join(left)}" if left else ""
    said += f"; {'would write' if check_mode else 'wrote'} {', '.join(written)}" if written else ""
    return {
        "changed": bool(gone or found.lines or damaged or left or written or lacking is not None),
        "msg": said,
        "superfluous": found.lines,
        "blobs": len(gone),
        "bytes": size,
        "damaged": damaged,
        "leftovers": left,
        "written": written,
        "diff": {"before": "".join(f"{line}\n" for line in [*found.lines, *gone, *left]), "after": "".join(f"{name}\n" for name in written)},
    }


def main():
    """Read the options, run, report."""
    module = AnsibleModule(
        argument_spec={
            "store": {"type": "path", "required": True},
            "releases": {"type": "list", "elements": "str"},
            "bundles": {"type": "path"},
            "keep_bundles": {"type": "int", "default": 2},
            "grace_days": {"type": "float", "default": 7},
            "verify": {"type": "bool", "default": False},
            "outbox": {"type": "path"},
            "signing_key": {"type": "path", "no_log": False},
            "progress_file": {"type": "path"},
        },
        required_by={"outbox": "signing_key"},
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
