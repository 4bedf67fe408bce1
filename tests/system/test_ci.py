# SPDX-License-Identifier: GPL-2.0-only
"""The workflows in ``examples/ci/`` can be parsed, and each command in them exists with its options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from harness.base import paths
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.base.process import Completed, Surroundings, find_program, run
from harness.base.store import Store
from harness.commands.test import series_output
from harness.results.folder import JUNIT_NAME
from tests import command_line
from tests.program import PROGRAM, environment
from tests.unit.kernel.user_tree import UserTree, kernel_tree

CI = paths.ROOT / "examples" / "ci"
WORKFLOWS = sorted(CI.glob("*.yml"))
TOKEN_WORDS = ("secrets.", "PATCHWORK_TOKEN")


def scripts(value: object) -> Iterator[str]:
    """Return every shell script of a workflow, GitHub's or GitLab's."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key in ("run", "script", "before_script"):
                yield from ([one] if isinstance(one, str) else one)
            else:
                yield from scripts(one)
    elif isinstance(value, list):
        for one in value:
            yield from scripts(one)


def commands(text: str) -> Iterator[list[str]]:
    """Return the arguments of each call of ``bootstrap`` in a script, from the command on."""
    for line in text.replace("\\\n", " ").splitlines():
        if found := re.search(r"bootstrap\"? (\S.*)$", line):
            yield shlex.split(found[1].partition(" >")[0])


def read(path: Path) -> dict[object, object]:
    """Read a workflow."""
    value = yaml.safe_load(path.read_text())
    assert isinstance(value, dict)
    return value


def test_each_forge_has_a_workflow() -> None:
    """The guide describes each example."""
    guide = (paths.ROOT / "docs" / "how-to" / "ci.md").read_text()

    assert [path.name for path in WORKFLOWS] == ["github-matrix.yml", "github.yml", "gitlab-matrix.yml", "gitlab.yml"]
    assert all(f"examples/ci/{path.name}" in guide for path in CI.iterdir())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_scripts_are_valid_shell(path: Path, tmp_path: Path) -> None:
    """A shell can parse them, and shellcheck, if installed, has no warnings."""
    for text in scripts(read(path)):
        run(["sh", "-n", "-c", text], deadline=Deadline.after(120))
        if find_program("shellcheck"):
            file = tmp_path / "script"
            file.write_text(f"#!/bin/sh -e\n{text}\n")
            run(["shellcheck", file], deadline=Deadline.after(60))


@pytest.mark.parametrize("path", [*WORKFLOWS, CI / "mail.sh"], ids=lambda path: path.stem)
def test_commands_of_workflows_exist(path: Path) -> None:
    """Each command of the harness accepts its options, parsed as on the command line."""
    texts = [path.read_text()] if path.suffix == ".sh" else list(scripts(read(path)))
    called = [words for text in texts for words in commands(text)]

    assert {"series", "report"} & {words[0] for words in called}
    for name, *words in called:
        command = command_line.commands()[name]
        given = [word for word in words if word != "$@"]
        assert isinstance(command.make_context(name, given, resilient_parsing=False), click.Context)


@pytest.mark.parametrize("path", [CI / "github.yml", CI / "gitlab.yml"], ids=lambda path: path.stem)
def test_kept_files_are_written(path: Path) -> None:
    """The files that it uploads or shows are those of ``--answers``; untrusted code runs without a secret."""
    text = path.read_text()
    named = set(re.findall(r"answers/(\S+)", text))

    assert "--answers answers" in text
    assert named <= {JUNIT_NAME, series_output.ANSWER_NAME, series_output.SUMMARY_NAME, series_output.QUALITY_NAME}
    assert not [word for word in TOKEN_WORDS if word in text]


@pytest.mark.parametrize("name", ["github.yml", "github-matrix.yml"])
def test_github_workflow_has_a_read_only_token(name: str) -> None:
    """An untrusted pull request is tested with a token that cannot write."""
    workflow = read(CI / name)

    assert workflow["permissions"] == {"contents": "read"}
    # YAML 1.1 reads the key as true. pull_request_target would give code of a pull request a token that can write.
    triggers = workflow[True]
    assert isinstance(triggers, dict)
    assert set(triggers) <= {"pull_request", "push", "schedule"}


def test_gitlab_shows_tests_and_code_quality() -> None:
    """The workflow names the reports that GitLab shows, also when the job fails."""
    job = read(CI / "gitlab.yml")["series"]
    assert isinstance(job, dict)

    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"] == {
        "junit": [f"answers/{JUNIT_NAME}", f"results/*-2-kernels/{JUNIT_NAME}"],
        "codequality": f"answers/{series_output.QUALITY_NAME}",
    }


@pytest.fixture(params=["linear", "merged"])
def origin(request: pytest.FixtureRequest, tmp_path: Path) -> UserTree:
    """Return a repository as a forge has it, with a topic below a branch that has moved on.

    Tags: ``base``, the newest commit that both have; ``head``, the tip of the topic. The second time, the topic has
    merged the branch meanwhile.
    """
    tree = kernel_tree(tmp_path / "origin")
    tree.git("config", "uploadpack.allowAnySHA1InWant", "true")
    tree.git("checkout", "--quiet", "-b", "topic", "v9.0")
    tree.git("tag", "base")
    tree.commit({"init/main.c": "int main;\nint first;\n"})
    if request.param == "merged":
        tree.git("merge", "--quiet", "--no-edit", "master")
        tree.git("tag", "--force", "base", "master")
    tree.commit({"init/main.c": "int main;\nint first;\nint second;\n"}, tag="head")
    tree.git("checkout", "--quiet", "master")
    tree.commit({"include/a.h": "#define A 2\n"})
    return tree


def sh(script: str, folder: Path, **variables: str) -> Completed:
    """Run the script of a step as a runner does, with an environment of its own."""
    env = environment(HOME=str(folder), GIT_CONFIG_NOSYSTEM="1", **variables)
    return run(
        ["sh", "-e", "-c", script], deadline=Deadline.after(600), check=False, within=Surroundings(cwd=folder, env=env)
    )


def bootstrap_of(folder: Path) -> None:
    """Write a ``bootstrap`` that notes its arguments and starts the harness of this environment with them."""
    folder.mkdir()
    script = f'#!/bin/sh\nprintf "%s\\n" "$*" >>"{folder}/calls"\nexec "{PROGRAM}" "$@"\n'
    (folder / "bootstrap").write_text(script)
    (folder / "bootstrap").chmod(0o755)


def calls(folder: Path) -> list[str]:
    """Return the arguments of each call of a ``bootstrap``."""
    return (folder / "calls").read_text().splitlines()


@pytest.mark.build
def test_github_steps_run_as_written(origin: UserTree, tmp_path: Path) -> None:
    """The base is the newest common ancestor; the store is made to fit after a failure as well."""
    job = read(CI / "github.yml")["jobs"]["series"]  # type: ignore[index]
    steps = {step.get("name"): step.get("run", "") for step in job["steps"]}
    head, target, base = (origin.git("rev-parse", name) for name in ("head", "master", "base"))
    origin.git("clone", "--quiet", "--depth=1", f"file://{origin.folder}", str(tmp_path / "linux"))
    bootstrap_of(tmp_path / "harness")
    found = tmp_path / "variables"
    given = {"HEAD": head, "TARGET": target, "GITHUB_ENV": str(found), "HARNESS_REPOSITORY": "owner/harness"}
    has_merges = bool(origin.git("rev-list", "--merges", "base..head"))

    assert sh(steps["check the variable HARNESS_REPOSITORY"], tmp_path, **given).status == 0
    done = sh(steps["find the base of the pull request"], tmp_path, **given)
    assert done.status == 0, done.stderr
    assert found.read_text() == f"BASE={base}\n"
    judged = sh(steps["test the series"], tmp_path, **given, BASE=base)
    # The tree of this test cannot be configured: that is the fault of the base.
    assert judged.status == ExitStatus.DIFFERS
    assert "the kernel cannot be configured: make allnoconfig failed" in judged.stderr.decode()
    assert ("::notice title=merges::" in judged.text) is has_merges
    fitted = sh(steps["make the store fit"], tmp_path, **given)
    assert fitted.status == 0
    assert f"the store {tmp_path / 'store'} takes" in fitted.text
    assert calls(tmp_path / "harness") == [
        f"run linux@{base} linux@{head} --results results"
        if has_merges
        else f"series {base}..{head} --base linux@{base} --answers answers --results results",
        "clean --fit 6G",
    ]


@pytest.mark.build
def test_gitlab_steps_run_as_written(origin: UserTree, tmp_path: Path) -> None:
    """The scripts of the merge request's job find the same base in the clone that GitLab makes."""
    workflow = read(CI / "gitlab.yml")
    shared, job = workflow[".harness"], workflow["series"]
    assert isinstance(shared, dict)
    assert isinstance(job, dict)
    head, base = (origin.git("rev-parse", name) for name in ("head", "base"))
    linux = tmp_path / "linux"
    linux.mkdir()
    clone = UserTree(linux)
    clone.git("init", "--quiet")
    clone.git("remote", "add", "origin", f"file://{origin.folder}")
    clone.git("fetch", "--quiet", "--depth=1", "origin", head)
    clone.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    bootstrap_of(tmp_path / "harness")
    given = {
        "HEAD": head,
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "master",
        "HARNESS_CLONE": str(tmp_path / "harness"),
        "HARNESS_STORE": str(tmp_path / "store"),
    }
    judged = sh("\n".join(job["script"]), linux, **given)
    fitted = sh("\n".join(shared["after_script"]), linux, **given)
    has_merges = bool(origin.git("rev-list", "--merges", "base..head"))

    assert judged.status == ExitStatus.DIFFERS
    assert fitted.status == 0
    assert calls(tmp_path / "harness") == [
        f"run .@{base} .@{head} --results results"
        if has_merges
        else f"series {base}..{head} --base .@{base} --answers answers --results results",
        "clean --fit 6G",
    ]


def test_a_missing_variable_is_reported(tmp_path: Path) -> None:
    """The first step names the variable and where it is set, before anything is fetched."""
    job = read(CI / "github.yml")["jobs"]["series"]  # type: ignore[index]
    github = sh(job["steps"][0]["run"], tmp_path, HARNESS_REPOSITORY="")
    shared = read(CI / "gitlab.yml")[".harness"]
    assert isinstance(shared, dict)
    gitlab = sh(shared["before_script"][0], tmp_path)

    assert (github.status, gitlab.status) == (1, 1)
    assert github.text.startswith("::error title=HARNESS_REPOSITORY is not set::")
    assert gitlab.text.startswith("HARNESS_URL is not set.")


def test_github_saves_the_store_although_a_test_failed() -> None:
    """What restores the cache never saves it; what saves it runs always, after the store was made to fit."""
    job = read(CI / "github.yml")["jobs"]["series"]  # type: ignore[index]
    uses = {step.get("uses", step.get("name")): (number, step) for number, step in enumerate(job["steps"])}
    save, fit = uses["actions/cache/save@v4"], uses["make the store fit"]

    assert "actions/cache/restore@v4" in uses
    assert not [name for name in uses if name.startswith("actions/cache@")]
    assert save[1]["if"] == fit[1]["if"] == "always()"
    assert fit[0] < save[0]


def matrix_steps(name: str) -> tuple[str, str, dict[str, str]]:
    """Return the script that runs a shard, the one that merges them, and the names of GitLab's variables."""
    workflow = read(CI / name)
    if name.startswith("gitlab"):
        run_shard, merge = workflow["cases"]["script"], workflow["report"]["script"]  # type: ignore[index]
        return "\n".join(run_shard), "\n".join(merge), {"SHARD": "CI_NODE_INDEX", "COUNT": "CI_NODE_TOTAL"}
    jobs = workflow["jobs"]
    assert isinstance(jobs, dict)
    steps = {step.get("name"): step.get("run", "") for job in jobs.values() for step in job["steps"]}
    return steps["run a shard of the cases"], steps["merge the shards"], {}


@pytest.mark.guest
@pytest.mark.slow("examples/ci", "harness/model/shard.py", "harness/results/merge.py")
@pytest.mark.parametrize("name", ["github-matrix.yml", "gitlab-matrix.yml"])
def test_matrix_jobs_have_all_cases(name: str, tmp_path: Path) -> None:
    """Two jobs run as written, on Debian's kernel and four cases; the third job merges them."""
    run_shard, merge, names = matrix_steps(name)
    folder = tmp_path / "harness"
    folder.mkdir()
    cases = "--cases timens/creation --cases timens/manpage"
    script = f'''#!/bin/bash
command=$1; shift
[ "$command" = run ] && set -- "${{@/#*@*/deb}}" {cases}
exec "{PROGRAM}" "$command" "$@"
'''
    (folder / "bootstrap").write_text(script)
    (folder / "bootstrap").chmod(0o755)
    given = {"HARNESS_CLONE": str(folder), "HEAD": "0123456789ab", "HARNESS_STORE": str(Store.default().folder)}
    for number in ("1", "2"):
        variables = {names.get(key, key): value for key, value in (("SHARD", number), ("COUNT", "2"))}
        done = sh(run_shard.replace('HARNESS_STORE="$PWD/store"', "HARNESS=here"), tmp_path, **given, **variables)
        assert done.status == ExitStatus.AS_EXPECTED, done.text + done.complaint
    joined = sh(merge, tmp_path, **given)

    assert joined.status == ExitStatus.AS_EXPECTED, joined.complaint
    assert 'errors="0"' in (tmp_path / "junit.xml").read_text()
    assert "merged from 2 runs" in joined.text
