"""The command line as a program: words in, exit status out, whatever happens in between."""

from __future__ import annotations

import errno
import os
import re
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
from tests.program import environment, harness, signals_by_default, start
from tests.told import call
from tests.unit.kernel import images

GOOD = "title: a greeting\n\n    # echo hello\n    hello\n"
SLOW = "timeout: 300\n\n    # sleep 200\n"
SOON = 60.0
"""Seconds in which an interrupted run is over on the busiest host; the case that it is in would go on for 200."""
EVERY = [(), *((name,) for name in COMMANDS)]


@pytest.mark.parametrize("command", EVERY)
def test_help_fits_a_terminal_of_80_columns(command: tuple[str, ...]) -> None:
    """Each command says what it does, in lines that nothing has to fold or cut."""
    told = call(*command, "--help")

    assert told.status is ExitStatus.AS_EXPECTED
    assert max(map(len, told.text.splitlines())) <= 80
    assert "..." not in told.text.replace("]...", "").replace("[ARGS]...", "")


@pytest.mark.parametrize(
    "words",
    [(), ("nosuch",), ("--nosuch",), ("run", "--nosuch"), ("shell",), ("accept",), ("run", "--accel", "fast")],
)
def test_wrong_words_are_usage(words: tuple[str, ...]) -> None:
    """What the command line cannot read ends with 4, and says where help is."""
    told = call(*words)

    assert told.status is ExitStatus.USAGE
    assert "Usage: harness" in told.text


@pytest.mark.parametrize(("option", "words"), [("--accel", ["auto", "kvm", "tcg"]), ("--fresh", ["clone", "boot"])])
def test_the_words_that_help_shows_are_taken(tmp_path: Path, option: str, words: list[str]) -> None:
    """A choice is read as it is shown."""
    assert f"{option} [{'|'.join(words)}]" in call("run", "--help").text
    for word in words:
        told = call("run", "no/such/kernel", option, word, "--results", tmp_path)
        told.require_error(ExitStatus.USAGE, "no/such/kernel")


def test_no_kernel_is_begun_with_when_one_word_is_wrong(tmp_path: Path) -> None:
    """All words are read before the first kernel is touched."""
    image = tmp_path / "kernel"
    image.write_bytes(images.bzimage())
    told = call("run", image, "gem:linux", "--results", tmp_path / "results")

    told.require_error(ExitStatus.USAGE, "gem:")
    assert told.text == told.error


def test_shell_wants_a_terminal() -> None:
    """There is nobody to type when standard input is a file."""
    call("shell", "deb").require_error(ExitStatus.USAGE, "harness shell needs a terminal")


def test_build_prints_the_folder_of_the_image(tmp_path: Path) -> None:
    """Nothing else is printed, so that a script can use it."""
    image = tmp_path / "kernel"
    image.write_bytes(images.bzimage())
    told = call("build", image, HARNESS_STORE=str(tmp_path / "store"))

    assert told.text == f"{tmp_path}\n"
    assert told.status is ExitStatus.AS_EXPECTED


def test_a_defect_is_told_in_a_few_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is shown a trace: it is in a file, which the message names; the status is not that of a verdict."""

    def broken(store: Store) -> Iterator[str]:
        raise ZeroDivisionError("the harness divided by zero")

    monkeypatch.setattr(clean, "list_store", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told = call("clean")
    (file,) = tmp_path.glob("harness-defect-*.txt")

    told.require_error(ExitStatus.HOST, "a defect of the harness: ZeroDivisionError: the harness divided by zero")
    assert str(file) in told.error
    assert "harness/commands/" in told.error
    assert "Traceback" in file.read_text()


def test_a_defect_is_told_where_no_file_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message comes without the file."""

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
        (OSError(errno.EMFILE, "Too many open files"), "too many files are open"),
        (MemoryError(), "no memory left"),
    ],
)
def test_what_nobody_has_an_answer_to_is_told(monkeypatch: pytest.MonkeyPatch, error: Exception, words: str) -> None:
    """A host that is out of something is no defect, wherever it strikes; a pipe that broke in our own hands is."""

    def broken(store: Store) -> Iterator[str]:
        raise error

    monkeypatch.setattr(clean, "list_store", broken)

    call("clean").require_error(ExitStatus.HOST, words)


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    """``harness clean | head``: who reads may stop."""
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
    "need.session": ("needs: config_x\n\n    # true\n", "need.session: 'config_x' is no need"),
    "latin.session": ("\n    # echo \udcff\n", "latin.session:1: the file is no UTF-8 text"),
    "empty.session": ("", "empty.session:1: the file has no step"),
    "test_syntax.py": ("def test_a(:\n", "test_syntax.py:1: SyntaxError"),
    "test_import.py": ("\nimport nosuchmodule\n", "test_import.py:2: ModuleNotFoundError"),
    "test_twice.py": ("def test_a(): pass\ndef test_a(): pass\n", "test_twice.py:2: the case 'test_a' is repeated"),
}
"""Case files that cannot be read, and how each is told."""
FAULTY = {
    "test_fixture.py": ("def test_a(adnim): pass\n", "there is no fixture 'adnim'"),
    "test_name.py": ("def test_a(admin): nosuchname\n", "NameError: name 'nosuchname' is not defined"),
    "test_trait.py": ("def test_a(sight): sight('colour', 'red')\n", "no trait colour"),
}
"""Cases that break when they are run, by their own fault, and the reason."""


@pytest.mark.guest
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_ends_at_the_first_failure_when_asked_to(tmp_path: Path, workers: str) -> None:
    """What was asked until then is kept and told, and the status is that of the verdict, not of an interruption."""
    for number in range(6):
        (tmp_path / f"c{number}.session").write_text(GOOD.replace("    hello", "    goodbye"))
    done = start("run", "-x", "-n", workers, "--cases", tmp_path, "--results", tmp_path / "results")
    run = load_run(tmp_path / "results" / "latest")

    assert done.status == ExitStatus.DIFFERS
    assert run.complete
    assert 1 <= len(run.cases) <= 2
    assert f"stopped by --maxfail: {len(run.cases)} of 6 cases were asked" in run.notes


@pytest.mark.guest
@pytest.mark.parametrize("workers", ["1", "2"])
def test_broken_case_files_stop_no_other_and_are_not_overlooked(tmp_path: Path, workers: str) -> None:
    """The others are run and recorded; each broken file is told by file and line, in the display and in junit.xml."""
    for name, (text, _) in {**BROKEN, **FAULTY, "good.session": (GOOD, "")}.items():
        (tmp_path / name).write_text(text, errors="surrogateescape")
    same = tmp_path / "cgroupns/manpage/freezer.session"
    same.parent.mkdir(parents=True)
    same.write_text(GOOD)
    cases = ["--cases", str(tmp_path), "--cases", str(places.ROOT / "cases/cgroupns/manpage/freezer.session")]
    done = start("run", *cases, "-n", workers, "--results", tmp_path / "results", cwd=tmp_path)
    record = load_run(tmp_path / "results/latest")
    suite = next(iter(JUnitXml.fromfile(str(tmp_path / "results/latest/junit.xml"))))
    told = {case.id: case for case in record.cases}
    twice = "cgroupns/manpage/freezer.session:1: two files of this run have this name"

    assert done.status == ExitStatus.CASE_BROKEN
    assert {name: case.outcome for name, case in told.items() if case.outcome is not Outcome.ERROR} == {
        "good.session": Outcome.MATCH,
        "cgroupns/manpage/freezer.session": Outcome.MATCH,
    }
    assert len(record.problems) == len(BROKEN) + 1
    for what in [*(what for _, what in BROKEN.values()), twice]:
        assert [problem for problem in record.problems if problem.text.startswith(what)], (what, record.problems)
        assert what.partition(": ")[0] in done.text
    for name, (_, reason) in FAULTY.items():
        assert reason in told[f"{name}::test_a"].reason
        assert told[f"{name}::test_a"].fault is Fault.CASE
    assert (suite.tests, suite.failures) == (2 + len(FAULTY) + len(record.problems), 0)
    assert suite.errors == len(FAULTY) + len(record.problems)
    assert "Traceback" not in done.text + done.stderr.decode()


def test_a_case_that_breaks_by_its_own_fault_is_not_the_hosts() -> None:
    """Who runs it cannot mend it, and trying again does not help."""
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
def test_a_run_without_a_case_is_no_good_run(tmp_path: Path, words: list[str], what: str) -> None:
    """Nothing was asked, so nothing is as expected; and no empty run is the latest one."""
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
    """pytest starts no case then; no trace of its own is shown, and no run is left."""
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
    """pytest meets it late, when the plug-ins of the run are registered already."""
    below = tmp_path / "cases" / "below"
    below.mkdir(parents=True)
    (below / "conftest.py").write_text("import pytest\n\n@pytest.fixture\ndef three(): return 3\n")
    (below / "test_three.py").write_text("def test_three(admin, three): assert admin.run(f'echo {three}')\n")
    (below / "good.session").write_text(GOOD)
    done = start("run", "--cases", "cases", "-n", workers, "--results", "results", cwd=tmp_path)

    assert done.status == ExitStatus.AS_EXPECTED, done.text + done.stderr.decode()
    assert len(load_run(tmp_path / "results/latest").cases) == 2


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    """Somebody else may have removed it."""
    (tmp_path / "good.session").write_text(GOOD)
    script = 'mkdir gone && cd gone && rmdir ../gone && "$@"'
    command = ["sh", "-c", script, "sh", *harness("accept", tmp_path / "good.session")]
    done = process.run(command, deadline=Deadline.after(30), check=False, within=process.Surroundings(cwd=tmp_path))

    assert done.status == ExitStatus.USAGE
    assert done.stderr.startswith(b"harness: the folder in which this was started is gone\n")


@pytest.mark.guest
def test_what_the_environment_asks_of_pytest_is_for_other_projects(tmp_path: Path) -> None:
    """Options and switches that a user has set for pytest neither stop a run nor empty it."""
    (tmp_path / "good.session").write_text(GOOD)
    env = environment(PYTEST_ADDOPTS="--nosuch", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    done = start("run", "--cases", "good.session", "--results", "results", env=env, cwd=tmp_path)

    assert done.status == ExitStatus.AS_EXPECTED
    assert [case.outcome for case in load_run(tmp_path / "results/latest").cases] == [Outcome.MATCH]


@pytest.mark.guest
def test_one_kernel_that_does_not_boot_does_not_stop_the_next(tmp_path: Path) -> None:
    """Each kernel has a run of its own; the exit status is that of the worst."""
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
    """The harness, once it has printed a line that matches."""
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
    """All processes below the harness, once QEMU is among them."""
    deadline = Deadline.after(10)
    while not deadline.is_past:
        below = parent.children(recursive=True)
        if any(one.name().startswith("qemu") for one in below):
            return below
    raise AssertionError("no QEMU was started")


@pytest.mark.guest
@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, "1"), (signal.SIGTERM, "2"), (signal.SIGHUP, "1")])
def test_an_interrupted_run_keeps_what_had_ended(tmp_path: Path, number: signal.Signals, workers: str) -> None:
    """Ctrl-C, a cancelled CI job, a closed terminal: 130, soon, with a record, a junit.xml, and no process left."""
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
    """A boot that was given up says nothing of the kernel."""
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


def test_no_more_workers_than_win_their_start_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker costs as much as several cases; by default none is started for fewer. A folder may hold any number."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    files = [shutil.copy(__file__, tmp_path / str(number)) for number in range(13)]
    paths = [Path(file) for file in files]

    assert choose_workers("auto", paths[:1]) == choose_workers("auto", paths[:5]) == 1
    assert choose_workers("auto", paths) == 3
    assert choose_workers("auto", paths * 4) == 8
    assert choose_workers("auto", [*paths, tmp_path]) == 8
    assert choose_workers("auto", ()) == 8
    assert choose_workers("5", paths) == 5
