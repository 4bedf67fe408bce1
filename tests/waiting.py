# SPDX-License-Identifier: GPL-2.0-only
"""Wait for what has no event, without taking a processor from what is waited for."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator


def moments(seconds: float) -> Iterator[float]:
    """Yield the seconds that have passed, a hundred times a second, until so many have passed.

    :param seconds: the end.
    """
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        yield passed
        select.select((), (), (), 0.01)
