# SPDX-License-Identifier: GPL-2.0-only
"""Check that ``Link:`` and ``Closes:`` have a URL, and nothing else but a note."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.check import Check, Group
from harness.model.finding import Level, StyleFinding

_URL = re.compile(r"<?https?://[\w.-]+(?::\d+)?/?[^\s<>]*>?")
# "# [1]", "[1]" or "(comment)" after the URL.
_NOTE = re.compile(r"\s*(?:[#\[(].*)?")


def _examine(_: Bench, patch: CheckedPatch) -> Iterator[StyleFinding]:
    for one in patch.trailers:
        if one.name not in ("link", "closes"):
            continue
        url = _URL.match(one.value)
        if url is None:
            yield StyleFinding(Level.WARNING, "", 0, f'"{one}" has no URL: {one.key}: https://...')
        elif not _NOTE.fullmatch(one.value[url.end() :]):
            yield StyleFinding(Level.WARNING, "", 0, f'"{one}" has text after the URL that does not start with #')


CHECK = Check("links", "Link: and Closes: have a URL", Group.TEXT, _examine)
