"""What the overview says beyond the gateway's own figures: the state of prompt logging, and what needs somebody."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from anuma_dash.db import owned
from anuma_dash.domain.attention import Attention
from anuma_dash.domain.controls import CONTROLS, ControlState, Scope, Standing, control_state, standing
from anuma_dash.domain.deletions import Deletion
from anuma_dash.errors import GatewayError
from anuma_dash.gateway import schemas
from anuma_dash.identity import Actor, Permission
from anuma_dash.workflows import Context

CONTROL = CONTROLS["prompt_logging"]
FAILED_DELETIONS = 5


@dataclass(frozen=True)
class Logging:
    """Prompt logging as the overview draws it.

    `told` is what the gateway says of all controls, None if it does not answer. `known` is what this side knows.
    """

    state: ControlState
    told: schemas.Controls | None
    known: Standing

    @property
    def setting(self) -> schemas.ControlInEffect | None:
        """The gateway's word on it, where that is what stands."""
        return self.told.controls.get(CONTROL.name) if self.told and self.state.settled else None

    @property
    def still(self) -> bool | None:
        """While a change is on its way: what the gateway obeys until then. None if it may be past that already."""
        before = self.state.told_epoch is not None and self.state.told_epoch < self.state.epoch
        return self.state.told_on if self.state.pending and before else None

    @property
    def version(self) -> int | None:
        """The settings version that the gateway is on; None if it does not say."""
        return self.state.epoch if self.state.settled else self.told.epoch if self.told else None


@dataclass(frozen=True)
class OverviewPage:
    """The gateway's figures, or why there are none, and prompt logging beside them."""

    figures: schemas.Overview | None
    failure: GatewayError | None
    logging: Logging


def read_overview(context: Context, actor: Actor, account_id: UUID) -> OverviewPage:
    """Everything that the page shows, with one call to the gateway. Raises `NotAllowed`."""
    actor.require(Permission.READ_OVERVIEW)
    figures, failure = None, None
    with context.db.reading() as tx:
        floor = standing(tx, account_id).confirmed_epoch
    try:
        figures = context.gateway.overview(actor, account_id)
    except GatewayError as error:
        failure = error
    # Read after the gateway has answered: see `control_state`.
    with context.db.reading() as tx:
        known = standing(tx, account_id)
    told = figures.controls if figures else None
    state = control_state(Scope(CONTROL.name), known, told, floor, context.clock())
    return OverviewPage(figures, failure, Logging(state, told, known))


def attention(context: Context, actor: Actor, account_id: UUID, state: ControlState) -> list[Attention]:
    """What needs somebody: a change that is not confirmed, settings that contradict ours, deletions that failed."""
    with context.db.reading() as tx:
        query = owned(Deletion, account_id).where(Deletion.state == "failed").order_by(Deletion.id.desc())
        if not actor.may(Permission.DELETE_CONTENT):
            query = query.where(Deletion.requested_by == actor.user_id)
        failed = list(tx.scalars(query.limit(FAILED_DELETIONS)))
    found = []
    if state.pending:
        word = "on" if state.asked_on else "off"
        phrase = f"the gateway has not confirmed that {CONTROL.label.lower()} is {word}"
        found.append(Attention(phrase, "data_controls.index"))
    elif state.name == "unknown":
        found.append(Attention("the gateway contradicts your settings", "data_controls.index"))
    found += [Attention("a deletion failed", "deletions.show", {"deletion_id": deletion.id}) for deletion in failed]
    return found
