# SPDX-License-Identifier: GPL-2.0-only
"""Define what a check is: its name, what it needs on the host, and the function that examines a patch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec

from harness.base.errors import HostError
from harness.base.process import find_program
from harness.checks.frame.bench import Bench, CheckedPatch
from harness.model.finding import StyleFinding


class Group(StrEnum):
    """The group of a check, which ``--checks`` takes as the name of all its checks."""

    TEXT = "text"
    BUILD = "build"
    COST = "cost"
    ABI = "abi"


@dataclass(frozen=True, slots=True)
class Need:
    """A program, or a Python module, that a check needs on the host.

    :param name: the program on PATH; with ``is_module``, the Python module.
    :param package: the Debian package that has it.
    :param is_module: whether it is a module of Python.
    """

    name: str
    package: str
    is_module: bool = False

    @property
    def is_there(self) -> bool:
        """Return whether this host has it."""
        return find_spec(self.name) is not None if self.is_module else find_program(self.name) is not None


class CheckNotRunError(HostError):
    """A check cannot say anything about a patch; ``what`` is the reason."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check of a patch.

    :param name: a word for the command line.
    :param about: what it reports, in one line.
    :param group: the group that it is part of.
    :param examine: finds what the patch brings and the base does not have; a :class:`CheckNotRunError`, as every
        other error of the harness, says why it cannot.
    :param needs: what it needs on the host.
    :param needs_of_tree: what it needs of the tree, for the list: ``scripts/checkpatch.pl``.
    """

    name: str
    about: str
    group: Group
    examine: Callable[[Bench, CheckedPatch], Iterable[StyleFinding]]
    needs: tuple[Need, ...] = ()
    needs_of_tree: str = ""

    @property
    def missing(self) -> tuple[Need, ...]:
        """Return what this host does not have."""
        return tuple(one for one in self.needs if not one.is_there)
