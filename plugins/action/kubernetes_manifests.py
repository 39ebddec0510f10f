# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders a host's containers as Kubernetes manifests, on the control node and from its store alone.

This file is private to the collection.
"""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import checks, kubernetes
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.spec import DEFAULT_ROOT, spec
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _kubernetes, _license, _manifest_files, _want

SIZES = {"output": "5Gi", "shared": "10Gi", "state": "1Gi", "license": "1Gi"}
ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "store": {"type": "path", "required": True},
    "dest": {"type": "path", "required": True},
    "registry": {"type": "str", "required": True},
    "namespace": {"type": "str", "default": "azure-ai"},
    "license": {"type": "str", "choices": ["secret", "claim"], "default": "secret"},
    "network_policy": {"type": "bool", "default": True},
    "gpus": {"type": "int", "default": 1},
    "storage_class": {"type": "str", "default": ""},
    "access_mode": {"type": "str", "choices": ["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"], "default": "ReadWriteOnce"},
    "sizes": {"type": "dict", "default": {}},
    "users": {"type": "dict", "default": {}},
    "cluster_domain": {"type": "str", "default": "cluster.local"},
    "resolver": {"type": "str"},
    "pull_secrets": {"type": "list", "elements": "str", "default": []},
    "validate": {"type": "bool", "default": True},
    "version": {"type": "str", "default": "1.30"},
    "allow_latest": {"type": "bool", "default": False},
}

Json = dict[str, t.Any]


class ActionModule(ActionBase):
    """airgap.azure_ai.kubernetes_manifests."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Json:
        """Render everything, judge it, then write; nothing is written where something is wrong."""
        result = super().run(tmp, task_vars)
        _valid, args = self.validate_argument_spec(ARGUMENTS)
        try:
            options = _options(args)
            variables = _want.templated(task_vars or {}, self._templar.template)
            holdings = _want.holdings_of(args["store"])
            want = _want.want(variables, holdings, DEFAULT_ROOT, args["allow_latest"], allow_small=True)
            files, documents, warnings = self._render(want, holdings, args, options)
            validated = self._validate(documents, args, warnings)
            steps = _manifest_files.steps(args["dest"], files)
            if not self._task.check_mode:
                _manifest_files.write(args["dest"], steps)
        except AirgapError as exc:
            raise AnsibleActionFail(str(exc)) from None  # Ansible would tell the cause a second time
        except OSError as exc:
            raise AnsibleActionFail(f"folder {args['dest']}: cannot be written ({exc.strerror}: {exc.filename})") from None
        changed = [step for step in steps if step.reason]
        result.update(
            changed=bool(changed),
            msg=_manifest_files.words(steps),
            files=[step.told() for step in steps],
            services=[f"{item['declaration']['name']}.{options['namespace']}" for item in want["containers"]],
            validated=validated,
            warnings=warnings,
        )
        if self._task.diff:
            result["diff"] = [step.diff() for step in changed]
        return result

    def _render(self, want: Json, holdings: Json, args: Json, options: Json) -> tuple[list[_manifest_files.File], list[Json], list[str]]:
        """(files, manifests, warnings) of all containers, or all their problems at once."""
        store = Store(os.path.expanduser(args["store"]))
        files: list[_manifest_files.File] = []
        every: list[Json] = []
        problems, warnings = [], []
        for item in want["containers"]:
            found, told = checks.bound({}, want, item)
            problems += found
            warnings += told
            if found:
                continue
            try:
                made, secret = self._container(item, store, holdings, args, options)
            except AirgapError as exc:
                problems.append(str(exc))
                continue
            every += [*made, *([secret] if secret else [])]
            name = item["declaration"]["name"]
            files.append(_manifest_files.File(name, f"{name}.yml", _kubernetes.text(made), secret=False))
            if secret:
                files.append(_manifest_files.File(name, f"{name}.license.yml", _kubernetes.text([secret]), secret=True))
        if problems:
            raise Problems("manifests", problems)
        return files, every, warnings

    def _container(self, item: Json, store: Store, holdings: Json, args: Json, options: Json) -> tuple[list[Json], Json | None]:
        """(manifests, the license's Secret or None) of one container."""
        declaration, release = item["declaration"], Release.load(item["release"])
        value = spec(item["entry"], declaration, release, DEFAULT_ROOT)
        given = args["users"].get(declaration["name"], args["users"].get(declaration["service"]))
        facts = _kubernetes.facts(store, item, holdings, str(given) if given is not None else None)
        made = kubernetes.manifests(value, facts, options, DEFAULT_ROOT)
        if release.license is None or options["license"] == "claim":
            return made, None
        content = _license.opened(self._loader, store.path_of(Digest.parse(release.license)), release.license, declaration["name"])
        return made, kubernetes.license_secret(value, facts, options, content)

    @staticmethod
    def _validate(documents: list[Json], args: Json, warnings: list[str]) -> str | None:
        """The version whose schemas the manifests keep to, None when nobody looked."""
        if not args["validate"] or not documents:
            return None
        faults = _kubernetes.validate(documents, args["version"])
        if faults is None:
            warnings.append("manifests are not validated: install kubernetes-validate for the Python that runs ansible-playbook, or set validate: false")
            return None
        if faults:
            raise Problems("manifests", faults)
        return args["version"]


def _options(args: Json) -> Json:
    """Options of the cluster as the function manifests takes them."""
    unknown = sorted(set(args["sizes"]) - set(SIZES))
    if unknown:
        raise InputError(f"sizes.{unknown[0]}", "unknown", f"use {', '.join(SIZES)}")
    if not kubernetes.is_dns_label(args["namespace"]):
        raise InputError(f"namespace {args['namespace']!r}", "not a DNS label", "use up to 63 of a-z, 0-9 and hyphen")
    if not args["registry"].strip("/") or "://" in args["registry"]:
        raise InputError(f"registry {args['registry']!r}", "not a registry as images name it", "write host, port and path without https://")
    if args["gpus"] < 1:
        raise InputError(f"gpus {args['gpus']}", "less than one", "say how many GPUs a container that wants them gets")
    names = ("registry", "namespace", "license", "network_policy", "gpus", "storage_class", "access_mode", "pull_secrets", "cluster_domain")
    resolver = args["resolver"] or f"kube-dns.kube-system.svc.{args['cluster_domain']}"
    return {**{name: args[name] for name in names}, "resolver": resolver, "sizes": {**SIZES, **args["sizes"]}}
