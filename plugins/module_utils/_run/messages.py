# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What known messages of containers and of the engine at a site mean, and which command helps.

The table of docs/troubleshooting.md says the same at more length; a test holds the two together.
This file is private to the collection.
"""

from __future__ import annotations

import re
import typing as t

_VERIFY = "ansible-playbook airgap.azure_ai.verify"
_ROLLOUT = "ansible-playbook airgap.azure_ai.rollout"
_CONNECTED = "started by hand as in the connected zone, with a key or to download a license"


class Message(t.NamedTuple):
    """A message.

    :param quote: how the guide quotes it
    :param pattern: how a log has it, whatever its case
    :param command: as the guide gives it
    """

    quote: str
    pattern: str
    cause: str
    command: str


MESSAGES: tuple[Message, ...] = (
    Message("The provided license path was not found", r"provided license path was not found", "the license folder is not mounted: started by hand", _ROLLOUT),
    Message(
        "Container does not have a valid disconnected container license",
        r"does not have a valid disconnected container license",
        "the license has expired, is for another service, or was downloaded with another image",
        "ansible-playbook airgap.azure_ai.harvest airgap.azure_ai.report",
    ),
    Message("Eula must be accepted", r"eula must be accepted", "started by hand without Eula=accept", _ROLLOUT),
    Message("Service is temporarily unavailable", r"service is temporarily unavailable", "models are loading", _VERIFY),
    Message(
        "permission denied",
        r"permission denied|access to the path .* denied|unauthorizedaccess",
        "somebody changed owners of what the container writes into; they must be the image's user",
        "chown -R --reference=current/license output",
    ),
    Message("no space left on device", r"no space left on device", "a file system is full; running containers are not affected", "df -h /var/lib/docker"),
    Message(
        "This container image is expired",
        r"container image is expired",
        "an old preview image",
        "ansible-playbook airgap.azure_ai.bundle",
    ),
    Message(
        "Endpoint connection failed with status 'Invalid'",
        r"connection failed with status '?invalid|apistatus\W+invalid",
        "wrong `api_key`, or one of another endpoint; a container at a site must not have one at all",
        "ansible-playbook airgap.azure_ai.bundle",
    ),
    Message("status `OutOfQuota`", r"status '?outofquota", _CONNECTED, _ROLLOUT),
    Message("Billing endpoint … validation failed", r"billing endpoint.{0,80}validation failed", _CONNECTED, _ROLLOUT),
    Message("a valid license has been found", r"a valid license has been found", _CONNECTED, _ROLLOUT),
)


def explain(text: str) -> list[Message]:
    """The known messages that a log holds, each once."""
    return [message for message in MESSAGES if re.search(message.pattern, text, re.IGNORECASE)]
