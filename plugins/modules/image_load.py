#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_load
short_description: Loads an image from a host's store into its Docker Engine
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Streams the image from the store's blobs into the engine; no archive is written, memory stays constant. Layers that the engine
    has are left out.
  - For Docker before 26 a layer that is packed with zstd is unpacked by the program C(zstd), one after the other, into a nameless file below O(root).
  - An image counts as there when its ID is the record's and a container can be created from it.
  - Killing a load does not stop the engine, so nothing is assumed; the state is looked at before and after.
  - An engine that lacks a layer that was left out gets all of them, if the store has them.
  - When an engine refuses an image, the blobs in the store are read; damaged ones are removed, so that they are sent again.
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  action:
    description: Has an action plugin.
    support: full
    details:
      - It follows the load where O(progress_file) is named.
options:
  root:
    description: Folder of the collection on the host.
    type: path
    default: /var/lib/azure-ai
  image:
    description: Image record, with C(manifest), C(manifest_size), C(config), C(config_size), C(media_type) and C(layers).
    type: dict
    required: true
  name:
    description: Full name of the image in the engine, like V(azure-ai.invalid/speech_to_text:0123456789abcdef).
    type: str
    required: true
  leave_out:
    description: Digests of layers that the engine has, from the plan.
    type: list
    elements: str
    default: []
  registry:
    description:
      - The site's registry as C(<address>:<port>). The engine pulls the image from it by digest and gives it O(name); O(leave_out) and the
        host's store are not looked at. Empty loads from the store.
      - Where the pull fails for another reason than a full disk, RV(missing_layers) asks for the image to be sent.
    type: str
    default: ''
  progress_file:
    description:
      - File on the control node in which to write, about every two seconds, how many bytes were streamed into the engine, for the callback
        P(airgap.azure_ai.progress#callback). What an engine pulls from a registry, and what it unpacks behind the stream, is not counted.
    type: path
seealso:
  - module: airgap.azure_ai.host_store
  - module: airgap.azure_ai.rollout_plan
"""

EXAMPLES = r"""
- name: Load the images of the plan
  airgap.azure_ai.image_load:
    image: "{{ item.record }}"
    name: "{{ item.name }}"
    leave_out: "{{ item.leave_out }}"
  loop: "{{ plan.images }}"
  become: true
"""

RETURN = r"""
msg:
  description: Why it was loaded, or that it is there.
  returned: always
  type: str
image_id:
  description: The engine's ID of the image.
  returned: success
  type: str
user:
  description: Who a container of this image runs as, with C(name), C(uid) and C(gid); null in check mode when it is not there.
  returned: success
  type: dict
sent_bytes:
  description: Bytes of blobs that were, or would be, sent to the engine.
  returned: success
  type: int
left_out_bytes:
  description: Bytes of layers that were, or would be, left out.
  returned: success
  type: int
missing_layers:
  description:
    - The store lacks what the engine needs, layers that were left out or blobs that turned out to be damaged, or O(registry) did not serve the image.
      All must be sent.
  returned: failure, then V(true)
  type: bool
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import zstd
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, MissingError, RemoteError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import image as archive
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed, host_blobs, lan_registry, loading, lock
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import DEFAULT_SOCKET, Engine


def blobs_of(record: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """Manifest, config and layers as blobs."""
    heads = [{"digest": record[kind], "size": record[f"{kind}_size"]} for kind in ("manifest", "config")]
    return heads + [{"digest": layer["digest"], "size": layer["size"]} for layer in record["layers"]]


def bring(engine: Engine, params: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], list[str], str]:
    """Bring the image in; return (state, layers left out, note).

    :raises MissingLayers: blobs in the host's store are damaged, which the engine noticed, and are removed; or the registry did not serve the image.
    """
    record, name, root = params["image"], params["name"], params["root"]
    try:
        with lock.heartbeat(root):
            if params["registry"]:
                return lan_registry.pull(engine, params["registry"], record, name), [], f"pulled from {params['registry']}"
            return from_store(engine, params)
    except RemoteError as exc:
        refused = loading.refusal(name, exc)
        if params["registry"] and not loading.is_full(exc):
            problem = f"{refused.problem}; the registry {params['registry']} did not serve it"
            raise loading.MissingLayers(f"image {name}", problem, "run airgap.azure_ai.registry on the control node") from exc
        damaged = [] if params["registry"] else host_blobs.damaged(root, blobs_of(record))
        if damaged:
            problem = f"{len(damaged)} of its blobs were damaged in the host's store and are removed, the first is {damaged[0]} ({exc.problem})"
            raise loading.MissingLayers(f"image {name}", problem, "run the stage again: they are sent again") from exc
        raise refused from exc


def from_store(engine: Engine, params: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], list[str], str]:
    """Load from the host's store."""
    record, name = params["image"], params["name"]
    unzstd = zstd.unread(record["layers"], str(engine.version().get("Version", "")))
    scratch = os.path.join(params["root"], "store")  # the system's own folder may be memory, and a layer unpacked is gigabytes

    def opener(digest: str) -> t.BinaryIO:
        path = os.path.join(deployed.blob_folder(params["root"]), Digest.parse(digest).hex)
        try:
            return open(path, "rb")
        except FileNotFoundError as exc:
            raise MissingError(f"blob {digest}", "not in the host's store", "run the stage again") from exc

    def lacking() -> list[str]:
        return [blob["digest"] for blob in host_blobs.lacking(deployed.store(params["root"]), blobs_of(record))]

    wanted = [blob for blob in blobs_of(record) if blob["digest"] not in params["leave_out"]]
    absent = host_blobs.lacking(deployed.store(params["root"]), wanted)
    if absent:
        raise MissingError(f"image {name}", f"the host's store lacks {len(absent)} of its blobs, the first is {absent[0]['digest']}", "run the stage again")
    # The action plugin names a file of this host.
    progress = Progress(name, 0, params["progress_file"])

    def stream(left: t.Collection[str]) -> t.Iterator[bytes]:
        return counted(archive.load_stream(record, name, opener, left, unzstd, scratch), progress.advance)

    return loading.load(engine, record, name, stream, params["leave_out"], lacking)


def counted(chunks: t.Iterable[bytes], advance: t.Callable[[int], object]) -> t.Iterator[bytes]:
    """The same chunks; each is counted when it has been taken."""
    for chunk in chunks:
        yield chunk
        advance(len(chunk))


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/var/lib/azure-ai"},
            "image": {"type": "dict", "required": True},
            "name": {"type": "str", "required": True},
            "leave_out": {"type": "list", "elements": "str", "default": []},
            "registry": {"type": "str", "default": ""},
            "docker_socket": {"type": "path", "default": DEFAULT_SOCKET},
            "progress_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    params = module.params
    engine = Engine(params["docker_socket"], timeout=1800)  # a load of many gigabytes is silent while it unpacks
    try:
        before = have = loading.state(engine, params["name"])
        why = loading.reason(before, params["image"])
        left, note = (params["leave_out"], "") if why and not params["registry"] else ([], "")
        if why and not module.check_mode:
            have, left, note = bring(engine, params)
        sent, left_out = archive.sizes(params["image"], left) if why else (0, 0)
    except AirgapError as exc:
        module.fail_json(msg=str(exc), **({"missing_layers": True} if isinstance(exc, loading.MissingLayers) else {}))
    except KeyError as exc:
        module.fail_json(msg=f"image {params['name']}: its record lacks {exc}")
    except OSError as exc:
        module.fail_json(msg=one_line(exc, f"image {params['name']}"))
    after = params["image"]["manifest"] if why else before["id"]
    lines = f"{sent} bytes to load, {left_out} bytes left out\n" if why else ""
    diff = {"before_header": params["name"], "after_header": params["name"], "before": f"{before['id'] or 'absent'}\n", "after": f"{after}\n{lines}"}
    text = "; ".join(part for part in (why or "the image is there", note) if part)
    module.exit_json(changed=why is not None, msg=text, image_id=have["id"], user=have["user"], sent_bytes=sent, left_out_bytes=left_out, diff=diff)


if __name__ == "__main__":
    main()
