# SPDX-License-Identifier: GPL-2.0-only
"""Texts sent as ``format=flowed`` (RFC 3676) as they were before. Pure."""

from __future__ import annotations

from harness.kernel.mail.diff import has_diff, is_damaged

_SIGNATURE = b"-- "


def unflowed(text: bytes, *, deletes_space: bool) -> bytes:
    """Remove the blanks that a mail program put before a patch's lines; a text without a diff is returned unchanged.

    Mail programs call a patch flowed that they left alone, or stuff its lines and fold none: taken is the first of
    these readings whose hunks are whole.

    :param deletes_space: whether the mail says ``delsp=yes``.
    """
    for reading in (_joined(text, deletes_space=deletes_space), _unstuffed(text)):
        if has_diff(reading) and not is_damaged(reading):
            return reading
    return text


def _unstuffed(text: bytes) -> bytes:
    return b"\n".join(line.removeprefix(b" ") for line in text.split(b"\n"))


def _joined(text: bytes, *, deletes_space: bool) -> bytes:
    """Join each line that ends with a blank with the next one, as git-mailinfo(1) does."""
    lines: list[bytes] = []
    begun = b""
    for line in text.split(b"\n"):
        if line == _SIGNATURE:
            lines += [begun, line] if begun else [line]
            begun = b""
            continue
        plain = line.removeprefix(b" ")
        if plain.endswith(b" "):
            begun += plain[:-1] if deletes_space else plain
            continue
        lines.append(begun + plain)
        begun = b""
    return b"\n".join([*lines, begun] if begun else lines)
