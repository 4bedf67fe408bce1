# SPDX-License-Identifier: GPL-2.0-only
"""The harness without a checkout: wheel and source archive hold what they should, and an installed wheel runs cases."""

from __future__ import annotations

import shutil
import sysconfig
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.base import paths
from harness.base.deadline import Deadline
from harness.base.process import Completed, Surroundings, find_program, python, run
from harness.base.store import STORE_VARIABLE, Store
from harness.model.verdict import Outcome
from harness.results.folder import load_run
from harness.suite.definition import SUITE_NAME
from tests.private_mounts import needs_mounts, with_mounts

DATA = ("cases", "qemu", "kconfigs", "series")
NOT_INSTALLED = {"tests", "bench", "mutants", "results"}
SECONDS = 300
NO_ACCOUNT = ("mount --bind /dev/null /etc/passwd", "mount --bind /dev/null /etc/nsswitch.conf")
"""What a container looks like that runs as a user without an account; nss-systemd(8) would make one up."""


@dataclass(frozen=True)
class Archives:
    """What ``python -m build`` makes of this checkout: the wheel is made from the source archive."""

    source: Path
    wheel: Path

    def files_in_source(self) -> set[str]:
        with tarfile.open(self.source) as archive:
            return {one.name.partition("/")[2] for one in archive.getmembers()}

    def files_in_wheel(self) -> set[str]:
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())


@dataclass(frozen=True)
class Account:
    """A user without a file, and an environment into which the wheel was installed."""

    home: Path
    environment: Path

    def start(self, *arguments: str, mounts: tuple[str, ...] = (), **more: str) -> Completed:
        """Run the installed ``harness`` in the home folder, to its end."""
        variables: Mapping[str, str] = {"HOME": str(self.home), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", **more}
        words = ["env", "-i", *(f"{name}={value}" for name, value in variables.items() if value)]
        words += [str(self.environment / "bin" / "harness"), *arguments]
        whole = with_mounts(mounts, words) if mounts else words
        return run(whole, deadline=Deadline.after(SECONDS), check=False, within=Surroundings(cwd=self.home))


def tracked_files() -> set[str]:
    """The files that git tracks here; a test is skipped where there is no git."""
    if find_program("git") is None or not (paths.ROOT / ".git").exists():
        pytest.skip("this is not a git checkout")
    listed = run(["git", "ls-files", "-z"], deadline=Deadline.after(60), within=Surroundings(cwd=paths.ROOT))
    return {name for name in listed.text.split("\0") if name and (paths.ROOT / name).exists()}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Archives:
    """Wheel and source archive of this checkout."""
    output = tmp_path_factory.mktemp("archives")
    words = python("build", "--no-isolation", "--outdir", str(output), str(paths.ROOT))
    run(words, deadline=Deadline.after(SECONDS))
    return Archives(next(output.glob("*.tar.gz")), next(output.glob("*.whl")))


@pytest.fixture(scope="module")
def account(archives: Archives, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """An account whose environment holds the wheel; the dependencies are those of the tests, so that none is fetched.

    A line of a .pth file is a folder to import from; .pth files in *that* folder are not read (site(7) of Python): the
    checkout, which an editable installation puts on the path by one, stays out of reach.
    """
    folder = tmp_path_factory.mktemp("an account")
    environment = folder / "environment"
    # The pip of the tests installs into it: a second pip would take longer to unpack than all else here.
    run([*python("venv", "--without-pip"), environment], deadline=Deadline.after(SECONDS))
    pip = python(
        "pip", "--python", str(environment / "bin" / "python"), "install", "--quiet", "--no-index", "--no-deps"
    )
    run([*pip, str(archives.wheel)], deadline=Deadline.after(SECONDS))
    own = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    home = folder / "home"
    home.mkdir()
    return Account(home, environment)


def test_source_archive_holds_every_tracked_file(archives: Archives) -> None:
    """Tests, bench and documents are in the source archive: a distribution can run the tests from it."""
    assert not tracked_files() - archives.files_in_source()


def test_wheel_holds_the_data(archives: Archives) -> None:
    """Every tracked file of the four folders is in the wheel, and no other."""
    wanted = {f"harness/data/{name}" for name in tracked_files() if name.partition("/")[0] in DATA}
    held = {name for name in archives.files_in_wheel() if name.startswith("harness/data/")}

    assert wanted
    assert wanted <= held
    assert not [name for name in held if "__pycache__" in name]


def test_wheel_holds_no_tests(archives: Archives) -> None:
    """Tests, bench and mutants are for contributors."""
    tops = {name.partition("/")[0] for name in archives.files_in_wheel()}

    assert "harness" in tops
    assert not tops & NOT_INSTALLED
    assert {top for top in tops if not top.endswith(".dist-info")} == {"harness"}


def test_installed_harness_finds_its_data(account: Account) -> None:
    """What ships is read from the installed package, wherever the user stands."""
    done = account.start("semantics", "scope")
    listed = account.start("run", "series:no-such-series")

    assert (done.status, done.stderr) == (0, b"")
    assert "scope" in done.text
    assert listed.status == 4
    assert "cgroupns-v4" in listed.stderr.decode()


def test_results_go_to_the_state_folder(account: Account) -> None:
    """Without a checkout there is no results/: run folders are in the user's state folder, or where --results says."""
    done = account.start("history", HOME="/no/home")
    named = account.start("history", "--results", "here")
    moved = account.start("history", XDG_STATE_HOME="/no/state")

    assert (done.status, named.status, moved.status) == (4, 4, 4)
    assert "/no/home/.local/state/kernel-patch-harness/results" in done.stderr.decode()
    assert "results folder here" in named.stderr.decode()
    assert "/no/state/kernel-patch-harness/results" in moved.stderr.decode()


@needs_mounts
@pytest.mark.parametrize(("command", "option"), [("history", "--results"), ("clean", STORE_VARIABLE)])
def test_a_user_without_a_home_folder_is_a_clear_error(account: Account, command: str, option: str) -> None:
    """HOME unset, and no account: no folder named ``~`` is made in the current folder."""
    done = account.start(command, mounts=NO_ACCOUNT, HOME="")

    assert done.status == 4
    assert "no home folder" in done.stderr.decode()
    assert option in done.stderr.decode()
    assert not (account.home / "~").exists()


@pytest.mark.guest
def test_installed_harness_runs_cases_on_a_booted_kernel(account: Account) -> None:
    """A fresh account boots the distribution's kernel and runs session files and a Python case.

    The store is the one of these tests: fetching a kernel has tests of its own.
    """
    store = str(Store.default().folder)
    cases = ("run", "-k", "setns-own or own-v1 or every_pair", "-n", "2")
    done = account.start("--log", "the log", *cases, HARNESS_STORE=store)
    results = account.home / ".local" / "state" / paths.APPLICATION / "results"
    record = load_run(results / "latest")

    assert done.status == 0, done.text + done.stderr.decode()
    assert len(record.cases) >= 3
    # Of the workers as well: they start the machines.
    assert "qemu-system-x86_64" in (account.home / "the log").read_text()
    assert not any("site-packages" in case.id or case.id.startswith("/") for case in record.cases)
    assert not any(part.name == "cases" for part in account.home.iterdir())


@pytest.mark.guest
def test_installed_harness_runs_a_suite_of_another_name_elsewhere(account: Account) -> None:
    """The suite of time namespaces, copied out of the checkout and renamed, is checked, described and run.

    Its helper, the stand-ins of its guest, its features and its traits come from the copy.
    """
    copy = account.home / "my clocks"
    shutil.copytree(paths.SUITES / "timens", copy)
    written = (copy / SUITE_NAME).read_text()
    assert 'name = "timens"' in written
    (copy / SUITE_NAME).write_text(written.replace('name = "timens"', 'name = "my-clocks"'))
    cases = ("manpage/session.session", "clocks/all.session", "userns/create.session")
    chosen = [word for case in cases for word in ("--cases", case)]
    store = str(Store.default().folder)

    checked = account.start("suite", "check", "my clocks")
    described = account.start("semantics", "--suite", "my clocks", "stat_times")
    done = account.start("run", "deb", "--suite", "my clocks", *chosen, "--results", "of clocks", HARNESS_STORE=store)
    history = account.start("history", f"my-clocks/{cases[0]}", "--results", "of clocks")
    record = load_run(account.home / "of clocks" / "latest")

    assert checked.status == 0, checked.text
    assert checked.text.startswith("my-clocks: ")
    assert "my-clocks/proc/stat.session:" in described.text
    assert done.status == 0, done.text + done.stderr.decode()
    assert {case.id: case.outcome for case in record.cases} == {f"my-clocks/{case}": Outcome.MATCH for case in cases}
    assert record.suite == str(copy)
    assert {one.trait for one in record.traits} >= {"newtime_flag", "children_link"}
    assert f"my-clocks/{cases[0]}" in history.text
