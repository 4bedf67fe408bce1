# SPDX-License-Identifier: GPL-2.0-only
"""Keep the objects of earlier builds in the store, within a bound in bytes; a build of a similar tree starts from them.

Untrusted patches may do anything to the objects of their build. So a build starts only from objects of its own tree
without patches, or from those of a commit that is an ancestor of its own: it contains every patch that made them. The
ancestor may come from another repository, since its hash identifies its content. So the objects of a commit are kept
once, for all repositories that it was built from. :mod:`harness.kernel.build.retention` chooses what is dropped.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.json_records import read_facts, recall_facts, to_table
from harness.base.store import Store, bytes_on_disk, digest_of
from harness.kernel.build.copied_objects import RELINKED, copy_folder, is_relinked
from harness.kernel.build.diagnostics import Diagnostic
from harness.kernel.build.retention import KeptObjects, choose_dropped
from harness.kernel.git.repository import Repository

KIND = "kernel-objects"
"""The kind of these products in the store."""

_BYTES = 4 << 30
"""The most bytes that all objects may take. Those of a small kernel take 110 MB: room for some 35 trees, which is a
bisection of a thousand commits and a dozen series besides the trees that series start from."""
_UNKNOWN_SECONDS = 60.0
"""The time of a build whose record has none: between a build from nothing and one from similar objects."""
_CONSIDERED = 12
_OUTPUT = "output"
_WARNINGS = "warnings.json"
"""The file beside the objects: a build that makes nothing again has the warnings that it started with."""
_LOCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """The identity of the objects of a build.

    :param commit: the commit that they are built from.
    :param base: the commit that a series was applied to; empty when no series is part of the commit.
    :param config: digest of the config.
    :param tools: digest of everything else that decides the content of an object file.
    """

    repository: Repository
    commit: str
    base: str
    config: str
    tools: str

    @property
    def is_patched(self) -> bool:
        """Return whether a series is part of the commit."""
        return bool(self.base)

    @property
    def key(self) -> str:
        """Return their key in the store.

        The repository is not part of it: a commit has the same files in each. Objects that a series may have changed
        are kept apart from those of the same commit without a series.
        """
        return digest_of(self.commit, self.config, self.tools, "series" if self.is_patched else "tree")


@dataclass(frozen=True, slots=True)
class Start:
    """Objects that a build starts from.

    :param commit: the commit that they were built from.
    :param changed: the files that differ between that commit and the one to build.
    :param is_same_config: whether they were built with the same config; else nearly all of them are made again.
    :param key: their key in the store.
    """

    commit: str
    changed: frozenset[str]
    is_same_config: bool
    key: str

    def render(self) -> str:
        """Return a description for people."""
        config = "" if self.is_same_config else ", of another config"
        return f"objects of {self.commit[:12]}, {len(self.changed)} files away{config}"


@dataclass(frozen=True, slots=True)
class _KeptRecord:
    """The record of :class:`KeptObjects` in the store; fields with a default are missing in records of before.

    :param repository: the key of the only repository, in records of before; empty in others.
    """

    commit: str
    is_patched: bool
    config: str
    tools: str
    used_at: float
    repositories: tuple[str, ...] = ()
    repository: str = ""
    base: str = ""
    seconds: float = _UNKNOWN_SECONDS
    starts: int = 0
    series_starts: int = 0
    size: int = -1


@dataclass(frozen=True, slots=True)
class FromNothing:
    """A build that starts without objects.

    :param reason: why, for people.
    """

    reason: str


def find_start(context: Context, wanted: ObjectKey) -> Start | FromNothing:
    """Find the nearest objects that may be used: those of the same config before others, then by files that differ.

    :return: the objects, or why there are none.
    :raises HostError: git failed.
    """
    everything = list(_all_kept(context.store))
    if not everything:
        return FromNothing("no objects are kept yet")
    kept = [one for one in everything if one.tools == wanted.tools]
    if not kept:
        return FromNothing("kept objects were built with another compiler or other compiler flags")
    kept = _known(wanted.repository, kept, deadline=context.deadline)
    near = (wanted.commit, wanted.base)
    kept.sort(key=lambda one: (one.config != wanted.config, one.commit not in near, -one.used_at))
    # Among equally close ones prefer the one used last: its files may still be in the page cache.
    considered = sorted(kept[:_CONSIDERED], key=lambda one: -one.used_at)
    changed = _changes(wanted, considered, deadline=context.deadline)
    nearest = sorted(considered, key=lambda one: (one.config != wanted.config, len(changed.get(one.commit, ()))))
    for one in nearest:
        is_elsewhere = wanted.repository.key not in one.repositories
        if one.commit in changed and (
            not (one.is_patched or is_elsewhere)
            or _is_ancestor(wanted.repository, one.commit, wanted.commit, deadline=context.deadline)
        ):
            return Start(one.commit, changed[one.commit], one.config == wanted.config, one.key)
    return FromNothing("no kept tree is an ancestor of this one")


def copy_objects(context: Context, start: Start, output: Path, *, is_for_series: bool) -> tuple[Diagnostic, ...] | None:
    """Copy objects to a new folder, with their modification times, and record that a build started from them.

    :param output: the folder to create.

    :param is_for_series: whether the build is of a tree with a series.
    :return: the warnings of the builds that made them; None when the objects are gone or in use.
    :raises HostError: the disk is full, or the deadline has passed.
    """
    from filelock import Timeout

    source = context.store.place(KIND, start.key)
    try:
        with context.store.lock(KIND, start.key).acquire(timeout=min(_LOCK_SECONDS, context.deadline.seconds_left)):
            if not (source / _OUTPUT).is_dir():
                return None
            kept = _read_kept(context.store, start.key)
            if kept is not None:
                used = replace(
                    kept,
                    starts=kept.starts + 1,
                    series_starts=kept.series_starts + is_for_series,
                    used_at=time.time(),
                )
                context.store.remember(KIND, start.key, _to_fact(used))
            left_out = RELINKED if is_relinked(source / _OUTPUT, start.changed) else frozenset[str]()
            copy_folder(source / _OUTPUT, output, left_out, deadline=context.deadline)
            return _read_warnings(source / _WARNINGS)
    except Timeout:
        return None


def keep_objects(
    store: Store, made: ObjectKey, output: Path, warnings: Iterable[Diagnostic], *, seconds: float
) -> None:
    """Move the output folder of a successful build into the store, and drop objects until the rest fits the bound.

    :param warnings: all warnings about these objects, from this build and from the ones that it started from.
    :param seconds: how long the build took.
    :raises UsageError: the store cannot be written.
    :raises HostError: the disk is full.
    """
    folder = store.place(KIND, made.key)
    with store.lock(KIND, made.key):
        # The same objects, kept earlier: under this key, or by an older harness under one key for each repository.
        before = [one for one in _all_kept(store) if _is_same(one, made)]
        shutil.rmtree(folder, ignore_errors=True)
        with store.complaints():
            folder.mkdir(parents=True)
            (folder / _WARNINGS).write_text(json.dumps([to_table(one) for one in warnings], indent=1) + "\n")
            output.rename(folder / _OUTPUT)
        kept = KeptObjects(
            key=folder.name,
            repositories=frozenset({made.repository.key}).union(*(one.repositories for one in before)),
            commit=made.commit,
            is_patched=made.is_patched,
            base=made.base,
            config=made.config,
            tools=made.tools,
            # A build that started from the same objects took no time; without them it would.
            seconds=max([seconds, *(one.seconds for one in before)]),
            starts=sum(one.starts for one in before),
            series_starts=sum(one.series_starts for one in before),
            used_at=time.time(),
            size=bytes_on_disk(folder),
        )
        store.remember(KIND, made.key, _to_fact(kept))
    for one in before:
        if one.key != kept.key:
            _drop(store, one.key)
    _drop_broken(store)
    everything = list(_all_kept(store))
    for key in choose_dropped(everything, bound=_bound(store, everything)):
        _drop(store, key)


def make_room(store: Store, key: str) -> None:
    """Drop objects so that one more tree as large as another fits; else the end of the build would wait for it.

    What a small disk leaves free is only known then: see :func:`keep_objects`.

    :param key: the key of the other tree, which a build starts from; empty for none.
    """
    like = _read_kept(store, key) if key else None
    if like is not None:
        for one in choose_dropped(list(_all_kept(store)), bound=_BYTES - like.size):
            _drop(store, one)


def _is_same(one: KeptObjects, made: ObjectKey) -> bool:
    names = (one.commit, one.config, one.tools, one.is_patched)
    return names == (made.commit, made.config, made.tools, made.is_patched)


def _bound(store: Store, kept: Sequence[KeptObjects]) -> int:
    """Return the most bytes that objects may take: on a small or full disk, at most as many as they leave free.

    :raises UsageError: the store cannot be read.
    """
    with store.complaints():
        free = shutil.disk_usage(store.folder).free
    return min(_BYTES, (free + sum(one.size for one in kept)) // 2)


def _read_warnings(file: Path) -> tuple[Diagnostic, ...]:
    try:
        return read_facts(tuple[Diagnostic, ...], file.read_bytes()) or ()
    except OSError:
        return ()


def _drop(store: Store, key: str, *, only_broken: bool = False) -> None:
    from filelock import Timeout

    try:
        with store.lock(KIND, key).acquire(timeout=0):
            if not only_broken or _find_kept(store, key) is None:
                store.forget(KIND, key)
    except Timeout:
        return  # another build is copying them: the next build drops them


def _drop_broken(store: Store) -> None:
    """Remove objects without a record and records without objects, which a killed build may leave."""
    names = {path.stem for path in (store.folder / KIND).iterdir() if not path.name.startswith(".")}
    for name in sorted(names):
        if _find_kept(store, name) is None:
            _drop(store, name, only_broken=True)


def _all_kept(store: Store) -> Iterator[KeptObjects]:
    folder = store.folder / KIND
    for name in sorted(path.stem for path in folder.glob("*.json")) if folder.is_dir() else []:
        kept = _find_kept(store, name)
        if kept is not None:
            yield kept


def _find_kept(store: Store, key: str) -> KeptObjects | None:
    """Read the record of objects that exist; None without objects or record."""
    return _read_kept(store, key) if (store.place(KIND, key) / _OUTPUT).is_dir() else None


def _read_kept(store: Store, key: str) -> KeptObjects | None:
    """Read the record of objects, also one of an older harness with fewer fields; None without a record."""
    record = recall_facts(_KeptRecord, store.recall(KIND, key))
    if record is None:
        return None
    path = store.place(KIND, key)
    return KeptObjects(
        key=path.name,
        repositories=frozenset(record.repositories or [record.repository]),
        commit=record.commit,
        is_patched=record.is_patched,
        base=record.base,
        config=record.config,
        tools=record.tools,
        seconds=record.seconds,
        starts=record.starts,
        series_starts=record.series_starts,
        # A clock that was wrong for a while must not make objects the newest for years.
        used_at=min(record.used_at, time.time()),
        size=record.size if record.size >= 0 else bytes_on_disk(path),
    )


def _to_fact(kept: KeptObjects) -> dict[str, object]:
    """Return the record to remember, which :func:`_read_kept` reads."""
    fact = to_table(kept)
    del fact["key"]
    return {**fact, "repositories": sorted(kept.repositories)}


def _known(repository: Repository, kept: Sequence[KeptObjects], *, deadline: Deadline) -> list[KeptObjects]:
    """Return the objects whose commit exists in the repository.

    Filtering first keeps commits of other repositories from using up the number of candidates; one git call does it.
    """
    if not kept:
        return []
    names = "".join(f"{one.commit}^{{commit}}\n" for one in kept)
    arguments = ("cat-file", "--batch-check=%(objecttype)")
    lines = repository.git(*arguments, stdin=names.encode(), deadline=deadline).text.splitlines()
    return [one for one, line in zip(kept, lines, strict=True) if line == "commit"]


def _changes(wanted: ObjectKey, kept: Sequence[KeptObjects], *, deadline: Deadline) -> dict[str, frozenset[str]]:
    """Return the files that differ between the commit of each kept tree and the wanted one; one git call finds all.

    A commit whose files are missing from the repository is left out.
    """
    commits = list(dict.fromkeys(one.commit for one in kept))
    names = "".join(f"{one}^{{tree}}\n" for one in (wanted.commit, *commits))
    asked = ("cat-file", "--batch-check=%(objectname) %(objecttype)")
    lines = wanted.repository.git(*asked, stdin=names.encode(), deadline=deadline).text.splitlines()
    own, *trees = (line.split()[0] if line.endswith(" tree") else "" for line in lines)
    pairs = [f"{tree} {own}" for tree in dict.fromkeys(trees) if tree]
    arguments = ("diff-tree", "--stdin", "-r", "-z", "--name-only", "--no-renames")
    stdin = "".join(f"{pair}\n" for pair in pairs).encode()
    result = wanted.repository.git(*arguments, stdin=stdin, deadline=deadline, check=False)
    if result.status != 0:  # half of a list of files would be taken for all of it
        return {}
    changed = _read_pairs(result.stdout.decode(errors="surrogateescape"), frozenset(pairs))
    return {
        commit: changed[pair]
        for commit, tree in zip(commits, trees, strict=True)
        if (pair := f"{tree} {own}") in changed
    }


def _read_pairs(text: str, pairs: Collection[str]) -> dict[str, frozenset[str]]:
    """Read the output of ``git diff-tree --stdin -z``: each pair of trees on a line, then its files with NUL."""
    found: dict[str, set[str]] = {}
    current: set[str] = set()
    for part in text.split("\0"):
        head, newline, rest = part.partition("\n")
        while newline and head in pairs:
            current = found.setdefault(head, set())
            part = rest
            head, newline, rest = part.partition("\n")
        current |= {part} - {""}
    return {pair: frozenset(names) for pair, names in found.items()}


def _is_ancestor(repository: Repository, commit: str, of: str, *, deadline: Deadline) -> bool:
    arguments = ("merge-base", "--is-ancestor", commit, of)
    return repository.git(*arguments, deadline=deadline, check=False).status == 0
