# SPDX-License-Identifier: GPL-2.0-only
"""Make the suite of an argument such as ``program:FILE``: a folder in the store, which all commands use like any other.

The core knows cases of three kinds: session files, Python cases and program files. What belongs to one source of tests
is here, and ends in a suite of program files.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.base.context import Context
from harness.pipeline import Options
from harness.run.foreign.programs import make_programs
from harness.suite.definition import Suite
from harness.suite.generated import kind_of


def make_suite(
    context: Context,
    word: str,
    *,
    kernels: Sequence[str] = ("deb",),
    options: Options | None = None,
    selftests: str = "",
) -> Suite:
    """Make the suite of an argument.

    :param word: an argument with a kind, see :func:`harness.suite.generated.kind_of`.
    :param kernels: the arguments KERNEL, for the kernel's own tests.
    :param options: the options of the command for its kernels; None for the usual ones.
    :param selftests: the argument of ``--selftests``: the source of the tests instead.
    :raises UsageError: it names a missing file, target or program.
    :raises CaseError: its tests do not build.
    :raises HostError: the host cannot build them.
    """
    kind, rest, options = kind_of(word), word.partition(":")[2], options or Options()
    is_trusted = options.build.is_trusted
    if kind == "kunit":
        from harness.run.foreign.kunit import make_kunit

        return make_kunit(context, rest, options, kernels)
    if kind == "selftests":
        # Imported here: a program of this host needs no kernel tree.
        from harness.run.foreign.selftests import make_selftests

        return make_selftests(context, rest, kernels[0], selftests, is_trusted=is_trusted)
    if kind == "ltp":
        from harness.run.foreign.ltp import make_ltp

        return make_ltp(context, rest)
    return make_programs(context, kind, rest, is_trusted=is_trusted)
