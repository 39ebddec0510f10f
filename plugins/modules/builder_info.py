#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell whether a builder can fetch what is declared, all problems at once."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: builder_info
short_description: Tells whether a builder can fetch what is declared
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Looks at everything that a bundle will need of the builder, before anything is fetched, and returns all problems at once.
  - Always looks at the resources that containers name, at their endpoints and keys, the proxy, the declared files and the vault password.
  - With O(probe) also at the Docker Engine, at CPU and memory for the runs that download licenses, at the registry (every image is looked
    up), at the resources' endpoints, both through the declared proxy, and at the disk.
  - Nothing is fetched and no container runs, except by O(diagnostic).
options:
  containers:
    description: Containers as the lookup P(airgap.azure_ai.containers#lookup) gives them with C(entries=true).
    type: list
    elements: dict
    required: true
  accounts:
    description: The Azure resources.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name that containers use.
        type: str
        required: true
      endpoint:
        description: Its endpoint.
        type: str
        default: ""
      api_key:
        description: A key of it.
        type: str
        default: ""
      license_lifetime_days:
        description: How many days its licenses last, as declared.
        type: raw
  files_root:
    description: Folder that declared files lie in.
    type: path
  vault_password_file:
    description: File with the password that licenses are encrypted with. It is not read.
    type: path
  probe:
    description: Look at engine, machine, registry and endpoints as well.
    type: bool
    default: true
  store:
    description: Folder of the store. What it holds need not be fetched.
    type: path
    required: true
  registry:
    description: Registry, with an optional port, for all images. Empty takes each service's own.
    type: str
    default: ""
  ca_path:
    description: Folder with C(ca.crt) of the authority that signed the registry's certificate.
    type: path
  authfile:
    description: File with the registry's login as C(skopeo login) writes it.
    type: path
  accept_moved:
    description: Whether a tag may have moved to another digest since it was fetched.
    type: bool
    default: false
  keep_locked:
    description: Whether tags stay with the digests that O(lock) or the store holds them to, whatever the registry has under them now.
    type: bool
    default: false
  lock:
    description: File that holds each tag's digest, as M(airgap.azure_ai.image_fetch) writes it.
    type: path
  allow_small:
    description: Only warn where the builder has less memory than a service needs at least; its license run may need less.
    type: bool
    default: false
  proxy:
    description: The proxy as C(HTTP_PROXY), C(HTTPS_PROXY), C(HTTP_PROXY_CREDS) and C(NO_PROXY). It may hold a password, so it is not shown.
    type: dict
    default: {}
  diagnostic:
    description:
      - Fetch Microsoft's diagnostic image and run it once for each resource that is in use. It tells whether a container of this engine
        reaches the resource with its key, the one thing that nothing else tells without a download.
      - The key goes into the container's environment through the engine's API and nowhere else; the container is removed.
    type: bool
    default: false
  network:
    description: Network of the engine that the diagnostic image uses.
    type: str
    default: bridge
  timeout:
    description: Seconds that registry, endpoint or engine may stay silent, and that the diagnostic image may run.
    type: int
    default: 60
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._attributes.info
  - airgap.azure_ai._docker
attributes:
  check_mode:
    details:
      - Changes nothing in any mode, except that O(diagnostic) keeps the diagnostic image in O(store) and in the engine. In check mode it is not run.
requirements:
  - skopeo
seealso:
  - module: airgap.azure_ai.license_download
"""

EXAMPLES = r"""
- name: Look whether the builder can fetch what is declared
  airgap.azure_ai.builder_info:
    containers: "{{ query('airgap.azure_ai.containers', unique=false, entries=true) }}"
    accounts:
      - name: speech-dc0
        endpoint: https://speech-dc0.cognitiveservices.azure.com
        api_key: "{{ lookup('ansible.builtin.env', 'AZURE_AI_SPEECH_KEY') }}"
    store: "{{ azure_ai_home }}/store"
  register: builder
"""

RETURN = r"""
problems:
  description: What stands in the way, a line each with the way out. Empty when everything can be fetched.
  returned: success
  type: list
  elements: str
warnings_found:
  description: What is below what is recommended, a line each.
  returned: success
  type: list
  elements: str
images:
  description: Images that were found in a registry, as C(repository:tag digest).
  returned: with O(probe)
  type: list
  elements: str
fetch_bytes:
  description: Bytes of images that would be fetched. Models come on top; nobody can tell their size beforehand.
  returned: with O(probe)
  type: int
engine:
  description: Version of the Docker Engine, or null when none answers.
  returned: with O(probe)
  type: str
msg:
  description: What was found, in one line.
  returned: always
  type: str
"""

import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import proxy, vault
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, Problems, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import local_image
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import fetch, filesets, lockfile, reach
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.image import load_missing, sizes
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.skopeo import Access, Skopeo
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import builder, diagnostic, host, online
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import DEFAULT_SOCKET, Engine
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.entries import licensed


class BuilderInfo:
    """One look at a builder; problems gather in the order in which a bundle would meet them."""

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        self.params = params
        self.containers = params["containers"]
        self.accounts = {account["name"]: account for account in params["accounts"]}
        self.runs = [item for item in self.containers if licensed(item["entry"])]
        self.store = Store(params["store"])
        self.engine = Engine(params["docker_socket"], params["timeout"])
        self.now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.problems: list[str] = []
        self.warnings: list[str] = []

    def run(self, check_mode: bool) -> dict[str, t.Any]:
        """What the module answers."""
        self._declared()
        found = self._probed(check_mode) if self.params["probe"] else {}
        problems = list(dict.fromkeys(self.problems))
        told = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}" if problems else "nothing stands in the way"
        size = f", {human(found['fetch_bytes'])} of images to fetch" if found else ""
        return {"changed": False, "problems": problems, "warnings_found": list(dict.fromkeys(self.warnings)), **found, "msg": f"builder: {told}{size}"}

    def _declared(self) -> None:
        """What the inventory alone tells, and the files that it names."""
        self.problems += builder.account_problems(self.containers, self.accounts) + proxy.faults(self.params["proxy"])
        for item in self.containers:
            try:
                named = filesets.option_of(item["entry"], item["options"])
                if named:
                    filesets.survey(self.params["files_root"] or "", named[1], f"{builder.name_of(item)}, option {named[0]}")
            except AirgapError as exc:
                self.problems.append(str(exc))
        if self.runs and self.params["vault_password_file"]:
            self._tried(lambda: vault.check_password_file(self.params["vault_password_file"]))

    def _probed(self, check_mode: bool) -> dict[str, t.Any]:
        facts = self._machine()
        plans = self._images()
        self._endpoints()
        due = fetch.total([plan for plan in plans if not plan.known])
        self._disk(facts, plans, due)
        if self.params["diagnostic"] and not check_mode and not self.problems:
            self._tried(self._diagnose)
        names = [f"{plan.record['repository']}:{plan.record['tag']} {plan.record['manifest']}" for plan in plans]
        return {"images": names, "fetch_bytes": due, "engine": (facts["engine"] or {}).get("version")}

    def _tried(self, work: t.Callable[[], object]) -> None:
        try:
            work()
        except Problems as exc:
            self.problems += exc.problems
        except AirgapError as exc:
            self.problems.append(str(exc))

    def _machine(self) -> dict[str, t.Any]:
        facts: dict[str, t.Any] = {**host.facts([], []), "engine": None, "engine_error": ""}
        if self.runs:
            try:
                info = self.engine.info()
                facts["engine"] = {"version": self.engine.version().get("Version", ""), "root_dir": info.get("DockerRootDir") or "/var/lib/docker"}
            except AirgapError as exc:
                facts["engine_error"] = str(exc)
            found = builder.machine(facts, self.containers, self.params["allow_small"])
            self.problems += found[0]
            self.warnings += found[1]
        return facts

    def _skopeo(self) -> Skopeo:
        params = self.params
        return Skopeo(Access(True, params["ca_path"], params["authfile"], params["timeout"], 1, proxy.of_program(params["proxy"])))

    def _images(self) -> list[fetch.Plan]:
        """Every image as its registry has it; those that cannot be had are problems."""
        plans: list[fetch.Plan] = []
        locks = lockfile.load(self.params["lock"])
        refused: dict[tuple[str, str], list[str]] = {}  # a registry that does not answer is one problem, however many images it has
        wanted = {(self.params["registry"] or item["entry"]["registry"], item["entry"]["repository"], item["tag"]): item["service"] for item in self.containers}
        for (registry, repository, tag), service in wanted.items():
            image = {"service": service, "repository": repository, "tag": tag}
            try:
                plans.append(fetch.plan(self.store, self._skopeo(), registry, image, self.now, self.params["accept_moved"], locks, self.params["keep_locked"]))
            except AirgapError as exc:
                refused.setdefault((exc.problem, exc.way_out), []).append(f"{registry}/{repository}:{tag}")
        for (problem, way_out), names in refused.items():
            self.problems.append(f"image{'s' if len(names) > 1 else ''} {', '.join(names)}: {problem}" + (f"; {way_out}" if way_out else ""))
        return plans

    def _used(self) -> list[dict[str, t.Any]]:
        """Accounts in use that have an endpoint."""
        names = {item["resource"] for item in self.runs}
        names |= {item["options"].get("model_resource") for item in self.runs if online.uses_model_account(item["entry"])}
        return [account for name, account in sorted(self.accounts.items()) if name in names and account["endpoint"]]

    def _endpoints(self) -> None:
        for account in self._used():
            problem = reach.problem(account["endpoint"], self.params["proxy"], self.params["timeout"])
            if problem:
                self.problems.append(f"endpoint {account['endpoint']} of resource {account['name']}: {problem}")

    def _disk(self, facts: dict[str, t.Any], plans: list[fetch.Plan], due: int) -> None:
        repositories = {(item["entry"]["repository"], item["tag"]) for item in self.runs}
        records = [plan.record for plan in plans if (plan.record["repository"], plan.record["tag"]) in repositories]
        load = 0
        if facts["engine"]:
            load = sum(sizes(record)[0] for record in records if self.engine.image(local_image(record["service"], record["manifest"])) is None)
        folders = [self.store.path, (facts["engine"] or {}).get("root_dir") or self.store.path]
        places = [(_device(folder), host.disk(folder)["free"]) for folder in folders]
        self.problems += builder.disk(places[0], places[1], due, load)

    def _blob(self, digest: str) -> t.BinaryIO:
        return self.store.open(Digest.parse(digest))

    def _diagnose(self) -> None:
        """Run the diagnostic image once for each resource in use."""
        registry = self.params["registry"] or next((item["entry"]["registry"] for item in self.runs), "")
        image = {"service": diagnostic.SERVICE, "repository": diagnostic.REPOSITORY, "tag": diagnostic.TAG}
        plan = fetch.plan(self.store.create(), self._skopeo(), registry, image, self.now, True)
        if not plan.known:
            fetch.carry_out(self.store, self._skopeo(), registry, plan)
        name = local_image(diagnostic.SERVICE, plan.record["manifest"])
        diagnostic.clean(self.engine)
        load_missing(self.engine, plan.record, name, self._blob, lambda _words, _size: lambda _done: None, self.store.path)
        for account in self._used():
            given = online.Account(account["endpoint"], account["api_key"])
            environment, secrets = proxy.of_container(self.params["proxy"]), proxy.secrets(self.params["proxy"])
            problem = diagnostic.problem(self.engine, name, given, environment, self.params["network"], self.params["timeout"], secrets)
            if problem:
                self.problems.append(f"diagnostic image for resource {account['name']}: {problem}")


def _device(folder: str) -> int:
    """The file system on which a folder lies or would lie."""
    path = os.path.abspath(folder)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return os.stat(path).st_dev


def argument_spec() -> dict[str, t.Any]:
    """Options of the module."""
    account = {
        "name": {"type": "str", "required": True},
        "endpoint": {"type": "str", "default": ""},
        "api_key": {"type": "str", "default": "", "no_log": True},
        "license_lifetime_days": {"type": "raw"},
    }
    return {
        "containers": {"type": "list", "elements": "dict", "required": True},
        "accounts": {"type": "list", "elements": "dict", "default": [], "options": account},
        "files_root": {"type": "path"},
        "vault_password_file": {"type": "path", "no_log": False},
        "probe": {"type": "bool", "default": True},
        "store": {"type": "path", "required": True},
        "registry": {"type": "str", "default": ""},
        "ca_path": {"type": "path"},
        "authfile": {"type": "path"},
        "accept_moved": {"type": "bool", "default": False},
        "keep_locked": {"type": "bool", "default": False},
        "lock": {"type": "path"},
        "allow_small": {"type": "bool", "default": False},
        "proxy": {"type": "dict", "default": {}, "no_log": True},
        "diagnostic": {"type": "bool", "default": False},
        "docker_socket": {"type": "path", "default": DEFAULT_SOCKET},
        "network": {"type": "str", "default": "bridge"},
        "timeout": {"type": "int", "default": 60},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        module.exit_json(**BuilderInfo(module.params).run(module.check_mode))
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))


if __name__ == "__main__":
    main()
