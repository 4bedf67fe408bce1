# SPDX-License-Identifier: GPL-2.0-only
"""``harness clean``: list the products in the store, and remove them."""

from __future__ import annotations

import click

from harness.base.store import Store
from harness.base.store_usage import list_store, remove_kinds


@click.command()
@click.option("--remove", metavar="KIND", multiple=True, help="Remove the products of a kind; all removes everything.")
def clean(remove: tuple[str, ...]) -> int:
    """List the products in the store, or remove some."""

    store = Store.default()
    for line in remove_kinds(store, remove) if remove else list_store(store):
        click.echo(line)
    return 0
