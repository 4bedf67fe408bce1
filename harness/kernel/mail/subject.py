"""The subject line of a patch mail: ``[PATCH net-next v2 3/7] title``. Pure.

The words in brackets follow no standard; what is understood here is what git-format-patch(1) writes and what people
type: ``[PATCHv2 3/7]``, ``[RFC PATCH 0/5]``, ``[PATCH RESEND]``, ``[v2,3/7]``, ``[list-name] [PATCH 03/10]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BRACKETS = re.compile(r"\[([^\]]*)\]\s*")
# "Re:" as mail programs of several languages write it, also counted ("Re[2]:").
_REPLY = re.compile(
    r"(?:(?:re|aw|fwd?|sv|vs|antw|odp|rif|ynt|回复|答复)(?:\[\d+\])?\s*[:\N{FULLWIDTH COLON}]\s*)+", re.IGNORECASE
)
_COUNT = re.compile(r"(\d{1,4})/(\d{1,4})")
_VERSION = re.compile(r"v(\d{1,4})", re.IGNORECASE)
_PATCH = re.compile(r"(patch(?:set|es)?)(?:[/-]?(v\d{1,4}))?", re.IGNORECASE)
_RESEND = ("resend", "repost")


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject line, read.

    :param title: what follows the brackets.
    :param number: of the patch in its series, 0 for the cover letter; None when the subject has none.
    :param total: how many patches the series has; None when the subject does not say.
    :param tags: the other words in the brackets, as they stand: ``RFC``, ``net-next``.
    """

    title: str
    number: int | None = None
    total: int | None = None
    version: int = 1
    tags: tuple[str, ...] = ()
    is_patch: bool = True
    is_reply: bool = False
    is_resend: bool = False

    def render(self) -> str:
        """The line again; numbers padded as git-format-patch(1) does, so that names sort."""
        words = ["PATCH"] if self.is_patch else []
        words += ["RESEND"] if self.is_resend else []
        words += self.tags
        words += [f"v{self.version}"] if self.version != 1 else []
        if self.number is not None and self.total is not None:
            words.append(f"{self.number:0{len(str(self.total))}}/{self.total}")
        brackets = f"[{' '.join(words)}] " if words else ""
        return f"{'Re: ' if self.is_reply else ''}{brackets}{self.title}".rstrip()


def parse_subject(text: str) -> Subject:
    """Read a subject line, decoded, folded or not; any text can be one."""
    rest = " ".join(text.split())
    is_reply = False
    words: list[str] = []
    while True:
        if found := _REPLY.match(rest):
            is_reply = True
        elif found := _BRACKETS.match(rest):
            words += re.split(r"[\s,;]+", found.group(1).strip())
        else:
            break
        rest = rest[found.end() :]
    number = total = None
    version = 1
    tags = []
    is_patch = is_resend = False
    for word in filter(None, words):
        if count := _COUNT.fullmatch(word):
            number, total = int(count.group(1)), int(count.group(2))
        elif named := _VERSION.fullmatch(word):
            version = int(named.group(1))
        elif patch := _PATCH.fullmatch(word):
            is_patch = True
            version = int(patch.group(2)[1:]) if patch.group(2) else version
        elif word.lower().startswith(_RESEND):
            is_resend = True
        else:
            tags += _of_slashes(word)
            is_patch = is_patch or "patch" in word.lower().split("/")
    return Subject(rest.strip(), number, total, version, tuple(tags), is_patch, is_reply, is_resend)


def _of_slashes(word: str) -> list[str]:
    """``RFC/PATCH`` is two words, ``drm/i915`` is one."""
    parts = word.split("/")
    if any(part.lower() == "patch" for part in parts):
        return [part for part in parts if part and part.lower() != "patch"]
    return [word]
