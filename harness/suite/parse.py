# SPDX-License-Identifier: GPL-2.0-only
"""Read the text of a ``suite.toml``, and find all its faults. Pure."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from harness.base.errors import CaseError, UsageError
from harness.guest.definition import GuestAdditions, GuestFile, Package
from harness.kernel.config.kconfig import Need, SuiteConfig, parse_need
from harness.kernel.needs import Feature
from harness.session.header import CORE_HEADERS
from harness.session.noise import NoisePattern
from harness.session.preparation import AT, Preparation
from harness.suite.definition import FORMAT, SUITE_NAME, Exploration, InventorySection, Suite
from harness.suite.faults import FaultTable

_NAME = re.compile(r"[a-z][a-z0-9-]*")
# Debian policy 5.6.1.
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_OPTION = re.compile(r"CONFIG_[A-Za-z0-9_]+")
_KCONFIGS = "kconfigs"
_MOST_MODE = 0o7777
LEFTOVERS_PATH = "/usr/lib/harness/leftovers"
"""The program of a suite that counts what cases may leave behind (``qemu/init.sh``)."""


def parse_suite(text: str, folder: Path) -> tuple[Suite, tuple[str, ...]]:
    """Read a ``suite.toml``.

    :param text: content of the file.
    :param folder: the folder of the suite.
    :return: the suite and the faults of the text; with faults, the suite must not be used.
    :raises CaseError: the text is not TOML.
    :raises UsageError: the format is newer than this harness supports.
    """
    path = folder / SUITE_NAME
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CaseError(f"{path} is not TOML", evidence=str(error), remedy="correct that line") from None
    written = content.get("format")
    if isinstance(written, int) and written > FORMAT:
        raise UsageError(
            f"{path} needs a newer harness",
            evidence=f"format = {written}; this harness supports formats up to {FORMAT}",
            remedy="update the harness, or use an older version of the suite",
        )
    faults: list[str] = []
    top = FaultTable(content, str(path), faults)
    if top.number("format") == 0:
        top.fault("format", f"is 0, but the first format is {FORMAT}", hint=f"write format = {FORMAT}")
    guest = top.table("guest")
    argument = top.text("argument", default="")
    suite = Suite(
        folder=folder,
        name=_matching(top, "name", _NAME, "lower-case letters, digits and '-', starting with a letter"),
        title=top.text("title"),
        config=SuiteConfig(folder / _KCONFIGS, top.texts("fragments"), _needs(guest), argument),
        guest=_guest(guest, folder),
        features=tuple(_feature(word, table) for word, table in top.tables("feature")),
        preparations=tuple(_preparation(header, table) for header, table in top.tables("prepare")),
        noise_patterns=tuple(_noise(row) for row in top.rows("noise")),
        inventory=tuple(_section(name, table) for name, table in top.tables("inventory")),
        exploration=_exploration(top.table("explore"), folder) if top.has("explore") else None,
        argument=argument,
        is_compared=top.flag("compared", default=False),
        append=guest.texts("append"),
        guests=top.texts("guests"),
        packages=_packages(top),
    )
    guest.close()
    top.close()
    return suite, tuple(faults)


def _packages(top: FaultTable) -> tuple[str, ...]:
    packages = top.texts("packages")
    for name in packages:
        if not _PACKAGE.fullmatch(name):
            top.fault(
                "packages", f"names {name!r}, which is not a package", hint="write names as apt-get install takes them"
            )
    if packages and not top.has("guests"):
        top.fault("packages", "has no use: the small guest is not made of packages", hint='add guests = ["debian"]')
    return packages


def _needs(guest: FaultTable) -> tuple[tuple[Need, str], ...]:
    needs = []
    for text, why in guest.pairs("needs"):
        try:
            needs.append((parse_need(text), why))
        except CaseError as error:
            guest.fault("needs", error.what, hint=error.remedy)
    return tuple(needs)


def _guest(guest: FaultTable, folder: Path) -> GuestAdditions:
    helpers = guest.texts("helpers")
    for name in helpers:
        if not name.endswith(".c"):
            guest.fault("helpers", f"names {name}, which is not a C source", hint="name files that end in .c")
    packages, files = [], []
    for row in guest.rows("package"):
        row.text("reason")  # not used, but each package must give a reason
        packages.append(Package(row.text("name"), row.texts("programs"), has_applets=False))
        row.close()
    for row in guest.rows("file"):
        path, mode = row.text("path"), row.number("mode", default=0o644)
        if path and (not path.startswith("/") or path.endswith("/")):
            row.fault("path", f"is {path!r}, not the absolute path of a file", hint="write /usr/bin/NAME")
        if mode > _MOST_MODE:
            row.fault("mode", f"is {mode}, not permissions", hint="write an octal number, such as 0o755")
        files.append(GuestFile(path, folder / row.text("source"), mode))
        row.close()
    if leftovers := guest.text("leftovers", default=""):
        files.append(GuestFile(LEFTOVERS_PATH, folder / leftovers, 0o755))
    return GuestAdditions(tuple(packages), tuple(folder / name for name in helpers), tuple(files))


def _feature(word: str, table: FaultTable) -> Feature:
    if not _NAME.fullmatch(word):
        table.fault("", f"{word!r} is not a valid feature name", hint="write lower-case letters, digits and '-'")
    shown = table.table("shown_by") if table.has("shown_by") else None
    shown_by = None
    if shown is not None:
        shown_by = (shown.text("trait"), shown.text("value"))
        shown.close()
    feature = Feature(word, table.text("probe"), table.text("missing"), table.text("consequence"), shown_by)
    table.close()
    return feature


def _preparation(header: str, table: FaultTable) -> Preparation:
    if header in CORE_HEADERS or not _NAME.fullmatch(header):
        table.fault(
            "", f"{header!r} is not a valid header name", hint=f"these are taken: {', '.join(sorted(CORE_HEADERS))}"
        )
    command, at = table.text("command"), table.text("at", default="")
    if (AT in command) != bool(at):
        what = f"has no {AT}, but there is an 'at'" if at else f"has {AT}, but there is no 'at'"
        table.fault("command", what, hint=f"write both, at = '/PATH' and {AT} in the command, or neither")
    elif at and not at.startswith("/"):
        table.fault("at", f"is {at!r}, not an absolute path", hint="write an absolute path, such as /mnt")
    options = table.pairs("option")
    for shape, option in options:
        table.expression("option", shape)
        if not _OPTION.fullmatch(option):
            table.fault("option", f"names {option!r}, which is not an option", hint="write CONFIG_X")
    preparation = Preparation(
        header=header,
        command=command,
        words=table.expression("words", table.text("words", default=r"\S+")),
        hint=table.text("hint", default=""),
        at=at,
        options=options,
    )
    table.close()
    return preparation


def _noise(row: FaultTable) -> NoisePattern:
    hint, pattern = row.text("hint"), row.expression("pattern", row.text("pattern"))
    if pattern and len(re.compile(pattern).groupindex) != 1:
        row.fault("pattern", "does not have one named group", hint="name the part that differs: 'job-(?P<job>[0-9]+)'")
    row.close()
    return NoisePattern(hint, pattern)


def _section(name: str, table: FaultTable) -> InventorySection:
    if not _NAME.fullmatch(name):
        table.fault("", f"{name!r} is not a valid name", hint="write lower-case letters, digits and '-'")
    section = InventorySection(name, table.text("command"), table.text("before", default=""))
    table.close()
    return section


def _exploration(table: FaultTable, folder: Path) -> Exploration:
    exploration = Exploration(
        model=folder / table.text("model"),
        command=table.text("command"),
        prepare=table.pairs("prepare"),
        functions=table.expression("functions", table.text("functions", default="")),
    )
    table.close()
    return exploration


def _matching(table: FaultTable, key: str, shape: re.Pattern[str], wanted: str) -> str:
    text = table.text(key)
    if text and not shape.fullmatch(text):
        table.fault(key, f"is {text!r}", hint=f"write {wanted}")
    return text
