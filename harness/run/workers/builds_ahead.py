# SPDX-License-Identifier: GPL-2.0-only
"""Have the kernels of a command built on hosts side by side, ahead of the one whose cases run.

A kernel is prepared when it was built: its preparation then finds it in the store.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.base.context import Context
from harness.base.events import Report
from harness.base.process import patient_deadline
from harness.base.store import Store
from harness.kernel.build.elsewhere import Elsewhere
from harness.kernel.from_source import source_word
from harness.model.kernel_spec import parse_spec
from harness.pipeline import PREPARE_SECONDS, Options
from harness.report.display.filters import prefixed


@dataclass(slots=True)
class BuildsAhead:
    """Builds that were begun.

    :param builds: builds kernels on hosts; None if nothing was begun.
    """

    builds: Elsewhere | None = None
    _pool: concurrent.futures.ThreadPoolExecutor | None = None
    _begun: dict[tuple[str, str], concurrent.futures.Future[None]] = field(default_factory=dict)

    def of(self, options: Options) -> Callable[[], None]:
        """Return a function that waits for the build of a kernel and raises its error; it does nothing without one.

        :param options: the options of the kernel.
        """
        begun = self._begun.get(_key(options))
        return begun.result if begun is not None else _nothing

    def end(self) -> None:
        """End the builds that run, and forget those that do not run yet."""
        if self._pool is None or self.builds is None:
            return
        if any(not one.done() for one in self._begun.values()):
            for one in self._begun.values():
                one.cancel()
            self.builds.stop()
        self._pool.shutdown()


NOTHING_AHEAD = BuildsAhead()
"""No build was begun."""


def begin_builds(builds: Elsewhere | None, store: Store, kernels: Mapping[str, Options], report: Report) -> BuildsAhead:
    """Begin to build kernels, as many at the same time as the hosts can, in their order.

    :param builds: builds kernels on hosts; None begins nothing.
    :param store: the store.
    :param kernels: the options of each kernel, by the prefix of its progress.
    :param report: receives progress.
    """
    if builds is None:
        return NOTHING_AHEAD
    ahead = BuildsAhead(builds, concurrent.futures.ThreadPoolExecutor(builds.count, thread_name_prefix="build"))
    assert ahead._pool is not None
    for name, options in kernels.items():
        if options.build.is_in_place or source_word(parse_spec(options.kernel)) is None:
            continue
        ahead._begun[_key(options)] = ahead._pool.submit(_build, options, store, prefixed(report, name))
    return ahead


def _key(options: Options) -> tuple[str, str]:
    return options.kernel, options.variant.name


def _build(options: Options, store: Store, report: Report) -> None:
    from harness.kernel.resolve import resolve_kernel

    context = Context(store, patient_deadline(PREPARE_SECONDS + options.build.seconds), report)
    resolve_kernel(context, parse_spec(options.kernel), build=options.building)


def _nothing() -> None:
    return None
