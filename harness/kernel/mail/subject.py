# SPDX-License-Identifier: GPL-2.0-only
"""The subject line of a patch mail: ``[PATCH net-next v2 3/7] title``. Pure.

The words in brackets follow no standard; what is understood here is what git-format-patch(1) writes and what people
type: ``[PATCHv2 3/7]``, ``[RFC PATCH 0/5]``, ``[PATCH RESEND]``, ``[v2,3/7]``, ``[list-name] [PATCH 03/10]``,
``[PATCH 1 of 3]``, ``[PATCH] (1/3) title``, ``[PATCH1/3]``, ``[PATCH v2.1 1/3]``, ``[PATCH take 2]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from harness.model.series_choice import SeriesVersion, parse_version

_BRACKETS = re.compile(r"\[([^\]]*)\]:?\s*")
# "Re:" as mail programs of several languages write it, also counted ("Re[2]:").
_REPLY = re.compile(
    r"(?:(?:re|aw|fwd?|sv|vs|antw|odp|rif|ynt|回复|答复)(?:\[\d+\])?\s*[:\N{FULLWIDTH COLON}]\s*)+", re.IGNORECASE
)
_RESENT = re.compile(r"(?:resend|repost|resent)\s*:\s*(?=\[)", re.IGNORECASE)
_NAKED = re.compile(r"PATCH((?:[ ,]+(?:v\d{1,4}|\d{1,4}/\d{1,4}))*)\s*:\s+(?=\S)")
# Numbers behind the brackets: "(1/3) title", "(1 of 3): title", "1/3: title".
_BEHIND = re.compile(r"(?:\(\s*(\d{1,4})\s*(?:/|of)\s*(\d{1,4})\s*\)[:\s]*|(\d{1,4})/(\d{1,4})\s*:\s+)(?=\S)")
_AT_END = re.compile(r"\s*[(\[](\d{1,4})\s*(?:/|of)\s*(\d{1,4})[)\]]$")
_COUNT = re.compile(r"(?<![\w./])(\d{1,4})(?:\s*[/\\]\s*|[\s-]*of[\s-]*)(\d{1,4})(?![\w./])", re.IGNORECASE)
_NUMBER = r"\d{1,4}(?:\.\d{1,4})?[a-z]?"
_WORDED = re.compile(
    rf"(?<!\S)\(?(?:v|ver|version|rev|revision|take|try|attempt|#)[\s._-]*#?({_NUMBER})\)?(?![\w./])", re.IGNORECASE
)
_PATCH = re.compile(
    rf"patch(?:set|es)?[-/_.:#]*(?:v({_NUMBER}))?(?:[-/_.:]*(?<!v\d)(\d{{1,4}})(?:/|of)(\d{{1,4}}))?", re.IGNORECASE
)
_COUNTED = re.compile(r"(\d{1,4})/(\d{1,4})")
_VERSIONED = re.compile(rf"(?:(.+)[-_/]|(rfc))?v({_NUMBER})(?:-(\d{{1,4}})/(\d{{1,4}}))?", re.IGNORECASE)
_RESEND = ("resend", "repost", "resent", "resubmit", "re-send", "re-post")
# "RFC/PATCH", "RESEND-PATCH"; "drm/i915" is one word.
_COMPOUND = re.compile(r"(?:patch|rfc|resend|repost)[/-].*|.*[/-](?:patch|rfc|resend|repost)(?:[/-].*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject line, read.

    :param title: what follows the brackets.
    :param number: of the patch in its series, 0 for the cover letter; None when the subject has none.
    :param total: how many patches the series has; None when the subject does not say.
    :param version: the number of its version; ``suffix`` is what follows it: ``.1`` of v2.1, ``b`` of v5b.
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
    suffix: str = ""

    @property
    def posted_as(self) -> SeriesVersion:
        """Return the version with its suffix, as a sort key."""
        return parse_version(f"{self.version}{self.suffix}") or SeriesVersion(self.version)

    @property
    def is_rfc(self) -> bool:
        """Return whether the brackets mark an RFC."""
        return any(tag.lower().startswith("rfc") for tag in self.tags)

    def number_at_end(self) -> Subject:
        """Move the numbers at the end of a title to the subject's own: ``title (1/3)``.

        A title may end so by itself ("halve it (1/2)"): the caller sees to it that all of a series do.
        """
        found = _AT_END.search(self.title) if self.number is None else None
        if not found:
            return self
        return replace(self, title=self.title[: found.start()], number=int(found[1]), total=int(found[2]))

    def render(self) -> str:
        """Return the subject line; numbers are padded as git-format-patch(1) does, so that names sort."""
        words = ["PATCH"] if self.is_patch else []
        words += ["RESEND"] if self.is_resend else []
        words += self.tags
        words += [f"v{self.version}{self.suffix}"] if self.version != 1 or self.suffix else []
        if self.number is not None and self.total is not None:
            words.append(f"{self.number:0{len(str(self.total))}}/{self.total}")
        brackets = f"[{' '.join(words)}] " if words else ""
        return f"{'Re: ' if self.is_reply else ''}{brackets}{self.title}".rstrip()


@dataclass(slots=True)
class _Words:
    """What the words in the brackets say, collected."""

    count: tuple[int, int] | None = None
    versions: list[SeriesVersion] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    is_patch: bool = False
    is_resend: bool = False

    @property
    def is_telling(self) -> bool:
        """Return whether there was a word that only a patch mail has."""
        return self.is_patch or self.is_resend or self.count is not None or bool(self.versions)

    @property
    def version(self) -> SeriesVersion:
        """Return the version; ``[PATCH v6.1 v2]`` has 2, because v6.1 is the kernel's."""
        plain = [one for one in self.versions if not one.suffix]
        return [SeriesVersion(1), *self.versions, *plain][-1]

    def read(self, content: str) -> None:
        """Read the text of a pair of brackets."""
        content = _COUNT.sub(r" \1/\2 ", content)
        content = _WORDED.sub(r" v\1 ", content)
        for word in filter(None, re.split(r"[\s,;()]+", content)):
            self._take(word.strip(":-"))

    def _take(self, word: str) -> None:
        if counted := _COUNTED.fullmatch(word):
            self.count = (int(counted[1]), int(counted[2]))
        elif patch := _PATCH.fullmatch(word):
            self.is_patch = True
            self._take_numbers(*patch.groups())
        elif versioned := _VERSIONED.fullmatch(word):
            for tag in filter(None, versioned.groups()[:2]):
                self._take(tag)
            self._take_numbers(*versioned.groups()[2:])
        elif word.lower().startswith(_RESEND):
            self.is_resend = True
        elif _COMPOUND.fullmatch(word):
            for part in filter(None, re.split("[/-]", word)):
                self._take(part)
        elif word:
            self.tags.append(word)

    def _take_numbers(self, version: str | None, number: str | None, total: str | None) -> None:
        if version and (read := parse_version(version)):
            self.versions.append(read)
        if number and total:
            self.count = (int(number), int(total))


def parse_subject(text: str) -> Subject:
    """Read a subject line, decoded, folded or not; any text can be one."""
    rest = " ".join(text.split())
    is_reply = False
    words = _Words()
    while True:
        # Behind [PATCH] a "fw:" is the name of a subsystem; a mail program writes its "Fw:" in front.
        if not words.is_telling and (found := _REPLY.match(rest)):
            is_reply = True
        elif found := _RESENT.match(rest):
            words.is_resend = True
        elif found := _BRACKETS.match(rest):
            words.read(found[1])
        elif not words.is_telling and (found := _NAKED.match(rest)):
            words.is_patch = True
            words.read(found[1])
        elif words.count is None and (words.is_patch or rest[:1] == "(") and (found := _BEHIND.match(rest)):
            numbers = [int(one) for one in found.groups() if one]
            words.count = (numbers[0], numbers[1])
        else:
            break
        rest = rest[found.end() :]
    number, total = words.count or (None, None)
    version = words.version
    return Subject(
        rest.strip(),
        number,
        total,
        version.major,
        tuple(words.tags),
        words.is_patch,
        is_reply,
        words.is_resend,
        version.suffix,
    )
