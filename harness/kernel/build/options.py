# SPDX-License-Identifier: GPL-2.0-only
"""Define the options of a build.

A module of its own, because workers import it and must not import the stages of a build.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.base.errors import UsageError
from harness.kernel.config.kconfig import NO_SUITE, SuiteConfig
from harness.model.kernel_spec import PathReading
from harness.model.variant import NO_VARIANT, Variant

if TYPE_CHECKING:
    from harness.kernel.build.elsewhere import Elsewhere

_CHOICE = re.compile(r"LLVM=(?:0|1|-[0-9]{1,2})|(?:CC|LD)=[A-Za-z0-9][A-Za-z0-9_.+-]*")
PREPARE_SECONDS = 600.0
"""Timeout of everything before the first case: fetching a package, building the guest image, a race and a boot."""
BUILD_SECONDS = 7200.0
"""A clean build of a large configuration on a slow host with two cores."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """The options that the user gave for a build.

    :param fragments: names of fragments in ``kconfigs/``, or paths of fragments or of a whole ``.config``, in addition
        to the default fragments.
    :param is_trusted: run ``make`` on the host without a sandbox.
    :param seconds: the time limit of the build.
    :param suite: the config requirements of the suite.
    :param make: variables of make that choose compiler and linker: ``LLVM=1``, ``CC=gcc-13``, ``LD=ld.lld``.
    :param is_in_place: build in the user's own folder, with its objects and its ``.config``.
    :param variant: the variant to build; its make variables are in ``make`` already.
    :param elsewhere: builds kernels on other hosts; None to build them on this one.
    """

    fragments: tuple[str, ...] = ()
    is_trusted: bool = False
    seconds: float = BUILD_SECONDS
    suite: SuiteConfig = NO_SUITE
    make: tuple[str, ...] = ()
    is_in_place: bool = False
    variant: Variant = NO_VARIANT
    elsewhere: Elsewhere | None = field(default=None, repr=False, compare=False)


AS_USUAL = BuildOptions()


def check_choice(variables: Iterable[str]) -> None:
    """Check the variables of ``--make``.

    :raises UsageError: a variable is none of CC, LD and LLVM, or its value is not the name of a program.
    """
    for one in variables:
        if not _CHOICE.fullmatch(one):
            raise UsageError(
                f"--make {one}: not a choice of compiler or linker",
                evidence="LLVM=1          clang and LLVM's tools; LLVM=-15 those with that suffix\n"
                "CC=PROGRAM      a compiler on PATH, such as gcc-13\nLD=PROGRAM      a linker on PATH, such as ld.lld",
                remedy="give one of these; options of the kernel are given with --config",
            )


@dataclass(frozen=True, slots=True)
class SourceWord:
    """The source to build: exactly one of version, series and tree is given.

    :param patches: the patches to apply (:func:`harness.model.kernel_spec.parse_patches`); empty for none.
    :param version: version of a source package.
    :param suite: the suite of Debian's archive that it is taken from; empty for the suites of the host.
    :param series: name of a shipped series.
    :param tree: a tree of the user.
    """

    patches: str
    version: str = ""
    series: str = ""
    tree: PathReading | None = None
    suite: str = ""
