# SPDX-License-Identifier: GPL-2.0-only
"""Check the chain of ``Signed-off-by:`` lines: author, co-authors and sender of the mail are in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.check import Check, Group
from harness.checks.frame.trailers import Trailer
from harness.model.finding import Level, StyleFinding

_SIGNED = "signed-off-by"
_PERSON = re.compile(r'"?(?P<name>[^"<]*?)"?\s*<(?P<address>[^<>]+)>')


def _examine(_: Bench, patch: CheckedPatch) -> Iterator[StyleFinding]:
    signed = [one for one in patch.trailers if one.name == _SIGNED]
    if not signed:
        yield StyleFinding(Level.ERROR, "", 0, "there is no Signed-off-by: line")
        return
    yield from _author(patch.author, signed)
    sender = patch.patch.sender
    is_relay = "devnull+" in sender  # b4's web endpoint sends for the author
    if sender and not is_relay and _address(sender) != _address(patch.author):
        known = {_plain(one.address) for one in signed} | {_name(one.value) for one in signed}
        if not {_address(sender), _name(sender)} & known:
            yield StyleFinding(Level.WARNING, "", 0, f"the sender of the mail, {sender}, did not sign off")
    yield from _co_authors(patch.trailers)


def _author(author: str, signed: list[Trailer]) -> Iterator[StyleFinding]:
    if _address(author) in {_plain(one.address) for one in signed}:
        return
    same = next((one for one in signed if _name(one.value) and _name(one.value) == _name(author)), None)
    if same is not None:
        text = f"the author is {author}, but signed off as {same.value}"
        yield StyleFinding(Level.WARNING, "", 0, text)
    else:
        yield StyleFinding(Level.ERROR, "", 0, f"the author, {author}, did not sign off")


def _co_authors(trailers: tuple[Trailer, ...]) -> Iterator[StyleFinding]:
    """Check that the sign-off of a co-author follows at once, as submitting-patches.rst asks."""
    for at, one in enumerate(trailers):
        if one.name != "co-developed-by":
            continue
        after = trailers[at + 1] if at + 1 < len(trailers) else None
        if after is None or after.name != _SIGNED or _plain(after.address) != _plain(one.address):
            text = f"no Signed-off-by: of the same person follows Co-developed-by: {one.value}"
            yield StyleFinding(Level.WARNING, "", 0, text)


def _name(person: str) -> str:
    found = _PERSON.match(person.strip())
    return " ".join(found["name"].lower().split()) if found else ""


def _address(person: str) -> str:
    found = _PERSON.match(person.strip())
    return _plain(found["address"] if found else person.strip())


def _plain(address: str) -> str:
    """Return an address in lower case without its ``+suffix``."""
    local, at, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0]}{at}{domain}"


CHECK = Check("signoff", "author, co-authors and sender have signed off", Group.TEXT, _examine)
