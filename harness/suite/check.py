# SPDX-License-Identifier: GPL-2.0-only
"""Find all faults of a suite, not only the first one, without booting anything."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.base import paths
from harness.base.deadline import Deadline
from harness.base.errors import CaseError, HarnessError
from harness.base.process import find_program
from harness.base.scratch import scratch_folder
from harness.guest import definition
from harness.guest.image import compile_helper
from harness.kernel.config.fragment import parse_fragment
from harness.kernel.config.fragment_files import find_named_fragment
from harness.kernel.needs import check_need
from harness.model.run_record import RunRecord
from harness.results.known_failures import load_known
from harness.results.sightings import parse_seen
from harness.semantics.traits import Semantics
from harness.session.transcript import parse
from harness.suite.case_checks import check_case_traits
from harness.suite.definition import SUITE_NAME, Suite
from harness.suite.load import case_id, case_paths, missing_files, require_own_name, shown_path, suite_semantics
from harness.suite.parse import parse_suite
from harness.suite.program_file import PROGRAM_SUFFIX, parse_program

_COMPILE_SECONDS = 60.0


def check_suite(folder: Path) -> tuple[Suite | None, tuple[str, ...]]:
    """Find all faults of the suite in a folder.

    :return: the suite, as far as it could be read, and the faults as text.
    """
    folder = folder.resolve()
    faults: list[str] = []
    suite = _read(folder, faults)
    if suite is None:
        return None, tuple(faults)
    faults += missing_files(suite)
    with _noting(faults):
        require_own_name(suite)
    semantics = Semantics({}, {}, {}, {})
    with _noting(faults):
        semantics = suite_semantics(suite)
    for check in (_check_traits, _check_tables, _check_cases):
        faults += check(suite, semantics)
    faults += _unknown_guests(suite)
    for one in (_check_fragments, _check_guest, _check_helpers):
        faults += one(suite)
    return suite, tuple(dict.fromkeys(faults))


def _unknown_guests(suite: Suite) -> list[str]:
    known = sorted(path.stem for path in paths.GUESTS.glob("*.toml"))
    return [
        f"{suite.file}: guests names {name}, which is not a guest (hint: known are {', '.join(known)})"
        for name in suite.guests
        if name not in known
    ]


def find_mixed(run: RunRecord) -> tuple[str, ...]:
    """Find the traits of which cases saw different values, on a kernel that is known to answer the same everywhere.

    :return: a fault for each of them, with the steps to look at.
    """
    return tuple(
        f"{trait.trait}: cases see different values on {run.kernel.called}: {', '.join(map(str, trait.mixed))} "
        "(hint: guard only steps that observe the same choice)"
        for trait in run.traits
        if trait.mixed
    )


def _read(folder: Path, faults: list[str]) -> Suite | None:
    file = folder / SUITE_NAME
    try:
        suite, found = parse_suite(file.read_text(encoding="utf-8"), folder)
    except (OSError, UnicodeDecodeError) as error:
        faults.append(f"{folder} is not a suite: {SUITE_NAME} cannot be read: {error}")
    except HarnessError as error:
        faults.append(str(error))
    else:
        faults += found
        return suite
    return None


@contextmanager
def _noting(faults: list[str]) -> Iterator[None]:
    """Note an error of the harness and continue after the block."""
    try:
        yield
    except HarnessError as error:
        faults.append(str(error))


def _check_traits(suite: Suite, semantics: Semantics) -> list[str]:
    """Find features that name an unknown trait."""
    return [
        f"{suite.file}: feature.{one.word}.shown_by: {complaint}"
        for one in suite.features
        if one.shown_by and (complaint := semantics.complaint(*one.shown_by))
    ]


def _check_tables(suite: Suite, semantics: Semantics) -> list[str]:
    faults: list[str] = []
    today = datetime.datetime.now(datetime.UTC).date()

    def read_known(text: str, path: str) -> object:
        return load_known(text, path=path, today=today, semantics=semantics)

    readers: tuple[tuple[Path, Callable[[str, str], object]], ...] = (
        (suite.known_file, read_known),
        (suite.seen_file, lambda text, path: parse_seen(text, path=path)),
    )
    for file, read in readers:
        if file.is_file():
            with _noting(faults):
                read(file.read_text(encoding="utf-8"), shown_path(file))
    return faults


def _check_cases(suite: Suite, semantics: Semantics) -> list[str]:
    faults: list[str] = []
    files = case_paths(suite)
    if not files:
        faults.append(f"{suite.folder} holds no case: no *.session, test_*.py or *.program file")
    for path in files:
        called = case_id(path, suite)
        try:
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".py":
                compile(text, called, "exec")
                continue
            if path.suffix == PROGRAM_SUFFIX:
                parse_program(text, path=called)
                continue
        except (OSError, UnicodeDecodeError, SyntaxError, ValueError, CaseError) as error:
            faults.append(f"{called}: {error}")
            continue
        with _noting(faults):
            transcript = parse(text, path=called, preparations=suite.preparations)
            for need in transcript.needs:
                check_need(need, suite.features)
            check_case_traits(transcript, suite, semantics)
    return faults


def _check_fragments(suite: Suite) -> list[str]:
    faults: list[str] = []
    for name in suite.config.names:
        if (file := find_named_fragment(name, suite.config)) is not None:
            with _noting(faults):
                parse_fragment(file.read_text(errors="replace"), name=name, place=shown_path(file))
    return faults


def _check_guest(suite: Suite) -> list[str]:
    """Find programs that are missing on this host, and files that the guest already has."""
    usual = definition.parse(paths.GUEST_DEFINITION.read_text(), name=str(paths.GUEST_DEFINITION))
    taken = {entry.path for entry in usual.entries} | {f"/usr/bin/{name}" for name in (*usual.programs, "nsctl")}
    faults = []
    for package in suite.guest.packages:
        missing = [name for name in package.programs if find_program(name) is None]
        if missing:
            faults.append(
                f"{suite.file}: guest.package {package.name}: missing on this host: {', '.join(missing)} "
                f"(hint: apt-get install {package.name})"
            )
    wanted = [*(f"/usr/bin/{one.stem}" for one in suite.guest.helpers), *(one.path for one in suite.guest.files)]
    wanted += [f"/usr/bin/{name}" for package in suite.guest.packages for name in package.programs]
    twice = [path for path in dict.fromkeys(wanted) if path in taken or wanted.count(path) > 1]
    return faults + [f"{suite.file}: the guest already has {path} (hint: remove one of the two)" for path in twice]


def _check_helpers(suite: Suite) -> list[str]:
    faults: list[str] = []
    with scratch_folder("suite") as folder:
        for source in filter(Path.is_file, suite.guest.helpers):
            with _noting(faults):
                compile_helper(source, folder / source.stem, deadline=Deadline.after(_COMPILE_SECONDS))
    return faults
