#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Download license and models of one service, tag, resource and options, and bind them to its declared files as a release."""

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
    in the store. A release binds license, models, captured settings, declared files and resource to one image digest.
  - A service whose entry lists no online steps gets a release without license; that needs neither an engine nor a key.
  - Where the store's disk has no room for declared files and a license, that is told before anything is run. What models take, nobody can
    tell before they have come; their bytes are held against those free before the first of them is kept.
  - The license is encrypted with Ansible Vault before it is written; the models are streamed into the store.
  - Runs on the builder in the connected zone, without root, by a user who may use the Docker Engine.
  - Keys are given to the container in its environment through the engine's API, and to nothing else. While the container runs, users of
    that engine can see them. The container is removed at the end, or at the next start after a killed run.
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
    description: The service's entry of the catalog, as the lookup P(airgap.azure_ai.containers#lookup) gives it with C(entries=true).
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
    default: ""
  api_key:
    description: A key of the resource. Only looked at when something must be downloaded.
    type: str
    default: ""
  model_endpoint:
    description: Endpoint of the resource that models come from, for the steps that the catalog marks so. Empty takes O(endpoint).
    type: str
    default: ""
  model_api_key:
    description: A key of that resource. Empty takes O(api_key).
    type: str
    default: ""
  files_root:
    description:
      - Folder that the declared files of O(options) lie in. The catalog says which option names some.
      - A changed set of files makes a new release with the license that there is.
    type: path
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
    description:
      - Proxy for the container while it is online, as C(HTTP_PROXY), C(HTTPS_PROXY), C(HTTP_PROXY_CREDS) and C(NO_PROXY). They may hold a
        password, so they are not shown.
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
      - Other declared files make a new release with the same license.
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
    license: {description: 'Digest of the encrypted license, or null', type: str, returned: always}
    files: {description: Digest of the set of declared files or null, type: str, returned: always}
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

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import proxy, vault
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import local_image
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import Told
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release, selector
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import filesets
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.holdings import models_digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.image import load_missing
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.licenses import Licenses
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.registry import complete_record
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import online
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.download import ArchiveEngine, Download, Recipe
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.entries import container_port, licensed

Params = t.Mapping[str, t.Any]


class LicenseDownload:
    """Decides from the store what is needed and does it."""

    def __init__(self, params: Params, now: datetime.datetime) -> None:
        self.params = params
        self.now = now
        self.entry, self.options = params["entry"], params["options"]
        self.licensed = licensed(self.entry)
        self.store = Store(params["store"])
        self.image = complete_record(params["image"])
        self.selector = selector(*self._deployment(), self.options)
        self.licenses = Licenses(self.store, self.selector, self._lends)
        self.what = f"license of {params['service']}:{params['tag']} for {params['resource']}" if self.licensed else f"{params['service']}:{params['tag']}"
        self.told = Told(self.what, params["progress_file"])

    def run(self, check_mode: bool) -> dict[str, t.Any]:
        """What the module answers."""
        online.days(self.params["lifetime_days"])  # before an hour of models is downloaded in vain
        files = filesets.collect(self._found(), None)
        have = self._held(self.params["vault_id"])
        declared = None if have is None else self._declared(have)
        reason = self._needed(declared)
        if reason is None and have is not None and declared is not None:
            return self._kept(have, declared, models_digest(files) if files else None, check_mode)
        if self.licensed:
            vault.check_password_file(self.params["vault_password_file"])  # likewise
        source = self._elsewhere() if self.licensed else None
        way = f"encrypted again from the vault of {source[0]}" if source else "downloaded" if self.licensed else "bound"
        if check_mode:
            return {"changed": True, "reason": reason, "msg": f"{self.what}: would be {way}: {reason}"}
        with self.store.create().working("download"), self.licenses.room(files, self.licensed), self.told:
            release = self._encrypted_again(*source) if source else self._downloaded() if self.licensed else self._without_license()
        return {"changed": True, "reason": reason, "msg": f"{self.what}: {way}{self._until(release)}: {reason}", "release": release.dump()}

    def _kept(self, have: Release, declared: Release, files: str | None, check_mode: bool) -> dict[str, t.Any]:
        """The answer when nothing is downloaded; the record is mended when its lifetime is declared differently now."""
        if (have.selector, have.files) != (self.selector, files) or self.licenses.missing_files(have):
            return self._bound_anew(declared, files, check_mode)
        result = {"changed": declared != have, "msg": f"{self.what}: in the store{self._until(declared)}", "release": declared.dump()}
        if declared == have:
            return result
        if not check_mode:
            self.licenses.set_expiry(declared)
        return {**result, "reason": f"its end was recorded as {have.expires or 'unknown'}, lifetime_days says {declared.expires}"}

    def _bound_anew(self, declared: Release, files: str | None, check_mode: bool) -> dict[str, t.Any]:
        """The license that there is, in a new release."""
        differs = online.changed_options(self.options, [declared.options])
        reason = f"{differs}, on which the license does not depend" if differs else "its declared files have changed"
        release = Release.load({**declared.dump(), **self._bound(), "files": files, "made": self._now()})
        if not check_mode:
            with self.told:
                release = self.licenses.bind(declared, {**self._bound(), "files": files, "made": self._now()}, self._files())
        verb = "would be bound" if check_mode else "bound"
        return {"changed": True, "reason": reason, "msg": f"{self.what}: {verb} anew, nothing downloaded: {reason}", "release": release.dump()}

    # What there is

    def _deployment(self) -> tuple[str, str, str]:
        return self.params["service"], self.params["tag"], self.params["resource"]

    def _lends(self, record: t.Mapping[str, t.Any]) -> bool:
        return (record["service"], record["tag"], record["resource"]) == self._deployment() and online.same_license(self.entry, self.options, record["options"])

    def _found(self) -> list[filesets.Found]:
        named = filesets.option_of(self.entry, self.options)
        if named is None:
            return []
        return filesets.survey(self.params["files_root"] or "", named[1], f"option {named[0]} of {self.params['service']}")

    def _files(self) -> list[dict[str, t.Any]]:
        found = self._found()
        return filesets.collect(found, self.store, self.told("declared files", sum(file.size for file in found))) if found else []

    def _declared(self, have: Release) -> Release:
        """The release with the end that ``lifetime_days`` gives it today; undeclared, what was recorded stays."""
        return replace(have, expires=online.expiry(have.downloaded, self.params["lifetime_days"]) or have.expires)

    def _held(self, vault_id: str) -> Release | None:
        return self.licenses.newest(vault_id, self.image["manifest"])

    def _needed(self, have: Release | None) -> str | None:
        image, missing = self.image["manifest"], self.licenses.missing(have)
        if not self.licensed:
            return online.unlicensed(have, image)
        models = any("models" in step.get("produces", ()) for step in self.entry["online"])
        captured = self.entry.get("offline", {}).get("captured", ())
        reason = online.needed(have, image, models, self.now.date(), self.params["renew_days"], missing, captured)
        differs = online.changed_options(self.options, self.licenses.options(*self._deployment())) if have is None else ""
        return f"{reason}: {differs}" if differs else reason

    def _elsewhere(self) -> tuple[str, Release] | None:
        for vault_id in sorted(self.params["vaults"]):
            have = None if vault_id == self.params["vault_id"] else self._held(vault_id)
            if have is not None and os.path.isfile(self.params["vaults"][vault_id]) and self._needed(self._declared(have)) is None:
                return vault_id, have
        return None

    # What is done

    def _encrypted_again(self, vault_id: str, have: Release) -> Release:
        plain = vault.decrypt(self.licenses.read(have), vault_id, self.params["vaults"][vault_id])
        files = self._files()
        same = have.selector == self.selector and have.files == (models_digest(files) if files else None)
        bound = {**self._declared(have).dump(), **self._bound(), "files": None, "made": have.made if same else self._now()}
        return self.licenses.keep(bound, self._encrypted(plain), (), files)

    def _without_license(self) -> Release:
        return self.licenses.keep({**self._bound(), "made": self._now()}, None, (), self._files())

    def _downloaded(self) -> Release:
        steps = online.steps(self.entry, self.options, *online.accounts(self.entry, self.params, self.what))
        engine = ArchiveEngine(self.params["docker_socket"], self.params["timeout"])
        name = local_image(self.params["service"], self.image["manifest"])
        load_missing(engine, self.image, name, lambda digest: self.store.open(Digest.parse(digest)), self.told, self.store.path)
        recipe = Recipe(
            image=name,
            mounts=self.entry["mounts"],
            owner=Digest.of(self.store.path.encode()).short,
            network=self.params["network"],
            environment=proxy.of_container(self.params["proxy"]),
            hardening=self.entry.get("hardening", {}),
            port=container_port(self.entry),
            user=self.entry.get("user"),
        )
        secrets = [self.params["api_key"], self.params["model_api_key"], *proxy.secrets(self.params["proxy"])]
        outcome = Download(engine, recipe, self.what, secrets, self.told).run(steps, self._take, self.licenses.fits)
        bound = {**self._bound(), "settings": outcome.settings, "license_file": outcome.license_file, "downloaded": self._now()}
        bound["expires"] = online.expiry(bound["downloaded"], self.params["lifetime_days"])
        return self.licenses.keep(bound, self._encrypted(outcome.license), outcome.files, self._files())

    def _take(self, path: str, stream: t.BinaryIO, size: int) -> str:
        return str(self.store.put_stream(stream, size=size, advance=self.told.advance, what=path)[0])

    def _bound(self) -> dict[str, t.Any]:
        service, tag, resource = self._deployment()
        return {"service": service, "tag": tag, "resource": resource, "options": self.options, "image": self.image["manifest"], "selector": self.selector}

    def _now(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _encrypted(self, plain: bytes) -> bytes:
        return vault.encrypt(plain, self.params["vault_id"], self.params["vault_password_file"])

    def _until(self, release: Release) -> str:
        if not self.licensed:
            return ""
        return f", good until {release.expires or 'an unknown day (license_lifetime_days of the resource is not declared)'}"


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
        "endpoint": {"type": "str", "default": ""},
        "api_key": {"type": "str", "default": "", "no_log": True},
        "model_endpoint": {"type": "str", "default": ""},
        "model_api_key": {"type": "str", "default": "", "no_log": True},
        "files_root": {"type": "path"},
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
        module.fail_json(msg=one_line(exc))


if __name__ == "__main__":
    main()
