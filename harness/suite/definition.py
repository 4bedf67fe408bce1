# SPDX-License-Identifier: GPL-2.0-only
"""Define a suite of cases, read from its ``suite.toml``: its subject, and its own requirements. Pure.

The harness itself knows no subject. A suite names the features and options that its cases need, the preparations of a
machine before their first step, additions to kernels and guests, and patterns of output that differs from run to run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.guest.definition import NO_ADDITIONS, GuestAdditions
from harness.kernel.config.kconfig import NO_SUITE, SuiteConfig
from harness.kernel.needs import Feature
from harness.model.shard import DURATIONS_NAME
from harness.session.noise import Noise, NoisePattern, noise_of
from harness.session.preparation import Preparation
from harness.suite.program_file import PROGRAM_SUFFIX

SUITE_NAME = "suite.toml"
"""The file that makes a folder a suite."""

FORMAT = 1
"""The newest supported format of a ``suite.toml``."""


@dataclass(frozen=True, slots=True)
class InventorySection:
    """A part of the inventory of a kernel: ``[inventory.NAME]`` of ``suite.toml``.

    :param name: its name.
    :param command: command whose output lines are ``NAME = FACTS``.
    :param before: command before it; status 4 says that the kernel does not have the section. Empty for none.
    """

    name: str
    command: str
    before: str = ""


@dataclass(frozen=True, slots=True)
class Exploration:
    """How kernels are explored with a suite: ``[explore]`` of ``suite.toml``.

    :param model: path of the model, a Python package or file.
    :param command: the guest program, which does the operations of its argument and prints each answer.
    :param prepare: headers of the suite with their arguments, for each machine.
    :param functions: regular expression that matches the names of the kernel's functions that are about the subject.
    """

    model: Path
    command: str
    prepare: tuple[tuple[str, str], ...] = ()
    functions: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite of cases.

    :param folder: absolute path of the folder with its ``suite.toml``.
    :param name: the first part of the id of each of its cases.
    :param title: its subject, in one line.
    :param config: its requirements for a kernel's configuration.
    :param guest: its additions to the guest image.
    :param features: names for ``needs`` besides options, in the order of the file.
    :param preparations: the headers that it defines.
    :param noise_patterns: patterns of its output that differs from run to run.
    :param inventory: the sections of the inventory of a kernel.
    :param exploration: how kernels are explored; None if the suite has no model.
    :param argument: the argument of ``--suite`` that it was made for; empty for a folder that a user wrote.
    :param guests: the guests that its cases can run in, the default one first; empty for the small guest.
    :param packages: the packages of the distribution that it adds to such a guest.
    :param is_compared: whether a failure is one only where another kernel does not fail: tests of others, many of
        which fail on any emulated machine.
    :param append: kernel parameters that the templates of its machines are booted with.
    """

    folder: Path
    name: str
    title: str
    config: SuiteConfig = NO_SUITE
    guest: GuestAdditions = NO_ADDITIONS
    features: tuple[Feature, ...] = ()
    preparations: tuple[Preparation, ...] = ()
    noise_patterns: tuple[NoisePattern, ...] = ()
    inventory: tuple[InventorySection, ...] = ()
    exploration: Exploration | None = None
    argument: str = ""
    is_compared: bool = False
    append: tuple[str, ...] = ()
    guests: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()

    @property
    def file(self) -> Path:
        """Return the path of its ``suite.toml``."""
        return self.folder / SUITE_NAME

    @property
    def semantics_file(self) -> Path:
        """Return the path of the traits and profiles; a suite without traits has no such file."""
        return self.folder / "semantics.toml"

    @property
    def known_file(self) -> Path:
        """Return the path of the known failures; the file may be missing."""
        return self.folder / "known.toml"

    @property
    def seen_file(self) -> Path:
        """Return the path of the sightings of trait values by kernel; the file may be missing."""
        return self.folder / "seen.toml"

    @property
    def durations_file(self) -> Path:
        """Return the path of the durations that balance shards; the file may be missing."""
        return self.folder / DURATIONS_NAME

    @property
    def noise(self) -> Noise:
        """Return the noise that is left out of comparisons of its transcripts."""
        return noise_of(self.noise_patterns)

    def case_id(self, path: Path) -> str | None:
        """Return the id of a file of the suite, ``SUITE/PATH-IN-SUITE``; None for any other file."""
        if not path.is_relative_to(self.folder):
            return None
        return f"{self.name}/{path.relative_to(self.folder).as_posix()}".removesuffix(PROGRAM_SUFFIX)
