"""What a user may ask of a build. Pure. Apart from the stages of a build, which a worker never imports."""

from __future__ import annotations

from dataclasses import dataclass

from harness.kernel.config.kconfig import NO_SUITE, SuiteConfig
from harness.model.kernel_spec import PathReading

BUILD_SECONDS = 7200.0
"""A clean build of a large configuration on a slow host with two cores."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What the user asked of a build.

    :param fragments: names of fragments in ``kconfigs/`` or paths, beside the default ones; a whole configuration too.
    :param is_trusted: run ``make`` on the host as it is, without a sandbox.
    :param seconds: a build that takes longer has failed.
    :param suite: what the suite asks of the configuration.
    """

    fragments: tuple[str, ...] = ()
    is_trusted: bool = False
    seconds: float = BUILD_SECONDS
    suite: SuiteConfig = NO_SUITE


AS_USUAL = BuildOptions()


@dataclass(frozen=True, slots=True)
class SourceWord:
    """Which source is to be built: exactly one of the last three is given.

    :param patches: what is to be applied to it (:func:`harness.model.kernel_spec.parse_patches`); empty for nothing.
    :param version: of a source package. :param series: a series that ships. :param tree: a tree of the user's.
    """

    patches: str
    version: str = ""
    series: str = ""
    tree: PathReading | None = None
