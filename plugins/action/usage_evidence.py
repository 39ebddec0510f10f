# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a host what grew in its output folders and keep it on the control node, past every template."""

from __future__ import annotations

import json
import os
import typing as t

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import evidence, kept, months

Json = dict[str, t.Any]
_MODULE = "airgap.azure_ai.usage_evidence"
_OWN = ("containers", "host", "known")  # options that the host is told anew


class ActionModule(ActionBase):
    """Face of the module documentation ``usage_evidence``."""

    TRANSFERS_FILES = False

    def run(self, tmp: t.Any = None, task_vars: Json | None = None) -> Json:
        """Ask until nothing is left or the bound of a run is reached."""
        result = super().run(tmp, task_vars)
        args = dict(self._task.args)
        try:
            args.setdefault("host", (task_vars or {})["inventory_hostname"])
            harvest = Evidence(args, write=not self._task.check_mode)
            while harvest.wanted():
                harvest.take(self._ask(harvest, task_vars))
        except (AirgapError, OSError) as exc:
            return {**result, "failed": True, "msg": one_line(exc)}
        told = harvest.result()
        if told["problems"]:
            result["warnings"] = told["problems"][:3]
        return {**result, **told}

    def _ask(self, harvest: Evidence, task_vars: Json | None) -> Json:
        try:
            answer: Json = self._execute_module(module_name=_MODULE, module_args=harvest.module_args(), task_vars=task_vars)
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as exc:  # a wrong become password, say: the readings of this host must still come
            answer = {"failed": True, "msg": str(exc)}
        return answer


class Evidence:
    """One host in one run. Use: while ``wanted``, ``take`` what a call with ``module_args`` answered; then ``result``."""

    def __init__(self, args: Json, write: bool) -> None:
        for name in ("path", "site", "host"):
            if not isinstance(args.get(name), str) or not args[name]:
                raise InputError("usage_evidence", f"{name} is missing or not a line of text")
        names = [item["name"] if isinstance(item, dict) else item for item in args.get("containers") or []]
        self._host, self._write = args["host"], write
        self._left = int(args.get("max_run", evidence.MAX_RUN))
        self._chunk = int(args.get("chunk", evidence.Limits.answer))
        self._passed = {key: value for key, value in args.items() if key not in _OWN}
        self._more = bool(names)
        self._told: dict[str, Json] = {}
        self._kept: dict[str, list[int]] = {}
        self._signals: dict[str, str] = {}
        self._problems: list[str] = []
        moment = months.now()
        folder = os.path.expanduser(args["path"])
        self._keepers: dict[str, kept.Keeper] = {}
        for name in names:
            try:
                self._keepers[name] = kept.Keeper(kept.folder_of(folder, args["site"], self._host, name), moment)
            except AirgapError as exc:
                self._problems.append(str(exc))

    def wanted(self) -> bool:
        """Whether the host is to be asked (again)."""
        return self._more and bool(self._keepers)

    def module_args(self) -> Json:
        """What the module is called with."""
        known = {name: keeper.known() for name, keeper in self._keepers.items()}
        return {**self._passed, "containers": list(self._keepers), "chunk": max(1, min(self._chunk, self._left)), "known": json.dumps(known)}

    def take(self, answer: Json) -> None:
        """Keep what one call brought."""
        self._more = False
        if answer.get("failed"):
            problem = " ".join(str(answer.get("msg", "")).split())[:200]
            self._problems.append(f"{self._host}: usage_evidence failed: {problem}; does the harvest have its become password?")
            return
        found = _load(answer.get("compact"))
        got = 0
        for piece in found["pieces"]:
            got += self._piece(kept.check(piece, self._keepers, self._chunk if self._write else 2**53))
        for name, told in found["containers"].items():
            if name in self._keepers:
                self._about(name, kept.check_told(told))
        if self._write:
            for keeper in self._keepers.values():
                keeper.save()
        self._left -= got
        self._more = found["more"] and self._write and self._left > 0 and got > 0
        if found["more"] and not self._more:
            self._problems.append(f"{self._host}: more than one run may fetch (max_run); the rest comes with the next harvest")

    def _piece(self, piece: Json) -> int:
        name = piece["container"]
        count = self._kept.setdefault(name, [0, 0])
        if self._write:
            try:
                signal = self._keepers[name].keep(piece)
            except (AirgapError, OSError) as exc:
                self._problems.append(f"{self._host} {name}: {one_line(exc)}")
                return 0
            if signal:
                self._signals[name] = signal
        count[0] += 1 if piece["size"] else 0
        count[1] += piece["size"]
        return int(piece["size"])

    def _about(self, name: str, told: Json) -> None:
        self._told[name] = told
        keeper = self._keepers[name]
        if keeper.is_reset(told):
            self._signals[name] = "reset"
        keeper.went(told["gone"])

    def result(self) -> Json:
        """What the task returns."""
        notes = [f"{self._host} {name}: {note}" for name, told in self._told.items() if told["whole"] for note in told["notes"]]
        problems = self._problems + [f"{self._host} {name}: {note}" for name, told in self._told.items() if not told["whole"] for note in told["notes"]]
        size = sum(count[1] for count in self._kept.values())
        return {
            "changed": size > 0,
            "msg": f"{self._host}: {human(size)} of evidence" + ("" if self._write else " would be fetched"),
            "bytes": size,
            "pieces": sum(count[0] for count in self._kept.values()),
            "containers": sorted(name for name, count in self._kept.items() if count[1]),
            "notes": notes,
            "problems": problems,
            "signals": [{"host": self._host, "container": name, "kind": kind} for name, kind in sorted(self._signals.items())],
        }


def _load(text: t.Any) -> Json:
    """The answer of a host that may be broken or hostile."""
    what = "answer of usage_evidence"
    if not isinstance(text, str) or len(text) > 256 * 1024 * 1024:
        raise InputError(what, "no answer in the result")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise InputError(what, f"not valid JSON ({exc})"[:200]) from exc
    if not isinstance(found, dict) or not isinstance(found.get("pieces"), list) or not isinstance(found.get("containers"), dict):
        raise InputError(what, "lists are missing in it")
    return {**found, "more": found.get("more") is True}
