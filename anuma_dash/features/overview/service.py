"""What the overview says beyond the gateway's own figures: the state of prompt logging, and what needs somebody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from anuma_dash.db import Database, owned
from anuma_dash.domain.attention import Attention
from anuma_dash.domain.controls import CONTROLS, ControlChange, last_confirmed, latest_change
from anuma_dash.domain.deletions import Deletion
from anuma_dash.gateway import schemas
from anuma_dash.identity import Actor, Permission

CONTROL: schemas.ControlName = "prompt_logging"
FAILED_DELETIONS = 5


@dataclass(frozen=True)
class LoggingState:
    """How prompt logging stands. `enabled` is None where that is not known; `turning` is what is asked for but not
    confirmed. `in_effect` is the gateway's own word on it, and `remembered` what it last confirmed to us."""

    enabled: bool | None
    turning: Literal["on", "off"] | None = None
    epoch: int | None = None
    in_effect: schemas.ControlInEffect | None = None
    remembered: ControlChange | None = None

    @property
    def contradicted(self) -> bool:
        """Whether the gateway answered with settings that are not the ones we know of."""
        return self.enabled is None and self.turning is None and self.epoch is not None


def logging_state(db: Database, account_id: UUID, controls: schemas.Controls | None) -> LoggingState:
    """The gateway's word, overlaid with what was requested here.

    Without an answer, or with a settings version that is not the one we know of (a backup was restored), the state is
    unknown. While a change is on its way, the gateway's word stands only as long as it is on an earlier version.
    """
    with db.reading() as tx:
        latest = latest_change(tx, account_id)
        remembered = last_confirmed(tx, account_id)
    turning: Literal["on", "off"] | None = None
    if latest is not None and latest.outcome == "pending":
        turning = "on" if latest.enabled else "off"
    if controls is None:
        return LoggingState(None, turning, remembered=remembered)
    ours = latest.epoch if latest else 0
    state = controls.controls.get(CONTROL)
    settled = turning is None and controls.epoch == ours and controls.in_effect
    still_before = turning is not None and controls.epoch < ours
    if state is None or not (settled or still_before):
        return LoggingState(None, turning, controls.epoch, remembered=remembered)
    return LoggingState(state.enabled, turning, controls.epoch, state, remembered)


def has_chosen(db: Database, account_id: UUID) -> bool:
    """Whether anybody of the account ever set a control."""
    with db.reading() as tx:
        return latest_change(tx, account_id) is not None


def attention(db: Database, actor: Actor, account_id: UUID, logging: LoggingState) -> list[Attention]:
    """What needs somebody: a change that is not confirmed, settings that contradict ours, deletions that failed."""
    with db.reading() as tx:
        change = latest_change(tx, account_id)
        query = owned(Deletion, account_id).where(Deletion.state == "failed").order_by(Deletion.id.desc())
        if not actor.may(Permission.DELETE_CONTENT):
            query = query.where(Deletion.requested_by == actor.user_id)
        failed = list(tx.scalars(query.limit(FAILED_DELETIONS)))
    found = []
    if change is not None and change.outcome == "pending":
        word = "on" if change.enabled else "off"
        label = CONTROLS[change.control].label.lower()
        found.append(Attention(f"the gateway has not confirmed that {label} is {word}", "data_controls.index"))
    elif logging.contradicted:
        found.append(Attention("the gateway contradicts your settings", "data_controls.index"))
    found += [Attention("a deletion failed", "deletions.show", {"deletion_id": deletion.id}) for deletion in failed]
    return found
