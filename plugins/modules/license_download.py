#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Download the license, and the models where the service has some, of one service, tag, resource and options."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: license_download
short_description: Download license and models of a disconnected container into the store
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Runs the online steps that the catalog lists for a service, in the builder's Docker Engine, and keeps what they make as a release
    in the store. A release binds license, models, captured settings and resource to one image digest.
  - The license is encrypted with Ansible Vault before it is written; the models are streamed into the store.
  - Runs on the builder in the connected zone, without root, by a user who may use the Docker Engine.
  - The key is given to the container in its environment through the engine's API, and to nothing else. While the container runs, users of
    that engine can see it. The container is removed at the end, or at the next start after a killed run.
options:
  store:
    description: Folder of the store; C(image_fetch) has put the image there.
    type: path
    required: true
  image:
    description: Record of the image as C(image_fetch) returns it.
    type: dict
    required: true
  service:
    description: Name of the service in the catalog.
    type: str
    required: true
  tag:
    description: Tag of the image.
    type: str
    required: true
  entry:
    description: The service's entry of the catalog.
    type: dict
    required: true
  options:
    description: Options of the container as declared, for example its languages.
    type: dict
    default: {}
  resource:
    description: Name of the Azure resource that the license is downloaded for.
    type: str
    required: true
  endpoint:
    description: Endpoint of the resource.
    type: str
    required: true
  api_key:
    description: A key of the resource. Only looked at when something must be downloaded.
    type: str
    required: true
  lifetime_days:
    description:
      - Days that the license was granted for. The license file cannot be read, so this is what you were told.
      - Undeclared, its end is unknown and it is only renewed when the image changes.
      - Declared or corrected later, the end of the license in the store is reckoned and recorded anew.
    type: int
  renew_days:
    description: Days before its end at which a license is downloaded anew, though never in the first half of its life.
    type: int
    default: 30
  vault_id:
    description: Vault id that the license is encrypted under, by habit the name of the site.
    type: str
    required: true
  vault_password_file:
    description: File with the password of O(vault_id).
    type: path
    required: true
  vaults:
    description:
      - Vault ids of other sites and their password files. Where one of them has a valid license for the same image, resource and
        options, it is encrypted again for O(vault_id) and not downloaded again.
    type: dict
    default: {}
  proxy:
    description: Variables such as C(HTTP_PROXY) and C(HTTPS_PROXY) for the container while it is online. They may hold a password, so they are not shown.
    type: dict
    default: {}
  network:
    description: Network of the engine that the container uses while it is online.
    type: str
    default: bridge
  progress_file:
    description: File that the state of the work is written to.
    type: path
  timeout:
    description: Seconds that the Docker Engine may stay silent.
    type: int
    default: 120
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._docker
attributes:
  check_mode:
    support: full
    details:
      - Says why it would download. It cannot tell whether Azure would agree.
  diff_mode:
    support: none
    details:
      - A license has no meaningful difference to show.
  idempotent:
    support: full
    details:
      - A license is downloaded again when the image's digest changed, the store lost parts of it, or its declared end is near.
notes:
  - Give the module the controller's own Python, C(ansible_python_interpreter={{ ansible_playbook_python }}); it calls that Python's C(ansible-vault).
"""

EXAMPLES = r"""
- name: Download the license of the German speech container
  airgap.azure_ai.license_download:
    store: "{{ azure_ai_home }}/store"
    image: "{{ fetched.images[0] }}"
    service: speech_to_text
    tag: 4.9.0-amd64-de-de
    entry: "{{ catalog.speech_to_text }}"
    resource: speech-dc0
    endpoint: https://speech-dc0.cognitiveservices.azure.com
    api_key: "{{ lookup('ansible.builtin.env', 'AZURE_AI_SPEECH_KEY') }}"
    lifetime_days: 30
    renew_days: 10
    vault_id: plant-7
    vault_password_file: "{{ azure_ai_home }}/keys/vault-plant-7"
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""

RETURN = r"""
release:
  description: The release, without secrets. Missing in check mode when something must be downloaded.
  returned: when there is one
  type: dict
  contains:
    id: {description: Identity of the release, type: str, returned: always}
    image: {description: Manifest digest that the license is bound to, type: str, returned: always}
    license: {description: Digest of the encrypted license, type: str, returned: always}
    models: {description: Digest of the model set or null, type: str, returned: always}
    settings: {description: Settings captured from the download's log, type: dict, returned: always}
    downloaded: {description: When, type: str, returned: always}
    expires: {description: 'Day in UTC on which it ends, or null', type: str, returned: always}
reason:
  description: Why there was, or would be, something to do.
  returned: when changed
  type: str
msg:
  description: What was done, or what would be done in check mode.
  returned: always
  type: str
"""

import datetime
import os
import typing as t
from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import vault
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import local_image
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Progress
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release, selector
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.image import load_stream, needs_unzstd, sizes
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.licenses import Licenses
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import online
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.download import ArchiveEngine, Download, Outcome, Recipe

RECORD = ("manifest", "manifest_size", "media_type", "config", "config_size", "layers")
Params = t.Mapping[str, t.Any]


class LicenseDownload:
    """Decides from the store what is needed and does it."""

    def __init__(self, params: Params, now: datetime.datetime) -> None:
        self.params = params
        self.now = now
        self.store = Store(params["store"])
        self.image = _complete(params["image"])
        self.licenses = Licenses(self.store, selector(params["service"], params["tag"], params["resource"], params["options"]))
        self.what = f"license of {params['service']}:{params['tag']} for {params['resource']}"

    def run(self, check_mode: bool) -> dict[str, t.Any]:
        """What the module answers."""
        have = self._held(self.params["vault_id"])
        declared = None if have is None else self._declared(have)
        reason = self._needed(declared)
        if reason is None and have is not None and declared is not None:
            return self._kept(have, declared, check_mode)
        vault.check_password_file(self.params["vault_password_file"])  # before an hour of models is downloaded in vain
        source = self._elsewhere()
        way = f"encrypted again from the vault of {source[0]}" if source else "downloaded"
        if check_mode:
            return {"changed": True, "reason": reason, "msg": f"{self.what}: would be {way}: {reason}"}
        with self.store.create().working("download"):
            release = self._encrypted_again(*source) if source else self._downloaded()
        return {"changed": True, "reason": reason, "msg": f"{self.what}: {way}, good {_until(release)}: {reason}", "release": release.dump()}

    def _kept(self, have: Release, declared: Release, check_mode: bool) -> dict[str, t.Any]:
        """The answer when nothing is downloaded; the record is mended when its lifetime is declared differently now."""
        result = {"changed": declared != have, "msg": f"{self.what}: in the store, good {_until(declared)}", "release": declared.dump()}
        if declared == have:
            return result
        if not check_mode:
            self.licenses.set_expiry(declared)
        return {**result, "reason": f"its end was recorded as {have.expires or 'unknown'}, lifetime_days says {declared.expires}"}

    # What there is

    def _declared(self, have: Release) -> Release:
        """The release with the end that ``lifetime_days`` gives it today; undeclared, what was recorded stays."""
        return replace(have, expires=online.expiry(have.downloaded, self.params["lifetime_days"]) or have.expires)

    def _held(self, vault_id: str) -> Release | None:
        return self.licenses.newest(vault_id, self.image["manifest"])

    def _needed(self, have: Release | None) -> str | None:
        models = any("models" in step.get("produces", ()) for step in self.params["entry"].get("online", ()))
        return online.needed(have, self.image["manifest"], models, self.now.date(), self.params["renew_days"], self.licenses.missing(have))

    def _elsewhere(self) -> tuple[str, Release] | None:
        for vault_id in sorted(self.params["vaults"]):
            have = None if vault_id == self.params["vault_id"] else self._held(vault_id)
            if have is not None and os.path.isfile(self.params["vaults"][vault_id]) and self._needed(self._declared(have)) is None:
                return vault_id, have
        return None

    # What is done

    def _encrypted_again(self, vault_id: str, have: Release) -> Release:
        plain = vault.decrypt(self.licenses.read(have), vault_id, self.params["vaults"][vault_id])
        return self.licenses.keep(self._declared(have).dump(), self._encrypted(plain))

    def _downloaded(self) -> Release:
        if not self.params["api_key"]:
            raise InputError(self.what, "the api_key is empty", f"set azure_ai_resources.{self.params['resource']}.api_key in the connected layer")
        progress = Progress(self.what, 0, self.params["progress_file"])
        steps = online.steps(self.params["entry"], self.params["options"], self.params["endpoint"], self.params["api_key"])
        engine = ArchiveEngine(self.params["docker_socket"], self.params["timeout"])
        recipe = Recipe(
            image=self._loaded(engine),
            mounts=self.params["entry"]["mounts"],
            owner=Digest.of(self.store.path.encode()).short,
            network=self.params["network"],
            environment={name: str(value) for name, value in self.params["proxy"].items()},
            hardening=self.params["entry"].get("hardening", {}),
        )
        download = Download(engine, recipe, self.what, [self.params["api_key"], *recipe.environment.values()], lambda: progress.advance(0))
        outcome = download.run(steps, lambda path, stream, size: str(self.store.put_stream(stream, size=size, advance=progress.advance, what=path)[0]))
        progress.finish()
        return self.licenses.keep(self._bound(outcome), self._encrypted(outcome.license), outcome.files)

    def _loaded(self, engine: ArchiveEngine) -> str:
        name = local_image(self.params["service"], self.image["manifest"])
        if engine.image(name) is None:
            progress = Progress(f"load {self.params['service']}:{self.params['tag']}", sizes(self.image)[0], self.params["progress_file"])
            unzstd = needs_unzstd(self.image, str(engine.version().get("Version", "")))
            engine.load(_counted(load_stream(self.image, name, lambda digest: self.store.open(Digest.parse(digest)), unzstd=unzstd), progress))
        return name

    def _bound(self, outcome: Outcome) -> dict[str, t.Any]:
        downloaded = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "service": self.params["service"],
            "tag": self.params["tag"],
            "resource": self.params["resource"],
            "options": self.params["options"],
            "image": self.image["manifest"],
            "settings": outcome.settings,
            "license_file": outcome.license_file,
            "downloaded": downloaded,
            "expires": online.expiry(downloaded, self.params["lifetime_days"]),
        }

    def _encrypted(self, plain: bytes) -> bytes:
        return vault.encrypt(plain, self.params["vault_id"], self.params["vault_password_file"])


def _complete(image: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
    missing = [name for name in RECORD if name not in image]
    if missing:
        raise InputError("image", f"its record is without {', '.join(missing)}", "give a record that image_fetch returned")
    Digest.parse(image["manifest"])
    return image


def _counted(chunks: t.Iterable[bytes], progress: Progress) -> t.Iterator[bytes]:
    for chunk in chunks:
        progress.advance(len(chunk))
        yield chunk


def _until(release: Release) -> str:
    return f"until {release.expires}" if release.expires else "until an unknown day (license_lifetime_days of the resource is not declared)"


def argument_spec() -> dict[str, t.Any]:
    """Options of the module."""
    required = {
        name: {"type": kind, "required": True} for name, kind in (("store", "path"), ("image", "dict"), ("service", "str"), ("tag", "str"), ("entry", "dict"))
    }
    return {
        **required,
        "docker_socket": {"type": "path", "default": "/var/run/docker.sock"},
        "options": {"type": "dict", "default": {}},
        "resource": {"type": "str", "required": True},
        "endpoint": {"type": "str", "required": True},
        "api_key": {"type": "str", "required": True, "no_log": True},
        "lifetime_days": {"type": "int"},
        "renew_days": {"type": "int", "default": 30},
        "vault_id": {"type": "str", "required": True},
        "vault_password_file": {"type": "path", "required": True, "no_log": False},
        "vaults": {"type": "dict", "default": {}, "no_log": False},
        "proxy": {"type": "dict", "default": {}, "no_log": True},
        "network": {"type": "str", "default": "bridge"},
        "progress_file": {"type": "path"},
        "timeout": {"type": "int", "default": 120},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        module.exit_json(**LicenseDownload(module.params, datetime.datetime.now(datetime.timezone.utc)).run(module.check_mode))
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
