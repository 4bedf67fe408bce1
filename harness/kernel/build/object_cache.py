"""Objects of earlier builds, from which a build of a tree nearby starts: kept in the store, the least used go first.

A stranger's patches may do anything to the objects of their build. So a build starts from objects of its own tree
without patches, or of a commit that is an ancestor of its own: what made those, it contains. That may be a commit of
another repository, a clone that both have in common: its name says what it holds.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.process import run
from harness.base.store import Store, digest_of
from harness.kernel.build.diagnostics import Diagnostic
from harness.kernel.git.repository import Repository

KIND = "kernel-objects"
"""The kind of these products in the store."""

_KEPT = 6
"""Of trees with a series, and as many of trees without."""
_CONSIDERED = 12
_OUTPUT = "output"
_WARNINGS = "warnings.json"
"""Beside what make wrote: a build that makes nothing anew has the warnings that it started with."""
_LOCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """What objects are looked for, or kept.

    :param commit: what they were built from. :param is_patched: whether a series is part of it.
    :param config: digest of the config. :param tools: digest of whatever else decides what an object file holds.
    """

    repository: Repository
    commit: str
    is_patched: bool
    config: str
    tools: str

    @property
    def key(self) -> str:
        """The name of their place in the store."""
        return digest_of(self.repository.key, self.commit, self.config, self.tools)


@dataclass(frozen=True, slots=True)
class Start:
    """Objects that a build starts from.

    :param commit: what they were built from.
    :param changed: the files that differ between that and the commit that is to be built.
    :param is_same_config: whether they were built with the same config; else nearly all of them will be made again.
    """

    commit: str
    changed: frozenset[str]
    is_same_config: bool
    key: str

    def render(self) -> str:
        """For humans: what they are."""
        config = "" if self.is_same_config else ", of another config"
        return f"objects of {self.commit[:12]}, {len(self.changed)} files away{config}"


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is remembered of objects in the store."""

    key: str
    repository: str
    commit: str
    is_patched: bool
    config: str
    tools: str
    used_at: float


def find_start(store: Store, wanted: ObjectKey, *, deadline: Deadline) -> Start | None:
    """The nearest objects that may be used; those of the same config before others, then by files that differ.

    :raises HostError: git failed.
    """
    kept = [one for one in _all_kept(store) if one.tools == wanted.tools]
    kept.sort(key=lambda one: (one.config != wanted.config, -one.used_at))
    starts = []
    for one in kept[:_CONSIDERED]:
        is_elsewhere = one.repository != wanted.repository.key
        if (one.is_patched or is_elsewhere) and not _is_ancestor(
            wanted.repository, one.commit, wanted.commit, deadline=deadline
        ):
            continue
        words = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", one.commit, wanted.commit)
        said = wanted.repository.git(*words, deadline=deadline, check=False)
        if said.status == 0:
            files = frozenset(said.stdout.decode(errors="surrogateescape").split("\0")) - {""}
            starts.append(Start(one.commit, files, one.config == wanted.config, one.key))
    return min(starts, key=lambda start: (not start.is_same_config, len(start.changed)), default=None)


def copy_objects(store: Store, start: Start, output: Path, *, deadline: Deadline) -> tuple[Diagnostic, ...] | None:
    """Copy objects to a place that is not there yet, with their times.

    :return: the warnings of the builds that made them; None when they are gone or cannot be read.
    :raises HostError: the disk is full, the deadline came.
    """
    from filelock import Timeout

    source = store.place(KIND, start.key)
    try:
        with store.lock(KIND, start.key).acquire(timeout=min(_LOCK_SECONDS, deadline.seconds_left)):
            if not (source / _OUTPUT).is_dir():
                return None
            fact = store.recall(KIND, start.key)
            if fact is not None:
                store.remember(KIND, start.key, {**fact, "used_at": time.time()})
            run(
                ["cp", "--archive", "--reflink=auto", source / _OUTPUT, output],
                deadline=deadline,
                remedy="see whether the disk is full; 'harness clean' shows what the store holds",
            )
            return _read_warnings(source / _WARNINGS)
    except Timeout:
        return None


def keep_objects(store: Store, made: ObjectKey, output: Path, warnings: Iterable[Diagnostic]) -> None:
    """Take over the output folder of a build that succeeded; what is least used makes room.

    :param warnings: all that the compiler has to say of these objects, when they were made now or before.
    :raises UsageError: the store cannot be written. :raises HostError: the disk is full.
    """
    place = store.place(KIND, made.key)
    with store.lock(KIND, made.key):
        shutil.rmtree(place, ignore_errors=True)
        with store.complaints():
            place.mkdir(parents=True)
            (place / _WARNINGS).write_text(json.dumps([one.to_fact() for one in warnings], indent=1) + "\n")
            output.rename(place / _OUTPUT)
        fact = {
            "repository": made.repository.key,
            "commit": made.commit,
            "is_patched": made.is_patched,
            "config": made.config,
            "tools": made.tools,
            "used_at": time.time(),
        }
        store.remember(KIND, made.key, fact)
    # Apart: whoever builds a dozen series must not lose the base's, from which all of them start.
    for is_patched in (True, False):
        kept = sorted((one for one in _all_kept(store) if one.is_patched is is_patched), key=lambda one: one.used_at)
        while len(kept) > _KEPT:
            # Of the repository that holds most: a bisection must not push out what other trees start from.
            held = Counter(one.repository for one in kept)
            gone = next(one for one in kept if held[one.repository] == max(held.values()))
            _drop(store, gone.key)
            kept.remove(gone)


def _read_warnings(file: Path) -> tuple[Diagnostic, ...]:
    try:
        return tuple(map(Diagnostic.from_fact, json.loads(file.read_text())))
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _drop(store: Store, key: str) -> None:
    from filelock import Timeout

    try:
        with store.lock(KIND, key).acquire(timeout=0):
            store.forget(KIND, key)
    except Timeout:
        return  # somebody starts from it right now: the next build drops it


def _all_kept(store: Store) -> Iterator[_Kept]:
    folder = store.folder / KIND
    names = sorted(path.stem for path in folder.glob("*.json")) if folder.is_dir() else []
    for name in names:
        match store.recall(KIND, name):
            case {
                "repository": str(repository),
                "commit": str(commit),
                "is_patched": bool(is_patched),
                "config": str(config),
                "tools": str(tools),
                "used_at": float(used_at),
            }:
                yield _Kept(name, repository, commit, is_patched, config, tools, used_at)


def _is_ancestor(repository: Repository, commit: str, of: str, *, deadline: Deadline) -> bool:
    words = ("merge-base", "--is-ancestor", commit, of)
    return repository.git(*words, deadline=deadline, check=False).status == 0
