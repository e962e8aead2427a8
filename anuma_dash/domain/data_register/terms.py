"""What the register is written in: categories, tags, lawful bases, and the periods that the code obeys too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from anuma_dash.settings import Settings

SESSIONS_KEPT = timedelta(days=90)
"""For how long a session is kept after it was last seen: so long a device counts as known."""
UNDER_WAY_KEPT = timedelta(hours=1)
"""For how long what belongs to a sign-in or a confirmation under way is kept, once it is over."""
SETTLED_KEPT = timedelta(days=90)
"""For how long what is over stays: an invitation, an answer to staff, a recovery, who closed an account, an export."""

EXPORTS_KEPT = timedelta(hours=24)
"""For how long the file of an export is kept once it is ready."""

Holder = Literal["dashboard", "gateway", "browser"]
CONTRACT = "Contract: the service cannot be had without it (GDPR Art. 6(1)(b))"
SECURITY = "Legitimate interest in the security of the service (GDPR Art. 6(1)(f))"
PROOF = "Legitimate interest in being able to show what was done (GDPR Art. 6(1)(f))"
CONSENT = "Your choice, which you can take back (GDPR Art. 6(1)(a))"
NOBODY = "Nobody outside Anuma"
UNTIL_DELETED = "As long as you have a user here. It cannot be deleted on these pages yet: write to support"
WITH_ACCOUNT = "As long as the account is there. A closed account stays on file: nothing deletes that yet"


def session_days_kept(settings: Settings) -> int:
    """For how many days a session is kept after it was last seen; never less than it may be idle."""
    return max(SESSIONS_KEPT.days, settings.session_idle_days)


def days(count: int) -> str:
    """A number of days, in words."""
    return "1 day" if count == 1 else f"{count} days"


@dataclass(frozen=True)
class Counted:
    """Rows of a table that are a person's: those in which the column holds their id or their address.

    By `link` they are the links of activity entries to the person (`audit.AuditObject`).
    """

    table: str
    column: str
    one: str
    many: str = ""
    by: Literal["id", "link", "email"] = "id"


@dataclass(frozen=True)
class Category:
    """One kind of what is held, in words for the people whom it is about.

    `kept` says for how long, by the settings in force. `page` is the label and the endpoint where a person reads,
    corrects or deletes it. `more_fields` names what is in no column of a table. Of what the gateway holds, `inventory`
    is its name for it.
    """

    name: str
    title: str
    holder: Holder
    source: str
    purpose: str
    basis: str
    kept: Callable[[Settings], str]
    recipients: str
    page: tuple[str, str] | None = None
    counted: tuple[Counted, ...] = ()
    more_fields: tuple[str, ...] = ()
    inventory: str = ""


@dataclass(frozen=True)
class Personal:
    """A column that says something of a person: its category in the register, and its words for them."""

    category: str
    words: str


@dataclass(frozen=True)
class NotPersonal:
    """A column that says nothing of a person, and why not."""

    reason: str


Tag = Personal | NotPersonal
ROW = NotPersonal("identifies the row")
WORK = NotPersonal("says how far the work is")
LINK = NotPersonal("names another row, where the person is tagged")
SECRET = NotPersonal("random, made here, or a hash of that")
CHAIN = NotPersonal("holds the chain of entries together")
DURABLE: Mapping[str, Tag] = dict.fromkeys(
    ("id", "attempt", "failures", "next_try_at", "last_try_at", "last_failure"), WORK
)


def held(category: str, **words: str) -> dict[str, Tag]:
    """Columns that say something of a person, all of one category, each with its words."""
    return {column: Personal(category, text) for column, text in words.items()}


def each(tag: NotPersonal, *columns: str) -> dict[str, Tag]:
    """Columns that say nothing of a person, all for the same reason."""
    return dict.fromkeys(columns, tag)
