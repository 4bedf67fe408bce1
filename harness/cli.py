"""The ``harness`` command: words in, exit status out. The only module that prints or exits."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click

from harness import places
from harness.errors import ExitStatus, HarnessError, UsageError
from harness.guest.machine import BOOT_SECONDS
from harness.guest.qemu import Acceleration
from harness.interrupts import is_reader_gone, signals_as_interrupts
from harness.kernel.build_options import BUILD_SECONDS, BuildOptions
from harness.pipeline import Fresh, Options
from harness.store import Store

if TYPE_CHECKING:
    from harness.semantics import Semantics

# What only one command needs is imported by that command: `harness run` starts its first case in a second and a half.

KERNEL_HELP = """KERNEL is one of:

\b
  deb                the newest cloud kernel package of the distribution
  deb:PACKAGE        an image package of the distribution
  PATH               a kernel image (bzImage, vmlinuz, vmlinux)
  deb-src:VERSION    a source package of the distribution, e.g. deb-src:6.1
  PATH[@REVISION]    a kernel tree: its files as they are, or a revision
  series:NAME        a series that ships with the harness
  SOURCE+PATCHES     one of the last three, and a series on it: a mailbox
                     or folder (?v=2: that version), or a range A..B
"""


_Command = TypeVar("_Command", bound=Callable[..., object])


class _Group(click.Group):
    """Turns every end of a command into its text and exit status."""

    def main(self, *args: object, **rest: object) -> NoReturn:
        ending = _Ending()
        with ending, signals_as_interrupts():
            status = super().main(*args, standalone_mode=False, **rest)  # type: ignore[call-overload]
            ending.status = ExitStatus(status or 0)
        sys.exit(int(ending.status))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _PipeError(error) from None


class _PipeError(Exception):
    """A broken pipe by another name: at its own, click ends the program with status 1 and without a word."""

    def __init__(self, pipe: BrokenPipeError) -> None:
        super().__init__(pipe)
        self.pipe = pipe


class _Ending:
    """What a command came to; no exception passes, and none is shown as a trace."""

    status = ExitStatus.AS_EXPECTED

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, click.ClickException):
            error.show()
            self.status = ExitStatus.USAGE
        elif isinstance(error, click.Abort | KeyboardInterrupt):
            click.echo("harness: interrupted", err=True)
            self.status = ExitStatus.INTERRUPTED
        elif isinstance(error, _PipeError) and is_reader_gone():
            # Who read our output has seen enough. What is left in the buffer must not complain at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        elif isinstance(error, _PipeError):
            self.status = _tell(error.pipe)
        elif isinstance(error, Exception):
            self.status = _tell(error)
        return isinstance(error, Exception | KeyboardInterrupt)


def _tell(error: Exception) -> ExitStatus:
    """Show what went wrong and what to do now; the exit status that goes with it."""
    if not isinstance(error, HarnessError):
        from harness.defect import explain

        error = explain(error)
    click.echo(f"harness: {error}", err=True)
    return error.exit_status


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(package_name="kernel-patch-harness")
def main() -> None:
    """Boot a kernel in QEMU, play posted sessions on its serial consoles, and record what it did."""


_accel = click.option(
    "--accel",
    type=click.Choice(["auto", *(one.value for one in Acceleration)]),
    default="auto",
    show_default=True,
    help="Who executes the guest; auto races once per host.",
)
_fresh = click.option(
    "--fresh",
    type=click.Choice([one.value for one in Fresh]),
    default=Fresh.CLONE.value,
    show_default=True,
    help="How each case gets a machine of its own.",
)
_profile = click.option(
    "--profile",
    metavar="NAME",
    default="",
    help="Profile that judges, or auto.  [default: the series' own, or mainline]",
)
_machine = click.option(
    "--machine", metavar="NAME", default="q35", show_default=True, help="Machine type: a file of qemu/."
)


def _bound(option: str, seconds: float, what: str) -> Callable[[_Command], _Command]:
    """An option for how long something may take."""
    return click.option(
        option,
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        default=seconds,
        show_default=True,
        help=f"{what} that takes longer has failed.",
    )


_boot_seconds = _bound("--boot-seconds", BOOT_SECONDS, "A boot")
_config = click.option(
    "--config",
    metavar="FRAGMENT",
    multiple=True,
    help="Kernel options to add when building: a name in kconfigs/, or a file; any number of times.",
)
_trust = click.option("--trust", is_flag=True, help="Build without a sandbox: make runs as you.")
_build_seconds = _bound("--build-seconds", BUILD_SECONDS, "A build")


@main.command(epilog=KERNEL_HELP)
@click.argument("kernels", metavar="[KERNEL]...", nargs=-1)
@click.option(
    "--cases",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Case file or folder, any number of times.  [default: cases/]",
)
@click.option("-k", "expression", metavar="EXPR", default="", help="Cases whose name matches, as for pytest.")
@click.option("-n", "workers", metavar="N", default="auto", show_default=True, help="Machines side by side.")
@click.option("-x", "failures", flag_value=1, type=int, help="Stop each kernel at its first case that fails.")
@click.option("--maxfail", "failures", metavar="N", type=click.IntRange(min=1), help="The same at the Nth.")
@_profile
@_accel
@_fresh
@_machine
@_boot_seconds
@_config
@_trust
@_build_seconds
@click.option("--results", type=click.Path(path_type=Path), help="Folder for run folders.  [default: results/]")
def run(
    kernels: tuple[str, ...],
    cases: tuple[Path, ...],
    expression: str,
    workers: str,
    failures: int | None,
    profile: str,
    accel: str,
    fresh: str,
    machine: str,
    boot_seconds: float,
    config: tuple[str, ...],
    trust: bool,
    build_seconds: float,
    results: Path | None,
) -> int:
    """Run the cases on a kernel (deb when none is named).

    \b
    Exit status:
      0    all is as expected
      1    a verdict differs, or the kernel does not apply, build or boot
      2    a case file is broken; the others were run
      3    this host, or the harness itself, is at fault
      4    wrong usage: an unknown word, an image that is none
      130  interrupted
    """
    from harness.kernels import Asked, run_kernels
    from harness.report.terminal import choose_display
    from harness.run import Selection

    found = _existing(cases)
    selection = Selection(found, expression, _workers(workers, found), failures or 0)
    options = Options(
        "", profile, _forced(accel), Fresh(fresh), machine, boot_seconds, _build(config, trust, build_seconds)
    )
    wanted = [replace(options, kernel=kernel) for kernel in kernels or ("deb",)]
    asked = Asked(
        selection,
        _check_words(wanted),
        results or places.RESULTS,
        Store.default(),
        shlex.join(["harness", *sys.argv[1:]]),
    )
    with choose_display(sys.stdout, os.environ) as display:
        return int(run_kernels(wanted, asked, display=display, tell=_tell))


def _check_words(asked: Sequence[Options]) -> Semantics:
    """Refuse what cannot be right before anything is fetched, built or booted; the traits and profiles.

    :raises UsageError: a KERNEL word, machine type or profile that there is not.
    """
    from harness.pipeline import read_machine_type
    from harness.semantics import MAINLINE, load_semantics
    from harness.spec import parse_spec

    semantics = load_semantics(places.SEMANTICS.read_text(), path="cases/semantics.toml")
    for options in asked:
        parse_spec(options.kernel)
        read_machine_type(options.machine_type)
        if options.profile not in ("", MAINLINE):
            semantics.profile(options.profile, release=None)
    return semantics


@main.command(epilog=KERNEL_HELP, short_help="Be at the consoles of a fresh machine.")
@click.argument("kernel")
@_accel
@_machine
@_boot_seconds
@_config
@_trust
@_build_seconds
@click.argument("case", required=False, metavar="[CASE[:LINE]]")
def shell(
    kernel: str,
    case: str | None,
    accel: str,
    machine: str,
    boot_seconds: float,
    config: tuple[str, ...],
    trust: bool,
    build_seconds: float,
) -> int:
    """Be at the consoles of a fresh machine, after CASE was played up to LINE.

    Ctrl-] leaves; Ctrl-^ goes to the next console (admin, inside, observer).
    """
    from harness.hands_on import hands_on

    building = _build(config, trust, build_seconds)
    options = Options(kernel, accel=_forced(accel), machine_type=machine, boot_seconds=boot_seconds, build=building)
    return int(hands_on(options, case or "", store=Store.default()))


@main.command(epilog=KERNEL_HELP, short_help="Print the folder of a kernel's image and config.")
@click.argument("kernel")
@_config
@_trust
@_build_seconds
def build(kernel: str, config: tuple[str, ...], trust: bool, build_seconds: float) -> int:
    """Print the folder that holds the image and config of KERNEL, which is built or fetched if need be."""
    from harness import pipeline
    from harness.deadline import Deadline
    from harness.kernel.kernel import resolve_kernel
    from harness.report.terminal import choose_display
    from harness.spec import parse_spec

    with choose_display(sys.stderr, os.environ) as display:
        found = resolve_kernel(
            Store.default(),
            parse_spec(kernel),
            build=_build(config, trust, build_seconds),
            deadline=Deadline.after(pipeline.PREPARE_SECONDS + build_seconds),
            say=display.phase,
            progress=display.progress,
        )
        for note in found.notes:
            display.note(note)
    click.echo(found.image.parent)
    return 0


@main.command(short_help="Take what the last run saw as the expectation.")
@click.argument("case")
@click.option("--results", type=click.Path(path_type=Path), help="Folder of the run folders.  [default: results/]")
def accept(case: str, results: Path | None) -> int:
    """Take what the last run saw as the expectation of CASE, a session file."""
    from harness.accept import accept_case

    click.echo(accept_case(case, results=results or places.RESULTS), nl=False)
    return 0


@main.command()
@click.option("--prove", is_flag=True, help="Race the accelerations again, now.")
def doctor(prove: bool) -> int:
    """Say what this host lacks, and the command that installs it."""
    from harness.doctor import State, examine, install_line

    findings = examine(Store.default(), prove=prove)
    for finding in findings:
        click.echo(finding.text)
    if line := install_line(findings):
        click.echo(f"\nWhat is lacking comes with: {line}")
    return int(ExitStatus.HOST if any(one.state is State.LACK for one in findings) else ExitStatus.AS_EXPECTED)


@main.command()
@click.option("--remove", metavar="KIND", multiple=True, help="Remove products of that kind; all for the whole store.")
def clean(remove: tuple[str, ...]) -> int:
    """Show what the store holds, and remove it."""
    from harness.cleaning import list_store, remove_kinds

    store = Store.default()
    for line in remove_kinds(store, remove) if remove else list_store(store):
        click.echo(line)
    return 0


def _forced(accel: str) -> Acceleration | None:
    return None if accel == "auto" else Acceleration(accel)


def _build(config: tuple[str, ...], trust: bool, seconds: float) -> BuildOptions:
    return BuildOptions(config, is_trusted=trust, seconds=seconds)


def _workers(word: str, cases: Sequence[Path]) -> int:
    """How many machines side by side; a worker that would have no case is not worth its start."""
    if word == "auto":
        cores = len(os.sched_getaffinity(0))
        return min(cores, len(cases)) if cases and all(path.is_file() for path in cases) else cores
    if word.isdigit() and int(word) > 0:
        return int(word)
    raise UsageError(f"-n {word}: that is no number of workers", remedy="write a number from 1, or auto")


def _existing(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    for path in paths:
        if not path.exists():
            raise UsageError(
                f"--cases {path}: there is no such file or folder",
                remedy="name a *.session file, a test_*.py file, or a folder of them",
            )
    return tuple(dict.fromkeys(path.resolve() for path in paths))
