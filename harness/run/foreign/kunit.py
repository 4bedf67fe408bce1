# SPDX-License-Identifier: GPL-2.0-only
"""Make a suite of a kernel's own KUnit suites: ``kunit`` or ``kunit:PATTERN[,PATTERN...]``.

The kernel itself says which suites it has: it is booted once with ``kunit.action=list``, which lists the tests and runs
none. Suites that are built in run when a kernel boots, before any clone. Each is run again in a clone where the kernel
can do that (commit c72a870926c2 ("kunit: add ability to run tests after boot using debugfs"), in v6.8), else at a boot
of its own with ``kunit.filter_glob``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path

from harness import pipeline
from harness.base import paths
from harness.base.context import Context
from harness.base.errors import SeriesError, UsageError
from harness.base.events import PhaseStarted
from harness.base.kernel_release import Release
from harness.base.scratch import scratch_folder
from harness.guest.definition import GuestFile
from harness.kernel.build.options import SourceWord
from harness.kernel.config.kconfig import KernelConfig
from harness.kernel.from_source import patched_trees, source_word
from harness.kernel.patches.shipped import find_shipped
from harness.kernel.resolve import Kernel, resolve_kernel
from harness.kernel.source.apt import Apt
from harness.model.kernel_spec import parse_spec
from harness.pipeline import Options
from harness.run.foreign.draft import Draft, DraftProgram, write_suite
from harness.run.foreign.kunit_options import ALL, KunitTest, find_tests
from harness.session.console_name import ConsoleName
from harness.suite.definition import Suite
from harness.suite.generated import TITLES
from harness.tap.kunit import listed_suites

PROGRAM = "/usr/lib/harness/kunit"
"""The program in the guest."""
SUITE_SECONDS = 300.0
"""Time limit of a suite that runs again: that of a single test, in lib/kunit/try-catch.c."""
_FRAGMENT = "kunit"
_LOG_SIZE = "log_buf_len=4M"
"""A report in the kernel log must not be overwritten; the option LOG_BUF_SHIFT is small in a small kernel."""
_ENABLE, _RUN = "kunit.enable=1", "kunit.autorun=1"
"""A small kernel may have both off (KUNIT_DEFAULT_ENABLED, KUNIT_AUTORUN_ENABLED); older kernels ignore them."""
_LISTING = (_ENABLE, "kunit.action=list", _LOG_SIZE)
_WAITING = (_ENABLE, "kunit.autorun=0", _LOG_SIZE)
_FAULTS = {"kunit_fault": ("kunit_test_null_dereference", "kunit_test_fault_null_dereference")}
"""Suites that pass because of an oops (CONFIG_KUNIT_FAULT_TEST, since v6.10), and the function of the oops."""
_RESERVED = re.compile(r"[^\w-]")
_FILE_NAME = re.compile(r"[^A-Za-z0-9._+-]+")
_SHOWN = 40
_NEAR = 5
_LIST_SECONDS = 60.0
_SINCE_AGAIN = (6, 8)
_AGAIN, _AUTORUN, _NO_KUNIT = "harness: again ", "harness: autorun", "harness: no KUnit"


@dataclass(frozen=True, slots=True)
class Listed:
    """The suites that a kernel has.

    :param suites: the suites, in its order.
    :param again: those that it can run again after its boot.
    :param append: the parameters of the templates of its machines.
    """

    suites: tuple[str, ...]
    again: tuple[str, ...] = ()
    append: tuple[str, ...] = _LISTING


def make_kunit(context: Context, rest: str, options: Options, kernels: Sequence[str]) -> Suite:
    """Make the suite of the KUnit suites of some kernels.

    :param rest: the patterns, with commas between them; empty for all suites.
    :param options: the options of the command for its kernels.
    :param kernels: the arguments KERNEL: the first one decides how suites are run, the others may have more suites.
    :raises UsageError: the kernel has no KUnit, or no suite of that name.
    :raises SeriesError: the first kernel does not build or boot.
    :raises HostError: something failed on this host.
    """
    patterns = parse_patterns(rest)
    all_tests = _tests(context, kernels[0], options)
    tests = [test for test in all_tests if test.is_chosen(patterns)]
    first = Draft(f"{_FRAGMENT}:{rest}" if rest else _FRAGMENT, _FRAGMENT, TITLES[_FRAGMENT], ())
    first = replace(
        first,
        files=(GuestFile(PROGRAM, paths.KUNIT_PROGRAM, 0o755),),
        fragments={_FRAGMENT: fragment_of(tests, is_all=ALL in patterns)},
        append=_LISTING,
    )
    listed, resolved = _list(context, first, options, kernels[0])
    more = [name for kernel in kernels[1:] for name in _more(context, first, options, kernel)]
    known = tuple(dict.fromkeys((*listed.suites, *more)))
    chosen = [name for name in known if any(fnmatchcase(name, pattern) for pattern in patterns)]
    programs = [*suite_programs(chosen, listed), *missing_programs(tests, known, resolved.config)]
    if not listed.suites and any(test.option in set_options(resolved.config) for test in tests):
        raise SeriesError(
            f"the kernel {kernels[0]} lists no KUnit suite, although tests are built in",
            evidence=f"booted with {' '.join(_LISTING)}",
            remedy=f"look at the kernel log of a boot: harness shell {kernels[0]}, and dmesg there",
        )
    if not programs:
        raise no_match(rest, [*known, *(name for test in all_tests for name in test.suites)])
    return write_suite(context, replace(first, programs=tuple(programs), append=listed.append))


def parse_patterns(rest: str) -> tuple[str, ...]:
    """Return the patterns of an argument.

    :param rest: the argument behind ``kunit:``; empty for all suites.
    :raises UsageError: it has no pattern, or one for tests of a suite.
    """
    patterns = tuple(one for one in rest.split(",") if one)
    if rest and not patterns:
        raise UsageError(f"--suite kunit:{rest}: no pattern", remedy="write kunit:PATTERN, such as kunit:list*")
    if tests := [one for one in patterns if "." in one]:
        raise UsageError(
            f"--suite kunit:{rest}: {tests[0]} names tests of a suite",
            remedy=f"name the suite, and choose tests with -k: --suite kunit:{tests[0].partition('.')[0]} -k NAME",
        )
    return patterns or (ALL,)


def fragment_of(tests: Sequence[KunitTest], *, is_all: bool) -> str:
    """Return the config fragment for tests. A test that a kernel does not grant is a result, no error.

    :param tests: the tests.
    :param is_all: whether all tests are wanted whose dependencies the kernel has anyway.
    """
    # The menu of lib/Kconfig.debug that has most tests of lib/.
    wanted = {"CONFIG_DEBUG_FS": "y", "CONFIG_KUNIT_DEBUGFS": "y", "CONFIG_RUNTIME_TESTING_MENU": "y"}
    wanted |= {"CONFIG_KUNIT_ALL_TESTS": "y"} if is_all else {}
    for test in tests:
        setup = () if is_all else test.setup
        wanted |= dict.fromkeys((test.option,), "y") | dict(line.split("=", 1) for line in setup)
    lines = ["# The framework of the tests.", "CONFIG_KUNIT=y"]
    for option, value in wanted.items():
        lines += ["# optional: a test, or what it depends on", f"{option}={'y' if value == 'm' else value}"]
    return "\n".join(lines) + "\n"


def suite_programs(suites: Sequence[str], listed: Listed) -> list[DraftProgram]:
    """Return the cases of suites.

    :param suites: their names.
    :param listed: how the kernel runs them.
    """
    programs = []
    names: set[str] = set()
    for suite in suites:
        name = _FILE_NAME.sub("-", suite).strip("-") or "suite"
        while name in names:
            name += "-2"
        names.add(name)
        quoted = f"'{suite}'" if _FILE_NAME.search(suite) else suite
        program = DraftProgram(
            name,
            f"{PROGRAM} boot {quoted}",
            seconds=SUITE_SECONDS,
            scales=False,
            append=(_ENABLE, _RUN, f"kunit.filter_glob={_RESERVED.sub('?', suite)}", _LOG_SIZE),
            kunit=suite,
            splats=_FAULTS.get(suite, ()),
        )
        if suite in listed.again:
            program = replace(program, command=f"{PROGRAM} again {quoted}", append=())
        programs.append(program)
    return programs


def missing_programs(
    tests: Sequence[KunitTest], known: Sequence[str], config: KernelConfig | None
) -> list[DraftProgram]:
    """Return a case for each chosen test that the kernel does not have: it is skipped, with the reason.

    :param tests: the chosen tests.
    :param known: the suites of the kernels.
    :param config: the configuration of the first kernel; None if it is unknown.
    """
    programs = []
    for test in tests:
        names = test.suites or (test.option.removeprefix("CONFIG_").lower(),)
        is_off = config is not None and config.value(test.option) != "y"
        lost = [name for name in names if name not in known]
        if not is_off and not test.suites:
            continue  # its suites are among those that the kernel listed
        programs += [
            DraftProgram(
                _FILE_NAME.sub("-", name),
                f"{PROGRAM} boot '{name}'",
                needs=(test.option,) if is_off else (),
                unavailable="" if is_off else f"{test.option} is set, but the kernel has no suite {name}",
                scales=False,
                kunit=name,
            )
            for name in lost
        ]
    return programs


def set_options(config: KernelConfig | None) -> frozenset[str]:
    """Return the options that a configuration has built in; none if it is unknown."""
    return frozenset(option for option, value in config.options.items() if value == "y") if config else frozenset()


def _tests(context: Context, kernel: str, options: Options) -> tuple[KunitTest, ...]:
    """Return the tests of a kernel's tree; empty for a prebuilt kernel, and for one that is built as it is."""
    spec = parse_spec(kernel)
    word: SourceWord | None = None if options.build.is_in_place else source_word(spec)
    if word is None:
        return ()
    shipped = find_shipped(word.series, deadline=context.deadline) if word.series else None
    return find_tests(context, patched_trees(context, word, shipped, apt=Apt())[-1])


def _list(context: Context, draft: Draft, options: Options, kernel: str) -> tuple[Listed, Kernel]:
    """Build and boot a kernel, and return its suites.

    :raises UsageError: it has no KUnit.
    """
    suite = write_suite(context, draft)
    options = replace(options, kernel=kernel, suite=suite)
    resolved = resolve_kernel(context, parse_spec(kernel), build=options.building)
    if resolved.config is not None and resolved.config.value("CONFIG_KUNIT") != "y":
        raise _no_kunit(kernel, resolved.config.value("CONFIG_KUNIT"))
    context.report(PhaseStarted("kunit: which suites the kernel has"))
    lines = _run_list(context, options)
    if _NO_KUNIT in lines:
        raise _no_kunit(kernel, None)
    listed = Listed(listed_suites("\n".join(lines)))
    if _AUTORUN in lines:
        append: tuple[str, ...] = _WAITING
    elif _runs_again(resolved.release):
        append = (_ENABLE, _RUN, _LOG_SIZE)
    else:
        return listed, resolved
    again = replace(options, suite=write_suite(context, replace(draft, append=append)))
    try:
        lines = _run_list(context, again)
    except SeriesError:
        # Before v6.14 (autorun) all suites run when the template boots, and one of them may be fatal.
        return listed, resolved
    able = tuple(Path(one.removeprefix(_AGAIN)).name for one in lines if one.startswith(_AGAIN))
    return (replace(listed, again=able, append=append) if able else listed), resolved


def _run_list(context: Context, options: Options) -> list[str]:
    """Boot a kernel, or clone it if it was booted before, and return what the guest's program lists."""
    with scratch_folder("kunit") as folder:
        prepared = pipeline.prepare(context, options, logs=folder)
        with pipeline.machine(prepared, folder=folder / "list", deadline=context.deadline) as machine:
            deadline = machine.deadline(_LIST_SECONDS)
            console = machine.console(ConsoleName.ADMIN, deadline=deadline)
            return console.run(f"{PROGRAM} list", deadline=deadline).output.splitlines()


def _more(context: Context, draft: Draft, options: Options, kernel: str) -> tuple[str, ...]:
    """Return the suites of another kernel, such as a series that adds one; none if it does not boot."""
    try:
        return _list(context, draft, options, kernel)[0].suites
    except (SeriesError, UsageError):
        return ()


def _runs_again(release: str) -> bool:
    found = Release.parse(release)
    return found is not None and found.numbers[:2] >= _SINCE_AGAIN


def _no_kunit(kernel: str, value: str | None) -> UsageError:
    state = "is a module (=m), which the guest does not load" if value == "m" else "is not set"
    return UsageError(
        f"the kernel {kernel} cannot run KUnit tests: CONFIG_KUNIT {state}",
        remedy="name a source, which is built with it: harness run deb-src:6.1 --suite kunit, or a kernel tree",
    )


def no_match(rest: str, names: Sequence[str]) -> UsageError:
    """Return the error for patterns that match no suite.

    :param rest: the patterns, with commas between them.
    :param names: the suites that there are.
    """
    names = tuple(dict.fromkeys(names))
    near = get_close_matches(rest, names, _NEAR, 0.4)
    known = ", ".join(sorted(names)[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return UsageError(
        f"no KUnit suite matches {rest or ALL}",
        evidence="\n".join([*([f"similar: {', '.join(near)}"] if near else []), f"suites: {known or 'none'}"]),
        remedy=f"name one of them: --suite kunit:{near[0] if near else 'NAME'}",
    )
