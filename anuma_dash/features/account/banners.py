"""What stands on top of pages about accounts: why one is at a standstill, and which were closed lately.

Of a standstill every page says why, since when, what is true of its keys, and whom to ask.
"""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

from flask import request, url_for
from sqlalchemy.orm import Session

from anuma_dash.domain.closings import AccountClosing, closing_of
from anuma_dash.domain.members import belongings_of
from anuma_dash.domain.suspensions import AccountSuspension, suspension_of
from anuma_dash.identity import Account, Actor, Permission
from anuma_dash.web.banners import Banner, Link, Paragraph
from anuma_dash.web.state import now

NEWS = timedelta(days=30)
"""For how long the overview says that another account was closed, or cannot be opened yet."""


def banners(tx: Session, actor: Actor, account: Account) -> list[Banner]:
    """The suspension, the closing, both, or nothing; on the overview also what became of other accounts."""
    return [*_standstill(tx, actor, account), *_elsewhere(tx, actor)]


def _elsewhere(tx: Session, actor: Actor) -> list[Banner]:
    if request.blueprint != "overview" or actor.kind != "user" or actor.user_id is None:
        return []
    link = Link("Your accounts", url_for("profile.show", _anchor="accounts"))
    found = []
    for one in belongings_of(tx, actor.user_id):
        if one.state == "open" or one.at is None or now() - one.at > NEWS:
            continue
        name = one.account.name
        if one.state == "closed":
            text: Paragraph = ("Since ", one.at, " nobody can open it any more. Its stored content was deleted first.")
            found.append(Banner("info", f"{name} is closed", (text,), link=link))
        else:
            text = ("A backup of this site was restored ", one.at, ". An owner of it has to confirm you first.")
            found.append(Banner("wait", f"You cannot open {name} yet", (text,), link=link))
    return found


def _standstill(tx: Session, actor: Actor, account: Account) -> list[Banner]:
    if not account.halt:
        return []
    suspension = suspension_of(tx, account.id) if account.status == "suspended" else None
    closing = closing_of(tx, account.id)
    found = [_suspension(account, suspension)] if suspension is not None else []
    if closing is not None:
        keys = () if suspension is not None else _keys(account)
        found.append(_closing(actor, closing, keys))
    return found


def _keys(account: Account) -> Paragraph:
    stopped = account.keys_stopped_at
    if stopped is None:
        return ("The gateway has not confirmed that its API keys have stopped; until it does, they may still work.",)
    return ("Its API keys have stopped, in effect ", stopped, ".")


def _suspension(account: Account, row: AccountSuspension) -> Banner:
    subject = quote(f"Suspension of account {row.account_id}")
    return Banner(
        "stop",
        "This account is suspended",
        (
            ("Since ", row.at, f", by {row.by_name}. The reason: “{row.reason}”"),
            (*_keys(account), " You can still read, switch data storage off, revoke keys and delete."),
            ("To contest this, write to ", Link(row.contest, f"mailto:{row.contest}?subject={subject}"), "."),
        ),
    )


def _closing(actor: Actor, row: AccountClosing, keys: Paragraph) -> Banner:
    begun: Paragraph = ("Its stored content is being deleted. ",)
    if row.state == "requested":
        begun = (
            "After ",
            row.closes_at,
            " its stored content is deleted; once that is done, nobody can open it any more. ",
        )
    stoppable = row.state == "requested" and actor.may(Permission.CLOSE_ACCOUNT)
    link = Link("Look or stop it" if stoppable else "About the account", url_for("account.index"))
    return Banner(
        "wait",
        "This account is being closed",
        ((f"{row.requested_by_name} asked for it ", row.requested_at, ". ", *begun, *keys),),
        link=None if request.path == link.url else link,
    )
