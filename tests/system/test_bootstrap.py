# SPDX-License-Identifier: GPL-2.0-only
"""``./bootstrap`` installs what is missing, explains what it cannot install, and repairs its environment.

The real script runs; apt-get, sudo and Python are replaced by small programs that record their arguments.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness import doctor
from harness.base import paths
from harness.base.deadline import Deadline
from harness.base.process import Completed, find_program, run
from harness.cli import COMMANDS
from tests.private_mounts import needs_mounts, with_mounts

TOOLS = ["sh", "env", "dirname", "sed", "cat", "cmp", "cp", "rm", "mkdir", "id", "basename", "cut", "cksum"]
HIDE_A_HEADER = "mount -t tmpfs tmpfs /usr/include/linux"
"""Makes the package linux-libc-dev look missing: bootstrap checks for a file in that folder."""
LINE = "apt-get update && apt-get install --yes --no-install-recommends linux-libc-dev"
ESSENTIAL = {"coreutils", "grep"}
"""Packages that every Debian installation has: "Essential: yes"."""

# Records its name and its arguments.
RECORDER = '#!/bin/sh\necho "$(basename "$0")$(printf " %s" "$@")" >>"$LOG"\n'
APT = RECORDER + 'exit "${APT_STATUS-0}"\n'
SUDO = RECORDER + 'exec "$@"\n'
OLD_PYTHON = '#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.2 && exit\nexit 1\n'
PYTHON = (
    RECORDER
    + """
here=$(dirname "$(dirname "$0")")
case "$1 ${2-}" in
'-c '*) ;;
'-V '*) echo "Python ${PYTHON_VERSION-3.11.2}" ;;
'-m venv')
	mkdir -p "$3/bin"
	cp "$0" "$3/bin/python"
	[ "${KILLED-}" != venv ] || exit 1
	: >"$3/has-pip"
	;;
'-m pip')
	[ -e "$here/has-pip" ] || { echo "No module named pip" >&2; exit 1; }
	[ ! -e "$here/half-installed" ] || { echo "half-installed packages are in the way" >&2; exit 1; }
	: >"$here/half-installed"
	[ "${KILLED-}" != pip ] || exit 1
	rm "$here/half-installed"
	cp "$PROGRAM" "$here/bin/harness"
	;;
esac
"""
)


@dataclass(frozen=True)
class Sandbox:
    """A checkout with the files that bootstrap reads, and a PATH with fake programs for all that changes the host."""

    folder: Path
    checkout: Path

    @property
    def program(self) -> Path:
        """Return the path of the program that the fake pip installs as ``harness``."""
        return self.folder / "harness"

    @property
    def read_only(self) -> list[str]:
        """Return the shell commands that make the checkout read-only, also for root."""
        return [f"mount --bind '{self.checkout}' '{self.checkout}'", f"mount -o remount,bind,ro '{self.checkout}'"]

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    def put(self, name: str, text: str) -> None:
        """Put a program on PATH."""
        (self.bin / name).unlink(missing_ok=True)
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def start(
        self,
        *arguments: str,
        mounts: Sequence[str] = (),
        as_nobody: bool = False,
        variables: Mapping[str, str] | None = None,
        **environment: str,
    ) -> Completed:
        """Run the script and return its result."""
        more = {**(variables or {}), **environment}
        facts = {"PATH": self.bin, "LOG": self.folder / "log", "PROGRAM": self.program, **more}
        command = [str(find_program("env")), "-i", *(f"{name}={value}" for name, value in facts.items())]
        command += [str(self.checkout / "bootstrap"), *arguments]
        whole = with_mounts(mounts, command, as_nobody=as_nobody) if mounts else command
        return run(whole, deadline=Deadline.after(120), check=False)

    def calls(self, program: str = "") -> list[str]:
        """Return the calls of the fake programs since the last call of this function, without version checks."""
        log = self.folder / "log"
        lines = log.read_text().splitlines()
        log.write_text("")
        recorded = [line for line in lines if line.split()[1:2] not in (["-c"], ["-V"])]
        return [line for line in recorded if line.startswith(program)]


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    made = Sandbox(tmp_path, tmp_path / "checkout")
    made.checkout.mkdir()
    for name in ("bootstrap", "pyproject.toml"):
        shutil.copy(paths.ROOT / name, made.checkout)
    made.bin.mkdir()
    for tool in TOOLS:
        (made.bin / tool).symlink_to(str(find_program(tool)))
    for name, text in {"apt-get": APT, "python3": PYTHON}.items():
        made.put(name, text)
    made.program.write_text(RECORDER)
    made.program.chmod(0o755)
    (tmp_path / "log").touch()
    return made


def text_of(done: Completed) -> str:
    return done.stderr.decode()


def test_help_prints_the_usage_and_installs_nothing(sandbox: Sandbox) -> None:
    """The usage goes to standard output, with exit status 0."""
    done = sandbox.start("--help")

    assert done.status == 0
    assert "./bootstrap run" in done.text
    assert "./bootstrap test" in done.text
    assert all(name in done.text for name in COMMANDS)
    assert not sandbox.calls()


@pytest.mark.parametrize("arguments", [(), ("rnu",), ("--no-such-option",)])
def test_an_unknown_command_is_reported_before_anything_is_installed(
    sandbox: Sandbox, arguments: tuple[str, ...]
) -> None:
    """A typo costs no minute of downloads; the exit status is that of a usage error."""
    done = sandbox.start(*arguments)

    assert done.status == 4
    assert "./bootstrap run" in text_of(done)
    assert all(argument in text_of(done) for argument in arguments)
    assert not sandbox.calls()


def test_bootstrap_starts_each_command_of_the_harness(sandbox: Sandbox) -> None:
    """Every command of the harness can be started by bootstrap."""
    statuses = {name: sandbox.start(name).status for name in COMMANDS}

    assert set(statuses.values()) == {0}


@pytest.mark.parametrize("options", ["-v", "-vv", "--verbose", "--log FILE", "--log=FILE -v"])
def test_global_options_may_precede_the_command(sandbox: Sandbox, options: str) -> None:
    """They reach the harness unchanged."""
    done = sandbox.start(*options.split(), "clean", "--remove", "all")

    assert done.status == 0
    assert sandbox.calls("harness") == [f"harness {options} clean --remove all"]


@needs_mounts
def test_semantics_installs_no_packages(sandbox: Sandbox) -> None:
    """A command that only reads files needs no QEMU; a command that boots, on the same machine, does."""
    done = sandbox.start("semantics", "scope", mounts=[HIDE_A_HEADER])
    calls = sandbox.calls()

    assert done.status == 0
    assert calls[-1] == "harness semantics scope"
    assert not [call for call in calls if call.startswith(("apt-get", "sudo"))]
    assert sandbox.start("run", mounts=[HIDE_A_HEADER]).status == 0
    assert sandbox.calls("apt-get")


def test_the_schema_of_kcidb_is_installed_for_kcidb_reports_only(sandbox: Sandbox) -> None:
    """Its dozen packages come with the first report in that format."""
    sandbox.start("report", "last", "--format", "junit")
    plain = sandbox.calls("python")
    sandbox.start("report", "last", "--format=kcidb")

    assert not [call for call in plain if "[kcidb]" in call]
    assert [call for call in sandbox.calls("python") if call.endswith(f"{sandbox.checkout}[kcidb]")]


@needs_mounts
def test_without_root_and_sudo_the_exact_command_is_printed(sandbox: Sandbox) -> None:
    """A user who may not install packages gets the command for root; nothing else is tried."""
    done = sandbox.start("run", mounts=[HIDE_A_HEADER], as_nobody=True)

    assert done.status == 3
    assert "not root, and sudo is not installed" in text_of(done)
    assert text_of(done).endswith(f"    {LINE}\n")
    assert not sandbox.calls()


@needs_mounts
def test_with_sudo_apt_is_called_through_it(sandbox: Sandbox) -> None:
    """The missing packages are printed and installed, and no others; then the command runs."""
    sandbox.put("sudo", SUDO)
    done = sandbox.start("run", "--help", mounts=[HIDE_A_HEADER], as_nobody=True)
    calls = sandbox.calls()

    assert done.status == 0
    assert f"installing: {LINE}" in text_of(done)
    assert [call.split("Timeout=300 ")[-1] for call in calls if call.startswith("sudo")] == [
        "update",
        "install --yes --no-install-recommends linux-libc-dev",
    ]
    assert calls[-1] == "harness run --help"


@needs_mounts
def test_root_calls_apt_itself(sandbox: Sandbox) -> None:
    """A container has no sudo, and root needs none."""
    done = sandbox.start("run", mounts=[HIDE_A_HEADER])

    assert done.status == 0
    assert len(sandbox.calls("apt-get")) == 2


@needs_mounts
@pytest.mark.parametrize(
    ("arguments", "is_built"),
    [
        ("run deb-src:6.1", True),
        ("build series:mountinfo-unscoped", True),
        ("run deb {tree}", True),
        ("bisect {tree} --good v6.1", True),
        ("run {tree}@v6.6+topic.mbox", True),
        ("run {tree}+topic.mbox", True),
        ("run {tree}.git", True),
        ("run deb --suite selftests:timens", True),
        ("run deb --suite=repro:a.c", True),
        ("run deb --suite script:a.sh", False),
        ("run", False),
        ("run deb bzImage", False),
        ("clean", False),
    ],
)
def test_build_tools_are_installed_for_a_kernel_from_source(sandbox: Sandbox, arguments: str, is_built: bool) -> None:
    """A kernel that was built elsewhere needs no build tools; an argument that names a source does."""
    tree = sandbox.folder / "linux"
    tree.mkdir()
    (tree / "Makefile").touch()
    bare = sandbox.folder / "linux.git"
    bare.mkdir()
    (bare / "HEAD").touch()
    done = sandbox.start(*arguments.format(tree=tree).split(), mounts=["mount -t tmpfs tmpfs /usr/include/elfutils"])

    assert done.status == 0
    assert ("apt-get" in " ".join(sandbox.calls("apt-get"))) is is_built


@needs_mounts
def test_when_apt_fails_the_command_is_printed(sandbox: Sandbox) -> None:
    """A failed installation is a problem of the host; the command can be tried by hand."""
    done = sandbox.start("run", mounts=[HIDE_A_HEADER], APT_STATUS="100")

    assert done.status == 3
    assert f"    {LINE}\n" in text_of(done)
    assert not sandbox.calls("harness")


@needs_mounts
def test_a_host_without_apt_gets_the_list_of_missing_packages(sandbox: Sandbox) -> None:
    """On another distribution, the names of Debian's packages show what to look for."""
    (sandbox.bin / "apt-get").unlink()
    done = sandbox.start("run", mounts=[HIDE_A_HEADER])

    assert done.status == 3
    assert "linux-libc-dev" in text_of(done)
    assert "apt-get not found" in text_of(done)
    assert "hint: install the contents of these packages" in text_of(done)


@needs_mounts
def test_the_package_lists_are_fetched_where_there_are_none(sandbox: Sandbox) -> None:
    """A fresh container has none, and the kernel under test is a package; a failure does not stop the run."""
    no_lists = "mount -t tmpfs tmpfs /var/lib/apt/lists"
    done = sandbox.start("run", mounts=[no_lists], APT_STATUS="100")

    assert done.status == 0
    assert "apt-get update failed; kernels in the store can still be used" in text_of(done)
    assert [call.split()[-1] for call in sandbox.calls("apt-get")] == ["update"]


def test_the_environment_is_made_once(sandbox: Sandbox) -> None:
    """The second start calls neither pip nor apt, and passes its arguments on unchanged."""
    sandbox.start("run")
    first = sandbox.calls()
    done = sandbox.start("run", "--cases", "two  words")

    assert [call.split()[2] for call in first if call.startswith("python")] == ["venv", "pip"]
    assert done.stderr == b""
    assert sandbox.calls() == ["harness run --cases two  words"]


@pytest.mark.parametrize("step", ["venv", "pip"])
def test_an_interrupted_installation_is_repeated(sandbox: Sandbox, step: str) -> None:
    """An incomplete environment is removed, whether venv or pip was interrupted."""
    failed = sandbox.start("run", KILLED=step)
    sandbox.calls()
    done = sandbox.start("run")

    assert failed.status == 3
    assert done.status == 0
    assert sandbox.calls()[-1] == "harness run"


def test_an_interrupted_change_of_extras_is_repeated(sandbox: Sandbox) -> None:
    """A complete environment is not trusted after pip was interrupted in it."""
    sandbox.start("run")
    failed = sandbox.start("test", KILLED="pip")
    sandbox.calls()
    done = sandbox.start("run")

    assert (failed.status, done.status) == (3, 0)
    assert [call.split()[2] for call in sandbox.calls("python")] == ["venv", "pip"]


def test_a_moved_checkout_gets_a_new_environment(sandbox: Sandbox) -> None:
    """The programs of an environment contain its path, so a checkout that was moved or copied needs another one."""
    sandbox.start("run")
    sandbox.calls()
    done = replace(sandbox, checkout=sandbox.checkout.rename(sandbox.folder / "elsewhere")).start("run")

    assert done.status == 0
    assert [call.split()[2] for call in sandbox.calls("python")] == ["venv", "pip"]


def test_another_python_version_gets_a_new_environment(sandbox: Sandbox) -> None:
    """After an upgrade of the distribution, the environment's Python finds none of its packages."""
    sandbox.start("run")
    sandbox.calls()
    done = sandbox.start("run", PYTHON_VERSION="3.13.5")

    assert done.status == 0
    assert [call.split()[2] for call in sandbox.calls("python")] == ["venv", "pip"]


def test_a_changed_pyproject_is_installed_into_the_same_environment(sandbox: Sandbox) -> None:
    """A new dependency after a git pull is installed automatically."""
    sandbox.start("run")
    sandbox.calls()
    with (sandbox.checkout / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    done = sandbox.start("run")

    assert done.status == 0
    assert [call.split()[2] for call in sandbox.calls("python")] == ["pip"]


def test_an_old_python_is_skipped(sandbox: Sandbox) -> None:
    """The first Python that is new enough is used, whatever version python3 is."""
    sandbox.put("python3", OLD_PYTHON)
    sandbox.put("python3.12", PYTHON)
    done = sandbox.start("run")

    assert done.status == 0
    assert sandbox.calls("python3.12")


@needs_mounts
def test_without_a_new_python_the_installed_versions_are_printed(sandbox: Sandbox) -> None:
    """Where apt has no Python that is new enough, bootstrap prints the versions and a hint."""
    sandbox.put("python3", OLD_PYTHON)
    hide = f"mount --bind {sandbox.bin}/python3 $(readlink -f /usr/bin/python3)"
    done = sandbox.start("run", mounts=[hide])

    assert done.status == 3
    assert "python3-venv" in text_of(done)
    assert "no Python 3.11" in text_of(done)
    assert "python3: Python 3.9.2" in text_of(done)
    assert "hint: install python3.11 or newer" in text_of(done)


def test_bootstrap_and_pip_agree_on_the_oldest_python(sandbox: Sandbox) -> None:
    """``Requires-Python`` is the version that bootstrap looks for and names in its message."""
    oldest = tomllib.loads((sandbox.checkout / "pyproject.toml").read_text())["project"]["requires-python"]
    version = oldest.removeprefix(">=")
    script = (sandbox.checkout / "bootstrap").read_text()

    assert f"sys.version_info < ({version.replace('.', ', ')})" in script
    assert f"no Python {version} or newer" in script


@needs_mounts
@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME"])
def test_a_read_only_checkout_has_its_environment_in_the_cache(sandbox: Sandbox, variable: str) -> None:
    """The checkout is not written to, the path of the environment is printed, and the second start is immediate."""
    mine = sandbox.folder / "mine"
    cache = mine / ".cache" if variable == "HOME" else mine
    before = sorted(sandbox.checkout.iterdir())
    done = sandbox.start("run", mounts=sandbox.read_only, variables={variable: str(mine)})
    first = sandbox.calls()
    again = sandbox.start("run", "a b", mounts=sandbox.read_only, variables={variable: str(mine)})
    environments = list((cache / "kernel-patch-harness-environment").glob("*/venv"))

    assert (done.status, again.status) == (0, 0)
    assert len(environments) == 1
    assert f"creating {environments[0]} with" in text_of(done)
    assert [call.split()[2] for call in first if call.startswith("python")] == ["venv", "pip"]
    assert again.stderr == b""
    assert sandbox.calls() == ["harness run a b"]
    assert sorted(sandbox.checkout.iterdir()) == before


@needs_mounts
def test_a_read_only_checkout_with_an_environment_is_used_unchanged(sandbox: Sandbox) -> None:
    """An administrator may install for all users."""
    sandbox.start("run")
    sandbox.calls()
    done = sandbox.start("run", mounts=sandbox.read_only, HOME=str(sandbox.folder / "mine"))

    assert (done.status, done.stderr) == (0, b"")
    assert sandbox.calls() == ["harness run"]


@needs_mounts
def test_tox_of_a_read_only_checkout_works_in_the_cache(sandbox: Sandbox) -> None:
    """tox creates its environments beside bootstrap's own."""
    done = sandbox.start("test", "-e", "lint", mounts=sandbox.read_only, HOME=str(sandbox.folder))
    last = sandbox.calls("python")[-1]

    assert done.status == 0
    assert last.startswith(
        f"python -m tests.tox_summary --workdir {sandbox.folder}/.cache/kernel-patch-harness-environment/"
    )
    assert last.endswith("/tox -e lint")


@needs_mounts
def test_a_read_only_checkout_without_a_home_folder_is_an_error(sandbox: Sandbox) -> None:
    """Without HOME and an account nothing is written, and the hint names the variable to set."""
    done = sandbox.start("run", mounts=sandbox.read_only)

    assert done.status == 3
    assert f"{sandbox.checkout}: cannot create the Python environment: the checkout is read-only" in text_of(done)
    assert "set XDG_CACHE_HOME" in text_of(done)
    assert not sandbox.calls()


@needs_mounts
def test_without_home_the_cache_is_below_the_home_folder_of_the_account(sandbox: Sandbox) -> None:
    """cron(8) and containers start programs without HOME; getent(1) knows the folder."""
    sandbox.put("getent", f"#!/bin/sh\necho user:x:0:0::{sandbox.folder}/account:/bin/sh\n")
    done = sandbox.start("run", mounts=sandbox.read_only)

    assert done.status == 0
    assert list((sandbox.folder / "account" / ".cache" / "kernel-patch-harness-environment").glob("*/venv"))


def test_a_writable_checkout_needs_no_home_folder(sandbox: Sandbox) -> None:
    """The environment is in the checkout, whatever the user's account is."""
    done = sandbox.start("run")

    assert done.status == 0
    assert (sandbox.checkout / ".venv").is_dir()


def test_paths_may_have_spaces(sandbox: Sandbox) -> None:
    """The checkout, the folder of Python, and the current folder."""
    (sandbox.folder / "a bin").symlink_to(sandbox.bin)
    moved = replace(sandbox, checkout=sandbox.checkout.rename(sandbox.folder / "my  checkout"))
    done = moved.start("test", "-k", "a b", PATH=f"{sandbox.folder}/a bin")
    calls = sandbox.calls("python")

    assert done.status == 0
    assert calls[0].endswith(f"-m venv {moved.checkout}/.venv")
    assert calls[1].endswith(f"--editable {moved.checkout}[tox]")
    assert calls[-1] == "python -m tests.tox_summary -k a b"
    assert moved.start("test").stderr == b""


def test_test_runs_tox_in_the_checkout(sandbox: Sandbox) -> None:
    """``./bootstrap test ARGS`` runs tox, with the packages of its extra."""
    done = sandbox.start("test", "-e", "lint")
    calls = sandbox.calls("python")

    assert done.status == 0
    assert calls[1].endswith(f"--editable {sandbox.checkout}[tox]")
    assert calls[-1] == "python -m tests.tox_summary -e lint"


def test_bootstrap_installs_the_packages_of_the_guest() -> None:
    """Every Debian installation has each package that guest.toml takes programs from, or bootstrap installs it."""
    guest = tomllib.loads(paths.GUEST_DEFINITION.read_text())
    wanted = {package["name"] for package in guest["package"]}
    script = (paths.ROOT / "bootstrap").read_text()
    installed = {line.split()[1] for line in script.splitlines() if line.startswith("/")}

    assert wanted <= installed | ESSENTIAL


def test_bootstrap_and_doctor_agree_on_the_build_packages() -> None:
    """The command that the doctor prints installs the packages that bootstrap installs."""
    script = (paths.ROOT / "bootstrap").read_text()
    listed = script.partition("build_needs='")[2].partition("'")[0].split("\n")
    installed = {line.split()[1] for line in listed if line}

    assert installed == {*doctor._BUILD_PROGRAMS.values(), *doctor._BUILD_HEADERS.values()} - {"gcc"}
