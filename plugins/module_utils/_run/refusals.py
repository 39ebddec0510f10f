# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed online step's log means, in words with a way out, and never with the key.

Texts that a documentation page or a field report quotes come first; docs/troubleshooting.md cites them.
This file is private to the collection.
"""

from __future__ import annotations

import base64
import re
import typing as t
import urllib.parse

HIDDEN = "********"
_LAST_LINE = 200  # characters of a container's log that an error may quote


class Refusal(t.NamedTuple):
    """A kind of failure.

    :param patterns: any of them in the log, whatever its case
    :param final: another try cannot end better
    :param certain: no log of a step that goes well holds these words, so a step that still runs may be ended
    """

    patterns: tuple[str, ...]
    problem: str
    way_out: str
    final: bool = True
    certain: bool = False


REFUSALS: tuple[Refusal, ...] = (
    # The first that is found counts, so the narrow ones come first.
    Refusal(
        ("feature is not supported",),
        "the subscription is not approved for disconnected containers, or the resource is not of their tier",
        "send the request form https://aka.ms/csdisconnectedcontainers and use a resource of tier DC0",
        certain=True,
    ),
    Refusal(
        ("a valid license has been found",),
        "the container says it holds a valid license already, though its folder was made empty",
        "look for a license inside a derived image and use the original one",
    ),
    Refusal(("eula must be accepted",), "the image wants its license terms accepted", "let the online step in the catalog entry set Eula to accept"),
    Refusal(
        (r"rai_terms.{0,40}(must|required|not accepted)",),
        "the image wants the responsible AI terms accepted",
        "let the online step in the catalog entry set rai_terms to accept",
    ),
    Refusal(("container image is expired",), "this image version has expired", "declare a newer tag", certain=True),
    Refusal(
        ("provided license path was not found",),
        "the container does not find its license folder",
        "`mounts.license` in the catalog entry must be what the step sets Mounts:License to",
    ),
    Refusal(
        ("status '?mismatch",),
        "the key belongs to a resource of another kind than this service wants",
        "name a resource of the service's own kind in `resource`; `resource_kind` of its catalog entry says which",
        certain=True,
    ),
    Refusal(
        ("status '?containeruseunauthorized", r"(pricing|commitment) tier.{0,60}(not|does)", r"\bsku\b.{0,60}(not|invalid)"),
        "the resource may not use this container: its subscription is not approved, or its pricing tier is another one",
        "use a resource of the tier `Commitment tier disconnected containers DC0`, made for this service, in the subscription that was approved",
        certain=True,
    ),
    Refusal(
        ("status '?invalid",),
        "Azure refuses the key",
        "compare api_key and endpoint of the resource with the Azure portal; a key fits its own resource only",
        certain=True,
    ),
    Refusal(
        (
            "access denied",
            "invalid subscription key",
            r"(status|code|error|http/[0-9.]+)\W{0,15}401\b",
            "unauthorized",
            "api ?key.{0,40}(invalid|not valid|wrong)",
        ),
        "Azure refuses the key",
        "compare api_key and endpoint of the resource with the Azure portal; a key fits its own resource only",
    ),
    Refusal(
        (r"model ?id.{0,80}(not found|invalid|does not exist|no such)", r"(not found|no such).{0,40}\bmodel\b"),
        "Azure does not know the model",
        "look up the option model_id in the project of the resource that `model_resource` (or `resource`) names",
    ),
    Refusal(
        ("status '?outofquota",),
        "Azure says that the key's quota is used up; a page on Document Intelligence says so as well where billing cannot be reached",
        "look at the resource's pricing tier, then at the network; run it again",
        final=False,
    ),
    Refusal(
        ("deadline exceeded",),
        "the model download took longer than the hour that its token lives",
        "run it again over a faster line",
        final=False,
    ),
    Refusal(
        (
            "status '?(couldnotconnect|billingendpointbusy|unknown)",
            "name or service not known",
            "name resolution",
            "no such host",
            "connection refused",
            "could not connect",
            "network is unreachable",
            "timed out",
            "proxy authentication",
            "billing endpoint.{0,60}(fail|reach)",
        ),
        "the billing endpoint cannot be reached from the container",
        "check the resource's endpoint, name resolution and the proxy (azure_ai_proxy); the container needs 443 to *.cognitiveservices.azure.com",
        final=False,
    ),
    Refusal(("no space left",), "the builder's disk is full", "make room in the engine's folder and run it again"),
    Refusal(
        ("permission denied", "access to the path .* denied", "unauthorizedaccess"),
        "the container may not write into its work folder",
        "report it: the folder belongs to the image's user",
    ),
)


def known(log: str) -> Refusal | None:
    """The refusal that a log tells, or None."""
    return next((refusal for refusal in REFUSALS if any(re.search(pattern, log, re.IGNORECASE) for pattern in refusal.patterns)), None)


def explain(log: str, exit_code: int | None, secrets: t.Iterable[str]) -> Refusal:
    """What a failed step's log means.

    :param exit_code: None when the time limit ended it
    :param secrets: never part of the answer
    """
    found = known(log)
    if found is not None:
        return found
    lines = [line.strip() for line in scrub(log, secrets).splitlines() if line.strip()]
    last = f"; its last line: {lines[-1][:_LAST_LINE]}" if lines else ""
    problem, way_out = f"it ended with exit code {exit_code}", "look the line up in docs/troubleshooting.md"
    if exit_code is None:
        problem, way_out = "not done within its time limit", "run it again; raise the step's time_limit in the catalog if the line is slow"
    elif exit_code == 0:
        problem, way_out = "it ended well but left no license", "run it again; if it stays, the step's settings in the catalog do not fit this image"
    return Refusal((), problem + last, way_out, final=False)


def scrub(text: str, secrets: t.Iterable[str]) -> str:
    """``text`` without the secrets, in whatever spelling a container may print them."""
    forms = {form for secret in secrets if secret for form in _spellings(secret)}
    for form in sorted(forms, key=len, reverse=True):  # a spelling may contain another
        text = text.replace(form, HIDDEN)
    return text


def _spellings(secret: str) -> set[str]:
    data = secret.encode("utf-8")
    return {secret, secret.lower(), secret.upper(), urllib.parse.quote(secret, safe=""), base64.b64encode(data).decode("ascii"), data.hex()}
