"""What a config is to be made from: the fragments that were named, merged, and the key of what comes of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from harness.base import paths
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.base.store import digest_of
from harness.kernel.config.fragment import Fragment, OptionRequest, RequestOrigin, merge, parse_fragment
from harness.kernel.config.fragment_files import find_named_fragment, fragment_names
from harness.kernel.config.kconfig import GUEST_NEEDS, NO_SUITE, ConfigSource, SuiteConfig, check_bootable, parse_config
from harness.kernel.git.repository import Repository
from harness.kernel.toolchain.toolchain import find_toolchain

DEFAULT = ("base", "serial", "guest")
"""The fragments that every kernel is built with; those of the suite and what the user names come after them."""

FragmentWord = str | Path | SuiteConfig
"""What names fragments: a name or a file, or a suite for all of its own."""

# Grows when the same input would give another config.
_RECIPE = "1"
_ARCHITECTURE = "x86_64"
_DIGEST_KIND = "kernel-kconfig"
_DIGEST = "digest"
# What the answers of Kconfig come from: its files, what they call by $(shell), and the Makefiles that say version,
# architecture and compiler to them.
_KCONFIG_PATHS = re.compile(rb"(.*/)?(Kconfig[^/]*|Makefile[^/]*|Kbuild[^/]*|[^/]+\.(sh|mk|include))|scripts/.*")


class Tree(Protocol):
    """What a config needs to know of a patched tree."""

    @property
    def repository(self) -> Repository:
        """Where its commit is."""

    @property
    def commit(self) -> str:
        """Its tip, by the full hash."""


@dataclass(frozen=True, slots=True)
class ConfigInputs:
    """What a config is to be made from.

    :param fragments: by name. :param start: a whole ``.config``; None for "all options off".
    :param assignments: words for make. :param key: of the config that is made."""

    fragments: tuple[str, ...]
    start: Fragment | None
    requests: tuple[OptionRequest, ...]
    assignments: tuple[str, ...]
    key: str


def read_order(
    context: Context, tree: Tree, words: Sequence[FragmentWord], *, assignments: Sequence[str]
) -> ConfigInputs:
    """Read what was named.

    :param words: names of :func:`fragment_names`, files, or files of the tree.
    :raises UsageError: a fragment cannot be read, or two of them disagree. :raises HostError: there is no compiler.
    """
    suite = next((word for word in words if isinstance(word, SuiteConfig)), NO_SUITE)
    names = [name for word in words for name in (word.names if isinstance(word, SuiteConfig) else (word,))]
    found = [_find_fragment(tree, word, suite, deadline=context.deadline) for word in names]
    starts = [fragment for fragment in found if fragment.start]
    if len(starts) > 1:
        raise UsageError(
            "a config cannot start from two whole .config files",
            evidence="\n".join(fragment.name for fragment in starts),
            remedy="give one of them; what you want of the other can be a fragment of a few lines",
        )
    start = starts[0] if starts else None
    if start is not None:
        needs = Fragment("guest needs", tuple(_guest_requests(start, suite)))
        usual = {*DEFAULT, *suite.names}
        own = [one for one, word in zip(found, names, strict=True) if str(word) not in usual and one is not start]
        found = [needs, *own]
    requests = merge(found)
    called = tuple(fragment.name for fragment in ([start] if start else []) + found)
    key = digest_of(
        _RECIPE,
        _ARCHITECTURE,
        start.start.encode(errors="surrogateescape") if start else "",
        repr(requests),
        "\0".join(assignments),
        find_toolchain(deadline=context.deadline).render(),
        paths.KCONFIG_ASKER,
        _kconfig_digest(context, tree),
    )
    return ConfigInputs(called, start, requests, tuple(assignments), key)


def _find_fragment(tree: Tree, word: str | Path, suite: SuiteConfig, *, deadline: Deadline) -> Fragment:
    """The fragment that a word names: the suite's, one of ours, a shipped series' own, a file, or one of the tree."""
    name = str(word)
    if Path(word).is_relative_to(paths.SERIES):
        place = Path(word).relative_to(paths.ROOT).as_posix()
        return parse_fragment(Path(word).read_text(), name=place, origin=RequestOrigin.SERIES)
    path = find_named_fragment(name, suite)
    if path is not None:
        origin = RequestOrigin.DEFAULT if name in (*DEFAULT, *suite.names) else RequestOrigin.SHIPPED
        place = path.relative_to(paths.ROOT).as_posix() if path.is_relative_to(paths.ROOT) else str(path)
        return parse_fragment(path.read_text(), name=name, place=place, origin=origin)
    try:
        return parse_fragment(Path(word).read_text(errors="surrogateescape"), name=name)
    except OSError as error:
        why = error.strerror or str(error)
    in_tree = tree.repository.git("cat-file", "blob", f"{tree.commit}:{name}", deadline=deadline, check=False)
    if in_tree.status == 0:
        return parse_fragment(in_tree.text, name=name)
    raise UsageError(
        f"there is no config fragment {name}",
        evidence=f"as a file: {why}\nin the kernel tree: no such file\nnames: {', '.join(fragment_names(suite))}",
        remedy="give one of the names, a fragment file, a kselftest's config file, or a whole .config",
    )


def _guest_requests(start: Fragment, suite: SuiteConfig) -> Iterable[OptionRequest]:
    """What the guest cannot do without, asked for on top of a whole config."""
    config = parse_config(start.start, ConfigSource.BESIDE)
    reasons = {lack.option: ("4", lack.why) for lack in check_bootable(config, suite) if lack.option.endswith("UARTS")}
    reasons |= {lack.option: ("y", lack.why) for lack in check_bootable(config, suite) if lack.option not in reasons}
    reasons |= {need.option: ("n" if need.negated else "y", why) for need, why in (*GUEST_NEEDS, *suite.needs)}
    for option, (value, why) in reasons.items():
        request = OptionRequest(option, value, "the guest", why, RequestOrigin.DEFAULT)
        yield replace(request, text=f"{request.render()} ({why})")


def _kconfig_digest(context: Context, tree: Tree) -> str:
    """What tells two trees apart as far as their configs go; remembered, since git takes long to list a kernel."""

    def fill(folder: Path) -> None:
        listed = tree.repository.git(
            "ls-tree", "-r", "-z", "--full-tree", tree.commit, deadline=context.deadline
        ).stdout
        lines = [line for line in listed.split(b"\0") if _KCONFIG_PATHS.fullmatch(line.partition(b"\t")[2])]
        (folder / _DIGEST).write_text(digest_of(b"\0".join(lines)))

    key = digest_of(_KCONFIG_PATHS.pattern, tree.commit)
    return (context.store.make(_DIGEST_KIND, key, fill, deadline=context.deadline) / _DIGEST).read_text()
