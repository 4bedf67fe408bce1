# SPDX-License-Identifier: GPL-2.0-only
"""Write the answer to a series as a mail."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from harness.base.store import digest_of
from harness.follow.state.rows import SeriesRow
from harness.model.series_record import SeriesRecord
from harness.report.formats.series_mail import render_mail
from harness.report.text import one_line

MOST_RECIPIENTS = 40
_LOCAL, _DOMAIN = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}", r"[A-Za-z0-9.-]{1,190}"
_PLAIN = re.compile(rf"{_LOCAL}@{_DOMAIN}")
_ID = re.compile(r"[!-;=?-~]{1,200}@[!-;=?-~]{1,200}")
_SUBJECT_LENGTH = 200


def build_reply(row: SeriesRow, record: SeriesRecord, *, sender: str, now: float) -> bytes:
    """Return the mail: addressed to the sender and to the recipients of the series, in its thread.

    What is not a plain address is left out, and so are all but the first :data:`MOST_RECIPIENTS` recipients.

    :param sender: the From header.
    :param now: seconds since the epoch.
    """
    mail = EmailMessage(policy=SMTP.clone(linesep="\n", max_line_length=78))
    name, address = parseaddr(sender)
    mail["From"] = Address(name, addr_spec=address)
    mail["Date"] = format_datetime(datetime.fromtimestamp(int(now), UTC))
    mail["Message-ID"] = f"<{reply_name(row, record.state)}@{address.rpartition('@')[2]}>"
    to = [row.sender] if _PLAIN.fullmatch(row.sender) else []
    others = [one for one in row.recipients if _PLAIN.fullmatch(one) and one not in (address.lower(), *to)]
    mail["To"] = [Address(addr_spec=one) for one in (to or others[:1])]
    if copies := [one for one in others if one not in (to or others[:1])][:MOST_RECIPIENTS]:
        mail["Cc"] = [Address(addr_spec=one) for one in copies]
    count = len(record.posted)
    version = "" if row.version == "v1" else f" {row.version}"
    number = f" 0/{count}" if count > 1 else ""
    mail["Subject"] = f"Re: [PATCH{version}{number}] {one_line(row.title)}"[:_SUBJECT_LENGTH]
    if _ID.fullmatch(row.message_id):
        mail["In-Reply-To"] = mail["References"] = f"<{row.message_id}>"
    mail["Auto-Submitted"] = "auto-replied"
    mail.set_content(render_mail(record), cte="8bit")
    return mail.as_bytes()


def reply_name(row: SeriesRow, verdict: str) -> str:
    """Return the name of the answer, the same for the same series and verdict."""
    return f"harness-{row.id}-{verdict}-{digest_of(row.key)[:12]}"
