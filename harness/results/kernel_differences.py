"""In what two runs differ besides their results: kernel, build, configuration, host. It may explain a change. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.model.run_record import BuildRecord, RunRecord


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact that the two runs do not share, and that may explain what changed."""

    fact: str
    before: str
    after: str


_OF_THE_COMPILER = re.compile(
    r"CONFIG_(?:CC_(?:VERSION|IS_|HAS_|CAN_)|AS_(?:VERSION|IS_|HAS_)|LD_(?:VERSION|IS_|CAN_)"
    r"|(?:GCC|CLANG|LLD)_VERSION|PAHOLE_|RUSTC_|TOOLS_SUPPORT)"
)


def _series(build: BuildRecord) -> str:
    """Title and version of a series; the title alone where no version is known."""
    return f"{build.series} v{build.series_version}" if build.series_version else build.series


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
    ("compiler", lambda run: run.kernel.build.compiler),
    ("profile", lambda run: run.profile),
    ("acceleration", lambda run: run.acceleration),
    ("qemu", lambda run: run.qemu),
    ("machine type", lambda run: run.machine_type),
    ("guest image", lambda run: run.guest_image_digest[:12]),
    ("harness", lambda run: run.harness_version),
    ("host", lambda run: run.host),
)


def kernel_facts(run: RunRecord) -> list[tuple[str, str]]:
    """What there is to say of a run's kernel, build and host, fact by fact; what is not known is left out."""
    return [(fact, said) for fact, read in _FACTS if (said := read(run))]


def find_differences(before: RunRecord, after: RunRecord, *, configs: tuple[str, str]) -> Iterator[Difference]:
    """What the two runs do not share, the kernels first, then option by option, warnings of the compiler last.

    :param configs: the text of each kernel's configuration; empty where it is not known.
    """
    for fact, read in _FACTS:
        was, now = read(before), read(after)
        if was != now:
            yield Difference(fact, was, now)
    was_applied, now_applied = before.kernel.build.patches, after.kernel.build.patches
    yield from (Difference("patch", one, "") for one in was_applied if one not in now_applied)
    yield from (Difference("patch", "", one) for one in now_applied if one not in was_applied)
    yield from _config_differences(before, after, configs)
    was_warned, now_warned = before.kernel.build.warnings, after.kernel.build.warnings
    yield from (Difference("compiler warning", "", one) for one in now_warned if one not in was_warned)


def _config_differences(before: RunRecord, after: RunRecord, configs: tuple[str, str]) -> Iterator[Difference]:
    """Option by option where both texts are there; else that the digests differ."""
    if all(configs):
        was, now = map(config_options, configs)
        for name in sorted({*was, *now}):
            if was.get(name, "n") != now.get(name, "n"):
                yield Difference(name, was.get(name, "n"), now.get(name, "n"))
    elif before.kernel.config_digest != after.kernel.config_digest:
        yield Difference("config", before.kernel.config_digest[:12], after.kernel.config_digest[:12])


def config_options(text: str) -> dict[str, str]:
    """The options of a ``.config`` with their values; those that are not set are left out.

    What the configuration says of the compiler (``CONFIG_CC_VERSION_TEXT``, ...) is told by the compiler's name.
    """
    pairs = (line.partition("=") for line in text.splitlines() if line.startswith("CONFIG_"))
    return {name: value for name, _, value in pairs if not _OF_THE_COMPILER.match(name)}
