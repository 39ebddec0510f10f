# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft's diagnostic image: whether a container of this engine reaches a resource with its key.

The key goes into the container's environment through the engine's API; the container is removed whatever happens.
This file is private to the collection.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import LABEL_PREFIX
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import refusals
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.online import Account

REPOSITORY = "azure-cognitive-services/diagnostic"
TAG = "latest"  # a probe that runs once here and never crosses
SERVICE = "diagnostic"
LABEL = LABEL_PREFIX + SERVICE
POLL = 0.5  # seconds between two looks
MAX_LOG = 1024 * 1024  # bytes


def problem(
    engine: Engine, image: str, account: Account, environment: t.Mapping[str, str], network: str, timeout: float, secrets: t.Sequence[str]
) -> str | None:
    """What the image says is wrong, with the way out, or None when it ends well.

    :param image: name of the image in the engine
    :param environment: the proxy's variables
    :param timeout: seconds that it may run
    :param secrets: never part of the answer
    """
    given = {**environment, "eula": "accept", "Billing": account.endpoint.rstrip("/"), "ApiKey": account.api_key}
    config = {
        "Image": image,
        "Env": [f"{name}={value}" for name, value in given.items()],
        "Labels": {LABEL: "probe"},
        "HostConfig": {
            "NetworkMode": network,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}},
        },
    }
    with engine.container(config) as container:
        engine.start(container)
        code = _wait(engine, container, timeout)
        log = b"".join(engine.logs(container))[-MAX_LOG:].decode("utf-8", "replace")
    if code == 0:
        return None
    found = refusals.explain(log, code, [account.api_key, *secrets])
    return f"{found.problem}; {found.way_out}"


def clean(engine: Engine) -> None:
    """Remove what a killed run left."""
    for left in engine.containers([LABEL]):
        engine.remove(left["Id"])


def _wait(engine: Engine, container: str, timeout: float) -> int | None:
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        state = (engine.inspect(container) or {}).get("State", {})
        if state.get("Status") in ("exited", "dead"):
            return int(state.get("ExitCode", -1))
        time.sleep(POLL)
    return None
