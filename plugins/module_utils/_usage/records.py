# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies of the usage endpoints: read tolerantly, numbers kept exact, everything else refused in one line.

The documented shape is ``{"apiType", "serviceName", "meters": [{"name", "quantity", "billedUnit"?}], "type"?}``.
This file is private to the collection.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from decimal import Decimal, InvalidOperation

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import RemoteError

MAX_DEPTH = 32
MAX_METERS = 10000
MAX_NAME = 512  # characters of a meter's or service's name
MAX_DIGITS = 36  # of a number, before and after the point together
_STRINGS = re.compile(r'"[^"]*"?')  # the last one may be without an end: were that no match, each quote in it would be tried up to the end of the text
_BRACKETS = re.compile(r"[\[\]{}]")
_DECIMAL = re.compile(r"[0-9]{1,36}(\.[0-9]{1,36})?")


class BadAnswer(RemoteError):
    """An endpoint answered completely, but not with a usage report."""

    def __init__(self, problem: str) -> None:
        super().__init__("usage answer", " ".join(problem.split())[:200])


def parse_body(body: bytes) -> dict[str, t.Any]:
    """Read one body.

    :returns: ``api_type``, ``service_name`` (str, may be empty), ``meters`` (list of ``name``, ``quantity``,
        ``billed_unit`` or None; exact decimal strings), ``extra`` (every key not named here, ``type`` included;
        those of a meter under ``extra["meters"][<name>]``; numbers with a point become strings), ``body_sha256``.
    :raises BadAnswer: the body is anything else.
    """
    data = _load(body)
    if not isinstance(data, dict):
        raise BadAnswer(f"JSON {type(data).__name__} where an object belongs")
    listed = data.get("meters")
    if not isinstance(listed, list):
        raise BadAnswer("no list of meters")
    if len(listed) > MAX_METERS:
        raise BadAnswer(f"{len(listed)} meters, more than {MAX_METERS}")
    extra = {key: _plain(value) for key, value in data.items() if key not in ("apiType", "serviceName", "meters")}
    meters, unknown = [], {}
    for item in listed:
        meter, rest = _meter(item)
        meters.append(meter)
        if rest:
            unknown[meter["name"]] = rest
    names = [meter["name"] for meter in meters]
    if len(set(names)) != len(names):
        twice = next(before for before, name in zip(sorted(names), sorted(names)[1:]) if before == name)
        raise BadAnswer(f"meter {twice!r} twice")
    if unknown:
        extra["meters"] = unknown
    try:
        dumps(extra).encode("utf-8")
    except UnicodeEncodeError as exc:
        raise BadAnswer("half of a surrogate pair in a string") from exc
    return {
        "api_type": _text(data.get("apiType"), "apiType"),
        "service_name": _text(data.get("serviceName"), "serviceName"),
        "meters": meters,
        "extra": extra,
        "body_sha256": hashlib.sha256(body).hexdigest(),
    }


def meaning_sha256(reading: t.Mapping[str, t.Any]) -> str:
    """Digest of what a body means: equal for other key order, other white space, ``5`` and ``5.0``."""
    meters = sorted(([meter["name"], meter["quantity"], meter["billed_unit"]] for meter in reading["meters"]), key=lambda item: item[0])
    value = [reading["api_type"], reading["service_name"], meters, reading["extra"]]
    return hashlib.sha256(dumps(value).encode("utf-8")).hexdigest()


def exact(number: t.Any) -> str:
    """``number`` (int or Decimal) as its one decimal string: no exponent, no trailing zeros, never ``-0``.

    :raises ValueError: not a number, negative, not finite or longer than MAX_DIGITS.
    """
    if isinstance(number, bool) or not isinstance(number, (int, Decimal)):
        raise ValueError("not a number")
    value = Decimal(number)
    if not value.is_finite():
        raise ValueError("not finite")
    if value < 0:
        raise ValueError("negative")
    if not value:
        return "0"
    _sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or exponent < -MAX_DIGITS or len(digits) + max(exponent, 0) > MAX_DIGITS:
        raise ValueError(f"longer than {MAX_DIGITS} digits")
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def is_exact(text: t.Any) -> bool:
    """Whether ``text`` is a decimal string as ``exact`` writes it (bounded, not negative)."""
    return isinstance(text, str) and _DECIMAL.fullmatch(text) is not None


def dumps(value: t.Any) -> str:
    """Canonical JSON text: the same bytes as ``_base.canonical``, without its walk over every value (rows come by the million)."""
    return _encode(value)


def _make_encoder() -> t.Callable[[t.Any], str]:
    """``JSONEncoder.encode``, but the inner encoder is made once and not for every value, which takes half of the time."""
    plain = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return plain.encode
    pieces = make(None, plain.default, json.encoder.encode_basestring, None, ":", ",", True, False, False)
    return lambda value: "".join(pieces(value, 0))


_encode = _make_encoder()


def _load(body: bytes) -> t.Any:
    try:
        text = body.decode("utf-8-sig")  # a byte order mark is noise, not an error
    except UnicodeDecodeError as exc:
        raise BadAnswer("not UTF-8") from exc
    start = text.lstrip()[:1]
    if not start:
        raise BadAnswer("empty body")
    if start == "<":
        raise BadAnswer("HTML or XML instead of JSON")
    if _depth(text) > MAX_DEPTH:
        raise BadAnswer(f"nested deeper than {MAX_DEPTH} levels")
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError, InvalidOperation) as exc:
        raise BadAnswer(f"not valid JSON ({exc})") from exc


def _depth(text: str) -> int:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return 0  # not deeper than that, whatever stands in strings
    depth = deepest = 0
    bare = text.replace("\\\\", "").replace('\\"', "")  # then a quote begins or ends a string
    for match in _BRACKETS.finditer(_STRINGS.sub("", bare)):
        depth += 1 if match.group() in "[{" else -1
        if depth > deepest:
            deepest = depth
            if deepest > MAX_DEPTH:
                break
    return deepest


def _decimal(text: str) -> Decimal:
    if len(text) > 400:
        raise ValueError(f"number of {len(text)} characters")
    return Decimal(text)


def _no_constant(name: str) -> t.NoReturn:
    raise ValueError(f"{name} is not a number")


def _object(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key twice in one object")
    return result


_DECODER = json.JSONDecoder(parse_float=_decimal, parse_int=_decimal, parse_constant=_no_constant, object_pairs_hook=_object)


def _meter(item: t.Any) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    if not isinstance(item, dict):
        raise BadAnswer(f"a meter is a JSON {type(item).__name__}, not an object")
    name = item.get("name")
    if not isinstance(name, str) or not name:
        raise BadAnswer("a meter without a name")
    billed = item.get("billedUnit")
    meter = {
        "name": _text(name, "meter name"),
        "quantity": _number(item.get("quantity"), f"quantity of meter {name!r}"),
        "billed_unit": None if billed is None else _number(billed, f"billedUnit of meter {name!r}"),
    }
    return meter, {key: _plain(value) for key, value in item.items() if key not in ("name", "quantity", "billedUnit")}


def _number(value: t.Any, what: str) -> str:
    try:
        return exact(value)
    except ValueError as exc:
        raise BadAnswer(f"{what[:120]}: {exc}") from exc


def _text(value: t.Any, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_NAME or not value.isprintable():
        raise BadAnswer(f"{what} is not a line of at most {MAX_NAME} characters")
    return value


def _plain(value: t.Any) -> t.Any:
    """Unknown values without floats: whole numbers of ordinary size stay numbers, all others become strings."""
    if isinstance(value, Decimal):
        text = str(value)
        return int(text) if len(text) < 19 and text.lstrip("-").isdigit() else text
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
