"""Which text of a control was accepted, and accepting a newer one without switching anything.

Who accepted an older text goes on as accepted, and nothing wider: a longer period and anything newly covered wait for
the current one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.db import owned
from anuma_dash.domain.controls.catalogue import CONTROLS
from anuma_dash.domain.controls.models import ControlChange, DisclosureAcceptance
from anuma_dash.domain.controls.scopes import Scope
from anuma_dash.domain.disclosures import Disclosure, current_disclosure
from anuma_dash.errors import Conflict, Invalid
from anuma_dash.identity import Actor, Permission, lock_account
from anuma_dash.workflows import Context


class AcceptFirst(Conflict):
    """What was asked for is wider than the text that was accepted."""


@dataclass(frozen=True)
class Accepted:
    """The text of a control that was accepted last, by whom and when."""

    version: int
    at: datetime
    by: UUID | None
    by_name: str


def accepted_text(tx: Session, account_id: UUID, scope: Scope) -> Accepted | None:
    """The text that was accepted last at a scope; None if it was never switched on."""
    switched = tx.scalar(
        owned(ControlChange, account_id)
        .where(
            ControlChange.control == scope.control,
            ControlChange.level == scope.level,
            ControlChange.target_id == scope.target_id,
            ControlChange.disclosure_version.is_not(None),
        )
        .order_by(ControlChange.epoch.desc())
        .limit(1)
    )
    row = tx.scalar(
        owned(DisclosureAcceptance, account_id)
        .where(
            DisclosureAcceptance.control == scope.control,
            DisclosureAcceptance.level == scope.level,
            DisclosureAcceptance.target_id == scope.target_id,
        )
        .order_by(DisclosureAcceptance.id.desc())
        .limit(1)
    )
    found = []
    if switched is not None and switched.disclosure_version is not None:
        found.append(
            Accepted(
                switched.disclosure_version, switched.requested_at, switched.requested_by, switched.requested_by_name
            )
        )
    if row is not None:
        found.append(Accepted(row.disclosure_version, row.accepted_at, row.accepted_by, row.accepted_by_name))
    return max(found, key=lambda one: one.version) if found else None


def check_acceptance(control: str, accepted_sha256: str | None) -> Disclosure:
    """The current text, if this is the hash of it. Raises `Invalid`."""
    disclosure = current_disclosure(control)
    if accepted_sha256 is None:
        raise Invalid("Tick the box to say that you have read what will be stored.", field="accepted")
    if accepted_sha256 != disclosure.sha256:
        raise Invalid("The text has changed since you opened it. Please read it again.", field="accepted")
    return disclosure


def must_accept_first(tx: Session, account_id: UUID, scope: Scope, what: str) -> None:
    """Refuse something wider while only an older text was accepted. Raises `AcceptFirst`."""
    accepted = accepted_text(tx, account_id, scope)
    if accepted is not None and accepted.version < current_disclosure(scope.control).version:
        raise AcceptFirst(f"{what} needs the current text to be accepted first: only version {accepted.version} was.")


def accept_text(context: Context, actor: Actor, account_id: UUID, scope: Scope, accepted_sha256: str | None) -> None:
    """Record that the current text is accepted, without switching anything. Accepting twice records once.

    Raises `NotAllowed`, `Invalid` for another text, `Conflict` if the control was never on.
    """
    own = scope.level == "person" and scope.target_id == actor.user_id
    actor.require(Permission.CHANGE_OWN_CONTROLS if own else Permission.SWITCH_ON)
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        lock_account(tx, account_id)
        disclosure = check_acceptance(scope.control, accepted_sha256)
        before = accepted_text(tx, account_id, scope)
        if before is None:
            raise Conflict(f"{CONTROLS[scope.control].label} was never on. Its text is accepted with switching it on.")
        if before.version >= disclosure.version:
            return
        tx.add(
            DisclosureAcceptance(
                account_id=account_id,
                control=scope.control,
                level=scope.level,
                target_id=scope.target_id,
                disclosure_version=disclosure.version,
                disclosure_sha256=disclosure.sha256,
                accepted_by=actor.user_id,
                accepted_by_name=actor.name,
                accepted_at=now,
            )
        )
        record(
            tx,
            actor,
            Event.CONTROL_TEXT_ACCEPTED,
            at=now,
            account_id=None if own else account_id,
            control=CONTROLS[scope.control].label,
            disclosure_version=disclosure.version,
            disclosure_sha256=disclosure.sha256,
        )
