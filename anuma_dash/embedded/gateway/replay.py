"""Before anything is served: what a restored database has forgotten is taken from the journal and done again.

Every step may be done twice, and the databases say which are left: killed in the middle, the next start goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, insert, select, update

from anuma_dash.gateway.schemas import NewDeletion

from .accounts import add_account
from .core import Gateway
from .deleting import Deleting
from .deletions import UNFINISHED, accept, scope_of, unfinished
from .encryption import KeysMissing
from .holds import HoldsUnreadable
from .journal import (
    AccountAct,
    Act,
    ActivationAct,
    ControlsAct,
    DeactivationAct,
    DeletionAct,
    HandoverAct,
    Header,
    JournalRefused,
    RevocationAct,
)
from .policy import parse_state
from .sweep import destroy_orphans
from .tables import accounts, api_keys, controls, deletions, destroyed_deletions, journal_position

_LOST: Final = (
    "If it is lost for good, `python -m anuma_dash.embedded.gateway new-journal` begins another one; what only the "
    "lost one knew is then forgotten."
)


def prepare(gateway: Gateway, *, begin_anew: bool = False) -> None:
    """Make the databases obey the journal; make a journal if there never was one.

    Args:
        begin_anew: the operator says that the journal is lost: begin another one with what the databases know.

    Raises:
        JournalRefused: the journal is damaged or missing, or knows less than a database does.
        KeysMissing: a key-encryption key that data keys need is not configured.
        HoldsUnreadable: a deletion has to be done again, and nobody can say what a legal duty keeps.
    """
    _check_keys(gateway)
    position = _position(gateway)
    found = None if begin_anew else gateway.journal.open()
    if found is None:
        _begin(gateway, position, begin_anew=begin_anew)
        found = gateway.journal.open()
        assert found is not None
        position = _position(gateway)
    header, acts = found
    _check(gateway, header, position)
    known = position.number if position is not None and position.journal == header.journal else 0
    redone = _replay(gateway, header, [act for act in acts if act.n > known])
    destroyed = _destroy(gateway, [act for act in acts if isinstance(act, DeletionAct)])
    if redone or destroyed:
        gateway.log.info("journal_replayed", acts=dict(redone), deletions_destroyed_again=destroyed)
    _compact(gateway, header, acts)


def _check_keys(gateway: Gateway) -> None:
    missing = gateway.vault.missing_keys()
    if missing:
        raise KeysMissing(missing)


def _position(gateway: Gateway) -> Row[Any] | None:
    with gateway.stores.main.read() as connection:
        return connection.execute(select(journal_position)).one_or_none()


def _check(gateway: Gateway, header: Header, position: Row[Any] | None) -> None:
    path, known = gateway.journal.path, 0
    if position is not None and position.journal == header.journal:
        known = position.number
    elif position is not None and position.journal not in header.replaces:
        raise JournalRefused(f"the journal {path} belongs to other databases than these")
    if known > gateway.journal.last:
        raise JournalRefused(
            f"the journal {path} ends at act {gateway.journal.last}, the main database has seen act {known}: "
            f"acts are missing. Put the newest file back in its place. {_LOST}"
        )
    if known < header.dropped_through:
        raise JournalRefused(
            f"the main database is older than the journal {path} reaches back (ANUMA_GATEWAY_JOURNAL_DAYS), or was "
            "saved before a lost journal was replaced: deletions and revocations after it may not be known any more. "
            "Restore a younger backup"
        )


def _begin(gateway: Gateway, position: Row[Any] | None, *, begin_anew: bool) -> None:
    """The first journal of these databases, or another one instead of one that was lost: with what they know now."""
    if position is not None and not begin_anew:
        raise JournalRefused(f"the journal {gateway.journal.path} is missing. {_LOST}")
    now = gateway.now()
    with gateway.stores.main.write(durable=True) as connection:
        acts = _present(connection, now)
        through = (position.number if position else 0) + len(acts)
        replaces = (position.journal,) if position else ()
        header = Header(n=0, at=now, journal=uuid4(), replaces=replaces, through=through)
        first = through - len(acts) + 1
        gateway.journal.begin(header, (act.model_copy(update={"n": n}) for n, act in enumerate(acts, first)))
        _save_position(connection, header.journal, through)
        finished = list(connection.scalars(select(deletions.c.id).where(deletions.c.state.not_in(UNFINISHED))))
    if position is None:  # they were carried out before there was a journal
        gateway.vault.note_destroyed(finished, now)


def _present(connection: Connection, now: datetime) -> list[Act]:
    """Everything that a journal of these databases would hold if it had been there from the beginning.

    Which keys were handed over, and when, no table knows: so it says of each whose it is now.
    """
    found: list[Act] = []
    column = controls.c
    for row in connection.execute(select(accounts).where(accounts.c.status != "active")):
        found.append(AccountAct(n=0, at=row.updated_at, account=row.id, status=row.status))
    for row in connection.execute(select(controls).where(column.epoch > 0)):
        state = parse_state(row.state)
        found.append(
            ControlsAct(
                n=0, at=row.applied_at, account=row.account_id, epoch=row.epoch, body_hash=row.body_hash, state=state
            )
        )
    for row in connection.execute(select(api_keys).where(api_keys.c.revoked_at.is_not(None))):
        found.append(RevocationAct(n=0, at=row.revoked_at, account=row.account_id, key=row.id))
    stopped = select(api_keys).where(api_keys.c.deactivated_at.is_not(None))
    for row in connection.execute(stopped.order_by(api_keys.c.deactivated_at)):
        found.append(DeactivationAct(n=0, at=row.deactivated_at, account=row.account_id, keys=(row.id,)))
    owned = select(api_keys).where(api_keys.c.revoked_at.is_(None), api_keys.c.created_by.is_not(None))
    for row in connection.execute(owned):
        found.append(HandoverAct(n=0, at=now, account=row.account_id, key=row.id, person=row.created_by))
    for row in connection.execute(select(deletions)):
        scope = scope_of(row)
        found.append(DeletionAct(n=0, at=row.requested_at, account=row.account_id, deletion=row.id, scope=scope))
    return found


def _replay(gateway: Gateway, header: Header, acts: Sequence[Act]) -> Counter[str]:
    """Tell the main database what it does not know, all at once."""
    redone: Counter[str] = Counter(act.act for act in acts)
    with gateway.stores.main.write(durable=True) as connection:
        for act in acts:
            _make_known(connection, act)
            _redo(connection, act)
        _save_position(connection, header.journal, gateway.journal.last)
    return redone


def _make_known(connection: Connection, act: Act) -> None:
    """An account that was made after the backup: its epoch and its state must not begin anew. Its name comes again."""
    if connection.scalar(select(accounts.c.id).where(accounts.c.id == act.account)) is not None:
        return
    add_account(connection, act.account, act.at, name=str(act.account), status="active", updated_at=act.at)


def _redo(connection: Connection, act: Act) -> None:
    if isinstance(act, AccountAct):
        values: dict[str, Any] = {"status": act.status, "status_since": act.at, "updated_at": act.at}
        connection.execute(update(accounts).where(accounts.c.id == act.account).values(values))
    elif isinstance(act, ControlsAct):
        values = {"epoch": act.epoch, "body_hash": act.body_hash, "applied_at": act.at}
        values["state"] = act.state.model_dump_json()
        older = update(controls).where(controls.c.account_id == act.account, controls.c.epoch <= act.epoch)
        connection.execute(older.values(values))
    elif isinstance(act, RevocationAct):
        mine = (api_keys.c.id == act.key, api_keys.c.account_id == act.account, api_keys.c.revoked_at.is_(None))
        connection.execute(update(api_keys).where(*mine).values(revoked_at=act.at))
    elif isinstance(act, DeactivationAct):
        of_account = update(api_keys).where(api_keys.c.account_id == act.account)
        for key in act.keys:
            connection.execute(of_account.where(api_keys.c.id == key).values(deactivated_at=act.at))
    elif isinstance(act, ActivationAct):
        one = (api_keys.c.account_id == act.account, api_keys.c.id == act.key)
        connection.execute(update(api_keys).where(*one).values(deactivated_at=None))
    elif isinstance(act, HandoverAct):
        one = (api_keys.c.account_id == act.account, api_keys.c.id == act.key)
        connection.execute(update(api_keys).where(*one).values(created_by=act.person))
    else:
        _ask_again(connection, act)


def _ask_again(connection: Connection, act: DeletionAct) -> None:
    state = connection.scalar(select(deletions.c.state).where(deletions.c.id == act.deletion))
    if state is None:
        accept(connection, act.account, NewDeletion(id=act.deletion, scope=act.scope), act.at)
    elif state not in UNFINISHED:
        values = {
            "state": "requested",
            "finished_at": None,
            "failure": None,
            "pieces": None,
            "per_store": "[]",
            "kept": "[]",
        }
        connection.execute(update(deletions).where(deletions.c.id == act.deletion).values(values))


def _destroy(gateway: Gateway, journaled: Iterable[DeletionAct]) -> int:
    """Destroy what deletions have to destroy, if a database has forgotten that they did. Rows go later.

    A key database that was restored alone also holds keys whose rows are gone: nothing says any more which deletion
    they belonged to, but nothing is under way yet, so a key without a row is nobody's.
    """
    with gateway.stores.keys.read() as connection:
        done = set(connection.scalars(select(destroyed_deletions.c.id)))
    forgotten = [act for act in journaled if act.deletion not in done]
    with gateway.stores.main.write(durable=True) as connection:
        for act in forgotten:
            _make_known(connection, act)
            _ask_again(connection, act)
        waiting = unfinished(connection)
    pieces = destroy_orphans(gateway, gateway.now() + timedelta(days=1)).pieces if forgotten else {}
    again = {act.deletion for act in forgotten}
    for deletion in waiting:
        try:
            Deleting(gateway, deletion).destroy(pieces)
        except HoldsUnreadable:
            if deletion in again:  # what was deleted would be readable again
                raise
            gateway.log.info("deletion_waits", deletion_id=str(deletion))
    return len(forgotten)


def _compact(gateway: Gateway, header: Header, acts: Sequence[Act]) -> None:
    """Leave out what was said again later, and of the rest - all but states - what is older than any backup."""
    oldest = gateway.now() - timedelta(days=gateway.settings.journal_days)
    latest = {(act.act, act.account): act.n for act in acts}
    aged = [act.n for act in acts if not isinstance(act, AccountAct | ControlsAct) and act.at < oldest]
    old = set(aged)
    kept = [
        act
        for act in acts
        if act.n not in old and (not isinstance(act, AccountAct | ControlsAct) or latest[act.act, act.account] == act.n)
    ]
    if len(kept) < len(acts):
        through, dropped = gateway.journal.last, max([header.dropped_through, *aged])
        gateway.journal.begin(header.model_copy(update={"through": through, "dropped_through": dropped}), kept)
        gateway.log.info("journal_compacted", kept=len(kept), dropped=len(acts) - len(kept))


def _save_position(connection: Connection, journal: UUID, number: int) -> None:
    values = {"journal": journal, "number": number}
    if connection.execute(update(journal_position).values(values)).rowcount == 0:
        connection.execute(insert(journal_position).values(id=1, **values))
