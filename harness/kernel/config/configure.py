# SPDX-License-Identifier: GPL-2.0-only
"""Make the config of a kernel from fragments with the tree's own Kconfig; a request that is not granted is an error.

The config starts from "all options off" (``allnoconfig``) and the fragments of :data:`DEFAULT` and of the suite, or
from a whole ``.config`` that the user gave. The store keeps the result: Kconfig runs once for trees with the same
Kconfig files.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, NotInKernelError, SeriesError, UsageError
from harness.base.json_records import read_facts
from harness.kernel.config.fragment import Fragment, OptionRequest, RequestOrigin, render_requests
from harness.kernel.config.fragment_files import fragment_names as fragment_names
from harness.kernel.config.inputs import DEFAULT as DEFAULT
from harness.kernel.config.inputs import ConfigInputs, FragmentName, Tree, read_inputs
from harness.kernel.config.kconfig import ConfigSource, KernelConfig, parse_config
from harness.kernel.config.tools import make_config, prepare, query_options
from harness.kernel.config.unmet import OptionFacts, explain, explain_all
from harness.kernel.git.worktree import WorkTree
from harness.kernel.sandbox.sandbox import Sandbox
from harness.model.variant import Variant

KIND = "kernel-config"
"""The kind of these products in the store."""

_CONFIG, _NOTES, _UNGRANTED = "config", "notes.json", "ungranted.json"
_SHOWN_OPTIONS = 6


@dataclass(frozen=True, slots=True)
class Config:
    """A finished config.

    :param text: the ``.config``.
    :param digest: sha256 of the text, as ``sha256sum`` prints it.
    :param fragments: names of the fragments that it was made from.
    :param notes: notes for the user, one line each.
    :param assignments: the variables of make that it was made with.
    :param ungranted: the optional requests that this kernel does not grant: pairs of option and reason.
    """

    text: str
    digest: str
    fragments: tuple[str, ...]
    notes: tuple[str, ...] = ()
    assignments: tuple[str, ...] = ()
    ungranted: tuple[tuple[str, str], ...] = ()


def configure(
    context: Context,
    tree: Tree,
    worktree: WorkTree,
    *,
    fragments: Sequence[FragmentName] = DEFAULT,
    assignments: Sequence[str] = (),
    trusted: bool = False,
) -> Config:
    """Return the config of a tree; make it unless the store has it.

    :param worktree: the tree's files.
    :param fragments: names of :func:`fragment_names`, files, files of the tree, or a suite; all but those of
        :data:`DEFAULT` and of the suite count as the user's own.
    :param assignments: the variables of make for the build, such as ``CC=...``.
    :param trusted: run Kconfig without the sandbox.
    :raises UsageError: a fragment cannot be read, two fragments conflict, or this kernel does not grant an option that
        the user requested.
    :raises SeriesError: the tree's Kconfig fails, or this kernel does not grant an option that the harness needs.
    :raises HostError: bubblewrap or a program that Kconfig runs is missing on this host.
    """
    order = read_inputs(context, tree, fragments, assignments=assignments)
    return configure_inputs(context, order, worktree, trusted=trusted)


def configure_inputs(context: Context, order: ConfigInputs, worktree: WorkTree, *, trusted: bool = False) -> Config:
    """Return the config of inputs that were read before, maybe on another host; make it unless the store has it.

    :param order: the inputs.
    :param worktree: the tree's files.
    :param trusted: run Kconfig without the sandbox.
    :raises UsageError: as :func:`configure`.
    :raises SeriesError: as :func:`configure`.
    :raises HostError: as :func:`configure`.
    """

    def fill(folder: Path) -> None:
        output = folder / "output"
        output.mkdir()
        made = _make(Sandbox(worktree.path, output, trusted), order, deadline=context.deadline)
        # The output of untrusted Makefiles is removed before anything is written beside it.
        shutil.rmtree(output)
        (folder / _CONFIG).write_text(made.text)
        (folder / _NOTES).write_text(json.dumps(made.notes))
        if made.ungranted:
            (folder / _UNGRANTED).write_text(json.dumps(made.ungranted))

    for _ in range(2):
        config = _load(context.store.make(KIND, order.key, fill, deadline=context.deadline), order)
        if config is not None:
            return config
        context.store.forget(KIND, order.key)
    raise HostError(
        f"the config in {context.store.place(KIND, order.key)} changed while it was read",
        remedy="stop other processes that write to the store, then retry",
    )


def find_config(
    context: Context,
    tree: Tree,
    *,
    fragments: Sequence[FragmentName] = DEFAULT,
    assignments: Sequence[str] = (),
) -> Config | None:
    """Return what :func:`configure` would return if the store has it, else None; no work tree is needed.

    :raises UsageError: a fragment cannot be read, or two fragments conflict.
    """
    return find_made_config(context, read_inputs(context, tree, fragments, assignments=assignments))


def find_made_config(context: Context, order: ConfigInputs) -> Config | None:
    """Return what :func:`configure_inputs` would return if the store has it, else None.

    :param order: the inputs.
    """
    folder = context.store.find(KIND, order.key)
    return _load(folder, order) if folder else None


def _load(folder: Path, order: ConfigInputs) -> Config | None:
    """Read the config in a folder of the store; None when it is damaged."""
    try:
        text = (folder / _CONFIG).read_text()
        notes = read_facts(tuple[str, ...], (folder / _NOTES).read_bytes())
        file = folder / _UNGRANTED
        ungranted = read_facts(tuple[tuple[str, str], ...], file.read_bytes() if file.is_file() else b"[]")
    except (OSError, UnicodeDecodeError):
        return None
    if notes is None or ungranted is None:
        return None
    digest = parse_config(text, ConfigSource.BESIDE).digest
    return Config(text, digest, order.fragments, notes, order.assignments, ungranted)


class _Made(NamedTuple):
    """A config that was just made; see :class:`Config`."""

    text: str
    notes: list[str]
    ungranted: list[tuple[str, str]]


def _make(sandbox: Sandbox, order: ConfigInputs, *, deadline: Deadline) -> _Made:
    """Make a config.

    :raises UsageError: a request of the user is not met.
    :raises SeriesError: a request of the harness is not met, or Kconfig fails.
    """
    start = order.start.start if order.start else ""
    prepare(sandbox.output, start=start, requests=render_requests(order.requests))
    text = make_config(sandbox, has_start=bool(start), assignments=order.assignments, deadline=deadline)
    config = parse_config(text, ConfigSource.BESIDE)
    unmet = {one: config.value(one.option) for one in order.requests if not one.is_met_by(config.value(one.option))}
    # A missing option meets "is not set"; it is reported all the same, as its name may be mistyped.
    doubtful = [one for one in order.requests if one.value == "n" and config.value(one.option) is None]
    queried = list(dict.fromkeys(request.option for request in (*unmet, *doubtful)))
    answers = query_options(sandbox, queried, assignments=order.assignments, deadline=deadline) if queried else {}
    ungranted = [(one, explain(one, got, answers[one.option], version=config.version)) for one, got in unmet.items()]
    wishes = [one for one in unmet if _is_wish(one, order.variant)]
    if needed := {one: got for one, got in unmet.items() if not one.is_optional and one not in wishes}:
        raise _not_in_kernel(needed, answers, order, config.version) or refusal(
            needed, answers, order.requests, config.version
        )
    notes = _passed_over(order.passed_over, config.version)
    if wishes:
        notes.append(
            f"variant {order.variant.name}: without {_some(list(dict.fromkeys(one.option for one in wishes)))}"
        )
    notes += [
        f"{one.place}: {explain(one, None, answers[one.option], version=config.version)}"
        for one in doubtful
        if not answers[one.option].is_known
    ]
    if order.start:
        notes += _departures(order.start, order.requests, config)
    return _Made(text, notes, [(one.option, reason) for one, reason in ungranted])


def _is_wish(request: OptionRequest, variant: Variant) -> bool:
    """Return whether a kernel may do without a request: one of a shipped variant, or one that a variant excludes."""
    if request.origin is RequestOrigin.VARIANT:
        return variant.is_shipped and request.option not in variant.requires
    return bool(variant) and request.origin is RequestOrigin.DEFAULT


def _not_in_kernel(
    unmet: Mapping[OptionRequest, str | None], answers: Mapping[str, OptionFacts], order: ConfigInputs, version: str
) -> NotInKernelError | None:
    """Return the error for a kernel that does not have a shipped variant; None if another request is not met."""
    variant = order.variant
    own = {one: value for one, value in unmet.items() if one.origin is RequestOrigin.VARIANT}
    if not own or not variant.is_shipped:
        return None
    return NotInKernelError(
        f"Linux {version} does not have the variant {variant.name}: {next(iter(own)).option} is not granted",
        evidence=explain_all(own, answers, version=version),
        remedy=f"give a kernel that has it, or leave out {variant.name}",
    )


def refusal(
    unmet: Mapping[OptionRequest, str | None],
    answers: Mapping[str, OptionFacts],
    requests: Iterable[OptionRequest],
    version: str,
) -> HarnessError:
    """Return the error for requests that the kernel does not grant.

    It is the user's when the user requested one of the options, or a rival of it in the same choice.
    """
    wanted = {one.option for one in requests if one.origin not in (RequestOrigin.DEFAULT, RequestOrigin.SERIES)}
    is_users = any(one.option in wanted or wanted.intersection(answers[one.option].rivals) for one in unmet)
    what = f"Linux {version} does not grant " + (
        f"{len(unmet)} of the requested options" if len(unmet) > 1 else next(iter(unmet)).option
    )
    placed = {one.option: one for one in requests}
    rivals = [placed[name] for one in unmet for name in answers[one.option].rivals if name in placed]
    evidence = "\n".join([explain_all(unmet, answers, version=version), *(f"    by {one}" for one in rivals)])
    if is_users:
        remedy = (
            "request its dependencies too, or remove it; '# versions: 4.6..' above an option limits it to kernels that "
            "have it"
        )
        return UsageError(what, evidence=evidence, remedy=remedy)
    if any(one.origin is RequestOrigin.SERIES for one in unmet):
        return SeriesError(what, evidence=evidence, remedy="make the fragment of the series match its Kconfig files")
    remedy = (
        "compare the tree's Kconfig files with those of its release; "
        "a whole .config (--config FILE) replaces the fragments of the harness"
    )
    return SeriesError(what, evidence=evidence, remedy=remedy)


def _passed_over(requests: Iterable[OptionRequest], version: str) -> list[str]:
    """Return notes on the requests that are limited to other releases: one line for all fragments of the harness."""
    own = {one: f"{one.option} ({one.versions})" for one in requests if one.origin is not RequestOrigin.USER}
    notes = [f"Linux {version}: options for other releases are passed over: {', '.join(own.values())}"] if own else []
    others = [one for one in requests if one not in own]
    return notes + [f"{one.place}: {one.option} is passed over: {one.versions} only, not {version}" for one in others]


def _departures(start: Fragment, requests: Iterable[OptionRequest], config: KernelConfig) -> list[str]:
    """Return notes on options that differ from the whole ``.config`` at the start."""
    before = parse_config(start.start, ConfigSource.BESIDE)
    requested = {request.option for request in requests}
    values = {option: (value, config.value(option)) for option, value in before.options.items()}
    changed = [
        f"{option} {value} -> {'absent' if now is None else now}"
        for option, (value, now) in values.items()
        if value != ("n" if now is None else now)
    ]
    forced = [line for line in changed if line.split()[0] in requested]
    others = [line for line in changed if line.split()[0] not in requested]
    modules = sum(value == "m" for value in config.options.values())
    notes = []
    if forced:
        notes.append(f"{start.name}: changed by a request: {_some(forced)}")
    if others:
        notes.append(f"{start.name}: {len(others)} options changed by Kconfig: {_some(others)}")
    if modules:
        notes.append(f"{start.name}: {modules} options are modules (=m), which the guest does not load")
    return notes


def _some(lines: Sequence[str]) -> str:
    more = f" and {len(lines) - _SHOWN_OPTIONS} more" if len(lines) > _SHOWN_OPTIONS else ""
    return ", ".join(lines[:_SHOWN_OPTIONS]) + more
