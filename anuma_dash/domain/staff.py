"""Who works for the service, and as what: staff roles are given and taken by administrators and operators alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash import mail
from anuma_dash.audit import Event, record
from anuma_dash.db import new_id
from anuma_dash.errors import Conflict, Invalid, NotAllowed, NotFound
from anuma_dash.identity import OPERATOR, Actor, SignInIdentity, StaffMember, StaffRole, User
from anuma_dash.mail import Letter
from anuma_dash.names import fold_address
from anuma_dash.settings import Settings

TENURE_HOURS = 24
TENURE = timedelta(hours=TENURE_HOURS)
"""For how long somebody must have their role before they ask, or others ask, for what takes a second person."""
NEWS_LIFETIME = timedelta(days=3)
ROLE_GIVEN = Letter(
    "staff_role_given",
    "$person has the staff role $role now",
    "mail/staff_role_given.txt",
    "mail/staff_role_given.html",
)


@dataclass(frozen=True)
class StaffPerson:
    """One who works for the service: each role with the time since when they have it."""

    user: User
    roles: tuple[tuple[StaffRole, datetime], ...]


def staff_people(tx: Session) -> list[StaffPerson]:
    """Everybody with a staff role, by name."""
    rows = tx.execute(
        select(User, StaffMember).join(StaffMember, StaffMember.user_id == User.id).order_by(User.name, User.id)
    ).all()
    found: dict[UUID, list[tuple[StaffRole, datetime]]] = {}
    for user, member in rows:
        found.setdefault(user.id, []).append((StaffRole(member.role), member.created_at))
    users = {user.id: user for user, _ in rows}
    return [StaffPerson(users[user_id], tuple(sorted(roles))) for user_id, roles in found.items()]


def find_by_verified_address(tx: Session, email: str) -> User:
    """The one person whose provider has verified this e-mail address. Raises `Invalid` for the field `email`."""
    typed = email.strip()
    verified = select(User).where(User.email.in_({typed, fold_address(typed)}), User.email_verified)
    found = list(tx.scalars(verified.limit(2)))
    if not found:
        raise Invalid("Nobody who has signed in has this verified address.", field="email")
    if len(found) > 1:
        raise Invalid("Several people have this address, so nobody can be told by it.", field="email")
    return found[0]


def give_staff_role(tx: Session, settings: Settings, actor: Actor, user: User, role: StaffRole, now: datetime) -> None:
    """Make a person staff, record it in the chain of the service, and write to every other administrator.

    Raises `NotAllowed` unless an administrator or an operator acts, and if somebody gives themselves a role; `Invalid`
    if the person is suspended or has the role.
    """
    administrators = _lock_administrators(tx, actor)
    _give(tx, actor, user, role, now)
    values = {"person": user.name, "role": role.value, "by": actor.name or "an operator", "hours": str(TENURE_HOURS)}
    values |= {"url": f"{settings.public_url}/staff/people", "support_email": settings.support_email}
    for administrator in tx.scalars(select(User).where(User.id.in_(administrators - {actor.user_id, user.id}))):
        if mail.mailable(administrator.email):
            mail.write(tx, settings, administrator, ROLE_GIVEN, values, now=now, until=now + NEWS_LIFETIME)


def _give(tx: Session, actor: Actor, user: User, role: StaffRole, now: datetime) -> None:
    if actor.user_id == user.id:
        raise NotAllowed("Nobody gives themselves a staff role. Ask another administrator.")
    if user.status != "active":
        raise Invalid("This person is suspended, so they cannot be staff.", field="email")
    if _find(tx, user.id, role) is not None:
        raise Invalid(f"{user.name} has the role {role.value} already.", field="role")
    tx.add(StaffMember(id=new_id(), user_id=user.id, role=role.value, created_at=now))
    _record(tx, actor, Event.STAFF_ROLE_GIVEN, user, role, now)


def take_staff_role(tx: Session, actor: Actor, user_id: UUID, role: StaffRole, now: datetime) -> User:
    """Take a staff role away; what it allowed ends with the person's next request. Returns the person.

    Raises `NotFound` if they do not have it, `NotAllowed` unless an administrator or an operator acts, and `Conflict`
    if a page would leave the service without an administrator.
    """
    administrators = _lock_administrators(tx, actor)
    member = _find(tx, user_id, role)
    if member is None:
        raise NotFound("This person does not have this staff role.")
    if role is StaffRole.ADMINISTRATOR and actor.kind != "operator" and administrators <= {user_id}:
        raise Conflict("This is the last administrator. An operator can take the role on the command line.")
    tx.delete(member)
    user = tx.get_one(User, user_id)
    _record(tx, actor, Event.STAFF_ROLE_TAKEN, user, role, now)
    return user


def _lock_administrators(tx: Session, actor: Actor) -> set[UUID]:
    # All of their rows are locked, so that of two administrators who take each other's role at once, one finds it gone.
    query = select(StaffMember).where(StaffMember.role == StaffRole.ADMINISTRATOR.value).order_by(StaffMember.id)
    found = {member.user_id for member in tx.scalars(query.with_for_update())}
    if actor.kind != "operator" and actor.user_id not in found:
        raise NotAllowed("Only an administrator of the service gives and takes staff roles.")
    return found


def _find(tx: Session, user_id: UUID, role: StaffRole) -> StaffMember | None:
    return tx.scalar(select(StaffMember).where(StaffMember.user_id == user_id, StaffMember.role == role.value))


def _record(tx: Session, actor: Actor, event: Event, user: User, role: StaffRole, now: datetime) -> None:
    record(tx, actor, event, at=now, account_id=None, person=user.name, person_id=user.id, role=role.value)


def begin_development_staff(
    tx: Session, settings: Settings, user: User, provider: str, subject: str, now: datetime
) -> bool:
    """Give a person who signs in for the first time the staff roles that `development_staff` names for them.

    Says whether there were any. In production there are none: the setting is refused there.
    """
    who = f"{provider}:{subject}="
    roles = [StaffRole(item.removeprefix(who)) for item in settings.development_staff if item.startswith(who)]
    for role in roles:
        _give(tx, OPERATOR, user, role, now)
    return bool(roles)


def require_tenure(tx: Session, settings: Settings, actor: Actor, asked_at: datetime) -> None:
    """Raise `NotAllowed` unless the actor was an administrator well before something was asked that takes a second one.

    Otherwise one administrator could give the role to an identity of their own, and approve what they asked.
    """
    assert actor.user_id is not None
    if not _had_role(tx, settings, actor.user_id, asked_at, StaffRole.ADMINISTRATOR):
        raise NotAllowed(
            f"An approval counts only from somebody who was an administrator for {TENURE_HOURS} hours when it was "
            "asked for. Another administrator has to approve this."
        )


def require_tenure_of_asker(
    tx: Session, settings: Settings, asked_by: UUID, asked_at: datetime, *roles: StaffRole
) -> None:
    """Raise `Conflict` unless whoever asked for what takes others has one of the roles, and had it long before.

    Otherwise one administrator could give a role to an identity of their own, ask as that one, and approve as
    themselves. Call it at the question, so that nothing waits that nobody may approve, and at each approval: the role
    may have been taken and given anew meanwhile.
    """
    if not _had_role(tx, settings, asked_by, asked_at, *roles):
        words = " or ".join(role.value for role in roles)
        raise Conflict(
            f"What takes a second person is asked for by somebody who had the staff role {words} for {TENURE_HOURS} "
            "hours by then. Somebody else has to ask."
        )


def _had_role(tx: Session, settings: Settings, user_id: UUID, asked_at: datetime, *roles: StaffRole) -> bool:
    """Whether the person has one of the roles, and had it for long. In development those whom `development_staff`
    names count as having had theirs of old."""
    identities = tx.scalars(select(SignInIdentity).where(SignInIdentity.user_id == user_id)).all()
    for role in roles:
        member = _find(tx, user_id, role)
        if member is None:
            continue
        names = {f"{one.provider}:{one.subject}={role.value}" for one in identities}
        if member.created_at <= asked_at - TENURE or not names.isdisjoint(settings.development_staff):
            return True
    return False
