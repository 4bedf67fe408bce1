"""Where the parts of a checkout are."""

from __future__ import annotations

from pathlib import Path

from harness.base.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
"""The checkout: the folder that holds ``harness/``, ``cases/``, ``qemu/`` and the rest."""

CASES = ROOT / "cases"
KNOWN = CASES / "known.toml"
SEMANTICS = CASES / "semantics.toml"
SEEN = CASES / "seen.toml"
SERIES = ROOT / "series"
MACHINE_TYPES = ROOT / "qemu"
GUEST_DEFINITION = MACHINE_TYPES / "guest.toml"
GUEST_INIT = MACHINE_TYPES / "init.sh"
GUEST_HELPER = MACHINE_TYPES / "nsctl.c"
KCONFIGS = ROOT / "kconfigs"
KCONFIG_ASKER = KCONFIGS / "ask.c"
COMPILERS = KCONFIGS / "compilers.toml"
RESULTS = ROOT / "results"
_NOT_CASES = "selftest"


def find_case(word: str) -> Path:
    """The case file that a word names: a path, or one below the checkout or below ``cases/``.

    :raises UsageError: there is none.
    """
    for path in (Path(word), ROOT / word, CASES / word):
        if path.is_file():
            return path.resolve()
    raise UsageError(f"there is no case {word}", remedy="name a *.session file, for example one below cases/")


def case_id(path: Path) -> str:
    """What a case file is called in every report: its path from the checkout, or from where the user stands.

    One that is elsewhere keeps its whole path, or two of the same name could not be told apart.
    """
    for base in (ROOT, Path.cwd()):
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix()
    return path.as_posix().lstrip("/")


def case_files() -> dict[str, str]:
    """The text of every case that ships, by what the case is called in reports."""
    files = [*CASES.rglob("*.session"), *CASES.rglob("test_*.py")]
    shipped = (path for path in files if _NOT_CASES not in path.relative_to(CASES).parts)
    return {case_id(path): path.read_text(errors="replace") for path in shipped}
