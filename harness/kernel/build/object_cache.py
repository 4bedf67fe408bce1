"""Objects of earlier builds, from which a build of a tree nearby starts: kept in the store, within a bound in bytes.

A stranger's patches may do anything to the objects of their build. So a build starts from objects of its own tree
without patches, or of a commit that is an ancestor of its own: what made those, it contains. That may be a commit of
another repository, a clone that both have in common: its name says what it holds. So the objects of a commit are kept
once, whatever repositories it was built from. What is dropped is chosen in :mod:`harness.kernel.retention`.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.json_records import read_facts, to_table
from harness.base.process import run
from harness.base.store import Store, bytes_on_disk, digest_of
from harness.kernel.build.diagnostics import Diagnostic
from harness.kernel.build.retention import KeptObjects, choose_dropped
from harness.kernel.git.repository import Repository

KIND = "kernel-objects"
"""The kind of these products in the store."""

_BYTES = 4 << 30
"""The most that all objects may take. Those of a small kernel take 110 MB: room for some 35 trees, which is a bisection
of a thousand commits and a dozen series besides the trees that series start from."""
_UNKNOWN_SECONDS = 60.0
"""The time of a build whose record says nothing of it: between a build from nothing and one from objects nearby."""
_CONSIDERED = 12
_OUTPUT = "output"
_WARNINGS = "warnings.json"
"""Beside what make wrote: a build that makes nothing anew has the warnings that it started with."""
_LOCK_SECONDS = 60.0

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """What objects are looked for, or kept.

    :param commit: what they were built from.
    :param base: the commit that a series was applied to; empty when no series is part of the commit.
    :param config: digest of the config. :param tools: digest of whatever else decides what an object file holds.
    """

    repository: Repository
    commit: str
    base: str
    config: str
    tools: str

    @property
    def is_patched(self) -> bool:
        """Whether a series is part of the commit."""
        return bool(self.base)

    @property
    def key(self) -> str:
        """The name of their place in the store.

        Not of the repository: a commit has the same files in each. Objects that a series may have changed are apart
        from those of the same commit without one.
        """
        return digest_of(self.commit, self.config, self.tools, "series" if self.is_patched else "tree")


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
class FromNothing:
    """A build that starts without objects.

    :param reason: why, for humans.
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
        return FromNothing("kept objects are of another compiler or of other compiler flags")
    kept = _known(wanted.repository, kept, deadline=context.deadline)
    near = (wanted.commit, wanted.base)
    kept.sort(key=lambda one: (one.config != wanted.config, one.commit not in near, -one.used_at))
    starts = []
    # Of two that are equally far the one used last: its files may be in memory still.
    for one in sorted(kept[:_CONSIDERED], key=lambda one: -one.used_at):
        is_elsewhere = wanted.repository.key not in one.repositories
        if (one.is_patched or is_elsewhere) and not _is_ancestor(
            wanted.repository, one.commit, wanted.commit, deadline=context.deadline
        ):
            continue
        words = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", one.commit, wanted.commit)
        said = wanted.repository.git(*words, deadline=context.deadline, check=False)
        if said.status == 0:
            files = frozenset(said.stdout.decode(errors="surrogateescape").split("\0")) - {""}
            starts.append(Start(one.commit, files, one.config == wanted.config, one.key))
    if not starts:
        return FromNothing("no kept tree is an ancestor of this one")
    return min(starts, key=lambda start: (not start.is_same_config, len(start.changed)))


def copy_objects(context: Context, start: Start, output: Path, *, is_for_series: bool) -> tuple[Diagnostic, ...] | None:
    """Copy objects to a place that is not there yet, with their times, and record that a build started from them.

    :param is_for_series: whether the build is of a tree with a series.
    :return: the warnings of the builds that made them; None when they are gone or cannot be read.
    :raises HostError: the disk is full, the deadline came.
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
            run(
                ["cp", "--archive", "--reflink=auto", source / _OUTPUT, output],
                deadline=context.deadline,
                remedy="see whether the disk is full; 'harness clean' shows what the store holds",
            )
            return _read_warnings(source / _WARNINGS)
    except Timeout:
        return None


def keep_objects(
    store: Store, made: ObjectKey, output: Path, warnings: Iterable[Diagnostic], *, seconds: float
) -> None:
    """Take over the output folder of a build that succeeded, and drop objects until all fit into their bound.

    :param warnings: all that the compiler has to say of these objects, when they were made now or before.
    :param seconds: how long the build took.
    :raises UsageError: the store cannot be written. :raises HostError: the disk is full.
    """
    place = store.place(KIND, made.key)
    with store.lock(KIND, made.key):
        # The same objects, kept before: here, or by a harness that kept them once for each repository.
        before = [one for one in _all_kept(store) if _is_same(one, made)]
        shutil.rmtree(place, ignore_errors=True)
        with store.complaints():
            place.mkdir(parents=True)
            (place / _WARNINGS).write_text(json.dumps([to_table(one) for one in warnings], indent=1) + "\n")
            output.rename(place / _OUTPUT)
        kept = KeptObjects(
            key=place.name,
            repositories=frozenset({made.repository.key}).union(*(one.repositories for one in before)),
            commit=made.commit,
            is_patched=made.is_patched,
            base=made.base,
            config=made.config,
            tools=made.tools,
            # Made again from the same objects, they took no time; without them they would.
            seconds=max([seconds, *(one.seconds for one in before)]),
            starts=sum(one.starts for one in before),
            series_starts=sum(one.series_starts for one in before),
            used_at=time.time(),
            size=bytes_on_disk(place),
        )
        store.remember(KIND, made.key, _to_fact(kept))
    for one in before:
        if one.key != kept.key:
            _drop(store, one.key)
    _drop_broken(store)
    everything = list(_all_kept(store))
    for key in choose_dropped(everything, bound=_bound(store, everything)):
        _drop(store, key)


def _is_same(one: KeptObjects, made: ObjectKey) -> bool:
    names = (one.commit, one.config, one.tools, one.is_patched)
    return names == (made.commit, made.config, made.tools, made.is_patched)


def _bound(store: Store, kept: Sequence[KeptObjects]) -> int:
    """Return the most bytes that objects may take: on a small or full disk, no more than they would leave free.

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
        return  # another build starts from it right now: the next build drops it


def _drop_broken(store: Store) -> None:
    """Remove objects without a record, and records without objects: of a build that was killed while it kept them."""
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
    """Read the record of objects that are there."""
    return _read_kept(store, key) if (store.place(KIND, key) / _OUTPUT).is_dir() else None


def _read_kept(store: Store, key: str) -> KeptObjects | None:
    """Read the record of objects, also one of a harness that knew only when they were used; None without one."""
    fact = store.recall(KIND, key) or {}
    match fact:
        case {
            "commit": str(commit),
            "is_patched": bool(is_patched),
            "config": str(config),
            "tools": str(tools),
            "used_at": float(used_at),
        }:
            pass
        case _:
            return None
    size = _get(fact, "size", -1)
    return KeptObjects(
        key=store.place(KIND, key).name,
        repositories=frozenset(map(str, _get(fact, "repositories", [fact.get("repository", "")]))),
        commit=commit,
        is_patched=is_patched,
        base=_get(fact, "base", ""),
        config=config,
        tools=tools,
        seconds=_get(fact, "seconds", _UNKNOWN_SECONDS),
        starts=_get(fact, "starts", 0),
        series_starts=_get(fact, "series_starts", 0),
        # A clock that was wrong for a while must not make objects the newest for years.
        used_at=min(used_at, time.time()),
        size=size if size >= 0 else bytes_on_disk(store.place(KIND, key)),
    )


def _get(fact: Mapping[str, object], name: str, default: _Value) -> _Value:
    """Return a field of a record; the default when it is missing or of another type."""
    value = fact.get(name)
    return value if isinstance(value, type(default)) else default


def _to_fact(kept: KeptObjects) -> dict[str, object]:
    """Return the record to remember, which :func:`_read_kept` reads."""
    fact = asdict(kept)
    del fact["key"]
    return {**fact, "repositories": sorted(kept.repositories)}


def _known(repository: Repository, kept: Sequence[KeptObjects], *, deadline: Deadline) -> list[KeptObjects]:
    """Return the objects whose commit the repository has.

    One git for all: the many commits of another repository must not use up the number that is considered.
    """
    if not kept:
        return []
    names = "".join(f"{one.commit}^{{commit}}\n" for one in kept)
    words = ("cat-file", "--batch-check=%(objecttype)")
    lines = repository.git(*words, stdin=names.encode(), deadline=deadline).text.splitlines()
    return [one for one, line in zip(kept, lines, strict=True) if line == "commit"]


def _is_ancestor(repository: Repository, commit: str, of: str, *, deadline: Deadline) -> bool:
    words = ("merge-base", "--is-ancestor", commit, of)
    return repository.git(*words, deadline=deadline, check=False).status == 0
