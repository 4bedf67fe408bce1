# SPDX-License-Identifier: GPL-2.0-only
"""Define options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from harness.base import paths
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.base.events import PhaseStarted, StageEvent
from harness.base.paths import default_results
from harness.base.store import Store
from harness.base.suites_file import default_name
from harness.commands.typed_options import KEPT
from harness.guest.qemu import BOOT_SECONDS, Acceleration
from harness.kernel.build.options import BUILD_SECONDS, PREPARE_SECONDS, BuildOptions, check_choice
from harness.kernel.patches.shipped import shipped_names, shipped_suite
from harness.model.run_record import RunRecord
from harness.report.text import one_line
from harness.suite.definition import Suite
from harness.suite.generated import kind_of
from harness.suite.load import default_suite, find_suite, locate, shared_suite

if TYPE_CHECKING:
    from harness.pipeline import Options as PipelineOptions
    from harness.run.one_kernel import Lister

KERNEL_HELP = """KERNEL is one of:

\b
  deb                the newest cloud kernel package of the distribution
  deb:PACKAGE        an image package of the distribution
  deb:VERSION        the newest cloud kernel of a version, e.g. deb:6.1
  deb:NAME@SUITE     one from any suite of Debian, e.g. deb:7.3@experimental;
                     'harness kernels --from SUITE' lists them
  host               the kernel that this host runs
  PATH               a kernel image (bzImage, vmlinuz, vmlinux), a .deb, .rpm,
                     .pkg.tar.zst or .tar with one, or an unpacked one
  deb-src:VERSION    a source package of the distribution, e.g. deb-src:6.1;
                     deb-src:7.3@SUITE from any suite
  PATH[@REVISION]    a kernel tree: its current files, or a revision
  series:NAME        a series that ships with the harness
  SOURCE+PATCHES     one of the last three with a series applied: a mailbox
                     or folder (?v=2: that version; ?id=MESSAGE-ID: the
                     series of that mail; ?upto=3: its first three
                     patches), or a range A..B
"""

if TYPE_CHECKING:
    from harness.pipeline import Options

Command = TypeVar("Command", bound=Callable[..., object])
Value = TypeVar("Value")
_AUTO = "auto"
SERIES_WORD = "series:"
_SELFTESTS = f"{KEPT}selftests"
"""Key of the argument of --selftests in click's context."""


def _forced(context: click.Context, parameter: click.Parameter, word: str) -> Acceleration | None:
    return None if word == _AUTO else Acceleration(word)


def _bound(option: str, seconds: float, what: str) -> Callable[[Command], Command]:
    """Return an option for a time limit."""
    return click.option(
        option,
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        default=seconds,
        show_default=True,
        help=f"Time limit of {what}.",
    )


cases = click.option(
    "--cases",
    multiple=True,
    help="Case file or folder; may be repeated.  [default: all of the suite]",
)
_suite = click.option(
    "--suite",
    metavar="NAME|FOLDER|KIND:NAMES",
    default="",
    help="Suite of the cases, or selftests:TARGET, kunit[:PATTERN], ltp:PATH[:SCENARIO], program:FILE, script:FILE, "
    "repro:FILE.c.  "
    "[default: see cases/suites.toml]",
)
_selftests = click.option(
    "--selftests",
    metavar="SOURCE",
    default="",
    expose_value=False,
    callback=lambda context, parameter, value: context.meta.__setitem__(_SELFTESTS, value),
    help="Source of --suite selftests: a tree, TREE@REV or deb-src:VERSION.  [default: that of the kernel]",
)


def suite(command: Command) -> Command:
    """Add the options that choose the suite to a command, which receives the first one as ``suite``."""
    return _suite(_selftests(command))


expression = click.option(
    "-k", "expression", metavar="EXPR", default="", help="Run the cases that match, as with pytest."
)
workers = click.option(
    "-n", "workers", metavar="N", default="auto", show_default=True, help="Number of machines in parallel."
)
hosts = click.option(
    "--hosts",
    metavar="HOSTS",
    default="",
    help="Build and run cases on these hosts, through ssh; local:N for N workers here.",
)
scheduler = click.option(
    "--scheduler",
    metavar="ADDRESS",
    default="",
    help="Run the cases on the workers of a Dask cluster that exists: tcp://HOST:PORT.",
)
fail_fast = click.option(
    "-x",
    "--fail-fast",
    "failures",
    flag_value=1,
    type=int,
    help="Stop at the first failed case of each kernel; cases that run are cut short.",
)
maxfail = click.option(
    "--maxfail", "failures", metavar="N", type=click.IntRange(min=1), help="Stop after N failed cases of each kernel."
)
profile = click.option(
    "--profile",
    metavar="NAME",
    default="",
    help="Profile that judges, or auto.  [default: that of the series, or mainline]",
)
accel = click.option(
    "--accel",
    type=click.Choice([_AUTO, *(one.value for one in Acceleration)]),
    default=_AUTO,
    show_default=True,
    callback=_forced,
    help="Accelerator; auto benchmarks KVM against TCG once per host.",
)
"""The command receives the forced acceleration, or None."""
machine = click.option(
    "--machine",
    metavar="NAME|FILE",
    default="q35",
    show_default=True,
    help="Machine type: a file of qemu/, or the path of another one.",
)
append = click.option(
    "--append",
    metavar="PARAMETER",
    multiple=True,
    help="Kernel parameter, such as lockdown=integrity; may be repeated.",
)
boot_seconds = _bound("--boot-seconds", BOOT_SECONDS, "a boot")
coverage = click.option(
    "--coverage/--no-coverage",
    default=False,
    help="Note which kernel code each case runs, under emulation.",
)
coverage_of_series = click.option(
    "--coverage/--no-coverage",
    default=None,
    help="Find out which lines of the series the cases run.  [default: if emulated]",
)
results = click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=default_results,
    help="Folder of the run folders.  [default: results/ of the checkout, or of the user's state folder]",
)
_config = click.option(
    "--config",
    metavar="FRAGMENT",
    multiple=True,
    help="Config fragment for the build: a name in kconfigs/, or a file; may be repeated.",
)
_make = click.option(
    "--make",
    metavar="VARIABLE",
    multiple=True,
    help="Compiler or linker of the build: LLVM=1, CC=gcc-13, LD=ld.lld; may be repeated.",
)
_trust = click.option("--trust", is_flag=True, help="Build, and run QEMU, without the sandbox, with your permissions.")
_build_seconds = _bound("--build-seconds", BUILD_SECONDS, "a build")


def building(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options of a build to a command, which receives them as ``building``."""

    @wraps(command)
    def gathered(
        config: tuple[str, ...],
        make: tuple[str, ...],
        trust: bool,
        build_seconds: float,
        in_place: bool = False,
        **rest: object,
    ) -> int:
        check_choice(make)
        if in_place and config:
            raise UsageError(
                "--in-place uses the .config of the tree unchanged, so it takes no --config",
                remedy="change the .config: make menuconfig; or leave out --in-place",
            )
        chosen = BuildOptions(config, is_trusted=trust, seconds=build_seconds, make=make, is_in_place=in_place)
        return command(building=chosen, **rest)

    return _config(_make(_trust(_build_seconds(gathered))))


variants = click.option(
    "--variants",
    metavar="NAMES",
    default="",
    help="Variants to build and test as well, such as debug,up; or fragment files (docs/how-to/variants.md).",
)
inventory = click.option(
    "--inventory", is_flag=True, help="List what user space finds on each kernel as well (docs/how-to/inventory.md)."
)
in_place = click.option(
    "--in-place", is_flag=True, help="Build in the tree or its O= folder, with its own objects and .config."
)
"""Above ``building``, which takes its value."""


def listed(suite: Suite, *, is_wanted: bool) -> tuple[Suite, Lister | None]:
    """Return the suite that kernels are prepared for, and what takes their inventory; None without ``--inventory``.

    :param suite: the suite of the cases.
    :param is_wanted: whether ``--inventory`` was given.
    :raises UsageError: the suite has no inventory.
    """
    if not is_wanted:
        return suite, None
    from harness.inventory import RunLister, require_sections, with_helper

    require_sections(suite)
    return with_helper(suite), RunLister(Store.default())


def with_variants(each: Options, kernels: Sequence[str], argument: str) -> list[Options]:
    """Return the options of each kernel: the plain one, and behind it its variants.

    :param each: the options of every kernel.
    :param kernels: arguments KERNEL.
    :param argument: the argument of ``--variants``.
    :raises UsageError: no such variant, or a kernel is not built from source.
    """
    wanted = [replace(each, kernel=kernel) for kernel in kernels]
    if not argument:
        return wanted
    from harness.kernel.build.variants import read_variants, require_source
    from harness.kernel.from_source import source_word
    from harness.model.kernel_spec import parse_spec

    chosen = read_variants(argument, each.suite.config)
    prebuilt = [kernel for kernel in kernels if source_word(parse_spec(kernel)) is None]
    require_source(prebuilt, chosen, is_in_place=each.build.is_in_place)
    return [one for plain in wanted for one in (plain, *(replace(plain, variant=variant) for variant in chosen))]


def choose_workers(word: str, cases: Sequence[Path]) -> int:
    """Return the number of machines in parallel; by default one per core, if enough cases justify their start.

    :param word: a number from 1, or ``auto``.
    :param cases: the selected files and folders.
    :raises UsageError: the argument is neither.
    """
    from harness.run.selection import worth_starting

    if word == "auto":
        return worth_starting(len(os.sched_getaffinity(0)), cases)
    if word.isdigit() and int(word) > 0:
        return int(word)
    raise UsageError(f"-n {word}: not a number of workers", remedy="write a number from 1, or auto")


def choose_cases(word: str, cases: Sequence[str], kernels: Sequence[str] = ()) -> tuple[Suite, tuple[Path, ...]]:
    """Return the suite and the distinct files and folders of ``--cases``.

    :param word: the argument of ``--suite``; empty for the suite of the files, or the default one.
    :param cases: paths of the user, paths of shipped files, or ids as reports show them.
    :param kernels: arguments KERNEL: the first one has the kernel's own tests, for a suite of them.
    :raises UsageError: no such suite or file, or the files are of several suites.
    :raises CaseError: the suite is broken.
    """

    chosen = _suite_to_run(word, kernels) if word else default_suite()
    found: dict[Path, None] = {}
    for case in cases:
        path = locate(case, chosen)
        if path is None:
            raise UsageError(
                f"--cases {case}: no such file or folder",
                remedy="name a *.session file, a test_*.py file, or a folder of them",
            )
        found[path] = None
    return shared_suite(found, chosen=chosen, is_named=bool(word)), tuple(found)


def _suite_to_run(word: str, kernels: Sequence[str]) -> Suite:
    """Return the suite of an argument; one of tests of others is made."""
    if not kind_of(word):
        return find_suite(word)
    # Imported here: other commands must not import the build.
    from harness.run.foreign.make import make_suite

    context = Context(Store.default(), Deadline.after(PREPARE_SECONDS + BUILD_SECONDS), _report_phase)
    click_context = click.get_current_context()
    return make_suite(
        context,
        word,
        kernels=kernels or ("deb",),
        options=_options_of(click_context.params),
        selftests=click_context.meta.get(_SELFTESTS, ""),
    )


def _options_of(typed: Mapping[str, object]) -> PipelineOptions:
    """Return the options of a command for its kernels; those that it does not have keep their defaults.

    :param typed: the values of the command's options by name.
    """
    from harness.pipeline import Fresh, Options

    def value(name: str, default: Value) -> Value:
        found = typed.get(name, default)
        return found if isinstance(found, type(default)) else default

    usual = Options()
    build = BuildOptions(
        value("config", ()),
        is_trusted=value("trust", False),
        seconds=value("build_seconds", BUILD_SECONDS),
        make=value("make", ()),
        is_in_place=value("in_place", False),
    )
    accel = typed.get("accel")
    return replace(
        usual,
        accel=accel if isinstance(accel, Acceleration) else None,
        fresh=Fresh(value("fresh", usual.fresh.value)),
        machine_type=value("machine", usual.machine_type),
        boot_seconds=value("boot_seconds", usual.boot_seconds),
        build=build,
        append=value("append", ()),
    )


def _report_phase(event: StageEvent) -> None:
    """Print the phases of tests that are built before the run begins, to standard error."""
    if isinstance(event, PhaseStarted):
        click.echo(one_line(event.text), err=True)


def suite_of_kernels(word: str, kernels: Sequence[str]) -> str:
    """Return the argument of ``--suite``, or the suite that the shipped series among the kernels name.

    :param word: the argument; empty where none is given.
    :param kernels: arguments KERNEL, and folders of patches.
    :return: the name of the suite; empty where none is named.
    :raises UsageError: series of several suites are named.
    """
    if word:
        return word
    names = [name for name in map(_shipped_name, kernels) if name in shipped_names()]
    found = dict.fromkeys(shipped_suite(name) or default_name() for name in names)
    if len(found) > 1:
        raise UsageError(
            f"these series are of several suites: {', '.join(found)}", remedy="run them one suite at a time"
        )
    return next(iter(found), "")


def _shipped_name(kernel: str) -> str:
    """Name the shipped series of an argument: ``series:NAME``, or the folder of its patches; empty for any other.

    The description beside other patches is not read: they are untrusted, and a suite brings programs.
    """
    if kernel.startswith(SERIES_WORD):
        return kernel.removeprefix(SERIES_WORD).partition("+")[0]
    folder = Path(kernel).resolve()
    return folder.name if folder.parent == paths.SERIES.resolve() else ""


def suite_of_runs(word: str, runs: Sequence[RunRecord]) -> Suite:
    """Return the suite of some runs: the named one, that of their records, or the default one.

    :raises UsageError: no such suite, or the folder of the runs' suite is gone.
    """

    known = word or next((run.suite for run in runs if run.suite), "")
    return find_suite(known) if known else default_suite()
