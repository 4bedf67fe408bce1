# SPDX-License-Identifier: GPL-2.0-only
"""What pyproject.toml says of the package holds."""

from __future__ import annotations

import ast
import configparser
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions

import yaml

from harness.base import paths

PROJECT = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]


def _names(requirements: list[str]) -> set[str]:
    """The distributions that requirements name, as PEP 503 writes them."""
    return {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", one, maxsplit=1)[0]).lower() for one in requirements}


@cache
def _imported() -> set[str]:
    """The top-level packages that modules of the harness import."""
    found: set[str] = set()
    for path in (paths.ROOT / "harness").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"harness"}


_owners = cache(packages_distributions)


def test_every_import_is_a_declared_dependency() -> None:
    """A module that only the test extra brings would be missing where the wheel is installed."""
    optional = PROJECT["optional-dependencies"]
    declared = (
        _names(PROJECT["dependencies"])
        | _names(optional["kcidb"])
        | _names(optional["cluster"])
        | _names(optional["cores"])
    )
    owners = _owners()
    undeclared = {name for name in _imported() if not _names(owners.get(name, [name])) & declared}

    assert not undeclared


def test_every_dependency_is_imported_or_run() -> None:
    """A dependency that nothing uses is one more that a distribution has to package."""
    owners = _owners()
    used = {name for package in _imported() for name in _names(owners.get(package, []))}
    # Run as programs or loaded by pytest: no import names them.
    started = {"b4", "pytest-xdist"}

    assert _names(PROJECT["dependencies"]) - started <= used


def test_types_are_published() -> None:
    """The marker of PEP 561: type checkers of other projects read the annotations."""
    assert (paths.ROOT / "harness" / "py.typed").is_file()


def test_hooks_run_offline_and_are_those_of_lint() -> None:
    """pre-commit fetches nothing: each hook is a program of the environment, which ``tox -e lint`` runs as well."""
    repositories = yaml.safe_load((paths.ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = [hook for one in repositories for hook in one["hooks"]]
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(paths.ROOT / "tox.ini")
    lint = {frozenset(line.split()) for line in tox["testenv:lint"]["commands"].splitlines()}
    # Where to look is left out: pre-commit names the files; one test of lint's is enough, in one process.
    hooked = [{*hook["entry"].split()} - {"-n0"} for hook in hooks]

    assert [one["repo"] for one in repositories] == ["local"]
    assert {hook["language"] for hook in hooks} == {"system"}
    assert not [words for words in hooked if not any(words <= line for line in lint)]
