"""The ``harness`` command: words in, exit status out. The only module that prints or exits."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path
from typing import NoReturn

import click

from harness import places
from harness.errors import ExitStatus, HarnessError, HostError, UsageError
from harness.guest.qemu import Acceleration
from harness.pipeline import Fresh, Options
from harness.store import Store

# What only one command needs is imported by that command: `harness run` starts its first case in a second and a half.

KERNEL_HELP = """KERNEL is one of:

\b
  deb                the newest cloud kernel package of the distribution
  deb:PACKAGE        an image package of the distribution
  PATH               a kernel image (bzImage, vmlinuz, vmlinux)
"""


class _Group(click.Group):
    """Turns every error into its text and exit status."""

    def main(self, *args: object, **rest: object) -> NoReturn:
        try:
            status = super().main(*args, standalone_mode=False, **rest)  # type: ignore[call-overload]
        except HarnessError as error:
            click.echo(f"harness: {error}", err=True)
            status = error.exit_status
        except click.ClickException as error:
            error.show()
            status = ExitStatus.USAGE
        except (click.Abort, KeyboardInterrupt):
            click.echo("harness: interrupted", err=True)
            status = ExitStatus.INTERRUPTED
        sys.exit(int(status or 0))


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
_profile = click.option("--profile", default="", help="Profile that judges, or auto. [default: mainline by release]")
_machine = click.option("--machine", default="q35", show_default=True, help="Machine type: a file of qemu/.")


@main.command(epilog=KERNEL_HELP)
@click.argument("kernels", metavar="[KERNEL]...", nargs=-1)
@click.option("--cases", type=click.Path(path_type=Path), multiple=True, help="Case file or folder. [default: cases/]")
@click.option("-k", "expression", default="", help="Cases whose name matches, as for pytest.")
@click.option("-n", "workers", default="auto", show_default=True, help="Machines side by side.")
@_profile
@_accel
@_fresh
@_machine
@click.option("--results", type=click.Path(path_type=Path), help="Folder for run folders. [default: results/]")
def run(
    kernels: tuple[str, ...],
    cases: tuple[Path, ...],
    expression: str,
    workers: str,
    profile: str,
    accel: str,
    fresh: str,
    machine: str,
    results: Path | None,
) -> int:
    """Run the cases on a kernel (deb when none is named).

    Exit status: 0 as expected, 1 a verdict differs, 2 a case file is broken, 3 this host is at fault, 4 usage,
    130 interrupted.
    """
    from harness.run import Selection

    selection = Selection(_existing(cases), expression, _workers(workers))
    worst = ExitStatus.AS_EXPECTED
    for kernel in kernels or ("deb",):
        options = Options(kernel, profile, _forced(accel), Fresh(fresh), machine)
        try:
            worst = max(worst, _run_one(options, selection, results or places.RESULTS))
        except HarnessError as error:
            # One kernel that does not come up does not stop the others.
            click.echo(f"harness: {error}", err=True)
            worst = max(worst, error.exit_status)
    return int(worst)


def _run_one(options: Options, selection: object, results: Path) -> ExitStatus:
    """One kernel, to its run folder."""
    from harness import pipeline
    from harness.deadline import Deadline
    from harness.report.folder import RunFolder
    from harness.report.terminal import choose_display
    from harness.run import Selection, record_no_kernel, run_cases
    from harness.semantics import load_semantics
    from harness.spec import parse_spec

    assert isinstance(selection, Selection)
    command = shlex.join(["harness", *sys.argv[1:]])
    semantics = load_semantics(places.SEMANTICS.read_text(), path="cases/semantics.toml")
    folder = RunFolder.create(results, parse_spec(options.kernel).slug, time.time())
    with choose_display(sys.stdout, os.environ) as display:
        try:
            prepared = pipeline.prepare(
                options,
                store=Store.default(),
                logs=folder.path,
                say=display.phase,
                deadline=Deadline.after(pipeline.PREPARE_SECONDS),
            )
        except HarnessError as error:
            if isinstance(error, UsageError):
                folder.discard()  # a slip of the fingers is no run
            else:
                record_no_kernel(options.kernel, error, folder=folder, command=command)
            raise
        for note in prepared.notes:
            display.note(note)
        _, status = run_cases(prepared, selection, semantics=semantics, folder=folder, display=display, command=command)
    return status


@main.command(epilog=KERNEL_HELP)
@click.argument("kernel")
@_accel
@_machine
@click.argument("case", required=False, metavar="[CASE[:LINE]]")
def shell(kernel: str, case: str | None, accel: str, machine: str) -> int:
    """Be at the consoles of a fresh machine, after CASE was played up to LINE.

    Ctrl-] leaves; Ctrl-^ goes to the next console (admin, inside, observer).
    """
    from harness.hands_on import hands_on

    return int(hands_on(Options(kernel, accel=_forced(accel), machine_type=machine), case or "", store=Store.default()))


@main.command(epilog=KERNEL_HELP)
@click.argument("kernel")
def build(kernel: str) -> int:
    """Print the folder that holds the image and config of KERNEL."""
    from harness.deadline import Deadline
    from harness.kernel.kernel import resolve_kernel
    from harness.spec import parse_spec

    found = resolve_kernel(Store.default(), parse_spec(kernel), deadline=Deadline.after(600))
    click.echo(found.image.parent)
    return 0


@main.command()
@click.argument("case")
@click.option("--results", type=click.Path(path_type=Path), help="Folder of the run folders. [default: results/]")
def accept(case: str, results: Path | None) -> int:
    """Take what the last run saw as the expectation of CASE, a session file."""
    from harness.accept import accept_case

    click.echo(accept_case(case, results=results or places.RESULTS), nl=False)
    return 0


@main.command()
@click.option("--prove", is_flag=True, help="Race the accelerations again, now.")
def doctor(prove: bool) -> int:
    """Say what this host lacks, and the command that installs it."""
    from harness.doctor import examine

    findings = examine(Store.default(), prove=prove)
    for finding in findings:
        click.echo(finding.text)
    return int(ExitStatus.AS_EXPECTED if all(finding.is_good for finding in findings) else ExitStatus.HOST)


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


def _workers(word: str) -> int:
    if word == "auto":
        return len(os.sched_getaffinity(0))
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
    return tuple(path.absolute() for path in paths)


__all__ = ["HostError", "main"]
