"""What Northwind Labs owns, one of each kind, and the arguments of every route that has some in its path.

Everything is Dev's own, so that each role that may do a thing at all may do it to these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from anuma_dash.db import new_id
from anuma_dash.domain import support
from anuma_dash.domain.accounts import add_member
from anuma_dash.domain.control_notices import ControlNotice
from anuma_dash.domain.controls import CONTROLS, request_control
from anuma_dash.domain.deletions import request_deletion
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.domain.passkeys import Passkey
from anuma_dash.features.activity.export import request_export
from anuma_dash.features.data_controls.service import test_control as run_control_test
from anuma_dash.features.people.departures import KeyWish, remove_member
from anuma_dash.features.people.invitations import invite
from anuma_dash.gateway.schemas import DeletionScope, NewApp, NewKey
from anuma_dash.identity import OPERATOR, Role, SignInIdentity, StaffMember, StaffRole, User, find_account
from anuma_dash.mail import Mail
from tests.staff_examples import StaffBelongings, make_staff_belongings
from tests.world import World

CANARIES = ("canary-key", "canary-app", "canary-prompt", "Northwind", "Olive", "Dev Kapoor", "northwind.example")
"""Words that only members of Northwind Labs may ever read."""


@dataclass(frozen=True)
class Belongings:
    """Identifiers of what Northwind Labs owns."""

    account_id: UUID
    app_id: UUID
    key_id: UUID
    memory_id: UUID
    request_id: UUID
    deletion_id: UUID
    test_id: UUID
    passkey_id: UUID
    identity_id: UUID
    session_id: UUID
    staff: StaffBelongings
    member_id: UUID
    invitation_id: UUID
    departure_id: UUID
    notice_id: UUID
    recovery_id: UUID
    grant_id: UUID
    question_id: UUID
    support_session_id: UUID
    export_id: UUID

    @property
    def identifiers(self) -> list[UUID]:
        """All of them."""
        own = [value for value in vars(self).values() if isinstance(value, UUID)]
        return [*own, *vars(self.staff).values()]


EXAMPLES: dict[str, Callable[[Belongings], dict[str, Any]]] = {
    "activity.create_download": lambda own: {"export_id": own.export_id},
    "activity.show_export": lambda own: {"export_id": own.export_id},
    "apps.create_retirement": lambda own: {"app_id": own.app_id},
    "apps.edit": lambda own: {"app_id": own.app_id},
    "apps.new_retirement": lambda own: {"app_id": own.app_id},
    "apps.update": lambda own: {"app_id": own.app_id},
    "data_controls.edit": lambda _: {"slug": "own-chat-history"},
    "data_controls.keeping": lambda _: {"slug": "own-chat-history"},
    "data_controls.period": lambda _: {"slug": "own-chat-history"},
    "data_controls.set_period": lambda _: {"slug": "own-chat-history"},
    "data_controls.text": lambda _: {"slug": "own-chat-history"},
    "data_controls.accept_text": lambda _: {"slug": "own-chat-history"},
    "data_controls.people": lambda _: {"slug": "chat-history"},
    "data_controls.set_people": lambda _: {"slug": "chat-history"},
    "data_controls.repetition": lambda _: {"slug": "prompt-logging"},
    "data_controls.show": lambda _: {"slug": "prompt-logging"},
    "data_controls.show_test": lambda own: {"test_id": own.test_id},
    "deletions.create_undoing": lambda own: {"deletion_id": own.deletion_id},
    "data_controls.update": lambda _: {"slug": "own-chat-history"},
    "deletions.show": lambda own: {"deletion_id": own.deletion_id},
    "keys.create_activation": lambda own: {"key_id": own.key_id},
    "keys.create_revocation": lambda own: {"key_id": own.key_id},
    "keys.new_activation": lambda own: {"key_id": own.key_id},
    "keys.new_revocation": lambda own: {"key_id": own.key_id},
    "keys.show": lambda own: {"key_id": own.key_id},
    "history.create_pinning": lambda own: {"conversation_id": own.memory_id},
    "history.show": lambda own: {"conversation_id": own.memory_id},
    "history.update": lambda own: {"conversation_id": own.memory_id},
    "memories.create_deletion": lambda own: {"memory_id": own.memory_id},
    "memories.edit": lambda own: {"memory_id": own.memory_id},
    "memories.new_deletion": lambda own: {"memory_id": own.memory_id},
    "memories.update": lambda own: {"memory_id": own.memory_id},
    "people.create_acceptance": lambda _: {"token": "A" * 43},
    "people.create_confirmation": lambda own: {"user_id": own.member_id},
    "people.create_dismissal": lambda own: {"notice_id": own.notice_id},
    "people.create_invitation_revocation": lambda own: {"invitation_id": own.invitation_id},
    "people.create_recovery_stop": lambda own: {"recovery_id": own.recovery_id},
    "people.create_removal": lambda own: {"user_id": own.member_id},
    "people.create_renewal": lambda own: {"invitation_id": own.invitation_id},
    "people.edit": lambda own: {"user_id": own.member_id},
    "people.invitation": lambda _: {"token": "A" * 43},
    "people.new_removal": lambda own: {"user_id": own.member_id},
    "people.show_departure": lambda own: {"departure_id": own.departure_id},
    "people.show_invitation": lambda own: {"invitation_id": own.invitation_id},
    "people.update": lambda own: {"user_id": own.member_id},
    "requests.create_evaluation": lambda own: {"request_id": own.request_id},
    "requests.create_evaluation_deletion": lambda own: {
        "request_id": own.request_id,
        "evaluation_id": own.request_id,
    },
    "requests.evaluations": lambda own: {"request_id": own.request_id},
    "requests.trace": lambda own: {"request_id": own.request_id},
    "requests.content": lambda own: {"request_id": own.request_id},
    "requests.show": lambda own: {"request_id": own.request_id},
    "sessions.create_ending": lambda own: {"session_id": own.session_id},
    "sessions.new_ending": lambda own: {"session_id": own.session_id},
    "sessions.show": lambda own: {"session_id": own.session_id},
    "sign_in.back_channel_logout": lambda _: {"slug": "sandbox"},
    "sign_in.callback": lambda _: {"slug": "sandbox"},
    "sign_in.create": lambda _: {"slug": "sandbox"},
    "sign_in.create_link": lambda _: {"slug": "sandbox"},
    "sign_in.show": lambda _: {"slug": "sandbox"},
    "sign_in_methods.create_passkey_removal": lambda own: {"passkey_id": own.passkey_id},
    "sign_in_methods.create_provider_removal": lambda own: {"identity_id": own.identity_id},
    "sign_in_methods.new_passkey_removal": lambda own: {"passkey_id": own.passkey_id},
    "sign_in_methods.new_provider_removal": lambda own: {"identity_id": own.identity_id},
    "staff.create_emergency": lambda own: {"account_id": own.account_id},
    "staff.create_emergency_approval": lambda own: {"grant_id": own.staff.emergency_id},
    "staff.create_person_reinstatement": lambda own: {"suspension_id": own.staff.suspension_id},
    "staff.create_recovery": lambda own: {"account_id": own.account_id},
    "staff.create_recovery_approval": lambda own: {"recovery_id": own.staff.recovery_id},
    "staff.create_recovery_stop": lambda own: {"recovery_id": own.staff.recovery_id},
    "staff.create_reinstatement": lambda own: {"account_id": own.account_id},
    "staff.create_request": lambda own: {"account_id": own.account_id},
    "staff.create_role_removal": lambda own: {"user_id": own.staff.user_id, "role": "support"},
    "staff.create_session": lambda own: {"grant_id": own.staff.grant_id},
    "staff.create_session_stop": lambda own: {"session_id": own.staff.session_id},
    "staff.create_suspension": lambda own: {"account_id": own.account_id},
    "staff.new_emergency": lambda own: {"account_id": own.account_id},
    "staff.new_emergency_approval": lambda own: {"grant_id": own.staff.emergency_id},
    "staff.new_person_reinstatement": lambda own: {"suspension_id": own.staff.suspension_id},
    "staff.new_recovery": lambda own: {"account_id": own.account_id},
    "staff.new_recovery_approval": lambda own: {"recovery_id": own.staff.recovery_id},
    "staff.new_recovery_stop": lambda own: {"recovery_id": own.staff.recovery_id},
    "staff.new_reinstatement": lambda own: {"account_id": own.account_id},
    "staff.new_request": lambda own: {"account_id": own.account_id},
    "staff.new_role_removal": lambda own: {"user_id": own.staff.user_id, "role": "support"},
    "staff.new_session": lambda own: {"grant_id": own.staff.grant_id},
    "staff.new_suspension": lambda own: {"account_id": own.account_id},
    "staff.show_account": lambda own: {"account_id": own.account_id},
    "support_access.create_approval": lambda own: {"grant_id": own.question_id},
    "support_access.create_end": lambda own: {"session_id": own.support_session_id},
    "support_access.create_refusal": lambda own: {"grant_id": own.question_id},
    "support_access.create_revocation": lambda own: {"grant_id": own.grant_id},
    "support_access.new_approval": lambda own: {"grant_id": own.question_id},
    "support_access.show_request": lambda own: {"grant_id": own.question_id},
    "support_access.show_session": lambda own: {"session_id": own.support_session_id},
}
"""A route with arguments in its path needs a line here."""


def make_belongings(world: World) -> Belongings:
    """Dev makes a key, has prompts logged, sends some, asks for a deletion, and tests the control."""
    dev = replace(world.dev.actor, role=Role.OWNER)
    context, account_id = world.services.context, world.northwind
    app = world.gateway.create_app(dev, account_id, NewApp(name="canary-app"), str(new_id()))
    new_key = NewKey(name="canary-key", created_by=world.dev.id, app_id=app.id)
    key = world.gateway.create_key(dev, account_id, new_key, str(new_id()))
    logging = CONTROLS["prompt_logging"]
    accepted = current_disclosure(logging.name).sha256
    request_control(context, dev, account_id, logging, enabled=True, accepted_sha256=accepted)
    assert world.chat(key.secret or "", "canary-prompt").status_code == 200
    (request,) = world.gateway.requests(dev, account_id).data
    scope = DeletionScope(category="request_content", request_ids=[new_id()])
    deletion = request_deletion(context, dev, account_id, scope, count=1, token=new_id())
    test = run_control_test(context, dev, account_id, logging, key_id=key.id, token=new_id())
    passkey_id, identity_id = _make_sign_in_methods(world)
    export = request_export(context, world.dev.actor, account_id, "csv", {}, "UTC", token=new_id())
    staff = make_staff_belongings(world)
    session, _ = world.start_session(world.dev)
    member_id, departure_id = _make_departure(world)
    grant_id, question_id, session_id = _make_support_access(world)
    return Belongings(
        account_id=account_id,
        app_id=app.id,
        key_id=key.id,
        memory_id=new_id(),
        request_id=request.id,
        deletion_id=deletion.id,
        test_id=test.id,
        passkey_id=passkey_id,
        identity_id=identity_id,
        export_id=export.id,
        session_id=session.id,
        staff=staff,
        member_id=member_id,
        invitation_id=invite(
            context, world.olive.actor, account_id, email="newcomer@invited.example", role=Role.VIEWER
        ).id,
        departure_id=departure_id,
        notice_id=world.rows(ControlNotice, user_id=world.dev.id)[0].id,
        recovery_id=staff.recovery_id,
        grant_id=grant_id,
        question_id=question_id,
        support_session_id=session_id,
    )


def _make_departure(world: World) -> tuple[UUID, UUID]:
    """Two people who were taken in: one stays, one was removed again."""
    with world.db.transaction() as tx:
        users = [
            User(id=new_id(), name=f"{name} Northwind", email=None, attested_age_at=world.clock.now)
            for name in ("Remy", "Gone")
        ]
        for user in users:
            user.created_at = world.clock.now
        tx.add_all(users)
        tx.flush()
        account = find_account(tx, world.northwind)
        for user in users:
            add_member(tx, OPERATOR, account, user, Role.VIEWER, world.clock.now)
    staying, gone = (user.id for user in users)
    departure = remove_member(
        world.services.context, world.olive.actor, world.northwind, gone, expected=Role.VIEWER, wish=KeyWish()
    )
    return staying, departure.id


def _make_support_access(world: World) -> tuple[UUID, UUID, UUID]:
    """Olive let support in, Theo of support was inside and left, and asks for more now."""
    context, now = world.services.context, world.clock.now
    theo, member_id = world.theo.actor, new_id()
    with world.db.transaction() as tx:
        tx.add(StaffMember(id=member_id, user_id=world.theo.id, role=StaffRole.SUPPORT.value, created_at=now))
    grant = support.grant_access(context, world.olive.actor, world.northwind, scopes=[], hours=9, ticket="canary")
    words = {"reason": "canary-reason", "ticket": "canary"}
    session, _ = support.open_support_session(context, theo, new_id(), grant.id, **words)
    support.stop_support_session(context, theo, session.id)
    question = support.ask_for_access(context, theo, world.northwind, scopes=["content"], hours=2, **words)
    with world.db.transaction() as tx:
        tx.delete(tx.get_one(StaffMember, member_id))
        tx.execute(update(Mail).values(next_try_at=None, settled_at=now, state="expired"))
    return grant.id, question.id, session.id


def _make_sign_in_methods(world: World) -> tuple[UUID, UUID]:
    passkey = Passkey(
        id=new_id(), user_id=world.dev.id, name="canary-key", credential_id="canary", public_key=b"", sign_count=0
    )
    passkey.transports, passkey.created_at = [], world.clock.now
    with world.db.transaction() as tx:
        tx.add(passkey)
        identity_id = tx.scalars(select(SignInIdentity.id).where(SignInIdentity.user_id == world.dev.id)).one()
    return passkey.id, identity_id
