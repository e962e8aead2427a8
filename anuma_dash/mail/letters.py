"""Letters: the kinds of messages, and how their templates are filled.

What a letter's HTML template may use: paragraphs; `<p class="code">` for a code; for facts a table of two columns,
`<table class="facts" role="presentation">`; and a button, `<p><a class="button" href="$url">See it</a></p>`, for which
the text template has `$url` in a line of its own. Nothing is loaded from anywhere and nothing is counted: no image, no
script, no tracking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from zoneinfo import ZoneInfo

from anuma_dash.identity import User
from anuma_dash.names import one_line

PACKAGE = Path(__file__).parent.parent


@dataclass(frozen=True)
class Letter:
    """A kind of message: its subject, and its two templates, which say the same.

    Subject and templates are filled with the same values (`$name`, `$account`, …). The HTML template is the inside of
    `mail/frame.html`. `why` says at the end of both why one gets it.
    """

    name: str
    subject: str
    text: str
    html: str
    why: str = (
        "This message is about your account or your sign-in at Anuma. It belongs to the service and is sent whatever "
        "other mail you have chosen."
    )


CONFIRMATION_CODE = Letter(
    "confirmation_code",
    "Your confirmation code for Anuma",
    "mail/confirmation_code.txt",
    "mail/confirmation_code.html",
)


def fill(letter: Letter, values: Mapping[str, str]) -> dict[str, str]:
    """Subject, text and HTML of a letter. Values are one line each; in the HTML they are escaped."""
    plain = {name: one_line(value) for name, value in values.items()}
    subject = Template(letter.subject).substitute(plain)
    escaped = {name: escape(value) for name, value in plain.items()}
    inside = template(letter.html).substitute(escaped)
    return {
        "subject": subject,
        "text": f"{template(letter.text).substitute(plain).rstrip()}\n\n-- \n{letter.why}\n",
        "html": template("mail/frame.html").substitute(
            subject=escape(subject), inside=inside.rstrip(), why=escape(letter.why)
        ),
    }


def template(name: str) -> Template:
    """A template by its path below the folder of templates."""
    # In a wheel the folder lies inside the package; in a checkout, beside it.
    folder = next(one for one in (PACKAGE / "templates", PACKAGE.parent / "templates") if one.is_dir())
    return Template((folder / name).read_text())


def utc_moment(moment: datetime) -> str:
    """A time for readers whose time zones are not known, such as "November 22, 2026, 10:02 UTC"."""
    utc = moment.astimezone(UTC)
    return f"{utc:%B} {utc.day}, {utc:%Y, %H:%M} UTC"


def local_moment(moment: datetime, user: User) -> str:
    """A time in the person's time zone, such as "Nov 22, 2026, 10:02 (Europe/Berlin)"."""
    local = moment.astimezone(ZoneInfo(user.time_zone))
    return f"{local:%b} {local.day}, {local.year}, {local:%H:%M} ({user.time_zone.replace('_', ' ')})"
