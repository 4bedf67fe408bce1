# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of tests that boot a guest: one prepared kernel from the user's store, so that it boots once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.store import Store
from harness.guest.machine import Machine
from harness.guest.template import Template, cloned
from harness.pipeline import PREPARE_SECONDS, Options, Prepared, prepare
from harness.run.case import CaseEnvironment, make_environment
from harness.suite.load import default_suite, suite_semantics
from tests import in_memory, slow

# The processors are shared, so the time of an example says nothing about the code. All runs use the same examples, so
# that a failure belongs to the change that caused it; `tox -e nightly` takes ten times as many, `tox -e hunt` new ones.
_SHARED_CORES = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", _SHARED_CORES, derandomize=True, database=None)
settings.register_profile("nightly", _SHARED_CORES, derandomize=True, database=None, max_examples=1000)
settings.register_profile("hunt", _SHARED_CORES, max_examples=5000)
settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that choose slow tests and where tests keep their files."""
    slow.add_options(parser)
    in_memory.add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Choose where tests keep their files; register the plugin that chooses slow tests."""
    in_memory.use(config)
    config.pluginmanager.register(slow.SlowTests(config), "harness-slow-tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse tests that boot a guest with a fixture but have no marker ``guest``.

    :raises pytest.UsageError: such a test exists.
    """
    unmarked = [item.nodeid for item in items if _boots(item) and item.get_closest_marker("guest") is None]
    if unmarked:
        raise pytest.UsageError(f"tests that boot a guest need the marker pytest.mark.guest: {', '.join(unmarked)}")


def _boots(item: pytest.Item) -> bool:
    """Return whether a test uses the fixture ``prepared`` of this file, not another one of that name."""
    if not isinstance(item, pytest.Function):
        return False
    definitions = item._fixtureinfo.name2fixturedefs.get("prepared", ())
    return bool(definitions) and definitions[-1].func.__module__ == __name__


@pytest.fixture(scope="session", autouse=True)
def _no_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the user's configuration folder, so that defaults of the user and of git do not affect the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("no-configuration")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _own_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let the tests, and the programs that they start and kill, leave their files in a folder that pytest removes."""
    folder = tmp_path_factory.mktemp("tmp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        # Only meant for this pytest, not for those that tests start.
        patch.delenv(in_memory.ROOT, raising=False)
        patch.setattr(tempfile, "tempdir", None)
        yield


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Prepare the distribution's kernel, with a template."""
    return prepare(
        Context(Store.default(), Deadline.after(PREPARE_SECONDS)),
        Options(),
        logs=tmp_path_factory.mktemp("prepare"),
    )


@pytest.fixture(scope="session")
def template(prepared: Prepared) -> Template:
    """Return the template that machines are cloned from."""
    assert prepared.template is not None
    return prepared.template


@pytest.fixture
def environment(prepared: Prepared, tmp_path: Path) -> CaseEnvironment:
    """Return an environment for cases on the prepared kernel, with a run folder of its own."""
    semantics = suite_semantics(default_suite())
    return make_environment(prepared, semantics, folder=tmp_path)


@pytest.fixture
def machine(template: Template, tmp_path: Path) -> Iterator[Machine]:
    """Start a fresh clone."""
    folder = tmp_path / "machine"
    folder.mkdir()
    with cloned(template, folder=folder, deadline=Deadline.after(60)) as one:
        yield one
