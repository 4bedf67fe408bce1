"""``harness clean``: what the store holds, and removing it."""

from __future__ import annotations

import click

from harness.base.store import Store
from harness.base.store_usage import list_store, remove_kinds


@click.command()
@click.option("--remove", metavar="KIND", multiple=True, help="Remove products of that kind; all for the whole store.")
def clean(remove: tuple[str, ...]) -> int:
    """Show what the store holds, and remove it."""

    store = Store.default()
    for line in remove_kinds(store, remove) if remove else list_store(store):
        click.echo(line)
    return 0
