"""Options and words that several commands share, each said once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TypeVar

import click

from harness.base.errors import UsageError
from harness.base.paths import default_results
from harness.guest.machine import BOOT_SECONDS
from harness.guest.qemu import Acceleration
from harness.kernel.build.options import BUILD_SECONDS, BuildOptions

KERNEL_HELP = """KERNEL is one of:

\b
  deb                the newest cloud kernel package of the distribution
  deb:PACKAGE        an image package of the distribution
  PATH               a kernel image (bzImage, vmlinuz, vmlinux)
  deb-src:VERSION    a source package of the distribution, e.g. deb-src:6.1
  PATH[@REVISION]    a kernel tree: its files as they are, or a revision
  series:NAME        a series that ships with the harness
  SOURCE+PATCHES     one of the last three, and a series on it: a mailbox
                     or folder (?v=2: that version; ?upto=3: its first
                     three patches), or a range A..B
"""

Command = TypeVar("Command", bound=Callable[..., object])
_AUTO = "auto"


def _forced(context: click.Context, parameter: click.Parameter, word: str) -> Acceleration | None:
    return None if word == _AUTO else Acceleration(word)


def _bound(option: str, seconds: float, what: str) -> Callable[[Command], Command]:
    """An option for how long something may take."""
    return click.option(
        option,
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        default=seconds,
        show_default=True,
        help=f"{what} that takes longer has failed.",
    )


cases = click.option(
    "--cases",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Case file or folder, any number of times.  [default: cases/]",
)
expression = click.option(
    "-k", "expression", metavar="EXPR", default="", help="Cases whose name matches, as for pytest."
)
workers = click.option("-n", "workers", metavar="N", default="auto", show_default=True, help="Machines side by side.")
accel = click.option(
    "--accel",
    type=click.Choice([_AUTO, *(one.value for one in Acceleration)]),
    default=_AUTO,
    show_default=True,
    callback=_forced,
    help="Who executes the guest; auto races once per host.",
)
"""The command gets the acceleration that is forced, or None."""
machine = click.option(
    "--machine", metavar="NAME", default="q35", show_default=True, help="Machine type: a file of qemu/."
)
boot_seconds = _bound("--boot-seconds", BOOT_SECONDS, "A boot")
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
    help="Kernel options to add when building: a name in kconfigs/, or a file; any number of times.",
)
_trust = click.option("--trust", is_flag=True, help="Build without a sandbox: make runs as you.")
_build_seconds = _bound("--build-seconds", BUILD_SECONDS, "A build")


def building(command: Callable[..., int]) -> Callable[..., int]:
    """The options of a build; the command gets them together, as ``building``."""

    @wraps(command)
    def gathered(config: tuple[str, ...], trust: bool, build_seconds: float, **rest: object) -> int:
        return command(building=BuildOptions(config, is_trusted=trust, seconds=build_seconds), **rest)

    return _config(_trust(_build_seconds(gathered)))


def choose_workers(word: str, cases: Sequence[Path]) -> int:
    """How many machines side by side, by default as many as there are cores and are worth their start.

    :param word: a number from 1, or ``auto``. :raises UsageError: it is neither.
    """
    from harness.run.selection import worth_starting

    if word == "auto":
        return worth_starting(len(os.sched_getaffinity(0)), cases)
    if word.isdigit() and int(word) > 0:
        return int(word)
    raise UsageError(f"-n {word}: that is no number of workers", remedy="write a number from 1, or auto")


def existing_cases(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """The files and folders of ``--cases``, each once. :raises UsageError: one is not there."""
    for path in paths:
        if not path.exists():
            raise UsageError(
                f"--cases {path}: there is no such file or folder",
                remedy="name a *.session file, a test_*.py file, or a folder of them",
            )
    return tuple(dict.fromkeys(path.resolve() for path in paths))
