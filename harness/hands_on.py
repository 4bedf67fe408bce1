"""A person at the consoles of a fresh machine, after a case was played up to a line."""

from __future__ import annotations

import os
import selectors
import signal
import sys
import tempfile
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import pipeline, places
from harness.case import make_bench
from harness.deadline import Deadline
from harness.errors import ExitStatus, UsageError
from harness.guest.console import Unanswered
from harness.guest.machine import Machine
from harness.pipeline import Options
from harness.semantics import load_semantics
from harness.session.console_name import Console
from harness.session.play import play
from harness.session.transcript import Transcript, parse
from harness.store import Store

LEAVE = b"\x1d"
"""Ctrl-], as telnet has it."""
NEXT = b"\x1e"
"""Ctrl-^."""

_PORTS = {Console.ADMIN: "/dev/ttyS1", Console.INSIDE: "/dev/ttyS2", Console.OBSERVER: "/dev/ttyS3"}


def hands_on(options: Options, case: str, *, store: Store) -> ExitStatus:
    """Prepare a kernel, play a case up to a line, and hand the consoles over.

    :param case: ``CASE``, ``CASE:LINE``, or empty for a bare machine.
    :raises UsageError: there is no such case, or standard input is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "harness shell needs a terminal",
            remedy="run it in one; for scripts there are session files and `harness run`",
        )
    transcript, line = _read_case(case) if case else (None, None)
    semantics = load_semantics(places.SEMANTICS.read_text(), path="cases/semantics.toml")
    with tempfile.TemporaryDirectory(prefix="harness-shell-") as name:
        folder = Path(name)
        prepared = pipeline.prepare(
            options, store=store, logs=folder, say=_say, deadline=Deadline.after(pipeline.PREPARE_SECONDS)
        )
        bench = make_bench(prepared, semantics, folder=folder)
        with pipeline.machine(prepared, folder=folder / "machine", deadline=Deadline.after(60)) as machine:
            first = Console.ADMIN
            if transcript is not None:
                played = play(transcript, machine, profile=bench.profile, deadline=Deadline.after(600), until_line=line)
                for step in played.steps:
                    first = step.step.console
                    _say(f"{step.step.prompt.text}{step.step.command}")
                    if step.output:
                        _say(step.output.rstrip("\n"))
                for outcome in played.outcomes:
                    if not outcome.fits:
                        _say(f"harness: {outcome.where}: {outcome.reason}")
            _attach(machine, first)
    return ExitStatus.AS_EXPECTED


def _read_case(word: str) -> tuple[Transcript, int | None]:
    name, colon, number = word.rpartition(":")
    if not colon or not number.isdigit():
        name, number = word, ""
    path = places.find_case(name)
    return parse(path.read_text(), path=places.case_id(path)), int(number) if number else None


def _attach(machine: Machine, first: Console) -> None:
    """Connect the terminal with one console after another until the person leaves or the machine ends."""
    order = list(Console)
    current = first
    _say(f"harness: console {current}; Ctrl-] leaves, Ctrl-^ goes to the next console")
    for name in order:
        _make_comfortable(machine, name)
    wires = machine.wires
    with _raw_terminal(), _resizes() as resizes, selectors.DefaultSelector() as selector:
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ, "keys")
        selector.register(resizes, selectors.EVENT_READ, "size")
        selector.register(wires.fileno(), selectors.EVENT_READ, "wires")
        _pass_size(machine, order)
        machine.wires.send(current.value, b"\n", deadline=Deadline.after(5))
        while wires.is_open(current.value):
            for key, _ in selector.select():
                if key.data == "size":
                    os.read(resizes, 64)
                    _pass_size(machine, order)
                elif key.data == "wires":
                    wires.pump(Deadline.after(0))
                    _write(wires.take(current.value, 1 << 16))
                else:
                    typed = os.read(sys.stdin.fileno(), 4096)
                    if LEAVE in typed or not typed:
                        return
                    if NEXT in typed:
                        current = order[(order.index(current) + 1) % len(order)]
                        _write(f"\r\nharness: console {current}\r\n".encode())
                        typed = b"\n"
                    wires.send(current.value, typed, deadline=Deadline.after(5))
    _say("harness: the machine ended")


def _make_comfortable(machine: Machine, name: Console) -> None:
    """Echo, line ends and line editing, which the harness itself has switched off."""
    try:
        console = machine.console(name, deadline=Deadline.after(10))
        words = f"stty echo onlcr; TERM={os.environ.get('TERM', 'dumb')}; set -o emacs"
        console.run(words, deadline=Deadline.after(10))
    except Unanswered:
        # A console in the middle of something stays as it is.
        return


def _pass_size(machine: Machine, order: list[Console]) -> None:
    """Tell the guest's terminals the size of this one, through a shell that is at its prompt."""
    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    words = "; ".join(f"stty -F {_PORTS[name]} rows {rows} cols {columns}" for name in order)
    machine.wires.send(order[-1].value, f" {words}\n".encode(), deadline=Deadline.after(5))


@contextmanager
def _raw_terminal() -> Iterator[None]:
    before = termios.tcgetattr(sys.stdin.fileno())
    try:
        tty.setraw(sys.stdin.fileno())
        yield
    finally:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)


@contextmanager
def _resizes() -> Iterator[int]:
    """A descriptor that can be read when the terminal's size has changed."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.signal(signal.SIGWINCH, lambda number, frame: None)
    wakeup = signal.set_wakeup_fd(writer)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGWINCH, before)
        os.close(reader)
        os.close(writer)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]


def _say(text: str) -> None:
    _write(text.encode(errors="replace").replace(b"\n", b"\r\n") + b"\r\n")
