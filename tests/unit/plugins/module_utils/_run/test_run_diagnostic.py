# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The diagnostic image: the key only in the environment, the container gone, what it says in words."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import diagnostic
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.online import Account

KEY = "key-canary-9917"
ACCOUNT = Account("https://x.example/", KEY)


class OneRun(Engine):
    """An engine whose container says ``log`` and ends with ``code`` (None: it runs on)."""

    def __init__(self, log: str = "", code: int | None = 0) -> None:
        super().__init__("/nowhere")
        self.log, self.code = log, code
        self.made: list[t.Mapping[str, t.Any]] = []
        self.removed: list[str] = []

    def create(self, config: t.Mapping[str, t.Any], name: str | None = None) -> str:
        self.made.append(config)
        return "c1"

    def start(self, container: str) -> None:
        """Nothing to do."""

    def inspect(self, container: str) -> dict[str, t.Any]:
        return {"State": {"Status": "running" if self.code is None else "exited", "ExitCode": self.code}}

    def logs(self, container: str, follow: bool = False, timeout: float | None = None) -> t.Iterator[bytes]:
        yield self.log.encode()

    def containers(self, labels: t.Sequence[str] = ()) -> list[dict[str, t.Any]]:
        return [{"Id": "left"}] if list(labels) == [diagnostic.LABEL] else []

    def remove(self, container: str) -> bool:
        self.removed.append(container)
        return True


def run(engine: OneRun, **proxy: str) -> str | None:
    return diagnostic.problem(engine, "image", ACCOUNT, proxy, "bridge", 0.2, ["pass-canary"])


def test_a_good_end_is_no_problem_and_leaves_nothing() -> None:
    engine = OneRun()
    assert run(engine, HTTP_PROXY="http://p:1") is None
    (config,) = engine.made
    assert config["Env"] == ["HTTP_PROXY=http://p:1", "eula=accept", "Billing=https://x.example", f"ApiKey={KEY}"]
    assert "Cmd" not in config and KEY not in str({name: value for name, value in config.items() if name != "Env"})
    assert engine.removed == ["c1"]


@pytest.mark.parametrize(
    ("log", "code", "words"),
    [
        ("Endpoint connection failed with status 'Invalid'", 1, "Azure refuses the key; compare"),
        ("Name or service not known", 1, "cannot be reached from the container"),
        (f"odd {KEY} and pass-canary", 3, "ended with exit code 3"),
        ("", None, "not done within its time limit"),
    ],
)
def test_a_bad_end_is_told_in_words_without_secrets(log: str, code: int | None, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostic, "POLL", 0.02)
    engine = OneRun(log, code)
    found = run(engine) or ""
    assert words in found and KEY not in found and "pass-canary" not in found and engine.removed == ["c1"]


def test_what_a_killed_run_left_goes() -> None:
    engine = OneRun()
    diagnostic.clean(engine)
    assert engine.removed == ["left"]
