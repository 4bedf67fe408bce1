# SPDX-License-Identifier: GPL-2.0-only
"""Programs of others as cases: each end of a program, its tests, and failures that nothing is compared with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.model.run_record import CaseRecord
from harness.model.verdict import Outcome
from harness.results.folder import load_run
from tests.program import environment, harness

pytestmark = pytest.mark.guest
SECONDS = 600.0

PROGRAMS = {
    "passes": "true",
    "fails": "echo seen 1; false",
    "skips": "echo no swap; (exit 4)",
    "tests": 'printf "TAP version 13\\n1..3\\nok 1 a\\nnot ok 2 - b\\nok 3 c # SKIP no disk\\n"; (exit 1)',
    "dies": 'printf "1..3\\nok 1 a\\nnot ok 2 sec"; kill -SEGV $BASHPID',
    "floods": "yes ok",
    "reboots": 'printf "1..2\\nok 1 a\\n"; busybox reboot -f',
    "panics": "echo c >/proc/sysrq-trigger",
    "repeats": "echo 1..2; for one in $(seq 1000); do echo ok 1 a; done; echo ok 2 b",
    "promises": 'printf "1..5\\nok 1 a\\nok 2 b\\n"',
    "clears": 'printf "1..1\\n\\033c\\033]0;title\\007\\033[2Jok 1 ]]>\\377</testcase>\\033[0m\\n"',
    "colors": 'printf "1..1\\n\\033[31mok 1 \\001red\\033[0m <&\\302\\n"',
    "boots": "grep -q harness.parameter=1 /proc/cmdline",
    "logs": "for line in 'KTAP version 1' 1..1 '    # Subtest: logs' '    1..2' '    ok 1 a' "
    "'    # b: EXPECTATION FAILED at b.c:1' '    Expected 1 == 2' '    not ok 2 b' 'not ok 1 logs'; "
    'do echo "$line" >/dev/kmsg; done; dmesg',
    "early": "true",
    "warns": "echo 'WARNING: CPU: 0 PID: 1 at a.c:1 expected_warning+0x1/0x2' >/dev/kmsg",
}
EARLY = """#!/usr/bin/busybox sh
busybox mount -t devtmpfs devtmpfs /dev
for line in 'KTAP version 1' 1..1 '    # Subtest: early' '    1..2' '    ok 1 a'; do echo "$line" >/dev/kmsg; done
"""
"""An init that ends, so that the kernel panics, in the middle of a report."""
MORE = {
    "early": 'kunit = "early"\nappend = ["rdinit=/early"]\n',
    "floods": "seconds = 2\n",
    "boots": 'append = ["harness.parameter=1"]\n',
    "logs": 'kunit = "logs"\n',
    "warns": 'splats = ["expected_warning"]\n',
}
OUTCOMES = {
    "passes": Outcome.MATCH,
    "fails": Outcome.MISMATCH,
    "skips": Outcome.SKIPPED,
    "tests::a": Outcome.MATCH,
    "tests::b": Outcome.MISMATCH,
    "tests::c": Outcome.SKIPPED,
    "tests": Outcome.MATCH,
    "dies::a": Outcome.MATCH,
    "dies": Outcome.MISMATCH,
    "floods": Outcome.TIMEOUT,
    "reboots::a": Outcome.MATCH,
    "reboots": Outcome.LOST,
    "panics": Outcome.KERNEL,
    "repeats::a": Outcome.MATCH,
    "repeats::b": Outcome.MATCH,
    "repeats": Outcome.MATCH,
    "promises::a": Outcome.MATCH,
    "promises::b": Outcome.MATCH,
    "promises": Outcome.MISMATCH,
    "clears::]]>\N{REPLACEMENT CHARACTER}</testcase>": Outcome.MATCH,
    "clears": Outcome.MATCH,
    "colors::red <&\N{REPLACEMENT CHARACTER}": Outcome.MATCH,
    "colors": Outcome.MATCH,
    "boots": Outcome.MATCH,
    "logs::a": Outcome.MATCH,
    "logs::b": Outcome.MISMATCH,
    "logs": Outcome.MATCH,
    "warns": Outcome.MATCH,
    "early::a": Outcome.MATCH,
    "early": Outcome.KERNEL,
}


def start(*words: str | Path, cwd: Path) -> process.Completed:
    """Run the harness in a folder outside of the checkout."""
    return process.run(
        harness(*words, "--results", "results"),
        deadline=Deadline.after(SECONDS),
        check=False,
        within=process.Surroundings(env=environment(), cwd=cwd),
    )


def write_suite(folder: Path, programs: dict[str, str], *, more: str = "") -> None:
    """Write a suite of programs."""
    folder.mkdir()
    (folder / "suite.toml").write_text(f'format = 1\nname = "{folder.name}"\ntitle = "programs"\n{more}')
    for name, command in programs.items():
        (folder / f"{name}.program").write_text(f"command = '''{command}'''\n{MORE.get(name, '')}")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a suite of programs that was run."""
    desk = tmp_path_factory.mktemp("desk")
    write_suite(desk / "ends", PROGRAMS, more='[[guest.file]]\npath = "/early"\nsource = "early.sh"\nmode = 0o755\n')
    (desk / "ends/early.sh").write_text(EARLY)
    done = start("run", "deb", "--suite", "ends", "-n", "2", cwd=desk)
    assert done.status == ExitStatus.DIFFERS, done.text + done.complaint
    return desk


@pytest.fixture(scope="module")
def cases(desk: Path) -> dict[str, CaseRecord]:
    """Return the cases of the run by their names in the suite."""
    return {case.id.removeprefix("ends/"): case for case in load_run(desk / "results/latest").cases}


def test_each_end_of_a_program_has_its_outcome(cases: dict[str, CaseRecord]) -> None:
    """A program may flood, reboot or panic; the tests that it reported before that are kept."""
    assert {name: case.outcome for name, case in cases.items()} == OUTCOMES


def test_reason_names_what_happened(cases: dict[str, CaseRecord]) -> None:
    """Each reason is of the program, not of the shell that ran it."""
    assert cases["fails"].reason == "program: ended with status 1: seen 1"
    assert cases["skips"].reason == "no swap"
    assert cases["tests::c"].reason == "no disk"
    assert "ends within a line: 'not ok 2 sec'" in cases["dies"].reason
    assert "was killed by SIGSEGV" in cases["dies"].reason
    assert "sysrq triggered crash" in cases["panics"].reason
    assert "the guest rebooted or switched itself off" in cases["reboots"].reason
    assert "promises 5 results, and 2 came" in cases["promises"].reason
    assert cases["logs::b"].reason == "EXPECTATION FAILED at b.c:1: Expected 1 == 2"


def test_program_with_a_parameter_has_a_boot_of_its_own(cases: dict[str, CaseRecord]) -> None:
    """All others are clones; a splat that is expected is in the title."""
    assert {name for name, case in cases.items() if case.machine == "boot"} == {"boots", "early::a"}
    assert "Attempted to kill init" in cases["early"].diff
    assert "expected" in cases["warns"].title


def test_reports_have_the_tests_of_programs(desk: Path, cases: dict[str, CaseRecord]) -> None:
    """JUnit is valid XML with each test in the class of its program, and the page has all of them."""
    suite = ET.parse(desk / "results/latest/junit.xml").getroot()
    names = {(case.get("classname"), case.get("name")) for case in suite.iter("testcase")}
    page = start("report", "--format", "html", "--output", "page.html", cwd=desk)

    assert len(names) == len(cases)
    assert {("ends.tests", "ends/tests::b"), ("ends", "ends/tests"), ("ends.dies", "ends/dies::a")} <= names
    assert page.status == ExitStatus.AS_EXPECTED, page.complaint
    assert "ends/tests::b" in (desk / "page.html").read_text()


def test_rerun_of_one_test_runs_its_program(desk: Path) -> None:
    """Names of tests are known from an earlier run; two runs on one kernel do not differ."""
    done = start("run", "deb", "--suite", "ends", "-k", "tests::b", cwd=desk)
    told = start("diff", "last~1", "last", "--json", cwd=desk)

    assert [case.id for case in load_run(desk / "results/latest").cases] == [
        *("ends/tests::a", "ends/tests::b", "ends/tests::c", "ends/tests"),
    ]
    assert done.status == ExitStatus.DIFFERS
    assert {one["change"] for one in json.loads(told.text)["cases"]} <= {"not run"}


@pytest.mark.slow("harness/run", "harness/tap", "harness/results", "tests/system/test_programs.py")
def test_failure_without_a_comparison_is_unjudged(tmp_path: Path) -> None:
    """A test of others that fails is repeated on fresh machines, and fails the run only if a base does not fail."""
    report = 'printf "1..2\\nok 1 good\\nnot ok 2 bad\\n"'
    write_suite(tmp_path / "theirs", {"program": report}, more="compared = true\n")
    first = start("run", "deb", "--suite", "theirs", cwd=tmp_path)
    run = load_run(tmp_path / "results/latest")
    against = start("run", "deb", "--suite", "theirs", "--baseline", "last", cwd=tmp_path)
    judged = load_run(tmp_path / "results/latest")
    (bad,), (again,) = ([case for case in one.cases if case.id.endswith("::bad")] for one in (run, judged))

    assert first.status == against.status == ExitStatus.AS_EXPECTED, first.text + against.text
    assert "1 unjudged" in first.text
    assert (bad.outcome, bad.times_failed, bad.times_asked) == (Outcome.MISMATCH, 4, 4)
    assert bad.unjudged == "failed 4 of 4, with no run to compare with: not ok"
    assert again.excused.startswith("failed in the baseline as well")
    assert again.unjudged == ""
    assert {case.id: case.outcome for case in run.cases}["theirs/program"] is Outcome.MATCH


@pytest.mark.slow("harness/run", "harness/tap", "harness/guest", "tests/system/test_programs.py")
def test_greedy_programs_end_with_their_machines(tmp_path: Path) -> None:
    """One that forks for ever hangs, one that eats all memory is killed by the kernel; the next case sees neither."""
    programs = {
        "eats": 'printf "1..2\\nok 1 a\\n"; tail /dev/zero',
        "forks": "f() { f | f & }; f; sleep 1000",
        "then": "[ $(ps | wc -l) -lt 200 ]",
    }
    write_suite(tmp_path / "greedy", programs)
    with (tmp_path / "greedy/forks.program").open("a") as file:
        file.write("seconds = 3\n")
    start("run", "deb", "--suite", "greedy", "-n", "1", cwd=tmp_path)
    cases = {case.id.removeprefix("greedy/"): case for case in load_run(tmp_path / "results/latest").cases}

    assert {name: case.outcome for name, case in cases.items()} == {
        "eats::a": Outcome.MATCH,
        "eats": Outcome.MISMATCH,
        "forks": Outcome.TIMEOUT,
        "then": Outcome.MATCH,
    }
    assert "was killed by SIGKILL" in cases["eats"].reason
    assert "the kernel answers" in cases["forks"].reason.replace("shell and the kernel answer", "kernel answers")


LTP_TESTS = {
    "good01": "echo good01.c:1: TPASS: one; echo good01.c:2: TPASS: two; echo good01.c:3: TCONF: no swap",
    "fail01": "echo fail01.c:1: TPASS: one; echo 'fail01.c:2: TFAIL: open() failed: ENOENT (2)'; exit 1",
    "break01": "echo 'break01 1 TBROK  :  setup failed'; exit 2",
    "conf01": "echo conf01.c:7: TCONF: needs a kernel with CONFIG_X; exit 32",
    "dies01": "echo dies01.c:1: TPASS: one; kill -SEGV $$",
    "env01": '[ -n "$LTP_TIMEOUT_MUL" ] && [ $LTPROOT = /opt/ltp ] && helper_01 && echo env01 1 TPASS: $1 $(pwd)',
}
LTP_OUTCOMES = {
    "good01": (Outcome.MATCH, "", "2 passed, 1 not configured"),
    "fail01": (
        Outcome.MISMATCH,
        "program: TFAIL: open() failed: ENOENT (2)",
        "",
    ),
    "break01": (Outcome.MISMATCH, "program: TBROK: setup failed", ""),
    "conf01": (Outcome.SKIPPED, "needs a kernel with CONFIG_X", ""),
    "dies01": (Outcome.MISMATCH, "program: was killed by SIGSEGV", ""),
    "env_x": (Outcome.MATCH, "", "1 passed"),
    "gone01": (Outcome.SKIPPED, "the tree has no program gone01: it is not built", ""),
}


@pytest.mark.slow("harness/run", "harness/tap", "qemu/ltp.sh", "tests/system/test_programs.py")
def test_tree_of_ltp(tmp_path: Path) -> None:
    """Results are those that its programs print and return; failures are unjudged without a comparison."""
    bin_folder = tmp_path / "ltp/testcases/bin"
    bin_folder.mkdir(parents=True)
    for name, text in {**LTP_TESTS, "helper_01": "true"}.items():
        (bin_folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (bin_folder / name).chmod(0o755)
    shutil.copyfile("/bin/true", bin_folder / "true01")
    (bin_folder / "true01").chmod(0o755)
    (tmp_path / "ltp/runtest").mkdir()
    lines = [f"{name} {name}" for name in LTP_TESTS if name != "env01"]
    (tmp_path / "ltp/runtest/mine").write_text("\n".join(["# x", *lines, "env_x env01 'a b'", "gone01 gone01", ""]))
    done = start("run", "deb", "--suite", f"ltp:{tmp_path}/ltp:mine", cwd=tmp_path)
    cases = {case.id.removeprefix("ltp/mine/"): case for case in load_run(tmp_path / "results/latest").cases}

    assert done.status == ExitStatus.AS_EXPECTED, done.text + done.complaint
    assert {name: case.outcome for name, case in cases.items()} == {name: one[0] for name, one in LTP_OUTCOMES.items()}
    for name, (outcome, reason, title) in LTP_OUTCOMES.items():
        assert reason in (cases[name].unjudged if outcome is Outcome.MISMATCH else cases[name].reason)
        assert not title or cases[name].title == title
    assert "TPASS: a b /opt/ltp/testcases/bin" in cases["env_x"].transcript


def test_script_of_a_user(tmp_path: Path) -> None:
    """One command runs it; its case is found by its name."""
    (tmp_path / "repro.sh").write_text("#!/bin/sh\n[ -e /proc/self/ns/pid ] || exit 1\nexec sleep 0.1\n")
    done = start("run", "deb", "--suite", "script:repro.sh", cwd=tmp_path)

    assert done.status == ExitStatus.AS_EXPECTED, done.text + done.complaint
    assert [case.id for case in load_run(tmp_path / "results/latest").cases] == ["script/repro.sh"]
