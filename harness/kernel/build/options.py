# SPDX-License-Identifier: GPL-2.0-only
"""Define the options of a build. Pure.

A module of its own, because workers import it and must not import the stages of a build.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.kernel.config.kconfig import NO_SUITE, SuiteConfig
from harness.model.kernel_spec import PathReading

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
    """

    fragments: tuple[str, ...] = ()
    is_trusted: bool = False
    seconds: float = BUILD_SECONDS
    suite: SuiteConfig = NO_SUITE


AS_USUAL = BuildOptions()


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
