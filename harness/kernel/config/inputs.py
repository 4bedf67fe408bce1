# SPDX-License-Identifier: GPL-2.0-only
"""Read the inputs of a config: merge the given fragments and compute the key of the config in the store."""

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
from harness.base.kernel_release import Release
from harness.base.store import digest_of
from harness.kernel.config.fragment import Fragment, OptionRequest, RequestOrigin, merge, parse_fragment
from harness.kernel.config.fragment_files import find_named_fragment, fragment_names
from harness.kernel.config.kconfig import GUEST_NEEDS, NO_SUITE, ConfigSource, SuiteConfig, check_bootable, parse_config
from harness.kernel.git.repository import Repository
from harness.kernel.toolchain.toolchain import find_toolchain
from harness.model.variant import NO_VARIANT, Variant

DEFAULT = ("base", "serial", "guest")
"""The fragments that every kernel is built with; those of the suite and of the user come after them."""

FragmentName = str | Path | SuiteConfig | Variant
"""A name or file of a fragment, or a suite or a variant for all of its fragments."""

# Increased when the same input gives another config.
_RECIPE = "2"
_ARCHITECTURE = "x86_64"
_DIGEST_KIND = "kernel-kconfig"
_DIGEST = "digest"
# The lines of the top Makefile that give the release.
_NUMBER = re.compile(rb"^(VERSION|PATCHLEVEL|SUBLEVEL) *= *(\d{1,6})\s*$", re.MULTILINE)
# The files that the result of Kconfig depends on: its own, the scripts that they run by $(shell), and the Makefiles
# that give it version, architecture and compiler.
_KCONFIG_PATHS = re.compile(rb"(.*/)?(Kconfig[^/]*|Makefile[^/]*|Kbuild[^/]*|[^/]+\.(sh|mk|include))|scripts/.*")


class Tree(Protocol):
    """The facts about a patched tree that a config needs."""

    @property
    def repository(self) -> Repository:
        """Return the repository of its commit."""

    @property
    def commit(self) -> str:
        """Return the full hash of its tip."""


@dataclass(frozen=True, slots=True)
class ConfigInputs:
    """The inputs of a config.

    :param fragments: names of the fragments.
    :param start: a whole ``.config``; None for "all options off".
    :param requests: the merged requests of the fragments that apply to the tree's release.
    :param passed_over: the requests that their fragments limit to other releases.
    :param assignments: variables of make such as ``CC=...``.
    :param key: key of the config in the store.
    :param variant: the variant of the kernel.
    """

    fragments: tuple[str, ...]
    start: Fragment | None
    requests: tuple[OptionRequest, ...]
    passed_over: tuple[OptionRequest, ...]
    assignments: tuple[str, ...]
    key: str
    variant: Variant = NO_VARIANT


def read_inputs(
    context: Context, tree: Tree, fragments: Sequence[FragmentName], *, assignments: Sequence[str]
) -> ConfigInputs:
    """Read and merge fragments.

    :param fragments: names of :func:`fragment_names`, files, files of the tree, or a suite.
    :param assignments: variables of make such as ``CC=...``.
    :raises UsageError: a fragment cannot be read, or two fragments conflict.
    :raises HostError: no compiler is installed.
    """
    suite = next((one for one in fragments if isinstance(one, SuiteConfig)), NO_SUITE)
    variant = next((one for one in fragments if isinstance(one, Variant)), NO_VARIANT)
    names = [name for one in fragments for name in _names(one)]
    found = [_find_fragment(tree, name, suite, deadline=context.deadline) for name in names]
    found = [
        _of_variant(one) if str(name) in variant.fragments else one for one, name in zip(found, names, strict=True)
    ]
    starts = [fragment for fragment in found if fragment.start]
    if len(starts) > 1:
        raise UsageError(
            "a config cannot start from two whole .config files",
            evidence="\n".join(fragment.name for fragment in starts),
            remedy="give one of them, and put the options that you need from the other into a fragment",
        )
    start = starts[0] if starts else None
    if start is not None:
        needs = Fragment("guest needs", tuple(_guest_requests(start, suite)))
        usual = {*DEFAULT, *suite.names}
        own = [one for one, name in zip(found, names, strict=True) if str(name) not in usual and one is not start]
        found = [needs, *own]
    merged = merge(found)
    release = _read_release(tree, deadline=context.deadline)
    requests = tuple(request for request in merged if request.applies_to(release))
    called = tuple(fragment.name for fragment in ([start] if start else []) + found)
    key = digest_of(
        _RECIPE,
        _ARCHITECTURE,
        start.start.encode(errors="surrogateescape") if start else "",
        repr(merged),
        *(f"optional {one.option}" for one in merged if one.is_optional),
        *([repr(variant)] if variant else []),
        "\0".join(assignments),
        find_toolchain(assignments, deadline=context.deadline).render(),
        paths.KCONFIG_ASKER,
        _kconfig_digest(context, tree),
    )
    passed_over = tuple(request for request in merged if request not in requests)
    return ConfigInputs(called, start, requests, passed_over, tuple(assignments), key, variant)


def _names(one: FragmentName) -> Sequence[str | Path]:
    """Return the names or files of the fragments that one argument stands for."""
    if isinstance(one, SuiteConfig):
        return one.names
    return one.fragments if isinstance(one, Variant) else (one,)


def _of_variant(fragment: Fragment) -> Fragment:
    """Return a fragment of a variant: its options win over the default ones."""
    return replace(fragment, requests=tuple(replace(one, origin=RequestOrigin.VARIANT) for one in fragment.requests))


def _find_fragment(tree: Tree, given: str | Path, suite: SuiteConfig, *, deadline: Deadline) -> Fragment:
    """Read a fragment: of a shipped series, by name from the suite or the harness, a file, or a file of the tree."""
    name = str(given)
    if Path(given).is_relative_to(paths.SERIES):
        place = Path(given).relative_to(paths.ROOT).as_posix()
        return parse_fragment(Path(given).read_text(), name=place, origin=RequestOrigin.SERIES)
    path = find_named_fragment(name, suite)
    if path is not None:
        origin = RequestOrigin.DEFAULT if name in (*DEFAULT, *suite.names) else RequestOrigin.SHIPPED
        place = path.relative_to(paths.ROOT).as_posix() if path.is_relative_to(paths.ROOT) else str(path)
        if suite.argument and name in suite.names:
            # The folder of a suite that was made has another name for other cases; its fragments may be the same.
            place = f"{path.name} of --suite {suite.argument}"
        return parse_fragment(path.read_text(), name=name, place=place, origin=origin)
    try:
        return parse_fragment(Path(given).read_text(errors="surrogateescape"), name=name)
    except OSError as error:
        why = error.strerror or str(error)
    in_tree = tree.repository.git("cat-file", "blob", f"{tree.commit}:{name}", deadline=deadline, check=False)
    if in_tree.status == 0:
        return parse_fragment(in_tree.text, name=name)
    raise UsageError(
        f"no config fragment {name}",
        evidence=f"as a file: {why}\nin the kernel tree: no such file\nnames: {', '.join(fragment_names(suite))}",
        remedy="give one of the names, a fragment file, a kselftest's config file, or a whole .config",
    )


def _guest_requests(start: Fragment, suite: SuiteConfig) -> Iterable[OptionRequest]:
    """Return requests for the options that the guest needs, to be applied to a whole config."""
    config = parse_config(start.start, ConfigSource.BESIDE)
    unmet = check_bootable(config, suite)
    reasons = {need.option: ("4", need.why) for need in unmet if need.option.endswith("UARTS")}
    reasons |= {need.option: ("y", need.why) for need in unmet if need.option not in reasons}
    reasons |= {need.option: ("n" if need.negated else "y", why) for need, why in (*GUEST_NEEDS, *suite.needs)}
    for option, (value, why) in reasons.items():
        request = OptionRequest(option, value, "the guest", why, RequestOrigin.DEFAULT)
        yield replace(request, text=f"{request.render()} ({why})")


def _read_release(tree: Tree, *, deadline: Deadline) -> Release | None:
    """Return the release that the tree's Makefile states; None when it states none."""
    numbers = dict(_NUMBER.findall(tree.repository.makefile(tree.commit, deadline=deadline)))
    if not {b"VERSION", b"PATCHLEVEL"} <= numbers.keys():
        return None
    version, patchlevel, sublevel = (int(numbers.get(name, b"0")) for name in (b"VERSION", b"PATCHLEVEL", b"SUBLEVEL"))
    return Release((version, patchlevel, sublevel))


def _kconfig_digest(context: Context, tree: Tree) -> str:
    """Return a digest of the files that the config depends on; kept in the store, since git lists a kernel slowly."""
    known = context.store.find(_DIGEST_KIND, _digest_key(tree.commit))
    if known is not None:
        return (known / _DIGEST).read_text()
    commit = _same_kconfig(tree, deadline=context.deadline)

    def fill(folder: Path) -> None:
        listed = tree.repository.git("ls-tree", "-r", "-z", "--full-tree", commit, deadline=context.deadline).stdout
        lines = [line for line in listed.split(b"\0") if _KCONFIG_PATHS.fullmatch(line.partition(b"\t")[2])]
        (folder / _DIGEST).write_text(digest_of(b"\0".join(lines)))

    place = context.store.make(_DIGEST_KIND, _digest_key(commit), fill, deadline=context.deadline)
    return (place / _DIGEST).read_text()


def _digest_key(commit: str) -> str:
    return digest_of(_KCONFIG_PATHS.pattern, commit)


def _same_kconfig(tree: Tree, *, deadline: Deadline) -> str:
    """Return the only parent of the commit if it has the same files that the config depends on, else the commit itself.

    A user's edits are a commit on top of the one that is checked out: 80,000 names are listed once for all of them.
    """
    arguments = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", "--pretty=%P", tree.commit)
    parent, *names = tree.repository.git(*arguments, deadline=deadline).stdout.split(b"\0")
    is_alone = re.fullmatch(rb"[0-9a-f]+", parent) is not None
    is_same = not any(_KCONFIG_PATHS.fullmatch(name.removeprefix(b"\n")) for name in names)
    return parent.decode() if is_alone and is_same else tree.commit
