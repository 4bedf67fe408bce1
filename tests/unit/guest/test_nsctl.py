# SPDX-License-Identifier: GPL-2.0-only
"""nsctl, compiled and run on this host: its grammar, its lines, its exit status, and what needs no guest."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from tests.privileges import without

SOURCE = Path(__file__).parents[3] / "qemu" / "nsctl.c"
OWN_NAMESPACE = Path("/proc/self/ns/cgroup")
CFLAGS = ("-static", "-O2", "-s", "-Wall", "-Wextra", "-Werror", f"-I{SOURCE.parent}")


@pytest.fixture(scope="module")
def nsctl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, as the guest image compiles it."""
    made = tmp_path_factory.mktemp("nsctl") / "nsctl"
    process.run(["cc", *CFLAGS, "-o", made, SOURCE], deadline=Deadline.after(60))
    return made


def run(nsctl: Path, line: str, *more: str, cwd: Path | None = None) -> process.Completed:
    """nsctl with the words of a line, and with more words that a line cannot hold."""
    return process.run(
        [nsctl, *line.split(), *more], deadline=Deadline.after(120), check=False, within=process.Surroundings(cwd=cwd)
    )


def lines_of(nsctl: Path, line: str, *more: str, cwd: Path | None = None) -> list[str]:
    """What it prints, line by line."""
    return run(nsctl, line, *more, cwd=cwd).text.splitlines()


def needs_cgroup_namespace(nsctl: Path) -> None:
    """Skip, with the kernel's own answer, where a cgroup namespace cannot be made."""
    said = run(nsctl, "unshare cgroup")
    if said.status != 0:
        pytest.skip(f"this host does not allow it: {said.text.strip()}")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("", "missing action"),
        ("frobnicate", "unknown action 'frobnicate'"),
        ("unshare", "missing argument of 'unshare'"),
        ("unshare bogus", "invalid argument 'bogus'"),
        ("unshare cgroup mnt", "unexpected argument 'mnt'"),
        ("tid then", "missing action"),
        ("then tid", "missing action before 'then'"),
        ("thread { tid", "missing '}'"),
        ("tid }", "unexpected argument '}'"),
        ("thread tid", "missing block of 'thread'"),
        ("clone vm", "invalid argument 'vm'"),
        ("clone3 thread { tid }", "invalid argument 'thread'"),
        ("open f/g /dev/null", "invalid argument 'f/g'"),
        ("open f /dev/null x", "invalid argument 'x'"),
        ("close f", "invalid argument 'f'"),
        ("byhandle d / 254", "invalid argument '254'"),
        ("byhandle d / 254:x", "invalid argument '254:x'"),
        ("byhandle d / 254:1 x", "invalid argument 'x'"),
        ("byhandle d / 254:0x", "invalid argument '254:0x'"),
        ("byhandle d / 254:0x11223344556677889", "invalid argument '254:0x11223344556677889'"),
        ("byhandle d / 254:0x00112233445566zz", "invalid argument '254:0x00112233445566zz'"),
        ("leave now", "unexpected argument 'now'"),
        ("ioctl /proc/self/ns/pid number", "invalid argument 'number'"),
        ("listns", "missing argument of 'listns'"),
        ("listns bogus", "invalid argument 'bogus'"),
        ("fsopen f/g tmpfs", "invalid argument 'f/g'"),
        ("fsopen f", "missing argument of 'fsopen'"),
        ("fsconfig f size 1", "invalid argument 'f'"),
        ("create f", "invalid argument 'f'"),
        ("fsmount m f", "invalid argument 'f'"),
        ("opentree t / copy", "invalid argument 'copy'"),
        ("movemount t /mnt", "invalid argument 't'"),
        ("statmount", "missing argument of 'statmount'"),
        ("listmount", "missing argument of 'listmount'"),
        ("getfd f p 0", "invalid argument 'p'"),
        ("events w", "invalid argument 'w'"),
        ("ptrace somebody", "invalid argument 'somebody'"),
        ("cgroup of somebody", "invalid argument 'somebody'"),
        ("cgroup in", "missing argument of 'cgroup'"),
        ("user root", "invalid argument 'root'"),
        ("exec", "missing program of 'exec'"),
        ("tid then exec", "missing program of 'exec'"),
        ("session /dev/null", "missing program of 'session'"),
    ],
)
def test_usage_error_runs_no_action(nsctl: Path, line: str, complaint: str) -> None:
    """The exit status is 64, the error names the argument with the usage, and no action is done."""
    said = run(nsctl, line)

    assert said.status == 64
    assert said.stdout == b""
    assert complaint in said.stderr.decode()
    assert "usage: " in said.stderr.decode()


def test_then_stops_at_a_failure_and_also_continues(nsctl: Path) -> None:
    """A chain of 'then' ends where one fails; 'also' continues; the exit status shows that an action failed."""
    said = run(nsctl, "setns /nonexistent then ns pid also ns uts then ns nonsense")
    lines = said.text.splitlines()

    assert lines[0] == "open(/nonexistent, O_RDONLY) = -1 ENOENT"
    assert re.fullmatch(r"ns\(uts\) = uts:\[\d+\]", lines[1])
    assert lines[2:] == ["ns(nonsense) = -1 ENOENT"]
    assert said.status == 1


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        ("0", "0"),
        ("fs", "CLONE_FS"),
        ("files,fs", "CLONE_FS|CLONE_FILES"),
        ("CLONE_FILES|CLONE_FS", "CLONE_FS|CLONE_FILES"),
        ("0x600", "CLONE_FS|CLONE_FILES"),
    ],
)
def test_flags_are_names_or_numbers(nsctl: Path, flags: str, shown: str) -> None:
    """Short names, the kernel's names and numbers are equivalent and give the same line."""
    assert lines_of(nsctl, f"unshare {flags}") == [f"unshare({shown}) = 0"]


def test_unknown_flag_is_passed_to_the_kernel(nsctl: Path) -> None:
    """An unknown high bit is passed on and shown as a number; the kernel refuses it."""
    said = run(nsctl, "unshare 0x1000000000000000")

    assert said.text == "unshare(0x1000000000000000) = -1 EINVAL\n"
    assert said.status == 1


def test_setns_with_another_file_fails(nsctl: Path) -> None:
    """A file that is not a namespace gives EINVAL, and the line has the type."""
    assert lines_of(nsctl, "setns /dev/null cgroup") == ["setns(/dev/null, CLONE_NEWCGROUP) = -1 EINVAL"]


def test_descriptors_have_names(nsctl: Path, tmp_path: Path) -> None:
    """A descriptor keeps its name between actions; the content that is read is shown on one line."""
    (tmp_path / "f").write_text('a "b"\n\tc\\\x01')
    lines = lines_of(
        nsctl, "open d . dir then open f @d/f rw then read @f then write @f X then close @f then read @f", cwd=tmp_path
    )

    assert lines == [
        "open(., O_RDONLY|O_DIRECTORY) = @d",
        "open(@d/f, O_RDWR) = @f",
        'read(@f) = "a \\"b\\"\\n\\tc\\\\\\001"',
        'write(@f, "X") = 1',
        "close(@f) = 0",
        "open(@f, O_RDONLY) = -1 EBADF",
    ]
    assert (tmp_path / "f").read_text().endswith("\x01X")


def test_write_writes_exactly_the_text(nsctl: Path, tmp_path: Path) -> None:
    """The text is written with one write and no newline; a missing file is not created."""
    (tmp_path / "f").touch()
    lines = lines_of(nsctl, "write f", "a b", "also", "write", "g", "x", cwd=tmp_path)

    assert lines == ['write(f, "a b") = 3', "open(g, O_WRONLY) = -1 ENOENT"]
    assert (tmp_path / "f").read_text() == "a b"
    assert not (tmp_path / "g").exists()


def test_inherited_descriptor_is_used_by_number(nsctl: Path, tmp_path: Path) -> None:
    """@7 is the open file that the shell passed on, not a new opening of the same path."""
    said = process.run(
        ["sh", "-c", f"exec 7>f; echo one >&7; {nsctl} write @7 two"],
        deadline=Deadline.after(120),
        within=process.Surroundings(cwd=tmp_path),
    )

    assert said.text == 'write(@7, "two") = 3\n'
    assert (tmp_path / "f").read_text() == "one\ntwo"


def test_clone_runs_a_block_or_the_rest(nsctl: Path) -> None:
    """Lines come in order; only one process does the rest, and the exit status is that of the child."""
    said = run(nsctl, "clone 0 { pid } then pid then clone3 0 then pid then exec sh -c", "exit 7")
    numbers = [line.split(" = ") for line in said.text.splitlines()]

    assert [call for call, _ in numbers] == ["clone(0)", "getpid()", "getpid()", "clone3(0)", "getpid()"]
    assert numbers[0][1] == numbers[1][1]
    assert numbers[3][1] == numbers[4][1]
    assert len({value for _, value in numbers}) == 3
    assert said.status == 7


def test_clone_with_a_failed_child_is_a_failed_action(nsctl: Path) -> None:
    """A failed block stops 'then'; after a clone without a block the parent does nothing more, not even 'also'."""
    block = run(nsctl, "clone 0 { ns nonsense } then tid")
    rest = run(nsctl, "clone 0 then ns nonsense also tid")

    assert block.text.splitlines()[1:] == ["ns(nonsense) = -1 ENOENT"]
    assert block.status == 1
    assert [line.split(" = ")[0] for line in rest.text.splitlines()] == ["clone(0)", "ns(nonsense)", "gettid()"]
    assert rest.status == 1


def test_clone_of_a_killed_child_gives_128_and_the_signal(nsctl: Path) -> None:
    """The exit status is that of a shell."""
    assert run(nsctl, "clone 0 then exec sh -c", "kill -9 $$").status == 128 + 9


@pytest.mark.parametrize(("program", "status", "error"), [("/nonexistent", 127, "ENOENT"), ("/etc", 126, "EACCES")])
def test_exec_of_a_bad_program_gives_126_or_127(nsctl: Path, program: str, status: int, error: str) -> None:
    """The exit status is that of a shell; the line has the reason."""
    said = run(nsctl, f"exec {program}")

    assert said.text == f"exec({program}) = -1 {error}\n"
    assert said.status == status


def test_exec_takes_all_arguments_up_to_the_brace(nsctl: Path) -> None:
    """The arguments 'then' and 'also' belong to the program; the end of the block does not."""
    assert lines_of(nsctl, "exec echo a then b") == ["a then b"]
    assert lines_of(nsctl, "clone 0 { exec echo a then b } then clone 0 { exec echo c }")[1::2] == ["a then b", "c"]


def test_thread_has_its_own_id_and_stays(nsctl: Path) -> None:
    """The block runs in another thread of the same process, which can still be looked at afterwards."""
    lines = lines_of(nsctl, "thread { tid then pid } then tid then pid then cgroup of thread in v2")
    values = dict(line.split(" = ") for line in lines[:3])

    assert values["thread()"] == values["gettid()"]
    assert values["getpid()"] != values["gettid()"]
    assert lines[3:5] == [f"gettid() = {values['getpid()']}", f"getpid() = {values['getpid()']}"]
    assert not lines[5].endswith("ENOENT")


def test_leave_continues_in_another_thread(nsctl: Path) -> None:
    """After leave another thread does the rest, the first thread is a zombie, and the status is that of the rest."""
    said = run(nsctl, "pid then leave then pid then tid then ns ipc of main then tid also ns uts")
    lines = said.text.splitlines()

    assert lines[0] == lines[2]
    assert lines[1] == "leave() = 0"
    assert re.fullmatch(r"gettid\(\) = \d+", lines[3])
    assert lines[3].rpartition(" ")[2] != lines[2].rpartition(" ")[2]
    assert lines[4] == "ns(ipc, main) = -1 ENOENT"
    assert re.fullmatch(r"ns\(uts\) = uts:\[\d+\]", lines[5])
    assert said.status == 1


def test_leave_is_refused_in_other_threads(nsctl: Path) -> None:
    """Only the first thread leaves, also in a child, whose status is that of its rest."""
    assert "leave() = -1 EPERM" in lines_of(nsctl, "thread { leave }")
    assert run(nsctl, "clone 0 { leave then pid }").status == 0
    assert run(nsctl, "clone 0 { leave then ns nonsense }").status == 1


def test_unshare_changes_only_the_calling_thread(nsctl: Path) -> None:
    """Namespaces belong to threads: CLONE_FS aside, this is what thread-wise cases rely on."""
    needs_cgroup_namespace(nsctl)
    lines = lines_of(nsctl, "thread { unshare cgroup then ns cgroup } then ns cgroup of thread then ns cgroup of main")
    links = [line.split(" = ")[1] for line in lines[2:]]

    assert lines[1] == "unshare(CLONE_NEWCGROUP) = 0"
    assert links[0] == links[1]
    assert links[2] == str(OWN_NAMESPACE.readlink())
    assert links[0] != links[2]


def test_setns_by_descriptor_returns(nsctl: Path) -> None:
    """A namespace file opened before unshare leads back to it."""
    needs_cgroup_namespace(nsctl)
    lines = lines_of(nsctl, "open old /proc/self/ns/cgroup then unshare cgroup then setns @old cgroup then ns cgroup")

    assert lines[2:] == ["setns(@old, CLONE_NEWCGROUP) = 0", f"ns(cgroup) = {OWN_NAMESPACE.readlink()}"]


def test_clone3_into_another_directory_fails(nsctl: Path, tmp_path: Path) -> None:
    """The flag and the directory are passed: the kernel refuses an ordinary directory with EBADF."""
    said = run(nsctl, "clone3 0 into . { tid }", cwd=tmp_path)
    if "ENOSYS" in said.text or "E2BIG" in said.text:
        pytest.skip(f"this host's kernel is too old: {said.text.strip()}")

    assert said.text == "clone3(CLONE_INTO_CGROUP, .) = -1 EBADF\n"


def test_ioctl_shows_type_owner_and_parent(nsctl: Path) -> None:
    """The type is shown by its name, the owner as a namespace, and a parent that does not exist as an error."""
    lines = lines_of(
        nsctl,
        "ioctl /proc/self/ns/cgroup nstype then ioctl /proc/self/ns/cgroup parent also "
        "ioctl /proc/self/ns/cgroup userns u also read /dev/null",
    )

    assert lines[0] == "ioctl(/proc/self/ns/cgroup, NS_GET_NSTYPE) = CLONE_NEWCGROUP"
    assert lines[1] == "ioctl(/proc/self/ns/cgroup, NS_GET_PARENT) = -1 EINVAL"
    assert lines[2] in (
        "ioctl(/proc/self/ns/cgroup, NS_GET_USERNS) = @u",
        "ioctl(/proc/self/ns/cgroup, NS_GET_USERNS) = -1 EPERM",
    )


@pytest.mark.parametrize(
    ("line", "pattern"),
    [
        ("ioctl /proc/self/ns/uts id", r"ioctl\(/proc/self/ns/uts, NS_GET_ID\) = (\d+|-1 ENOTTY)"),
        ("ioctl /dev/null id", r"ioctl\(/dev/null, NS_GET_ID\) = -1 ENOTTY"),
        ("ioctl /dev/null cgroupns", r"ioctl\(/dev/null, PIDFD_GET_CGROUP_NAMESPACE\) = -1 ENOTTY"),
        ("listns uts", r"listns\(CLONE_NEWUTS\) = ([\d ]+|-1 \w+)"),
        ("statmount /proc", r"statmount\(/proc\) = (proc, root /|-1 \w+)"),
        ("statmount @9", r"statmount\(@9\) = -1 \w+|open\(@9, O_PATH\) = -1 EBADF"),
        ("listmount proc", r"listmount\(proc\) = (/.* on /.*|-1 \w+)"),
        ("fsopen f nonsense", r"fsopen\(nonsense\) = -1 (ENODEV|EPERM|ENOSYS)"),
        ("fsconfig @f size 1", r"fsconfig\(@f, size, 1\) = -1 EBADF"),
        ("fsconfig @f ro", r"fsconfig\(@f, ro\) = -1 EBADF"),
        ("create @f", r"fsconfig\(@f, FSCONFIG_CMD_CREATE\) = -1 EBADF"),
        ("fsmount m @f", r"fsmount\(@f\) = -1 EBADF"),
        ("opentree t /nonexistent", r"open\(/nonexistent, O_PATH\) = -1 ENOENT"),
        ("movemount @t /mnt", r"move_mount\(@t, /mnt\) = -1 EBADF"),
    ],
)
def test_new_calls_print_one_line(nsctl: Path, line: str, pattern: str) -> None:
    """Calls that a kernel may be too old for: the line has the call's name and arguments, and the result or error."""
    (shown,) = lines_of(nsctl, line)

    assert re.fullmatch(pattern, shown), shown


def test_new_mount_calls_mount_a_filesystem(nsctl: Path, tmp_path: Path) -> None:
    """fsopen, fsconfig, create, fsmount and movemount mount it; opentree clones a mount."""
    (tmp_path / "m").mkdir()
    actions = [
        "unshare mnt",
        f"mount none {tmp_path} tmpfs",
        f"mount none {tmp_path} none private",
        "fsopen f tmpfs",
        "fsconfig @f mode 0701",
        "create @f",
        "fsmount m @f",
        f"movemount @m {tmp_path}",
        f"opentree t {tmp_path} clone",
        f"read {tmp_path}",
    ]
    lines = lines_of(nsctl, " then ".join(actions))
    if lines[0].endswith("EPERM"):
        pytest.skip("needs CAP_SYS_ADMIN")

    assert lines[3:] == [
        "fsopen(tmpfs) = @f",
        "fsconfig(@f, mode, 0701) = 0",
        "fsconfig(@f, FSCONFIG_CMD_CREATE) = 0",
        "fsmount(@f) = @m",
        f"move_mount(@m, {tmp_path}) = 0",
        f"open_tree({tmp_path}, OPEN_TREE_CLONE) = @t",
        f"read({tmp_path}) = -1 EISDIR",
    ]


def test_cgroup_shows_the_path_of_a_controller(nsctl: Path) -> None:
    """The path of one hierarchy is the one in /proc; a controller that no hierarchy has gives none."""
    wanted = next((line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines()), None)
    if wanted is None:
        pytest.skip("this process is in no cgroup hierarchy")
    name = wanted[0].split(",")[0] or "v2"
    lines = lines_of(nsctl, f"cgroup in {name} then cgroup of main in nonsense")

    assert lines == [f"cgroup({name}) = {wanted[1]}", "cgroup(nonsense, main) = none"]


def test_cgroup_shows_all_lines_unchanged(nsctl: Path) -> None:
    """Without a controller the lines of the file are shown unchanged."""
    assert run(nsctl, "cgroup").text == Path("/proc/self/cgroup").read_text()


def test_zombie_stays_until_the_end(nsctl: Path, tmp_path: Path) -> None:
    """The zombie exists, in state Z, for every process that has its pid."""
    os.mkfifo(tmp_path / "p")
    with process.start([nsctl, "zombie", "p", "then", "wait", "go"], within=process.Surroundings(cwd=tmp_path)):
        status = Path("/proc", (tmp_path / "p").read_text().strip(), "status").read_text()

    assert re.search(r"State:\s+Z", status)


def both(nsctl: Path, first: str, second: Sequence[str], cwd: Path) -> tuple[str, str]:
    """What two programs print, the first started before the second and ended after it."""
    with process.start([nsctl, *first.split()], stdout=subprocess.PIPE, within=process.Surroundings(cwd=cwd)) as child:
        said = process.run(second, deadline=Deadline.after(120), check=False, within=process.Surroundings(cwd=cwd)).text
        rest, _ = child.communicate(timeout=20)
    return rest.decode(), said


def test_handle_and_byhandle_open_a_file(nsctl: Path, tmp_path: Path) -> None:
    """The handle is shown in the form that is typed; an error names the call."""
    said = lines_of(nsctl, "handle . also handle nothing also byhandle d nothing 254:1", cwd=tmp_path)
    refused = run(nsctl, "byhandle d /dev/null 254:1 dir").text

    assert re.fullmatch(r"name_to_handle_at\(\.\) = (\d+:(\d+|0x[0-9a-f]+)|-1 EOPNOTSUPP)", said[0])
    assert said[1:] == ["open(nothing, O_PATH) = -1 ENOENT", "open(nothing, O_RDONLY) = -1 ENOENT"]
    assert re.fullmatch(r"open_by_handle_at\(/dev/null, 254:1, O_RDONLY\|O_DIRECTORY\) = -1 E[A-Z]+\n", refused)


def test_byhandle_takes_bytes_as_handle_prints_them(nsctl: Path, tmp_path: Path) -> None:
    """byhandle opens what handle printed, also if the handle is not a number of eight bytes."""
    (tmp_path / "f").write_text("x")
    (shown,) = lines_of(nsctl, "handle f", cwd=tmp_path)
    handle = shown.rpartition(" = ")[2]
    if ":" not in handle:
        pytest.skip(f"the filesystem here has no handles: {shown}")
    kind, _, number = handle.partition(":")
    content = bytes.fromhex(number.removeprefix("0x")) if "0x" in number else int(number).to_bytes(8, "little")
    opened = lines_of(nsctl, f"byhandle f . {kind}:0x{content.hex()} then read @f", cwd=tmp_path)

    if "EPERM" in opened[0]:
        pytest.skip("needs CAP_DAC_READ_SEARCH")
    assert opened == [f"open_by_handle_at(., {kind}:0x{content.hex()}, O_RDONLY) = @f", 'read(@f) = "x"']


def test_inotify_shows_changes_in_order(nsctl: Path, tmp_path: Path) -> None:
    """Created, removed and written files are shown in order, with names."""
    (tmp_path / "d").mkdir()
    (tmp_path / "f").touch()
    watches = "open d . dir then inotify w @d/d then inotify v f"
    changes = "clone 0 { exec mkdir d/x } then clone 0 { exec rmdir d/x } then write f y"
    said = lines_of(nsctl, f"{watches} then {changes} then events @w then events @v", cwd=tmp_path)

    assert said[1:3] == ["inotify(@d/d) = @w", "inotify(f) = @v"]
    assert said[-2:] == ["events(@w) = IN_CREATE|IN_ISDIR x, IN_DELETE|IN_ISDIR x", "events(@v) = IN_MODIFY"]


def test_ptrace_and_getfd_use_a_child(nsctl: Path, tmp_path: Path) -> None:
    """A child can be traced and continues; its descriptors can be copied by number."""
    (tmp_path / "f").write_text("content")
    with process.start(
        ["sh", "-c", "exec 5<f; mkfifo go; read x <go"], within=process.Surroundings(cwd=tmp_path)
    ) as child:
        process.run(
            ["sh", "-c", "until [ -p go ]; do :; done"],
            deadline=Deadline.after(120),
            within=process.Surroundings(cwd=tmp_path),
        )
        words = f"pidfd p {child.pid} then getfd g @p 5 then read @g then ptrace {child.pid}"
        said = lines_of(nsctl, f"{words} then getfd g @p 77")
        (tmp_path / "go").write_text("\n")
        ended = child.wait(timeout=20)

    if said[-1].endswith("EPERM"):
        pytest.skip(f"this host does not allow it: {said[-1]}")
    assert said[1:3] == ["pidfd_getfd(@p, 5) = @g", 'read(@g) = "content"']
    assert said[3:] == [f"ptrace(PTRACE_ATTACH, {child.pid}) = 0", "pidfd_getfd(@p, 77) = -1 EBADF"]
    assert ended == 0


def test_ptrace_of_a_missing_process_fails(nsctl: Path) -> None:
    """A number that no process has is ESRCH, a failed action."""
    said = run(nsctl, "ptrace 4194304 also ptrace 4194304")

    assert said.text == "ptrace(PTRACE_ATTACH, 4194304) = -1 ESRCH\n" * 2
    assert said.status == 1


@pytest.mark.parametrize("how", ["nsctl", "shell"])
def test_wait_returns_at_the_signal(nsctl: Path, tmp_path: Path, how: str) -> None:
    """The signal comes from another nsctl or from a shell's redirection; the file is removed."""
    signaller = (
        [str(nsctl), "signal", "go"] if how == "nsctl" else ["sh", "-c", "until [ -p go ]; do :; done; echo >go"]
    )
    waited, said = both(nsctl, "wait go then tid", signaller, tmp_path)

    assert waited.splitlines()[0] == "wait(go) = 0"
    assert said == ("signal(go) = 0\n" if how == "nsctl" else "")
    assert not (tmp_path / "go").exists()


def test_signal_may_precede_the_wait(nsctl: Path, tmp_path: Path) -> None:
    """A shell that writes first leaves an ordinary file, which counts."""
    (tmp_path / "go").write_text("\n")

    assert lines_of(nsctl, "wait go", cwd=tmp_path) == ["wait(go) = 0"]
    assert not (tmp_path / "go").exists()


@pytest.mark.parametrize("first_is_receiver", [True, False])
def test_send_and_recv_pass_a_descriptor(nsctl: Path, tmp_path: Path, first_is_receiver: bool) -> None:
    """The receiver writes through the sender's open file; a socket of a killed process is replaced."""
    (tmp_path / "f").touch()
    if first_is_receiver:
        (tmp_path / "s").touch()
    sender = "open f f w then send s @f"
    receiver = "recv s g then write @g passed"
    first, second = (receiver, sender) if first_is_receiver else (sender, receiver)
    said = "".join(both(nsctl, first, [str(nsctl), *second.split()], tmp_path))

    assert "send(s, @f) = 0\n" in said
    assert 'recv(s) = @g\nwrite(@g, "passed") = 6\n' in said
    assert (tmp_path / "f").read_text() == "passed"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_pid_is_written_to_a_fifo(nsctl: Path, tmp_path: Path) -> None:
    """A shell that reads the pid from a FIFO knows that all actions before are done."""
    os.mkfifo(tmp_path / "p")
    said, read = both(nsctl, "pid p", ["sh", "-c", "read -r pid <p; echo $pid"], tmp_path)

    assert said == f"getpid() = {read}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_user_changes_all_ids(nsctl: Path) -> None:
    """All ids change, the groups go, and the process may still write its own /proc files, uid_map above all."""
    ids = "id -u; id -g; id -G"
    lines = lines_of(nsctl, "user 9000 then write /proc/self/oom_score_adj 500 then exec sh -c", ids)

    assert lines == ["user(9000, 9000) = 0", 'write(/proc/self/oom_score_adj, "500") = 3', "9000", "9000", "9000"]


def test_user_fails_without_privileges(nsctl: Path) -> None:
    """The kernel's answer is shown."""
    words = [*without("setuid", "setgid"), str(nsctl), "user", "9000"]
    said = process.run(words, deadline=Deadline.after(120), check=False)

    assert said.text == "user(9000, 9000) = -1 EPERM\n"


def test_compilation_is_reproducible(nsctl: Path, tmp_path: Path) -> None:
    """The guest image is named by its content, so its helper has no date and no path."""
    again = tmp_path / "again"
    process.run(["cc", *CFLAGS, "-o", again, SOURCE], deadline=Deadline.after(60))

    assert again.read_bytes() == nsctl.read_bytes()
