# SPDX-License-Identifier: GPL-2.0-only
"""Upgrade JSON tables of older formats to those of today. Pure.

Only this module may match sentences that an older version wrote. Today every fact has its own field; if an old record
has only a sentence, the field is filled from it here. A damaged table is returned unchanged: reading it into a record
reports the error.

=======  ==========================================================================================================
run 1    ``problems`` are texts; a case has no ``known_failures``; a kernel has no ``came_from``
run 2    a splat of an early record has no ``function``, and a title and fingerprint by other rules
series 1 ``missing`` are texts; ``evidence`` ends with the path of the log; there is no ``base_origin``
=======  ==========================================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.base.json_records import Table, to_table
from harness.model.origin import UNKNOWN_ORIGIN, Origin, OriginKind
from harness.model.run_record import UNKNOWN, ProblemKind

_OLD_FOLDER = "cases"
_CONTRADICTION = "cases contradict each other"
_KNOWN = re.compile(r"(?:^|; )(?:(?P<trait>[a-z][a-z0-9_]*) )?known until (?P<day>[0-9]{4}-[01][0-9]-[0-3][0-9]): ")
_LOG = re.compile(r"(?:^|\n)the whole log: (?P<path>[^\n]*)\Z")
_CHANGES = re.compile(r" with (?P<number>[0-9]{1,9}) uncommitted changes?\Z")
_FILES = "the files of "
_RETIRED = "selftest"
"""Folder of a suite that once held tests of the harness itself."""


def moved_case_id(old: str, suite: str, *, separator: str = "/") -> str:
    """Return the id that a case from before suites existed has today: ``cases/x.session`` is ``SUITE/x.session``.

    :param old: an id; it is returned unchanged if it does not start with ``cases/``.
    :param suite: the name of the suite that holds the old cases; empty if no suite does.
    :param separator: the character between the parts of the id.
    """
    prefix = f"{_OLD_FOLDER}{separator}"
    return f"{suite}{separator}{old.removeprefix(prefix)}" if suite and old.startswith(prefix) else old


def is_retired(case: str) -> bool:
    """Return whether an id is of a case that suites had once, and that is a test of the harness today."""
    return case.split("/")[1:2] == [_RETIRED]


def upgrade_run(table: Table) -> Table:
    """Return the table of a run record in the newest format."""
    kernel = table.get("kernel")
    if table.get("format_version") == 1:
        table = {
            **table,
            "format_version": 2,
            **({"kernel": _upgrade_kernel(kernel)} if isinstance(kernel, dict) else {}),
            **_each(table, "problems", str, _problem),
        }
    return {**table, **_each(table, "cases", dict, upgrade_case)}


def upgrade_case(table: Table) -> Table:
    """Return the table of a case record in the newest format; it has no format number of its own."""
    known = table.get("known")
    if "known_failures" not in table and isinstance(known, str):
        table = {**table, "known_failures": _known_failures(known)}
    splats = table.get("splats")
    if not splats or not isinstance(splats, list) or not all(isinstance(one, dict) for one in splats):
        return table
    upgraded = [_upgrade_splat(one) for one in splats]
    reason = table.get("reason")
    if not isinstance(reason, str):
        return {**table, "splats": upgraded}
    for old, new in zip(splats, upgraded, strict=True):
        reason = reason.replace(_named(old), _named(new))
    return {**table, "splats": upgraded, "reason": reason}


def _named(splat: Table) -> str:
    return f"{splat.get('kind')}: {splat.get('title')}"


def _upgrade_splat(table: Table) -> Table:
    """Return the table of a splat by the rules of today, which find title and fingerprint in its text again."""
    text = table.get("text")
    if "function" in table or not isinstance(text, str):
        return table
    # Imported here: its patterns take a tenth of the start of every command, and newer records need none.
    from harness.kernellog.reader import scan

    if not (found := scan(text)):
        return table
    splat = found[0]
    return {
        **table,
        "kind": splat.kind.value,
        "title": splat.title,
        "fingerprint": splat.fingerprint,
        "function": splat.function,
    }


def upgrade_series(table: Table) -> Table:
    """Return the table of a series record in the newest format."""
    if table.get("format_version") != 1:
        return table
    base, _, below = str(table.get("base", "")).partition(" + ")
    return {
        **table,
        "format_version": 2,
        "base_origin": to_table(_origin_of_source(base)),
        "base_series": below,
        **_each(table, "missing", str, lambda text: {"name": text.partition(" ")[0], "text": text}),
        **_each(table, "patches", dict, _upgrade_patch),
    }


def upgrade_bisection(table: Table) -> Table:
    """Return the table of a bisection's state in the newest format."""
    return table


def _each(table: Table, key: str, kind: type, change: Callable[..., Table]) -> Table:
    """Return the key with its list, each element changed; an empty table if the value is not a list of that kind."""
    values = table.get(key)
    if not isinstance(values, list) or not all(isinstance(one, kind) for one in values):
        return {}
    return {key: [change(one) for one in values]}


def _problem(text: str) -> Table:
    kind = ProblemKind.CONTRADICTION if _CONTRADICTION in text else ProblemKind.OTHER
    return {"kind": kind.value, "text": text}


def _known_failures(text: str) -> list[Table]:
    """Split a text into its entries, e.g. ``known until 2027-03-01: why (https://...); pinning known until ...``."""
    found = list(_KNOWN.finditer(text))
    ends = [one.start() for one in found[1:]] + [len(text)]
    entries: list[Table] = []
    for one, after in zip(found, ends, strict=False):
        reason, _, link = text[one.end() : after].rpartition(" (")
        link = link.removesuffix(")")
        entries.append({"trait": one["trait"] or "", "reason": reason, "link": link, "expires": one["day"]})
    return entries


def _upgrade_kernel(table: Table) -> Table:
    build = table.get("build")
    source = build.get("source") if isinstance(build, dict) else ""
    if source:
        return {**table, "came_from": to_table(_origin_of_source(str(source)))}
    return {**table, "came_from": to_table(_origin_of_image(table))}


def _origin_of_image(table: Table) -> Origin:
    text = str(table.get("origin", ""))
    if text.startswith("/"):
        return Origin(OriginKind.IMAGE, text)
    name, space, version = text.partition(" ")
    if not space or table.get("image_digest") == UNKNOWN:
        return UNKNOWN_ORIGIN
    return Origin(OriginKind.IMAGE_PACKAGE, name, version)


def _origin_of_source(text: str) -> Origin:
    if text.startswith(_FILES):
        return Origin(OriginKind.FILES, text.removeprefix(_FILES))
    changes = _CHANGES.search(text)
    uncommitted = int(changes["number"]) if changes else 0
    path, _, revision = _CHANGES.sub("", text).partition(" at " if text.startswith("/") else " ")
    kind = OriginKind.TREE if text.startswith("/") else OriginKind.SOURCE_PACKAGE
    return Origin(kind, path, revision, uncommitted)


def _upgrade_patch(table: Table) -> Table:
    evidence = table.get("evidence")
    if not isinstance(evidence, str) or not (found := _LOG.search(evidence)):
        return table
    return {**table, "evidence": evidence[: found.start()], "log": found["path"]}
