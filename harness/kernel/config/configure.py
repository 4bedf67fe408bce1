"""The config of a kernel to be built: from fragments, by the tree's own Kconfig, every request honoured or an error.

It starts from "all options off" (``allnoconfig``) and the fragments of :data:`DEFAULT` and of the suite, or from a
whole ``.config`` that the user gave. What came of it is remembered: a tree whose Kconfig files are the same is asked
once.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import SeriesError, UsageError
from harness.base.kernel_release import Release
from harness.kernel.config.fragment import Fragment, OptionRequest, RequestOrigin, render_requests
from harness.kernel.config.fragment_files import fragment_names as fragment_names
from harness.kernel.config.inputs import DEFAULT as DEFAULT
from harness.kernel.config.inputs import ConfigInputs, FragmentWord, Tree, read_order
from harness.kernel.config.kconfig import ConfigSource, KernelConfig, parse_config
from harness.kernel.config.tools import ask, make_config, prepare
from harness.kernel.config.unmet import OptionFacts, explain, explain_all
from harness.kernel.git.worktree import WorkTree
from harness.kernel.sandbox.sandbox import Sandbox

KIND = "kernel-config"
"""The kind of these products in the store."""

_CONFIG, _NOTES = "config", "notes.json"
_SHOWN_OPTIONS = 6


@dataclass(frozen=True, slots=True)
class Config:
    """A finished config.

    :param text: the ``.config``. :param digest: sha256 of the text, as ``sha256sum`` says it.
    :param fragments: what it was made from, by name. :param notes: what the user should know, one line each.
    """

    text: str
    digest: str
    fragments: tuple[str, ...]
    notes: tuple[str, ...] = ()


def configure(
    context: Context,
    tree: Tree,
    worktree: WorkTree,
    *,
    fragments: Sequence[FragmentWord] = DEFAULT,
    assignments: Sequence[str] = (),
    trusted: bool = False,
) -> Config:
    """The config of a tree.

    :param worktree: the tree's files. :param fragments: names of :func:`fragment_names`, files, files of the tree, or a
        suite; those that are neither in :data:`DEFAULT` nor the suite's are taken for the user's own.
    :param assignments: words for make such as ``CC=...``, those of the build.
    :raises UsageError: a fragment cannot be read, two of them disagree, or this kernel does not grant what the user
        asked for.
    :raises SeriesError: the tree's Kconfig does not work, or this kernel does not grant what the harness needs.
    :raises HostError: bubblewrap or a program that Kconfig runs is missing.
    """
    order = read_order(context, tree, fragments, assignments=assignments)

    def fill(folder: Path) -> None:
        output = folder / "output"
        output.mkdir()
        text, notes = _make(Sandbox(worktree.path, output, trusted), order, deadline=context.deadline)
        # What a stranger's Makefile left goes away before anything is written by its side.
        shutil.rmtree(output)
        (folder / _CONFIG).write_text(text)
        (folder / _NOTES).write_text(json.dumps(notes))

    return _load(context.store.make(KIND, order.key, fill, deadline=context.deadline), order)


def find_config(
    context: Context,
    tree: Tree,
    *,
    fragments: Sequence[FragmentWord] = DEFAULT,
    assignments: Sequence[str] = (),
) -> Config | None:
    """What :func:`configure` would say, when it is known already; no work tree is needed.

    :raises UsageError: a fragment cannot be read, or two of them disagree.
    """
    order = read_order(context, tree, fragments, assignments=assignments)
    place = context.store.find(KIND, order.key)
    return _load(place, order) if place else None


def _load(place: Path, order: ConfigInputs) -> Config:
    text = (place / _CONFIG).read_text()
    notes = json.loads((place / _NOTES).read_text())
    return Config(text, parse_config(text, ConfigSource.BESIDE).digest, order.fragments, tuple(notes))


def _make(sandbox: Sandbox, order: ConfigInputs, *, deadline: Deadline) -> tuple[str, list[str]]:
    """The text of the config, and what the user should know of it.

    :raises UsageError, SeriesError: a request is not met.
    """
    start = order.start.start if order.start else ""
    prepare(sandbox.output, start=start, requests=render_requests(order.requests))
    text = make_config(sandbox, has_start=bool(start), assignments=order.assignments, deadline=deadline)
    config = parse_config(text, ConfigSource.BESIDE)
    unmet = {one: config.value(one.option) for one in order.requests if not one.is_met_by(config.value(one.option))}
    # What the harness's own fragments ask of other versions is nothing to tell.
    unmet = {
        one: got
        for one, got in unmet.items()
        if one.origin is RequestOrigin.USER or not _is_excused(one, config.version)
    }
    # "not set" is met by an option that does not exist; a name that was mistyped is told all the same.
    doubtful = [one for one in order.requests if one.value == "n" and config.value(one.option) is None]
    asked = list(dict.fromkeys(request.option for request in (*unmet, *doubtful)))
    answers = ask(sandbox, asked, assignments=order.assignments, deadline=deadline) if asked else {}
    notes = _judge(unmet, answers, order.requests, config.version)
    notes += [
        f"{one.place}: {explain(one, None, answers[one.option], version=config.version)}"
        for one in doubtful
        if not answers[one.option].is_known and not _is_excused(one, config.version)
    ]
    if order.start:
        notes += _departures(order.start, order.requests, config)
    return text, notes


def _judge(
    unmet: Mapping[OptionRequest, str | None],
    answers: Mapping[str, OptionFacts],
    requests: Iterable[OptionRequest],
    version: str,
) -> list[str]:
    """Notes on what may be left unmet; what may not is an error.

    The user's, when the user asked for it, or for what stands in the way of it. Else the kernel's: what the harness
    asks for is known to be granted by kernels of all versions.
    """
    excused = {one: got for one, got in unmet.items() if _is_excused(one, version)}
    refused = {one: got for one, got in unmet.items() if one not in excused}
    if not refused:
        return [
            f"{one.place}: left out, {explain(one, got, answers[one.option], version=version)}"
            for one, got in excused.items()
        ]
    wanted = {one.option for one in requests if one.origin not in (RequestOrigin.DEFAULT, RequestOrigin.SERIES)}
    is_users = any(one.option in wanted or wanted.intersection(answers[one.option].rivals) for one in refused)
    what = f"Linux {version} does not grant " + (
        f"{len(refused)} options that are asked for" if len(refused) > 1 else next(iter(refused)).option
    )
    placed = {one.option: one for one in requests}
    rivals = [placed[name] for one in refused for name in answers[one.option].rivals if name in placed]
    evidence = "\n".join([explain_all(refused, answers, version=version), *(f"    by {one}" for one in rivals)])
    if is_users:
        remedy = "ask for what is needed as well, or leave it out; '# versions: 4.6..' above an option says who has it"
        raise UsageError(what, evidence=evidence, remedy=remedy)
    remedy = "see which change of the tree's Kconfig files does that; other kernels of this version grant it"
    if any(one.origin is RequestOrigin.SERIES for one in refused):
        remedy = "make the Kconfig files of the series and its fragment agree"
    raise SeriesError(what, evidence=evidence, remedy=remedy)


def _is_excused(request: OptionRequest, version: str) -> bool:
    """Whether this version is not said to have the option."""
    release = Release.parse(version)
    return request.versions is not None and release is not None and not request.versions.cover(release)


def _departures(start: Fragment, requests: Iterable[OptionRequest], config: KernelConfig) -> list[str]:
    """What is otherwise than in the whole config that it started from."""
    before = parse_config(start.start, ConfigSource.BESIDE)
    asked = {request.option for request in requests}
    values = {option: (value, config.value(option)) for option, value in before.options.items()}
    changed = [
        f"{option} {value} -> {'absent' if now is None else now}"
        for option, (value, now) in values.items()
        if value != ("n" if now is None else now)
    ]
    forced = [line for line in changed if line.split()[0] in asked]
    others = [line for line in changed if line.split()[0] not in asked]
    modules = sum(value == "m" for value in config.options.values())
    notes = []
    if forced:
        notes.append(f"{start.name}: asked otherwise: {_some(forced)}")
    if others:
        notes.append(f"{start.name}: {len(others)} lines did not stick: {_some(others)}")
    if modules:
        notes.append(f"{start.name}: {modules} options are modules, and the guest loads none")
    return notes


def _some(lines: Sequence[str]) -> str:
    more = f" and {len(lines) - _SHOWN_OPTIONS} more" if len(lines) > _SHOWN_OPTIONS else ""
    return ", ".join(lines[:_SHOWN_OPTIONS]) + more
