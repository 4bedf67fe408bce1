# SPDX-License-Identifier: GPL-2.0-only
"""Write a suite for programs of others into the store: a folder like any other suite, named by its content."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.base.context import Context
from harness.base.store import digest_of
from harness.guest.definition import GuestFile, Package
from harness.suite.definition import FORMAT, SUITE_NAME, Suite
from harness.suite.load import read_suite
from harness.suite.program_file import PROGRAM_SECONDS, PROGRAM_SUFFIX

KIND = "generated-suite"
"""The kind of these suites in the store."""
_LAYOUT = "1"
_KCONFIGS = "kconfigs"


@dataclass(frozen=True, slots=True)
class DraftProgram:
    """A case of the suite: see :class:`harness.suite.program_file.ProgramCase`.

    :param name: the path of its file in the suite, without the suffix.
    :param files: paths in the guest of what it is made of, beside those in its command.
    """

    name: str
    command: str = ""
    title: str = ""
    directory: str = ""
    seconds: float = PROGRAM_SECONDS
    prepare: str = ""
    scales: bool = True
    options: tuple[str, ...] = ()
    ends: bool = True
    unavailable: str = ""
    needs: tuple[str, ...] = ()
    append: tuple[str, ...] = ()
    kunit: str = ""
    splats: tuple[str, ...] = ()
    is_of_ltp: bool = False
    factor_variable: str = ""
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A suite before it is written.

    :param argument: the argument of ``--suite``.
    :param name: its name, the first part of the ids of its cases.
    :param programs: its cases.
    :param files: files that the guest gets.
    :param packages: programs of this host that the guest gets.
    :param fragments: fragments of kernel configuration, by name.
    :param is_compared: whether failures are judged by comparison with another kernel.
    :param needs: options that every guest needs, each with the reason.
    :param append: kernel parameters that its templates are booted with.
    """

    argument: str
    name: str
    title: str
    programs: tuple[DraftProgram, ...]
    files: tuple[GuestFile, ...] = ()
    packages: tuple[Package, ...] = ()
    fragments: Mapping[str, str] = field(default_factory=dict)
    is_compared: bool = False
    needs: Mapping[str, str] = field(default_factory=dict)
    append: tuple[str, ...] = ()


def write_suite(context: Context, draft: Draft) -> Suite:
    """Return the suite of a draft; it is written if the store does not have it.

    :raises HostError: a file cannot be read, or the store is full.
    """
    digests = {one.path: _digest(one.source) for one in draft.files}
    texts = {SUITE_NAME: suite_text(draft, digests)}
    texts |= {f"{one.name}{PROGRAM_SUFFIX}": program_text(one, digests) for one in draft.programs}
    texts |= {f"{_KCONFIGS}/{name}.config": text for name, text in draft.fragments.items()}

    def fill(folder: Path) -> None:
        (folder / "files").mkdir()
        for one in draft.files:
            shutil.copyfile(one.source, folder / "files" / digests[one.path])
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")

    parts = [part for name in sorted(texts) for part in (name, texts[name])]
    key = digest_of(_LAYOUT, *parts)
    return read_suite(context.store.make(KIND, key, fill, deadline=context.deadline))


def suite_text(draft: Draft, digests: Mapping[str, str]) -> str:
    """Return the ``suite.toml`` of a draft.

    :param digests: digest of each file's content, by its path in the guest.
    """
    lines = [f"format = {FORMAT}", f"name = {_quoted(draft.name)}", f"title = {_quoted(draft.title)}"]
    lines += [f"argument = {_quoted(draft.argument)}", f"compared = {_flag(draft.is_compared)}"]
    lines += [f"fragments = {_list(tuple(draft.fragments))}"] if draft.fragments else []
    if draft.needs or draft.append:
        needs = ", ".join(f"{_quoted(option)} = {_quoted(why)}" for option, why in draft.needs.items())
        lines += ["", "[guest]", *([f"needs = {{ {needs} }}"] if needs else [])]
        lines += [f"append = {_list(draft.append)}"] if draft.append else []
    for package in draft.packages:
        lines += ["", "[[guest.package]]", f"name = {_quoted(package.name)}", 'reason = "the tests run them"']
        lines += [f"programs = {_list(package.programs)}"]
    for one in draft.files:
        lines += ["", "[[guest.file]]", f"path = {_quoted(one.path)}"]
        lines += [f"source = {_quoted('files/' + digests[one.path])}", f"mode = 0o{one.mode:o}"]
    return "\n".join(lines) + "\n"


def program_text(program: DraftProgram, digests: Mapping[str, str]) -> str:
    """Return the program file of a case.

    :param digests: digest of each file's content, by its path in the guest.
    """
    lists = {"needs": program.needs, "append": program.append, "splats": program.splats}
    made_of = {*program.command.split(), *program.files}
    own = [digest for path, digest in sorted(digests.items()) if path in made_of]
    lines = [
        *([f"command = {_quoted(program.command)}"] if program.command else []),
        *([f"title = {_quoted(program.title)}"] if program.title else []),
        *([f"directory = {_quoted(program.directory)}"] if program.directory else []),
        f"seconds = {program.seconds:.0f}",
        *([f"prepare = {_quoted(program.prepare)}"] if program.prepare else []),
        *([f"options = {_list(program.options)}"] if program.options else []),
        *(["scales = true"] if program.scales else []),
        *(['results = "ltp"'] if program.is_of_ltp else []),
        *([f"factor_variable = {_quoted(program.factor_variable)}"] if program.factor_variable else []),
        *([] if program.ends else ["ends = false"]),
        *([f"unavailable = {_quoted(program.unavailable)}"] if program.unavailable else []),
        *([f"kunit = {_quoted(program.kunit)}"] if program.kunit else []),
        *(f"{key} = {_list(words)}" for key, words in lists.items() if words),
        *([f"inputs = {_list(tuple(own))}"] if own else []),
    ]
    return "\n".join(lines) + "\n"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def _quoted(text: str) -> str:
    """Return a basic string of TOML, whose escapes are those of JSON, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"


def _flag(value: bool) -> str:
    return "true" if value else "false"
