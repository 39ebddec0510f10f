# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canonical JSON: one value, one sequence of bytes; and a bounded parser for bytes from outside.

This file is private to the collection.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 32
_KEYS = frozenset((str,))
_PLAIN = frozenset((str, int, bool, type(None)))
_STRING = re.compile(rb'"(?:[^"\\]+|\\.)*(?:"|\\?\Z)', re.DOTALL)  # one that is not closed goes on to the end, so no match is tried twice
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_quoted = json.encoder.encode_basestring


def canonical(value: t.Any) -> bytes:
    """Serialise with sorted keys, no blanks, UTF-8. Refused is what does not survive every reader.

    :raises InputError: a float, a key that is no string or a lone surrogate; the line says where.
    """
    _judge(value)
    return _encoded(value, json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False))


def pretty(value: t.Any) -> bytes:
    """Serialise for people: sorted, indented, one newline at the end."""
    _judge(value)
    return _encoded(value, _indented(value, "\n") + "\n")


def digest_of(value: t.Any) -> Digest:
    """Digest of the canonical form of ``value``."""
    return Digest.of(canonical(value))


def parse(data: bytes, what: str, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> t.Any:
    """Parse JSON that somebody else wrote.

    :raises InputError: too large, too deep, not UTF-8, not JSON, a duplicate key or NaN; the line names ``what``.
    """
    if len(data) > max_bytes:
        raise InputError(what, f"{len(data)} bytes, more than the {max_bytes} allowed")
    if _depth(data) > max_depth:
        raise InputError(what, f"nested deeper than {max_depth} levels")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        raise InputError(what, f"not valid JSON ({exc})") from exc


def _depth(data: bytes) -> int:
    """Deepest nesting of brackets outside strings, found without building anything of them."""
    depth = deepest = 0
    for byte in _STRING.sub(b"", data).translate(None, _NO_BRACKETS):
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def _no_duplicates(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    result: dict[str, t.Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"key {key!r} twice")
        result[key] = value
    return result


def _no_constant(name: str) -> t.NoReturn:
    raise ValueError(f"{name} is not a number")


def _indented(value: t.Any, line: str) -> str:
    """As ``json.dumps`` writes it with ``indent=1``, which it does in Python, byte for byte and several times as slowly.

    :param line: line feed and blanks that begin a line of this level
    """
    if isinstance(value, dict) and value:
        inner = line + " "
        return "{" + ",".join([f"{inner}{_quoted(key)}: {_indented(value[key], inner)}" for key in sorted(value)]) + line + "}"
    if isinstance(value, (list, tuple)) and value:
        inner = line + " "
        return "[" + ",".join([inner + _indented(item, inner) for item in value]) + line + "]"
    if isinstance(value, str):
        return _quoted(value)
    return int.__repr__(value) if isinstance(value, int) and not isinstance(value, bool) else json.dumps(value)


def _encoded(value: t.Any, text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        _refuse(value, "value")  # which says where
        raise


def _judge(value: t.Any) -> None:
    """Refuse what does not survive every reader; lone surrogates show when the whole is encoded."""
    if not _is_plain(value):
        _refuse(value, "value")


def _is_plain(value: t.Any) -> bool:
    """Whether it is made of exactly JSON's own types, without floats: most values are, and need no path made for each part."""
    kind = type(value)
    if kind is dict:
        return set(map(type, value)) <= _KEYS and all(map(_is_plain, value.values()))
    if kind is list or kind is tuple:
        return all(map(_is_plain, value))
    return kind in _PLAIN


def _refuse(value: t.Any, where: str) -> None:
    if isinstance(value, float):
        raise InputError(where, f"{value!r} is a float", "use an integer or a decimal string")
    if isinstance(value, str):
        _refuse_surrogate(value, where)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InputError(where, f"key {key!r} is no string", "quote it")
            _refuse_surrogate(key, where)
            _refuse(item, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _refuse(item, f"{where}[{index}]")


def _refuse_surrogate(text: str, where: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise InputError(where, f"{ascii(text)[:80]} is not a Unicode string") from exc
