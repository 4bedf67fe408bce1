# SPDX-License-Identifier: GPL-2.0-only
"""Which bytes of a recoded diff a tree takes: git recodes the message of a mail, and never its diff.

A mail in Latin-1 that changes a file in Latin-1 has to stay as it was sent. A mail program that recoded a patch for a
file in UTF-8 has to be undone. Only the tree tells the one from the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.kernel.mail.diff import Region, read_lines

if TYPE_CHECKING:
    from harness.kernel.patches.series import Patch, Series


def as_in_tree(series: Series, files: Mapping[str, bytes]) -> Series:
    """Return the series with the diff of each recoded patch in the encoding of the tree's files.

    :param files: the content of the files that such patches touch, by path; a file that is missing is new.
    """
    patches = tuple(_chosen(patch, files) for patch in series.patches)
    return replace(series, patches=patches)


def recoded_files(series: Series) -> tuple[str, ...]:
    """Return the files that recoded patches change."""
    return tuple(dict.fromkeys(file for patch in series.patches if patch.mail_as_sent for file in patch.files))


def _chosen(patch: Patch, files: Mapping[str, bytes]) -> Patch:
    if not patch.mail_as_sent:
        return patch
    held = [files[file] for file in patch.files if file in files]
    recoded, sent = _found(patch.mail, held), _found(patch.mail_as_sent, held)
    is_sent = sent > recoded or (sent == recoded and not all(map(_is_utf8, held)))
    return replace(patch, mail=patch.mail_as_sent, mail_as_sent=b"") if is_sent else patch


def _found(mail: bytes, files: list[bytes]) -> int:
    """Count the non-ASCII lines that a patch expects and the files have."""
    lines = {line for content in files for line in content.split(b"\n") if not line.isascii()}
    expected = (
        line.content[1:]
        for line in read_lines(mail)
        if line.region is Region.BODY and line.content[:1] in (b" ", b"-") and not line.content.isascii()
    )
    return sum(line in lines for line in expected)


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
