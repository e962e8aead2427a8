"""An account, and what it may spend."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from anuma_dash.gateway.schemas.shapes import MicroUSD, Received, Sent

AccountStatus = Literal["active", "suspended", "closed"]


class AccountBody(Sent):
    """The whole account, created or replaced. Leaving `active` deactivates its keys; coming back activates none.

    `revision` goes up with each change: a lower one than was seen is refused (409), so that a call that is late undoes
    nothing. Without it the order of arrival counts.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    status: AccountStatus = "active"
    revision: Annotated[int, Field(ge=1, le=2**53)] | None = None


class Account(Received):
    """An account as the gateway knows it. `status_in_effect_at` is since when every part of the gateway obeys `status`,
    `None` as long as one may not."""

    id: UUID
    name: str
    status: AccountStatus
    revision: int
    status_in_effect_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class CreditBody(Sent):
    """What the account may spend by the dashboard's ledger, under a version that only goes up.

    `charged_micro_usd` is how much of the gateway's `spent_micro_usd` is already out of `available_micro_usd`.
    """

    available_micro_usd: Annotated[int, Field(ge=-(2**53), le=2**53)]
    charged_micro_usd: Annotated[int, Field(ge=0, le=2**53)]
    version: Annotated[int, Field(ge=1, le=2**53)]


class Credit(Received):
    """An account's credit. A request is sent on if available - unsettled - reserved reaches for what it may cost.

    `spent_micro_usd` counts from the account's first credit; `unsettled_micro_usd` is what of it is not charged yet;
    `reserved_micro_usd` is set aside for requests under way.
    """

    available_micro_usd: int
    charged_micro_usd: MicroUSD
    version: int
    spent_micro_usd: MicroUSD
    unsettled_micro_usd: MicroUSD
    reserved_micro_usd: MicroUSD
    updated_at: AwareDatetime
