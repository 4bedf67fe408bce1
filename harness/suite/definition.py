"""A suite of cases, as its ``suite.toml`` says it: what it is about, and what only it needs. Pure.

The harness itself knows no subject. A suite names the features and options that its cases need, what is done on a
machine before their first step, what its kernels and guests have besides the usual, and what in its output differs from
run to run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.guest.definition import NO_ADDITIONS, GuestAdditions
from harness.kernel.config.kconfig import NO_SUITE, SuiteConfig
from harness.kernel.needs import Feature
from harness.session.noise import Noise, NoisePattern, noise_of
from harness.session.preparation import Preparation

SUITE_NAME = "suite.toml"
"""The file that makes a folder a suite."""

FORMAT = 1
"""The newest format of a ``suite.toml`` that is understood."""

NOT_CASES = "selftest"
"""A folder of a suite whose files are no cases of its subject: they are not listed as observers of a trait."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite of cases.

    :param folder: the folder that holds its ``suite.toml``, absolute.
    :param name: the first part of the id of each of its cases.
    :param title: its subject, in one line.
    :param config: what it asks of a kernel's configuration.
    :param guest: what it adds to the guest image.
    :param features: what ``needs`` takes besides options, in the order of the file.
    :param preparations: the headers that it defines.
    :param noise_patterns: what differs from run to run in its output.
    """

    folder: Path
    name: str
    title: str
    config: SuiteConfig = NO_SUITE
    guest: GuestAdditions = NO_ADDITIONS
    features: tuple[Feature, ...] = ()
    preparations: tuple[Preparation, ...] = ()
    noise_patterns: tuple[NoisePattern, ...] = ()

    @property
    def file(self) -> Path:
        """Its ``suite.toml``."""
        return self.folder / SUITE_NAME

    @property
    def semantics_file(self) -> Path:
        """Traits and profiles; a suite without traits does not have it."""
        return self.folder / "semantics.toml"

    @property
    def known_file(self) -> Path:
        """Known failures; it may not be there."""
        return self.folder / "known.toml"

    @property
    def seen_file(self) -> Path:
        """Which trait was seen with which value on which kernel; it may not be there."""
        return self.folder / "seen.toml"

    @property
    def noise(self) -> Noise:
        """What is left out of comparisons of its transcripts."""
        return noise_of(self.noise_patterns)

    def case_id(self, path: Path) -> str | None:
        """What a file of the suite is called in every report: ``SUITE/PATH-IN-SUITE``; None for any other file."""
        return f"{self.name}/{path.relative_to(self.folder).as_posix()}" if path.is_relative_to(self.folder) else None
