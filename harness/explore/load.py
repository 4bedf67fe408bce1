# SPDX-License-Identifier: GPL-2.0-only
"""Import the model of a suite, and check it against the suite's traits and a profile."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from harness.base.errors import CaseError, UsageError
from harness.explore.model import Model
from harness.semantics.traits import Semantics
from harness.suite.definition import Exploration, Suite

_NAME = "harness_explored_model"


def exploration_of(suite: Suite) -> Exploration:
    """Return how a suite is explored.

    :raises UsageError: the suite says nothing about it.
    """
    if suite.exploration is None:
        raise UsageError(
            f"the suite {suite.name} cannot be explored: it has no model",
            remedy=f"write [explore] in {suite.file}; docs/reference/suites.md shows how",
        )
    return suite.exploration


def load_model(suite: Suite, semantics: Semantics) -> Model:
    """Import the model of a suite.

    :raises UsageError: the suite has none.
    :raises CaseError: it cannot be imported, is incomplete, or knows values that the suite does not define.
    """
    path = exploration_of(suite).model
    module = _imported(path)
    for name in ("KNOWS", "start"):
        if not hasattr(module, name):
            remedy = "docs/reference/suites.md lists what a model has"
            raise CaseError(f"{path}: the model has no {name}", remedy=remedy)
    knows = {trait: frozenset(values) for trait, values in module.KNOWS.items()}
    for trait, values in knows.items():
        for value in sorted(values):
            if complaint := semantics.complaint(trait, value):
                raise CaseError(f"{path}: KNOWS: {complaint}", remedy="name values of the suite's semantics.toml")
    return Model(module.start, knows, getattr(module, "simpler", lambda operation: ()))


def check_profile(model: Model, traits: Mapping[str, str], *, profile: str) -> None:
    """Check that the model knows each value that a profile has of its traits.

    :param profile: name of the profile.
    :raises CaseError: it does not.
    """
    for trait, values in model.knows.items():
        if trait in traits and traits[trait] not in values:
            raise CaseError(
                f"the model does not know {trait} = {traits[trait]}, which the profile {profile} has",
                evidence=f"it knows {', '.join(sorted(values))}",
                remedy="add the value to the model, or explore by another one: --profile PROFILE",
            )


@contextmanager
def explained(operations: Iterable[str], folder: Path) -> Iterator[None]:
    """Turn an exception of the model into an error that says where in the model, and after which operations.

    :param operations: the operations so far; read when the error is made.
    :param folder: the folder of the suite.
    :raises CaseError: the block raised an exception.
    """
    try:
        yield
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        frames = [one for one in traceback.extract_tb(error.__traceback__) if Path(one.filename).is_relative_to(folder)]
        if not frames:
            raise
        where = f"{frames[-1].filename}:{frames[-1].lineno}"
        tried = "; ".join(operations)
        raise CaseError(
            f"{where}: the model contradicts itself: {type(error).__name__}: {error}".rstrip(": "),
            evidence=f"{(frames[-1].line or '').strip()}\n{tried[-1500:]}",
            remedy="fix the model, then retry",
        ) from error


def _imported(path: Path) -> ModuleType:
    file = path / "__init__.py" if path.is_dir() else path
    places = [str(path)] if path.is_dir() else None
    spec = importlib.util.spec_from_file_location(_NAME, file, submodule_search_locations=places)
    if spec is None or spec.loader is None or not file.is_file():
        raise CaseError(f"{file}: no such model", remedy="write a Python package there, or correct [explore] model")
    for name in [one for one in sys.modules if one == _NAME or one.startswith(f"{_NAME}.")]:
        del sys.modules[name]
    module = sys.modules[_NAME] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the model is code of the user, which may raise anything
        frames = [one for one in traceback.extract_tb(error.__traceback__) if Path(one.filename).is_relative_to(path)]
        where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(file)
        raise CaseError(f"{where}: {type(error).__name__}: {error}", remedy="fix the model") from error
    return module
