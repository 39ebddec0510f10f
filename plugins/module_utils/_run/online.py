# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The online steps of a service, without I/O: whether they are needed, what they are given, what their log means.

This file is private to the collection.
"""

from __future__ import annotations

import base64
import datetime
import re
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release

HIDDEN = "********"
DEFAULT_TIME_LIMIT = 900  # seconds; what field kits grant a license download
_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_.]*)\}")
_LAST_LINE = 200  # characters of a container's log that an error may quote


@dataclass(frozen=True)
class Step:
    """One run of the image while Azure can be reached.

    :param settings: names to values with placeholders filled; holds the key, so it is never shown
    :param produces: ``license``, ``models`` or both
    :param until: ``exit``: the container ends by itself; ``ready``: it goes on serving and is done when /ready answers 200
    :param capture: names of settings to patterns that find their values in the log
    """

    name: str
    settings: dict[str, str] = field(repr=False)
    produces: tuple[str, ...]
    time_limit: int = DEFAULT_TIME_LIMIT
    until: str = "exit"
    capture: dict[str, str] = field(default_factory=dict)


def needed(
    have: Release | None,
    image: str,
    models: bool,
    today: datetime.date,
    renew_days: int,
    missing: t.Sequence[str] = (),
) -> str | None:
    """Why the online steps must run, or None when the release at hand still serves.

    :param have: the release of the same selector (service, tag, resource, options)
    :param image: manifest digest of the image that the tag names now
    :param models: whether the steps bring models
    :param renew_days: whole days before its end at which a license is renewed, but never in the first half of its life:
        a window wider than the life would renew at every run
    :param missing: what the store no longer holds of ``have``
    """
    if have is None:
        return "there is no license for this service, tag, resource and options yet"
    if have.image != image:
        return f"the license is bound to image {have.image[:19]}, the tag is now {image[:19]}"
    if missing:
        return f"the store no longer holds {', '.join(missing)}"
    if models and have.models is None:
        return "the release was made without models"
    if have.expires is not None:
        left = (datetime.date.fromisoformat(have.expires) - today).days
        if left < 0:
            return f"the license ended on {have.expires}"
        window = min(renew_days, _life(have) // 2)
        if left <= window:
            return f"the license ends on {have.expires}, in {left} days (renewed from {window} days on)"
    return None


def _life(have: Release) -> int:
    """Whole days from a release's download to its end; very many when one of them is unknown."""
    if have.expires is None or have.downloaded is None:
        return datetime.date.max.toordinal()
    return (datetime.date.fromisoformat(have.expires) - datetime.date.fromisoformat(have.downloaded[:10])).days


def steps(entry: t.Mapping[str, t.Any], options: t.Mapping[str, t.Any], endpoint: str, api_key: str) -> list[Step]:
    """The online steps of a catalog entry with their placeholders filled, in order.

    A setting that takes an option nobody declared is left out: the option's schema says which are required.

    :raises InputError: a placeholder without a value, or a step that makes nothing.
    """
    values = {"endpoint": endpoint.rstrip("/"), "api_key": api_key, **{f"options.{name}": flat(value) for name, value in options.items()}}
    found: list[Step] = []
    for raw in entry.get("online", []):
        name = str(raw.get("name", f"step {len(found) + 1}"))
        wanted = {key: flat(value) for key, value in raw.get("settings", {}).items() if _declared(flat(value), values)}
        found.append(
            Step(
                name=name,
                settings={key: _fill(value, values, f"online step {name}, setting {key}") for key, value in wanted.items()},
                produces=tuple(raw.get("produces", ["license"])),
                time_limit=int(raw.get("time_limit", DEFAULT_TIME_LIMIT)),
                until=str(raw.get("until", "exit")),
                capture=dict(raw.get("capture", {})),
            )
        )
    if not any("license" in step.produces for step in found):
        raise InputError("catalog entry", "no online step produces a license", "mend the entry's `online` list")
    return found


def flat(value: t.Any) -> str:
    """A value as a container setting spells it: lists with commas, booleans in lower case."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(flat(item) for item in value)
    return str(value)


def _declared(text: str, values: t.Mapping[str, str]) -> bool:
    return all(key in values for key in _PLACEHOLDER.findall(text) if key.startswith("options."))


def _fill(text: str, values: t.Mapping[str, str], where: str) -> str:
    def value(match: re.Match[str]) -> str:
        if match.group(1) not in values:
            raise InputError(where, f"no value for {match.group(0)}", "declare it in the container's options")
        return values[match.group(1)]

    return _PLACEHOLDER.sub(value, text)


def captured(log: str, patterns: t.Mapping[str, str]) -> dict[str, str]:
    """The settings that a log announces: the last hit of each pattern, normalised.

    The documented sample has blanks after ``=`` and commas, no leading and a trailing slash; real logs do not.

    :raises RemoteError: a pattern finds nothing; the offline run would fail without its value.
    """
    found = {}
    for name, pattern in patterns.items():
        hits = list(re.finditer(pattern, log, re.MULTILINE))
        value = normalised(hits[-1].group(1 if hits[-1].re.groups else 0)) if hits else ""
        if not value:
            raise RemoteError(f"setting {name}", "the download's log does not tell its value", "the log's form changed: adapt `capture` in the catalog entry")
        found[name] = value
    return found


def normalised(value: str) -> str:
    """A captured value without quotes, blanks around commas, trailing slashes; paths get their leading slash."""
    items = [item.strip().strip("'\"").strip() for item in value.strip().rstrip("\\").strip("'\" ").split(",")]
    return ",".join(_path(item) for item in items if item)


def _path(item: str) -> str:
    if "/" not in item or "://" in item:
        return item
    return "/" + item.strip("/")


def check_paths(settings: t.Mapping[str, str], root: str, present: t.Iterable[str]) -> None:
    """Hold captured paths under ``root`` against the files that came.

    :param present: paths of the files, relative to ``root``
    :raises RemoteError: a setting names a path that no file lies at or under.
    """
    known: set[str] = set()
    for path in present:
        parts = path.split("/")
        known.update("/".join(parts[: count + 1]) for count in range(len(parts)))
    for name, value in settings.items():
        for item in value.split(","):
            if item.startswith(root + "/") and item[len(root) + 1 :] not in known:
                raise RemoteError(
                    f"setting {name}", f"names {item}, which was not downloaded", "run it again; if it stays, adapt `capture` in the catalog entry"
                )


def scrub(text: str, secrets: t.Iterable[str]) -> str:
    """``text`` without the secrets, in whatever spelling a container may print them."""
    forms = {form for secret in secrets if secret for form in _spellings(secret)}
    for form in sorted(forms, key=len, reverse=True):  # a spelling may contain another
        text = text.replace(form, HIDDEN)
    return text


def _spellings(secret: str) -> set[str]:
    data = secret.encode("utf-8")
    return {secret, secret.lower(), secret.upper(), urllib.parse.quote(secret, safe=""), base64.b64encode(data).decode("ascii"), data.hex()}


_REFUSALS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    # patterns, what is wrong, way out; the first that is found counts, so the narrow ones come first
    (
        ("feature is not supported",),
        "the subscription is not approved for disconnected containers",
        "send the request form https://aka.ms/csdisconnectedcontainers and use a resource of tier DC0",
    ),
    (
        ("a valid license has been found",),
        "the container says it holds a valid license already, though its folder was made empty",
        "look for a license inside a derived image and use the original one",
    ),
    (("eula must be accepted",), "the image wants its license terms accepted", "let the online step in the catalog entry set Eula to accept"),
    (("rai_terms",), "the image wants the responsible AI terms accepted", "let the online step in the catalog entry set rai_terms to accept"),
    (("container image is expired",), "this image version has expired", "declare a newer tag"),
    (
        ("provided license path was not found",),
        "the container does not find its license folder",
        "`mounts.license` in the catalog entry must be what the step sets Mounts:License to",
    ),
    (
        ("status '?mismatch",),
        "the key belongs to a resource of another kind than this service wants",
        "name a resource of the service's own kind in `resource`",
    ),
    (
        (
            "status '?(invalid|unknown|containeruseunauthorized)",
            "access denied",
            "invalid subscription key",
            r"\b401\b",
            "unauthorized",
            "api ?key.{0,40}(invalid|not valid|wrong)",
        ),
        "Azure refuses the key",
        "compare api_key and endpoint of the resource with the Azure portal; a key fits its own resource only",
    ),
    (
        (
            "status '?(couldnotconnect|outofquota|billingendpointbusy)",
            "name or service not known",
            "name resolution",
            "no such host",
            "connection refused",
            "could not connect",
            "network is unreachable",
            "timed out",
            "billing endpoint.{0,60}(fail|reach)",
        ),
        "the billing endpoint cannot be reached from the container",
        "check the resource's endpoint, name resolution and the proxy; the container needs 443 to *.cognitiveservices.azure.com",
    ),
    (("deadline exceeded",), "the model download took longer than the hour that its token lives", "run it again over a faster line"),
    (
        ("permission denied", "access to the path .* denied", "unauthorizedaccess"),
        "the container may not write into its work folder",
        "report it: the folder belongs to the image's user",
    ),
)


def explain(log: str, exit_code: int | None, secrets: t.Iterable[str]) -> tuple[str, str]:
    """What a failed step's log means: (problem, way out).

    :param exit_code: None when the time limit ended it
    :param secrets: never part of the answer
    """
    for patterns, problem, way_out in _REFUSALS:
        if any(re.search(pattern, log, re.IGNORECASE) for pattern in patterns):
            return problem, way_out
    lines = [line.strip() for line in scrub(log, secrets).splitlines() if line.strip()]
    last = f"; its last line: {lines[-1][:_LAST_LINE]}" if lines else ""
    if exit_code is None:
        return f"not done within its time limit{last}", "run it again; raise the step's time_limit in the catalog if the line is slow"
    if exit_code == 0:
        return f"it ended well but left no license{last}", "run it again; if it stays, the step's settings in the catalog do not fit this image"
    return f"it ended with exit code {exit_code}{last}", "look the line up in docs/troubleshooting.md"


def expiry(downloaded: str | None, lifetime_days: int | None) -> str | None:
    """The whole UTC day on which a license ends, or None when download or lifetime are unknown.

    :param downloaded: ``YYYY-MM-DDTHH:MM:SSZ``
    """
    if downloaded is None or lifetime_days is None:
        return None
    return (datetime.date.fromisoformat(downloaded[:10]) + datetime.timedelta(days=lifetime_days)).isoformat()
