# SPDX-License-Identifier: GPL-2.0-only
"""Text of a mail in UTF-8, whatever charset it names. Pure."""

from __future__ import annotations

import codecs
import re

# Codecs that Python has and that are no charset of a mail; punycode takes time that grows with the square.
_NO_CHARSET = ("punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem")
# What mail programs call by the name of an older, smaller charset (https://encoding.spec.whatwg.org/#names-and-labels).
_MEANT = {
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "ksc5601": "cp949",
    "euc-kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "big5": "big5hkscs",
    "iso-8859-8-i": "iso-8859-8",
    "windows-874": "cp874",
    "dos-874": "cp874",
    "macintosh": "mac_roman",
    "x-mac-roman": "mac_roman",
    "utf8mb4": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
}
_PREFIX = re.compile(r"^(?:x-|cs)(?=[a-z])")


def find_codec(charset: str) -> str:
    """Return the name of Python's codec for a charset; empty if there is none.

    :param charset: as a mail names it.
    """
    name = charset.strip().strip("\"';").lower()
    plain = _MEANT.get(name, name)
    for one in (plain, _PREFIX.sub("", plain)):
        try:
            found = codecs.lookup(one)
        except (LookupError, ValueError):  # a NUL byte in the name
            continue
        if found._is_text_encoding and found.name.replace("-", "_") not in _NO_CHARSET:
            return found.name
    return ""


def in_utf8(text: bytes, charset: str) -> bytes:
    """Recode a text to UTF-8; left as it is when it is not in the charset that its mail names."""
    codec = find_codec(charset)
    if codec in ("", "utf-8", "ascii"):
        return text
    try:
        return text.decode(codec).encode()
    except (LookupError, ValueError):
        return text


def decoded(text: bytes, charset: str) -> str:
    """Decode a text of a header; a byte that is not in its charset becomes a replacement character."""
    try:
        return text.decode(find_codec(charset) or "utf-8")
    except (LookupError, ValueError):
        return text.decode(errors="replace")
