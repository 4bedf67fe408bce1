# SPDX-License-Identifier: GPL-2.0-only
"""``harness clean``: list the products in the store, and remove them."""

from __future__ import annotations

import time

import click

from harness.base.errors import UsageError
from harness.base.store import Store
from harness.base.store_usage import CHEAP_FIRST, fit_store, list_store, remove_kinds
from harness.base.toml_table import parse_size

_STEP_SECONDS = 5.0


class _Size(click.ParamType[int]):
    """A number of bytes with a unit, such as ``6G``: powers of 1024."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes."""
        size = parse_size(str(value))
        if size is None:
            self.fail(f"{value!r} is not a size; write for example 6G or 500M", param, ctx)
        return size


class _Steps:
    """Print a step to standard error, if none was printed in the last seconds."""

    def __init__(self) -> None:
        self._printed = time.monotonic()

    def __call__(self, step: str) -> None:
        now = time.monotonic()
        if now - self._printed >= _STEP_SECONDS:
            click.echo(step, err=True)
            self._printed = now


@click.command()
@click.option("--remove", metavar="KIND", multiple=True, help="Remove the products of a kind; all removes everything.")
@click.option(
    "--fit",
    type=_Size(),
    metavar="SIZE",
    help="Remove products until the store takes no more than SIZE, such as 6G: first what is quickest to make again.",
)
def clean(remove: tuple[str, ...], fit: int | None) -> int:
    """List the products in the store, or remove some."""

    store = Store.default()
    if remove and fit is not None:
        raise UsageError("--remove and --fit exclude each other", remedy="run the command twice")
    if fit is not None:
        lines = fit_store(store, fit, cheap_first=CHEAP_FIRST, on_step=_Steps())
    else:
        lines = remove_kinds(store, remove) if remove else list_store(store)
    for line in lines:
        click.echo(line)
    return 0
