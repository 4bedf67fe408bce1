# SPDX-License-Identifier: GPL-2.0-only
"""Find differences of kernel, build, configuration and host between two runs that may explain a change. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from harness.model.run_record import BuildRecord, RunRecord


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact that differs between two runs and may explain a change."""

    fact: str
    before: str
    after: str
    is_needed: bool = False
    """Whether it is a configuration option that cases name."""


_OF_THE_COMPILER = re.compile(
    r"CONFIG_(?:CC_(?:VERSION|IS_|HAS_|CAN_)|AS_(?:VERSION|IS_|HAS_)|LD_(?:VERSION|IS_|CAN_)"
    r"|(?:GCC|CLANG|LLD)_VERSION|PAHOLE_|RUSTC_|TOOLS_SUPPORT)"
)


def _series(build: BuildRecord) -> str:
    """Return title and version of a series; the title alone if the version is unknown."""
    return f"{build.series} {build.posted_as}".rstrip()


_FACTS: Sequence[tuple[str, Callable[[RunRecord], str]]] = (
    ("kernel", lambda run: run.kernel.spec),
    ("release", lambda run: run.kernel.release),
    ("from", lambda run: run.kernel.origin),
    ("image", lambda run: run.kernel.image_digest[:12]),
    ("source", lambda run: run.kernel.build.source),
    ("base", lambda run: run.kernel.build.base[:12]),
    ("commit", lambda run: run.kernel.build.commit[:12]),
    ("uncommitted changes", lambda run: str(run.kernel.build.uncommitted or "")),
    ("series", lambda run: _series(run.kernel.build)),
    ("fragments", lambda run: " ".join(run.kernel.build.fragments)),
    ("make", lambda run: " ".join(run.kernel.build.make)),
    ("compiler", lambda run: run.kernel.build.compiler),
    ("profile", lambda run: run.profile),
    ("acceleration", lambda run: run.acceleration),
    ("qemu", lambda run: run.qemu),
    ("machine type", lambda run: run.machine_type),
    ("kernel parameters", lambda run: " ".join(run.kernel.parameters)),
    ("kernel command line", lambda run: run.command_line),
    ("guest image", lambda run: run.guest_image_digest[:12]),
    ("harness", lambda run: run.harness_version),
    ("host", lambda run: run.host),
)


def kernel_facts(run: RunRecord) -> list[tuple[str, str]]:
    """List the known facts of a run's kernel, build and host: name and text."""
    return [(fact, text) for fact, read in _FACTS if (text := read(run))]


def find_differences(
    before: RunRecord, after: RunRecord, *, configs: tuple[str, str], needed: Collection[str] = ()
) -> Iterator[Difference]:
    """Yield the facts that differ between two runs: kernels first, then options, compiler warnings last.

    :param configs: the text of each kernel's configuration; empty if unknown.
    :param needed: options that cases name; those that differ come first.
    """
    for fact, read in _FACTS:
        was, now = read(before), read(after)
        if was != now:
            yield Difference(fact, was, now)
    was_applied, now_applied = before.kernel.build.patches, after.kernel.build.patches
    yield from (Difference("patch", one, "") for one in was_applied if one not in now_applied)
    yield from (Difference("patch", "", one) for one in now_applied if one not in was_applied)
    yield from _config_differences(before, after, configs, needed)
    was_warned, now_warned = before.kernel.build.warnings, after.kernel.build.warnings
    yield from (Difference("compiler warning", "", one) for one in now_warned if one not in was_warned)


def _config_differences(
    before: RunRecord, after: RunRecord, configs: tuple[str, str], needed: Collection[str]
) -> Iterator[Difference]:
    """Yield each option that differs, or the digests if one of the texts is unknown."""
    if all(configs):
        was, now = map(config_options, configs)
        for name in sorted({*was, *now}, key=lambda one: (one not in needed, one)):
            if was.get(name, "n") != now.get(name, "n"):
                yield Difference(name, was.get(name, "n"), now.get(name, "n"), name in needed)
    elif before.kernel.config_digest != after.kernel.config_digest:
        yield Difference("config", before.kernel.config_digest[:12], after.kernel.config_digest[:12])


def config_options(text: str) -> dict[str, str]:
    """Read the options of a ``.config`` with their values; options that are not set are left out.

    Options that describe the compiler (``CONFIG_CC_VERSION_TEXT``, ...) are left out: the name of the compiler is a
    fact of its own.
    """
    pairs = (line.partition("=") for line in text.splitlines() if line.startswith("CONFIG_"))
    return {name: value for name, _, value in pairs if not _OF_THE_COMPILER.match(name)}
