# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The online steps of a service, without I/O: whether they are needed, what they are given, what their log means.

This file is private to the collection.
"""

from __future__ import annotations

import datetime
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import sizes
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.entries import flat

DEFAULT_TIME_LIMIT = 900  # seconds; what field kits grant a license download
_MOST_DAYS = 36500  # a hundred years: more is a slip of the fingers
_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_.]*)\}")


@dataclass(frozen=True)
class Account:
    """An Azure resource as a step is given it."""

    endpoint: str
    api_key: str = field(repr=False)


@dataclass(frozen=True)
class Step:
    """One run of the image while Azure can be reached.

    :param settings: names to values with placeholders filled; holds the key, so it is never shown
    :param produces: ``license``, ``models`` or both
    :param time_limit: seconds, of each try
    :param until: ``exit``: the container ends by itself; ``ready``: it goes on serving and is done when /ready answers 200
    :param capture: names of settings to patterns that find their values in the log
    :param retries: further tries in the same model folder after a failure that is no refusal
    :param arguments: words for the image that are no settings
    :param cpus: CPUs that it may use, 0 for all
    :param memory: bytes that it may use, 0 for all
    """

    name: str
    settings: dict[str, str] = field(repr=False)
    produces: tuple[str, ...]
    time_limit: int = DEFAULT_TIME_LIMIT
    until: str = "exit"
    capture: dict[str, str] = field(default_factory=dict)
    retries: int = 0
    arguments: tuple[str, ...] = ()
    cpus: float = 0
    memory: int = 0


def needed(
    have: Release | None,
    image: str,
    models: bool,
    today: datetime.date,
    renew_days: int,
    missing: t.Sequence[str] = (),
    captured: t.Sequence[str] = (),
) -> str | None:
    """Why the online steps must run, or None when the release at hand still serves.

    :param have: a release whose license is good for the same service, tag, resource and options
    :param image: manifest digest of the image that the tag names now
    :param models: whether the steps bring models
    :param renew_days: whole days before its end at which a license is renewed, but never in the first half of its life:
        a window wider than the life would renew at every run
    :param missing: what the store no longer holds of ``have``
    :param captured: names of the settings that the offline run takes from the download's log
    """
    if have is None:
        return "there is no license for this service, tag, resource and options yet"
    if have.image != image:
        return f"the license is bound to image {have.image[:19]}, the tag is now {image[:19]}"
    if missing:
        return f"the store no longer holds {', '.join(missing)}"
    if models != (have.models is not None):
        return "the release was made without models" if models else "the release was made with models, which the service no longer has"
    lacking = [name for name in captured if name not in have.settings]
    if lacking:
        return f"the release was made without the setting {', '.join(lacking)}"
    if have.expires is not None:
        left = (datetime.date.fromisoformat(have.expires) - today).days
        if left < 0:
            return f"the license ended on {have.expires}"
        window = min(renew_days, _life(have) // 2)
        if left <= window:
            return f"the license ends on {have.expires}, in {left} days (renewed from {window} days on)"
    return None


def unlicensed(have: Release | None, image: str) -> str | None:
    """Why a service without license needs another release, or None."""
    if have is None:
        return "there is no release of this service, tag and options yet (it needs no license)"
    return None if have.image == image else f"its release is bound to image {have.image[:19]}, the tag is now {image[:19]}"


def changed_options(wanted: t.Mapping[str, t.Any], others: t.Iterable[t.Mapping[str, t.Any]]) -> str:
    """How ``wanted`` differs from the nearest of other releases' options, in words; empty when there are none."""
    pairs = [(sorted(name for name in {*wanted, *other} if wanted.get(name) != other.get(name)), other) for other in others]
    names, other = min(pairs, key=lambda pair: (len(pair[0]), pair[0]), default=([], {}))
    return ", ".join(f"{name} is {_shown(wanted, name)} and was {_shown(other, name)}" for name in names)


def _shown(options: t.Mapping[str, t.Any], name: str) -> str:
    return flat(options[name]) if name in options else "not set"


def _life(have: Release) -> int:
    """Whole days from a release's download to its end; very many when one of them is unknown."""
    if have.expires is None or have.downloaded is None:
        return datetime.date.max.toordinal()
    return (datetime.date.fromisoformat(have.expires) - datetime.date.fromisoformat(have.downloaded[:10])).days


def steps(entry: t.Mapping[str, t.Any], options: t.Mapping[str, t.Any], account: Account, model_account: Account | None = None) -> list[Step]:
    """The online steps of a resolved catalog entry with their placeholders filled, in order.

    A setting that takes an option nobody declared is left out: the option's schema says which are required.

    :param model_account: for the steps that name it; without it they take ``account`` too
    :raises InputError: a placeholder without a value, or steps that make no license.
    """
    found = []
    for number, raw in enumerate(entry.get("online", []), 1):
        used = (model_account or account) if raw.get("account") == "model" else account
        values = {"endpoint": used.endpoint.rstrip("/"), "api_key": used.api_key, **{f"options.{name}": flat(value) for name, value in options.items()}}
        found.append(_step(raw, str(raw.get("name", f"step {number}")), values))
    if not any("license" in step.produces for step in found):
        raise InputError("catalog entry", "no online step produces a license", "mend the entry's `online` list")
    return found


def _step(raw: t.Mapping[str, t.Any], name: str, values: t.Mapping[str, str]) -> Step:
    settings = {key: flat(value) for key, value in raw.get("settings", {}).items() if _declared(flat(value), values)}
    arguments = [flat(value) for value in raw.get("arguments", ()) if _declared(flat(value), values)]
    size = raw.get("size") or {}
    return Step(
        name=name,
        settings={key: _fill(value, values, f"online step {name}, setting {key}") for key, value in settings.items()},
        produces=tuple(raw.get("produces", ["license"])),
        time_limit=int(raw.get("time_limit", DEFAULT_TIME_LIMIT)),
        until=str(raw.get("until", "exit")),
        capture=dict(raw.get("capture", {})),
        retries=int(raw.get("retries", 0)),
        arguments=tuple(_fill(value, values, f"online step {name}, an argument") for value in arguments),
        cpus=sizes.cpus(size["cpus"]) if "cpus" in size else 0,
        memory=sizes.memory(size["memory"]) if "memory" in size else 0,
    )


def uses_model_account(entry: t.Mapping[str, t.Any]) -> bool:
    """Whether a step of the entry takes the account of ``model_resource``."""
    return any(step.get("account") == "model" for step in entry.get("online", ()))


def accounts(entry: t.Mapping[str, t.Any], given: t.Mapping[str, t.Any], what: str) -> tuple[Account, t.Optional[Account]]:
    """The accounts of license and of models; the second is None where it is the first.

    :param given: endpoint, api_key, model_endpoint, model_api_key, resource, options
    :raises InputError: one that is needed is empty.
    """
    names = {"": given["resource"]}
    if uses_model_account(entry) and given["options"].get("model_resource"):
        names["model_"] = given["options"]["model_resource"]
    for kind, name in names.items():
        for key in ("endpoint", "api_key"):
            if not given[kind + key]:
                raise InputError(what, f"the {kind}{key} is empty", f"set azure_ai_resources.{name}.{key} in the connected layer")
    found = [Account(given[f"{kind}endpoint"], given[f"{kind}api_key"]) for kind in names]
    return found[0], found[1] if len(found) > 1 else None


def same_license(entry: t.Mapping[str, t.Any], one: t.Mapping[str, t.Any], other: t.Mapping[str, t.Any]) -> bool:
    """Whether a license made with options ``one`` serves those in ``other``: only what the online steps cannot see differs.

    That is the files that travel beside it.
    """
    unseen = {item["option"] for item in entry.get("files", ())}
    unseen -= {key[len("options.") :] for step in entry.get("online", ()) for value in _texts(step) for key in _PLACEHOLDER.findall(value)}
    return {name: value for name, value in one.items() if name not in unseen} == {name: value for name, value in other.items() if name not in unseen}


def _texts(step: t.Mapping[str, t.Any]) -> list[str]:
    return [flat(value) for value in (*step.get("settings", {}).values(), *step.get("arguments", ()))]


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


def days(value: t.Any) -> int | None:
    """The days that a license lasts, None where nobody declared them.

    :raises InputError: something else than a number of days that a calendar holds.
    """
    if value is None:
        return None
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 0 < int(text) <= _MOST_DAYS):
        problem = f"license_lifetime_days {text[:20]!r} is not a whole number from 1 to {_MOST_DAYS}"
        raise InputError("license", problem, "write what Microsoft told you, or leave it out")
    return int(text)


def expiry(downloaded: str | None, lifetime_days: int | None) -> str | None:
    """The whole UTC day on which a license ends, or None when download or lifetime are unknown.

    :param downloaded: ``YYYY-MM-DDTHH:MM:SSZ``
    """
    if downloaded is None or lifetime_days is None:
        return None
    return (datetime.date.fromisoformat(downloaded[:10]) + datetime.timedelta(days=lifetime_days)).isoformat()
