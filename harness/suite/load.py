"""Find a suite by its name or folder, and read it; and the case files of a suite."""

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
from harness.suite.definition import NOT_CASES, SUITE_NAME, Suite
from harness.suite.parse import parse_suite


def shipped_names() -> tuple[str, ...]:
    """The names of the suites that ship with the harness, sorted."""
    return tuple(sorted(path.parent.name for path in paths.SUITES.glob(f"*/{SUITE_NAME}")))


def default_suite() -> Suite:
    """The suite that is used where none is chosen. :raises HarnessError: it cannot be read."""
    return find_suite(default_name())


def find_suite(word: str) -> Suite:
    """Find a suite by the name of a shipped one, or by its folder.

    :raises UsageError: there is none, it is written for a newer harness, or a shipped suite has its name.
    :raises CaseError: its ``suite.toml`` is broken, or names a file that is not there.
    """
    return read_suite(folder_of(word))


def folder_of(word: str) -> Path:
    """The folder of the suite that a word names; whether it holds one is not looked at.

    :raises UsageError: there is none.
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
        f"there is no suite {word}",
        evidence=f"suites that ship with the harness: {', '.join(names)}\nno folder of that name in {Path.cwd()}",
        remedy=f"did you mean {near[0]}?" if near else "name one of these, or the folder of a suite",
    )


def read_suite(folder: Path) -> Suite:
    """Read the suite in a folder.

    :raises UsageError, CaseError: as :func:`find_suite`.
    """
    folder = folder.resolve()
    file = folder / SUITE_NAME
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(
            f"the folder {folder} is not a suite: it has no {SUITE_NAME}",
            remedy=f"name a folder with a {SUITE_NAME}; to begin a suite: harness suite new PATH",
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
            remedy=f"correct it; everything that is wrong with the suite: harness suite check {folder}",
        )
    require_own_name(suite)
    return suite


def require_own_name(suite: Suite) -> None:
    """See that no shipped suite has the name of this one: their cases could not be told apart in results.

    :raises UsageError: another one has it.
    """
    shipped = (paths.SUITES / suite.name).resolve()
    if shipped != suite.folder and (shipped / SUITE_NAME).is_file():
        raise UsageError(
            f"two suites have the name {suite.name!r}",
            evidence=f"{suite.file}\n{shipped / SUITE_NAME}",
            remedy=f"give the first another name, in its {SUITE_NAME}",
        )


def missing_files(suite: Suite) -> list[str]:
    """Name the fragments, helpers and files that a suite speaks of and that are not there, a sentence each."""
    faults = []
    for name in suite.config.names:
        if find_named_fragment(name, suite.config) is None:
            known = ", ".join(fragment_names(suite.config))
            faults.append(f"{suite.file}: no config fragment {name} (hint: known are {known})")
    files = [(source, "guest.helpers") for source in suite.guest.helpers]
    files += [(one.source, f"guest.file for {one.path}") for one in suite.guest.files]
    return faults + [f"{suite.file}: {key}: there is no file {path}" for path, key in files if not path.is_file()]


def suite_argument(suite: Suite) -> str:
    """The word that finds the suite again: the name of a shipped one, the folder of any other."""
    return suite.name if suite.folder == (paths.SUITES / suite.name).resolve() else str(suite.folder)


def suite_semantics(suite: Suite) -> Semantics:
    """The traits and profiles of a suite, read once as long as its file stays as it is.

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
    """What a file is called in messages: its path in the checkout, or as it is."""
    return path.relative_to(paths.ROOT).as_posix() if path.is_relative_to(paths.ROOT) else str(path)


def suite_of_file(path: Path) -> Suite | None:
    """The suite whose folder a file lies in; None when it lies in none."""
    folder = next((one for one in (path, *path.parents) if (one / SUITE_NAME).is_file()), None)
    return read_suite(folder) if folder is not None else None


def locate(word: str, suite: Suite) -> Path | None:
    """Find a case file or folder: the user's first, then the suite's, then that of any shipped suite.

    Taken are a path, an id as reports print it, a path in the suite, and what was either before there were suites.

    :return: the absolute path; None when there is no such file or folder.
    """
    candidates = [Path(word), paths.ROOT / word, suite.folder / word]
    for called in (word, current_case_id(word)):
        candidates += [suite.folder / called.removeprefix(f"{suite.name}/"), paths.SUITES / called]
    return next((path.resolve() for path in candidates if path.exists()), None)


def find_case(word: str, suite: Suite) -> Path:
    """Find a case file, as :func:`locate` does.

    :raises UsageError: there is none.
    """
    found = locate(word, suite)
    if found is None or not found.is_file():
        raise UsageError(f"there is no case {word}", remedy=f"name a *.session file, or one of {suite.folder}")
    return found


def case_id(path: Path, suite: Suite) -> str:
    """What a case file is called in every report: ``SUITE/PATH-IN-SUITE``.

    A file outside of the suite is called by its path from the checkout, or from the current folder; one that is
    elsewhere by its whole path, or two of the same name could not be told apart.
    """
    if (own := suite.case_id(path)) is not None:
        return own
    for base in (paths.ROOT, Path.cwd()):
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix()
    return path.as_posix().lstrip("/")


def case_paths(suite: Suite) -> list[Path]:
    """The case files of a suite, without those of its own tests."""
    files = [*suite.folder.rglob("*.session"), *suite.folder.rglob("test_*.py")]
    return sorted(path for path in files if NOT_CASES not in path.relative_to(suite.folder).parts)


def case_files(suite: Suite) -> dict[str, str]:
    """The text of every case of a suite, by the id of its file."""
    return {case_id(path, suite): path.read_text(errors="replace") for path in case_paths(suite)}


def shared_suite(files: Iterable[Path], *, chosen: Suite, is_named: bool) -> Suite:
    """Return the suite that case files are to be run with: the one that is named, or the one that they lie in.

    :param chosen: the suite that is named, or the default one.
    :param is_named: whether the user named it.
    :raises UsageError: they lie in several suites, or in another one than is named.
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
        remedy="run the cases of one suite at a time; --suite NAME says which",
    )
