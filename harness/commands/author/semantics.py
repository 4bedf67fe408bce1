# SPDX-License-Identifier: GPL-2.0-only
"""``harness semantics``: show the behavior of each version and where it was seen, and learn from runs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import click

from harness.base.atomic_write import write_whole
from harness.base.errors import ExitStatus, UsageError
from harness.base.suites_file import default_name
from harness.commands import options
from harness.kernel.patches.shipped import shipped_claims
from harness.report.display.plain import choose_width
from harness.report.lines import Line, Tone
from harness.report.tables.semantics_matrix import matrix_lines, matrix_table
from harness.report.tables.trait_coverage import coverage_lines, coverage_table, find_uncovered
from harness.report.tables.trait_story import story_lines, story_table
from harness.results import sightings as learning
from harness.results.folder import RUN_NAME, load_run
from harness.results.sightings import Seen
from harness.semantics.observers import find_observers
from harness.semantics.profile import Profile
from harness.semantics.traits import AUTO, MAINLINE, Semantics, Trait, near
from harness.suite.definition import Suite
from harness.suite.load import case_files, shown_path, suite_argument, suite_semantics


@click.command()
@click.argument("words", metavar="[TRAIT|THEME]...", nargs=-1)
@click.option("--profiles", metavar="NAMES", default="", help="Show only these columns, e.g. v1,v4,mainline-6.1.")
@click.option("--unobserved", is_flag=True, help="List the traits not observed with two values on booted kernels.")
@click.option("--coverage", "is_old_name", is_flag=True, hidden=True)  # of --unobserved
@click.option("--learn", is_flag=True, help="Record what runs have seen; the arguments are folders of results/.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@options.suite
def semantics(
    words: tuple[str, ...],
    profiles: str,
    unobserved: bool,
    is_old_name: bool,
    learn: bool,
    as_json: bool,
    suite: str,
) -> int:
    """Show the behavior of each version: a row for each trait, a column for each
    profile.

    TRAIT shows the story of a trait: decisions with dates and sources, the
    cases that observe it, and the kernels that showed each value. THEME shows
    the traits of a theme only.

    \b
    Exit status:
      0    everything was shown
      1    with --unobserved: there are such traits
      2    semantics.toml or seen.toml of the suite is broken
      4    usage error: no such trait or profile, no run to learn from
    """
    unobserved = unobserved or is_old_name
    if learn + unobserved + bool(profiles) > 1:
        raise UsageError("--learn, --unobserved and --profiles cannot be combined", remedy="give one of them")

    chosen, _ = options.choose_cases(suite, [])
    known = suite_semantics(chosen)
    if learn:
        return _learn(known, chosen, words)
    if unobserved:
        return _list_unobserved(known, chosen, words, as_json)
    return _describe(known, chosen, words, profiles, as_json)


def _describe(known: Semantics, suite: Suite, words: Sequence[str], profiles: str, as_json: bool) -> int:
    """Print the matrix, or the stories of the named traits."""

    traits = _chosen(known, words)
    if traits and all(word in known.traits for word in words):
        return _stories(known, suite, traits, profiles, as_json)
    columns = _columns(known, profiles, [trait.name for trait in traits])
    traits = traits or list(known.traits.values())
    if as_json:
        _print_json(matrix_table(traits, columns))
    else:
        _print(matrix_lines(traits, columns, _width()))
    return 0


def _stories(known: Semantics, suite: Suite, traits: Sequence[Trait], profiles: str, as_json: bool) -> int:

    if profiles:
        raise UsageError("--profiles selects columns, but a story has none", remedy="leave out --profiles")
    observers, seen = find_observers(case_files(suite), known.known_values), _load_seen(known, suite)
    if as_json:
        tables = [story_table(known, one, observers=observers[one.name], seen=seen) for one in traits]
        _print_json(tables[0] if len(tables) == 1 else tables)
        return 0
    for number, one in enumerate(traits):
        story = story_lines(known, one, observers=observers[one.name], seen=seen, width=_width())
        _print([*([Line(""), Line("")] if number else []), *story])
    return 0


def _list_unobserved(known: Semantics, suite: Suite, words: Sequence[str], as_json: bool) -> int:

    if words:
        raise UsageError("--unobserved lists all traits", remedy="leave the names out")
    of_suite = {suite.name, ""} if suite.name == default_name() else {suite.name}
    seen, claims = _load_seen(known, suite), shipped_claims(of_suite)
    if as_json:
        _print_json(coverage_table(known, seen, claims=claims))
    else:
        _print(coverage_lines(known, seen, _width(), claims=claims))
    return int(ExitStatus.DIFFERS if find_uncovered(known, seen) else ExitStatus.AS_EXPECTED)


def _learn(known: Semantics, suite: Suite, words: Sequence[str]) -> int:
    """Add what runs have seen to seen.toml of the suite.

    :raises UsageError: none of the folders holds a run to learn from.
    """

    parts = [_load_seen(known, suite)]
    for word in words:
        if not (Path(word) / RUN_NAME).is_file():
            click.echo(f"not learned: {word} holds no {RUN_NAME}")
            continue
        run = load_run(Path(word))
        if run.suite not in ("", suite_argument(suite)):
            click.echo(f"not learned: {word}: its cases are of the suite {run.suite}, not of {suite.name}")
            continue
        if reason := learning.why_not(run):
            click.echo(f"not learned: {word}: {reason}")
            continue
        found = learning.known(known, learning.learn(run))
        parts.append(found)
        click.echo(f"{learning.kernel_name(run)}: {len(found.values)} traits, from {word}")
    if len(parts) == 1:
        raise UsageError("no run to learn from", remedy="name folders of results/ that hold a complete run")
    text = learning.render_seen(learning.merge(*parts))
    if not suite.seen_file.is_file() or suite.seen_file.read_text() != text:
        write_whole(suite.seen_file, text.encode(), mode=0o644)
    return 0


def _load_seen(known: Semantics, suite: Suite) -> Seen:
    """Read what was learned before; nothing if there is no such file."""

    file = suite.seen_file
    if not file.is_file():
        return learning.NOTHING
    return learning.known(known, learning.parse_seen(file.read_text(), path=shown_path(file)))


def _chosen(known: Semantics, words: Iterable[str]) -> list[Trait]:
    """Return the traits that arguments name, in the order of the file.

    :raises UsageError: an argument is neither a trait nor a theme.
    """

    themes = {trait.theme for trait in known.traits.values()}
    words = set(words)
    for word in sorted(words - themes - known.traits.keys()):
        raise UsageError(
            f"no trait or theme {word}{near(word, (*known.traits, *themes))}",
            evidence=f"themes: {', '.join(sorted(themes))}",
            remedy="list all traits: harness semantics",
        )
    return [trait for trait in known.traits.values() if trait.name in words or trait.theme in words]


def _columns(known: Semantics, profiles: str, traits: Sequence[str]) -> tuple[Profile, ...]:
    """Return the profiles to show for some traits, or for all.

    :raises UsageError: a name is not that of a profile.
    """

    if not profiles:
        return known.shown(traits)
    columns = []
    for name in filter(None, (name.strip() for name in profiles.split(","))):
        if name == AUTO:
            raise UsageError("the profile auto has no expectations, so it has no column", remedy="leave it out")
        if name == MAINLINE:
            columns += [one for one in known.shown() if one.name.startswith(f"{MAINLINE}-")]
        else:
            columns.append(known.profile(name, release=None))
    return tuple(columns)


def _width() -> int:

    return choose_width(sys.stdout, os.environ)


def _print(lines: Iterable[Line]) -> None:
    """Print lines with their tones, which click removes if the output is not a terminal."""

    styles = {
        Tone.STRONG: partial(click.style, bold=True),
        Tone.FAINT: partial(click.style, dim=True),
        Tone.GOOD: partial(click.style, fg="green"),
    }
    plain = os.environ.get("NO_COLOR", "") != ""
    for line in lines:
        style = None if plain else styles.get(line.tone)
        click.echo(style(line.text) if style else line.text)


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=1))
