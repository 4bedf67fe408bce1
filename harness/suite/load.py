# SPDX-License-Identifier: GPL-2.0-only
"""Find and read a suite by its name or folder, and find its case files."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from harness.base import paths
from harness.base.errors import CaseError, UsageError
from harness.base.suites_file import default_name
from harness.kernel.config.fragment_files import find_named_fragment, fragment_names
from harness.results.case_ids import current_case_id
from harness.semantics.traits import Semantics, load_semantics
from harness.suite.definition import SUITE_NAME, Suite
from harness.suite.generated import kind_of, named_suite
from harness.suite.parse import parse_suite
from harness.suite.program_file import PROGRAM_SUFFIX


def shipped_names() -> tuple[str, ...]:
    """Return the names of the shipped suites, sorted."""
    return tuple(sorted(path.parent.name for path in paths.SUITES.glob(f"*/{SUITE_NAME}")))


def default_suite() -> Suite:
    """Return the suite that is used if none is chosen.

    :raises HarnessError: the suite cannot be read.
    """
    return find_suite(default_name())


def find_suite(word: str) -> Suite:
    """Find a suite by the name of a shipped suite, or by its folder.

    For an argument such as ``program:FILE`` it returns what reports need of such a suite; a run has to make it.

    :param word: the name, the path or the argument.
    :raises UsageError: there is no such suite, it needs a newer harness, or a shipped suite has the same name.
    :raises CaseError: its ``suite.toml`` is broken, or names a missing file.
    """
    return named_suite(word) if kind_of(word) else read_suite(folder_of(word))


def folder_of(word: str) -> Path:
    """Return the folder of a suite, without checking that it has a ``suite.toml``.

    :param word: the name of a shipped suite, or a path.
    :raises UsageError: there is no such folder.
    """
    shipped = paths.SUITES / word
    if "/" not in word and (shipped / SUITE_NAME).is_file():
        return shipped
    folder = Path(word)
    if folder.is_dir():
        return folder
    names = shipped_names()
    near = get_close_matches(word, names, 1)
    raise UsageError(
        f"no suite {word}",
        evidence=f"shipped suites: {', '.join(names)}\nno folder of that name in {Path.cwd()}",
        remedy=f"did you mean {near[0]}?" if near else "name one of these, or the folder of a suite",
    )


def read_suite(folder: Path) -> Suite:
    """Read the suite in a folder.

    :raises UsageError: see :func:`find_suite`.
    :raises CaseError: see :func:`find_suite`.
    """
    folder = folder.resolve()
    file = folder / SUITE_NAME
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(
            f"the folder {folder} is not a suite: it has no {SUITE_NAME}",
            remedy=f"name a folder with a {SUITE_NAME}, or create a suite: harness suite new PATH",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file} cannot be read", evidence=str(error), remedy="make it a readable UTF-8 file"
        ) from None
    return _read(folder, text)


@functools.lru_cache(maxsize=8)
def _read(folder: Path, text: str) -> Suite:
    suite, faults = parse_suite(text, folder)
    faults = (*faults, *missing_files(suite))
    if faults:
        raise CaseError(
            faults[0],
            evidence="\n".join(faults[1:]),
            remedy=f"correct it; 'harness suite check {folder}' lists all faults of the suite",
        )
    require_own_name(suite)
    return suite


def require_own_name(suite: Suite) -> None:
    """Check that no shipped suite has the name of this one: their cases would have the same ids in results.

    :raises UsageError: a shipped suite has the same name.
    """
    shipped = (paths.SUITES / suite.name).resolve()
    if shipped != suite.folder and (shipped / SUITE_NAME).is_file():
        raise UsageError(
            f"two suites have the name {suite.name!r}",
            evidence=f"{suite.file}\n{shipped / SUITE_NAME}",
            remedy=f"rename the first one in its {SUITE_NAME}",
        )


def missing_files(suite: Suite) -> list[str]:
    """Find the fragments, helpers and files of a suite that are missing, and return a sentence for each."""
    faults = []
    for name in suite.config.names:
        if find_named_fragment(name, suite.config) is None:
            known = ", ".join(fragment_names(suite.config))
            faults.append(f"{suite.file}: no config fragment {name} (hint: known are {known})")
    files = [(source, "guest.helpers") for source in suite.guest.helpers]
    files += [(one.source, f"guest.file for {one.path}") for one in suite.guest.files]
    return faults + [f"{suite.file}: {key}: no file {path}" for path, key in files if not path.is_file()]


def suite_argument(suite: Suite) -> str:
    """Return the argument that finds the suite: the name of a shipped suite, or the folder.

    A suite that was made for an argument such as ``program:FILE`` is found by that.
    """
    if suite.argument:
        return suite.argument
    return suite.name if suite.folder == (paths.SUITES / suite.name).resolve() else str(suite.folder)


def suite_semantics(suite: Suite) -> Semantics:
    """Return the traits and profiles of a suite; they are read again only if its file changes.

    :raises CaseError: the file is broken; the message names file and key.
    """
    try:
        text = suite.semantics_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Semantics({}, {}, {}, {})
    except (OSError, UnicodeDecodeError) as error:
        raise CaseError(f"{suite.semantics_file} cannot be read", evidence=str(error), remedy="correct it") from None
    return _semantics(text, shown_path(suite.semantics_file))


@functools.lru_cache(maxsize=4)
def _semantics(text: str, path: str) -> Semantics:
    return load_semantics(text, path=path)


def shown_path(path: Path) -> str:
    """Return the name of a file in messages: its path in the checkout, or the path unchanged."""
    return path.relative_to(paths.ROOT).as_posix() if path.is_relative_to(paths.ROOT) else str(path)


def suite_of_file(path: Path) -> Suite | None:
    """Return the suite whose folder contains a file; None if there is no such suite."""
    folder = next((one for one in (path, *path.parents) if (one / SUITE_NAME).is_file()), None)
    return read_suite(folder) if folder is not None else None


def locate(word: str, suite: Suite) -> Path | None:
    """Find a case file or folder: first a user's path, then in the suite, then in any shipped suite.

    :param word: a path, an id as in reports, a path in the suite, or an id of a version without suites.
    :return: the absolute path; None if there is no such file or folder.
    """
    candidates = [Path(word), paths.ROOT / word, suite.folder / word]
    for called in (word, current_case_id(word)):
        candidates += [suite.folder / called.removeprefix(f"{suite.name}/"), paths.SUITES / called]
    files = [one for path in candidates for one in (path, Path(f"{path}{PROGRAM_SUFFIX}"))]
    return next((path.resolve() for path in files if path.exists()), None)


def find_case(word: str, suite: Suite) -> Path:
    """Find a case file, see :func:`locate`.

    :raises UsageError: there is no such file.
    """
    found = locate(word, suite)
    if found is None or not found.is_file():
        raise UsageError(f"no case {word}", remedy=f"name a *.session file, or a case of {suite.folder}")
    return found


def case_id(path: Path, suite: Suite) -> str:
    """Return the id of a case file in reports: ``SUITE/PATH-IN-SUITE``.

    The id of a file outside of the suite is its path relative to the checkout or to the current folder, or else its
    whole path, so that two files of the same name have different ids.
    """
    if (own := suite.case_id(path)) is not None:
        return own
    for base in (paths.ROOT, Path.cwd()):
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix().removesuffix(PROGRAM_SUFFIX)
    return path.as_posix().lstrip("/").removesuffix(PROGRAM_SUFFIX)


def case_paths(suite: Suite) -> list[Path]:
    """Return the case files of a suite."""
    return sorted(case_paths_below(suite.folder))


def case_paths_below(folder: Path) -> list[Path]:
    """Return the case files in a folder and its subfolders."""
    return [path for shape in ("*.session", f"*{PROGRAM_SUFFIX}", "test_*.py") for path in folder.rglob(shape)]


def case_files(suite: Suite) -> dict[str, str]:
    """Read the text of every case of a suite, by the id of its file."""
    return {case_id(path, suite): path.read_text(errors="replace") for path in case_paths(suite)}


def shared_suite(files: Iterable[Path], *, chosen: Suite, is_named: bool) -> Suite:
    """Return the suite for case files: the one that the user named, or the one whose folder contains them.

    :param chosen: the suite that the user named, or the default suite.
    :param is_named: whether the user named it.
    :raises UsageError: the files are of several suites, or of another suite than the named one.
    """
    owners = {owner.folder: owner for path in files if (owner := suite_of_file(path)) is not None}
    strange = [owner for owner in owners.values() if owner.folder != chosen.folder]
    if not strange:
        return chosen
    if len(owners) == 1 and not is_named:
        return strange[0]
    raise UsageError(
        f"the cases are of another suite than {chosen.name}" if is_named else "the cases are of several suites",
        evidence="\n".join(f"{owner.name}  {owner.folder}" for owner in owners.values()),
        remedy="run the cases of one suite at a time: --suite NAME",
    )
