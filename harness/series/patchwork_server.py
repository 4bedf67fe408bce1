# SPDX-License-Identifier: GPL-2.0-only
"""Describe a Patchwork server and the checks to post there. Pure."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from harness.base.errors import UsageError
from harness.base.json_records import to_table

TOKEN_VARIABLE = "PATCHWORK_TOKEN"
"""The environment variable with the token."""
WHOLE_SECONDS = 600.0
"""The time limit of all requests together."""
DESCRIPTION_LENGTH = 300

_CONTEXT = re.compile(r"[-a-zA-Z0-9_]{1,255}")
_TOKEN = re.compile(r"[!-~]{1,512}")
LOOPBACK = re.compile(r"localhost|127(?:\.\d{1,3}){3}|::1")
"""The names of this host."""


class CheckState(StrEnum):
    """The states of a check, as the API names them."""

    PENDING = "pending"
    SUCCESS = "success"
    WARNING = "warning"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """A check to post.

    :param state: the state.
    :param context: the name of the checker: letters, digits, ``-`` and ``_``.
    :param description: one line.
    :param target_url: a page with details; may be empty.
    """

    state: CheckState
    context: str
    description: str
    target_url: str = ""

    def to_body(self) -> bytes:
        """Return the body of the request: a bounded description, and no address if there is none."""
        table = to_table(replace(self, description=_bounded(self.description)))
        return json.dumps({name: value for name, value in table.items() if name != "target_url" or value}).encode()


@dataclass(frozen=True, slots=True)
class Server:
    """A Patchwork server; see :func:`find_server`.

    :param url: the address without ``/api``.
    :param token: the token; never shown.
    :param project: the link name of a project; empty for any.
    """

    url: str
    token: str = field(repr=False)
    project: str = ""


def find_server(url: str, *, project: str, environment: Mapping[str, str]) -> Server:
    """Return the server of a URL, with the token from the environment.

    :param url: the address of the server.
    :param project: the link name of a project; empty for any.
    :param environment: the environment variables.
    :raises UsageError: the URL is not valid or not encrypted, or there is no valid token.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        is_near = bool(LOOPBACK.fullmatch(parts.hostname or ""))
        has_port = parts.port is not None or parts.netloc != ""
    except ValueError as error:
        raise UsageError(
            f"{url} is not a URL", evidence=str(error), remedy="write https://patchwork.example.org"
        ) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not has_port or parts.username is not None:
        raise UsageError(f"{url} is not the URL of a Patchwork server", remedy="write https://patchwork.example.org")
    if parts.scheme == "http" and not is_near:
        remedy = f"write https://{parts.netloc}{parts.path}"
        raise UsageError(f"{url}: the token would be sent unencrypted", remedy=remedy)
    token = environment.get(TOKEN_VARIABLE, "").strip()
    if not token:
        remedy = f"create one on your profile page of the server, then: export {TOKEN_VARIABLE}=..."
        raise UsageError("no token for Patchwork", remedy=remedy)
    if not _TOKEN.fullmatch(token):
        # Not shown: it may be a mistyped token.
        what = f"{TOKEN_VARIABLE} is not a valid token: it contains an illegal character"
        raise UsageError(what, remedy="copy the token from your profile page again")
    return Server(re.sub(r"/(?:api(?:/[\d.]*)?/?)?$", "", url), token, project)


def check_words(context: str, target_url: str) -> None:
    """Check the fields that the server would reject for each patch.

    :param context: the name of the checker.
    :param target_url: a page with details; may be empty.
    :raises UsageError: a field is not valid.
    """
    if not _CONTEXT.fullmatch(context):
        what = f"--context {context} is not valid: only letters, digits, - and _ are allowed"
        raise UsageError(what, remedy="write --context harness")
    if target_url and urllib.parse.urlsplit(target_url).scheme not in ("http", "https"):
        raise UsageError(f"--target-url {target_url} is not a URL", remedy="write https://...")


def _bounded(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= DESCRIPTION_LENGTH else f"{line[: DESCRIPTION_LENGTH - 3]}..."
