# SPDX-License-Identifier: GPL-2.0-only
"""The command line as a program: arguments, output and exit statuses."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from junitparser import JUnitXml

from harness.base import paths as places
from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.base.process import PIPE, Surroundings
from harness.base.process import start as start_process
from harness.base.store import Store
from harness.cli import COMMANDS
from harness.commands import clean
from harness.commands.options import choose_workers
from harness.model.run_record import CaseRecord, KernelRecord, RunRecord
from harness.model.verdict import Fault, Outcome
from harness.results.folder import load_run
from harness.run.one_kernel import exit_status
from tests.command_line import call
from tests.program import environment, harness, signals_by_default, start
from tests.unit.kernel import images

GOOD = "title: a greeting\n\n    # echo hello\n    hello\n"
SLOW = "timeout: 300\n\n    # sleep 200\n"
SOON = 60.0
"""Seconds until an interrupted run has ended on the busiest host; its current case would run for 200."""
EVERY = [(), *((name,) for name in COMMANDS)]


@pytest.mark.parametrize("command", EVERY)
def test_help_fits_a_terminal_of_80_columns(command: tuple[str, ...]) -> None:
    """Each command describes itself, in lines that fit without wrapping."""
    result = call(*command, "--help")

    assert result.status is ExitStatus.AS_EXPECTED
    assert max(map(len, result.text.splitlines())) <= 80
    assert "..." not in result.text.replace("]...", "").replace("FILE...", "").replace("RUN...", "")


@pytest.mark.parametrize(
    "words",
    [(), ("nosuch",), ("--nosuch",), ("run", "--nosuch"), ("shell",), ("accept",), ("run", "--accel", "fast")],
)
def test_wrong_arguments_are_a_usage_error(words: tuple[str, ...]) -> None:
    """Invalid arguments exit with status 4 and name the help option."""
    result = call(*words)

    assert result.status is ExitStatus.USAGE
    assert "Usage: harness" in result.text


@pytest.mark.parametrize(("option", "words"), [("--accel", ["auto", "kvm", "tcg"]), ("--fresh", ["clone", "boot"])])
def test_choices_are_accepted_as_help_shows_them(tmp_path: Path, option: str, words: list[str]) -> None:
    """A choice is accepted in the form that help prints."""
    assert f"{option} [{'|'.join(words)}]" in call("run", "--help").text
    for word in words:
        result = call("run", "no/such/kernel", option, word, "--results", tmp_path)
        result.require_error(ExitStatus.USAGE, "no/such/kernel")


def test_no_kernel_is_prepared_when_one_argument_is_wrong(tmp_path: Path) -> None:
    """All arguments are checked before the first kernel is prepared."""
    image = tmp_path / "kernel"
    image.write_bytes(images.bzimage())
    result = call("run", image, "gem:linux", "--results", tmp_path / "results")

    result.require_error(ExitStatus.USAGE, "gem:")
    assert result.text == result.error


def test_shell_needs_a_terminal() -> None:
    """A file as standard input is a usage error."""
    call("shell", "deb").require_error(ExitStatus.USAGE, "harness shell needs a terminal")


def test_build_prints_the_folder_of_the_image(tmp_path: Path) -> None:
    """Nothing else is printed, so that a script can use the output."""
    image = tmp_path / "kernel"
    image.write_bytes(images.bzimage())
    result = call("build", image, HARNESS_STORE=str(tmp_path / "store"))

    assert result.text == f"{tmp_path}\n"
    assert result.status is ExitStatus.AS_EXPECTED


def test_a_defect_is_reported_in_a_few_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The traceback is in a file that the message names; the exit status is not that of a verdict."""

    def broken(store: Store) -> Iterator[str]:
        raise ZeroDivisionError("the harness divided by zero")

    monkeypatch.setattr(clean, "list_store", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = call("clean")
    (file,) = tmp_path.glob("harness-defect-*.txt")

    result.require_error(ExitStatus.HOST, "a defect of the harness: ZeroDivisionError: the harness divided by zero")
    assert str(file) in result.error
    assert "harness/commands/" in result.error
    assert "Traceback" in file.read_text()


def test_a_defect_is_reported_without_a_writable_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is printed without a file."""

    def broken(store: Store) -> Iterator[str]:
        raise KeyError("x")

    monkeypatch.setattr(clean, "list_store", broken)
    monkeypatch.setattr("tempfile.tempdir", "/dev/null/nowhere")

    call("clean").require_error(ExitStatus.HOST, "a defect of the harness: KeyError: 'x'", "could not be written")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "a defect of the harness: BrokenPipeError"),
        (OSError(errno.ENOSPC, "No space left on device", "/tmp/x"), "no space left on the disk"),
        (OSError(errno.EMFILE, "Too many open files"), "too many open files"),
        (MemoryError(), "no memory left"),
    ],
)
def test_exhausted_resources_are_not_a_defect(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, words: str
) -> None:
    """A host without memory or disk space is a host error everywhere; a broken pipe of the harness is a defect."""

    def broken(store: Store) -> Iterator[str]:
        raise error

    monkeypatch.setattr(clean, "list_store", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # the report of a defect stays there

    call("clean").require_error(ExitStatus.HOST, words)


def test_a_closed_pipe_is_not_an_error(tmp_path: Path) -> None:
    """The reader of ``harness clean | head`` may stop early."""
    reader, writer = os.pipe()
    os.close(reader)
    with start_process(
        harness("clean"), stdout=writer, stderr=PIPE, within=Surroundings(env=environment(HARNESS_STORE=str(tmp_path)))
    ) as child:
        os.close(writer)
        _, said = child.communicate(timeout=30)

    assert (child.returncode, said) == (0, b"")


BROKEN = {
    "header.session": ("titel: x\n\n    # true\n", "header.session:1: unknown header 'titel'"),
    "prompt.session": ("\n    root@host:~# true\n", "prompt.session:2: prompt not declared"),
    "output.session": ("\n    hello\n    # echo hello\n", "output.session:2: output before a command"),
    "trait.session": ("\n    # true\n    (colour = red) x\n", "trait.session:3: unknown trait 'colour'"),
    "value.session": (
        "\n    # true\n    (outside_view = red) x\n",
        "value.session:3: trait 'outside_view' has no value 'red'",
    ),
    "need.session": (
        "needs: config_x\n\n    # true\n",
        "need.session: 'config_x' is not a valid requirement of a case",
    ),
    "latin.session": ("\n    # echo \udcff\n", "latin.session:1: the file is not UTF-8 text"),
    "empty.session": ("", "empty.session:1: the file has no step"),
    "test_syntax.py": ("def test_a(:\n", "test_syntax.py:1: SyntaxError"),
    "test_import.py": ("\nimport nosuchmodule\n", "test_import.py:2: ModuleNotFoundError"),
    "test_twice.py": ("def test_a(): pass\ndef test_a(): pass\n", "test_twice.py:2: the case 'test_a' is repeated"),
}
"""Case files that cannot be read, and the message for each."""
FAULTY = {
    "test_fixture.py": ("def test_a(adnim): pass\n", "unknown fixture 'adnim'"),
    "test_name.py": ("def test_a(admin): nosuchname\n", "NameError: name 'nosuchname' is not defined"),
    "test_trait.py": ("def test_a(sight): sight('colour', 'red')\n", "no trait colour"),
}
"""Cases that break when they run, and the reason."""


@pytest.mark.guest
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_stops_at_the_first_failure_with_exitfirst(tmp_path: Path, workers: str) -> None:
    """Finished cases are kept and reported, and the exit status is that of the verdict, not of an interruption."""
    for number in range(6):
        (tmp_path / f"c{number}.session").write_text(GOOD.replace("    hello", "    goodbye"))
    done = start("run", "-x", "-n", workers, "--cases", tmp_path, "--results", tmp_path / "results")
    run = load_run(tmp_path / "results" / "latest")

    assert done.status == ExitStatus.DIFFERS
    assert run.complete
    assert 1 <= len(run.cases) <= 2
    assert f"stopped by -x: {len(run.cases)} of 6 cases were run" in run.notes


@pytest.mark.guest
def test_exitfirst_passes_over_a_failure_that_the_baseline_has(tmp_path: Path) -> None:
    """With a baseline, -x stops at the first regression."""
    cases, results = tmp_path / "cases", tmp_path / "results"
    cases.mkdir()
    for name in "abcd":
        (cases / f"{name}.session").write_text(GOOD.replace("    hello", "    goodbye") if name == "a" else GOOD)
    words: list[str | Path] = ["run", "-n", "1", "--cases", cases, "--results", results]
    start(*words)
    passed = start(*words, "-x", "--baseline", "last")
    for name in "bcd":
        (cases / f"{name}.session").write_text(GOOD.replace("    hello", "    goodbye"))
    stopped = start(*words, "-x", "--baseline", "last")
    outcomes = {Path(case.id).stem: case.outcome for case in load_run(results / "latest").cases}

    assert (passed.status, stopped.status) == (ExitStatus.AS_EXPECTED, ExitStatus.DIFFERS)
    assert len(load_run(sorted(results.glob("*-deb*"))[1]).cases) == 4
    assert set(outcomes.values()) == {Outcome.MISMATCH}
    assert "stopped by -x" in stopped.text
    assert len(outcomes) - ("a" in outcomes) == 1


@pytest.mark.guest
def test_hints_of_a_mismatch(tmp_path: Path) -> None:
    """A header that is missing and a prompt that is not declared are named, not only their consequences."""
    (tmp_path / "mount.session").write_text(
        "title: no header\n\n    # mkdir /sys/fs/cgroup/a/b && echo made\n    made\n"
    )
    (tmp_path / "prompt.session").write_text("title: no prompt\n\n    # echo a\n    a\n    sh2# echo b\n    b\n")
    done = start("run", "-n", "1", "--cases", tmp_path, "--results", tmp_path / "results")
    reasons = {case.id.rpartition("/")[2]: case.reason for case in load_run(tmp_path / "results/latest").cases}

    assert done.status == ExitStatus.DIFFERS
    assert reasons["mount.session"].endswith("(/sys/fs/cgroup is used, but no header `hierarchies` prepares it)")
    assert 'line 5 looks like a command, but the prompt "sh2# " is not declared' in reasons["prompt.session"]


@pytest.mark.guest
def test_exitfirst_cuts_short_what_runs(tmp_path: Path) -> None:
    """A case that would take two minutes is not waited for, and the report names the cases that were not run."""
    slow = "title: t\ntimeout: 300\n\n    # sleep 120\n"
    texts = {"a": GOOD.replace("    hello", "    goodbye"), **dict.fromkeys("bcd", slow)}
    for name, text in texts.items():
        (tmp_path / f"{name}.session").write_text(text)
    done = start("run", "--fail-fast", "-n", "2", "--cases", tmp_path, "--results", tmp_path / "results")
    run = load_run(tmp_path / "results/latest")

    assert done.status == ExitStatus.DIFFERS, done.text + done.complaint
    assert [case.outcome for case in run.cases] == [Outcome.MISMATCH]
    assert [name.rpartition("/")[2] for name in run.not_run] == ["b.session", "c.session", "d.session"]
    assert "3 cases not run: " in done.text
    assert run.complete


@pytest.mark.guest
def test_failed_cases_come_first_in_the_next_run(tmp_path: Path) -> None:
    """The results are in the store, so another results folder starts in that order as well."""
    # The store may know other cases of this path: pytest gives out the names of folders again.
    order = f"order-{secrets.token_hex(4)}-"
    for name, word in (("first", "hello"), ("second", "hello"), ("third", "goodbye")):
        (tmp_path / f"{order}{name}.session").write_text(GOOD.replace("    hello", f"    {word}"))
    for results in ("one", "two"):
        assert (
            start("run", "-n", "1", "--cases", tmp_path, "--results", tmp_path / results).status == ExitStatus.DIFFERS
        )
    names = [
        [
            case.id.rpartition(order)[2].removesuffix(".session")
            for case in load_run(tmp_path / results / "latest").cases
        ]
        for results in ("one", "two")
    ]

    assert names[0] == ["first", "second", "third"]
    assert names[1][0] == "third"


@pytest.mark.guest
@pytest.mark.parametrize("workers", ["1", "2"])
def test_broken_case_files_are_reported_and_others_run(tmp_path: Path, workers: str) -> None:
    """Other cases run; each broken file is reported by file and line, in the display and in junit.xml."""
    for name, (text, _) in {**BROKEN, **FAULTY, "good.session": (GOOD, "")}.items():
        (tmp_path / name).write_text(text, errors="surrogateescape")
    same = tmp_path / "cgroupns/manpage/freezer.session"
    same.parent.mkdir(parents=True)
    same.write_text(GOOD)
    cases = ["--cases", str(tmp_path), "--cases", str(places.ROOT / "cases/cgroupns/manpage/freezer.session")]
    done = start("run", *cases, "-n", workers, "--results", tmp_path / "results", cwd=tmp_path)
    record = load_run(tmp_path / "results/latest")
    suite = next(iter(JUnitXml.fromfile(str(tmp_path / "results/latest/junit.xml"))))
    result = {case.id: case for case in record.cases}
    twice = "cgroupns/manpage/freezer.session:1: two files of this run have the same name"

    assert done.status == ExitStatus.CASE_BROKEN
    assert {name: case.outcome for name, case in result.items() if case.outcome is not Outcome.ERROR} == {
        "good.session": Outcome.MATCH,
        "cgroupns/manpage/freezer.session": Outcome.MATCH,
    }
    assert len(record.problems) == len(BROKEN) + 1
    for what in [*(what for _, what in BROKEN.values()), twice]:
        assert [problem for problem in record.problems if problem.text.startswith(what)], (what, record.problems)
        assert what.partition(": ")[0] in done.text
    for name, (_, reason) in FAULTY.items():
        assert reason in result[f"{name}::test_a"].reason
        assert result[f"{name}::test_a"].fault is Fault.CASE
    assert (suite.tests, suite.failures) == (2 + len(FAULTY) + len(record.problems), 0)
    assert suite.errors == len(FAULTY) + len(record.problems)
    assert "Traceback" not in done.text + done.stderr.decode()


def test_a_broken_case_is_not_an_error_of_the_host() -> None:
    """Running it again does not help, and the host is not at fault."""
    kernel = KernelRecord("deb", "package", "6.1.0", "x86_64", "digest", "digest", "beside the image")
    faults = {fault: CaseRecord("a", "a", "a", Outcome.ERROR, fault=fault) for fault in (Fault.CASE, Fault.HOST)}
    runs = {fault: RunRecord(kernel, 0.0, complete=True, cases=(case,)) for fault, case in faults.items()}

    assert exit_status(runs[Fault.CASE], interrupted=False, broken=False) is ExitStatus.CASE_BROKEN
    assert exit_status(runs[Fault.HOST], interrupted=False, broken=False) is ExitStatus.HOST


@pytest.mark.guest
@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["-k", "nosuch"], "no case was selected with -k nosuch"),
        (["-k", "nosuch", "-n", "2"], "no case was selected with -k nosuch"),
        (["--cases", "empty", "-n", "1"], "no case was selected"),
        (["--cases", "odd[1].session"], "pytest does not start"),
    ],
)
def test_a_run_without_cases_is_an_error(tmp_path: Path, words: list[str], what: str) -> None:
    """A run of no case matches nothing, and does not become the latest run."""
    (tmp_path / "empty").mkdir()
    for name in ("good.session", "odd[1].session"):
        (tmp_path / name).write_text(GOOD)
    cases = [] if "--cases" in words else ["--cases", "good.session"]
    done = start("run", *cases, *words, "--results", "results", cwd=tmp_path)

    assert done.status == ExitStatus.USAGE
    assert f"harness: {what}" in done.stderr.decode()
    assert not list((tmp_path / "results").iterdir())


@pytest.mark.guest
def test_a_conftest_that_cannot_be_imported_is_a_broken_case_file(tmp_path: Path) -> None:
    """pytest starts no case then; its traceback is not shown, and no run is left."""
    (tmp_path / "conftest.py").write_text("import nosuchmodule\n")
    (tmp_path / "good.session").write_text(GOOD)
    done = start("run", "--cases", "good.session", "--results", "results", cwd=tmp_path)

    assert done.status == ExitStatus.CASE_BROKEN
    assert "harness: a conftest.py of the cases cannot be imported" in done.stderr.decode()
    assert "No module named 'nosuchmodule'" in done.stderr.decode()
    assert not list((tmp_path / "results").iterdir())


@pytest.mark.guest
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_conftest_in_a_folder_below_is_used(tmp_path: Path, workers: str) -> None:
    """pytest loads it late, after the plugins of the run are registered."""
    below = tmp_path / "cases" / "below"
    below.mkdir(parents=True)
    (below / "conftest.py").write_text("import pytest\n\n@pytest.fixture\ndef three(): return 3\n")
    (below / "test_three.py").write_text("def test_three(admin, three): assert admin.run(f'echo {three}')\n")
    (below / "good.session").write_text(GOOD)
    done = start("run", "--cases", "cases", "-n", workers, "--results", "results", cwd=tmp_path)

    assert done.status == ExitStatus.AS_EXPECTED, done.text + done.stderr.decode()
    assert len(load_run(tmp_path / "results/latest").cases) == 2


def test_a_removed_folder_is_reported(tmp_path: Path) -> None:
    """Another user may have removed the current folder."""
    (tmp_path / "good.session").write_text(GOOD)
    script = 'mkdir gone && cd gone && rmdir ../gone && "$@"'
    command = ["sh", "-c", script, "sh", *harness("accept", tmp_path / "good.session")]
    done = process.run(command, deadline=Deadline.after(120), check=False, within=process.Surroundings(cwd=tmp_path))

    assert done.status == ExitStatus.USAGE
    assert done.stderr.startswith(b"harness: the current folder was removed\n")


@pytest.mark.guest
def test_pytest_options_of_the_environment_are_ignored(tmp_path: Path) -> None:
    """Options and variables that a user has set for pytest neither stop a run nor empty it."""
    (tmp_path / "good.session").write_text(GOOD)
    env = environment(PYTEST_ADDOPTS="--nosuch", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    done = start("run", "--cases", "good.session", "--results", "results", env=env, cwd=tmp_path)

    assert done.status == ExitStatus.AS_EXPECTED
    assert [case.outcome for case in load_run(tmp_path / "results/latest").cases] == [Outcome.MATCH]


@pytest.mark.guest
def test_one_kernel_that_does_not_boot_does_not_stop_the_next(tmp_path: Path) -> None:
    """Each kernel has its own run; the exit status is the worst one."""
    (tmp_path / "good.session").write_text(GOOD)
    (tmp_path / "silent").write_bytes(images.bzimage())
    folder = Path(start("build", "deb").text.strip())
    distribution = next(folder.glob("vmlinuz-*"))
    words: list[str | Path] = ["run", "silent", distribution, "--cases", "good.session", "--results", "results"]
    # Long enough for a boot on a busy host where no template is in the store yet.
    start("run", "deb", "--cases", "good.session", "--results", "elsewhere", cwd=tmp_path)
    done = start(*words, "--boot-seconds", "1", cwd=tmp_path)
    outcomes = {
        load_run(run).kernel.spec: [case.outcome for case in load_run(run).cases]
        for run in (tmp_path / "results").iterdir()
        if run.name != "latest" and (run / "run.json").exists()
    }
    joint = next((tmp_path / "results").glob("*-2-kernels/junit.xml"))
    suites = [(suite.tests, suite.failures) for suite in JUnitXml.fromfile(str(joint))]

    assert done.status == ExitStatus.DIFFERS
    assert outcomes == {"silent": [Outcome.KERNEL], str(distribution): [Outcome.MATCH]}
    assert suites == [(1, 1), (1, 0)]
    assert f"results: {joint.relative_to(tmp_path)}" in done.text
    assert "  A   silent\n      1 KERN: " in done.text


@contextmanager
def running(words: Sequence[str | Path], *, cwd: Path, until: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the harness in the block, after it has printed a line that matches."""
    with ExitStack() as ends:
        with signals_by_default():
            command = start_process(
                harness(*words), stdout=PIPE, stderr=PIPE, within=Surroundings(cwd=cwd, env=environment())
            )
            child = ends.enter_context(command)
        assert child.stdout is not None
        for line in child.stdout:
            if re.search(until, line.decode()):
                break
        yield child


def await_children(parent: psutil.Process) -> list[psutil.Process]:
    """Return all processes below the harness, after QEMU has started."""
    deadline = Deadline.after(120)
    while not deadline.is_past:
        below = parent.children(recursive=True)
        if any(one.name().startswith("qemu") for one in below):
            return below
    raise AssertionError("no QEMU was started")


@pytest.mark.guest
@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, "1"), (signal.SIGTERM, "2"), (signal.SIGHUP, "1")])
def test_an_interrupted_run_keeps_finished_cases(tmp_path: Path, number: signal.Signals, workers: str) -> None:
    """Ctrl-C, a canceled CI job or a closed terminal leaves a record, a junit.xml and no process; the status is 130."""
    for name, text in {"a.session": GOOD, "b.session": SLOW, "c.session": SLOW}.items():
        (tmp_path / name).write_text(text)
    words: list[str | Path] = ["run", "deb", "deb", "--cases", tmp_path, "-n", workers, "--results", "results"]
    with running(words, cwd=tmp_path, until=r"^ok .* a\.session") as child:
        below = await_children(psutil.Process(child.pid))
        child.send_signal(number)
        child.communicate(timeout=SOON)
    record = load_run(tmp_path / "results/latest")
    _, alive = psutil.wait_procs(below, timeout=5)

    assert child.returncode == ExitStatus.INTERRUPTED
    assert not record.complete
    assert [(case.id, case.outcome) for case in record.cases] == [("a.session", Outcome.MATCH)]
    assert "the run did not finish" in (tmp_path / "results/latest/junit.xml").read_text()
    assert not alive
    folders = [path for path in (tmp_path / "results").iterdir() if path.is_dir() and not path.is_symlink()]
    assert len(folders) == 1, "the second kernel was begun with"


@pytest.mark.guest
def test_a_run_that_is_interrupted_before_its_first_case_leaves_nothing(tmp_path: Path) -> None:
    """An interrupted boot is not a result of the kernel."""
    (tmp_path / "good.session").write_text(GOOD)
    (tmp_path / "silent").write_bytes(images.bzimage())
    words = ["run", "silent", "deb", "--cases", "good.session", "--results", "results"]
    with running(words, cwd=tmp_path, until="booting") as child:
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=SOON)

    assert child.returncode == ExitStatus.INTERRUPTED
    assert err.strip() == b"harness: interrupted"
    assert out == b""
    assert not list((tmp_path / "results").iterdir())


def test_workers_are_started_for_enough_cases_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker costs as much as several cases; by default none is started for fewer. A folder counts as many cases."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    files = [shutil.copy(__file__, tmp_path / str(number)) for number in range(13)]
    paths = [Path(file) for file in files]

    assert choose_workers("auto", paths[:1]) == choose_workers("auto", paths[:5]) == 1
    assert choose_workers("auto", paths) == 3
    assert choose_workers("auto", paths * 4) == 8
    assert choose_workers("auto", [*paths, tmp_path]) == 8
    assert choose_workers("auto", ()) == 8
    assert choose_workers("5", paths) == 5
