"""Giving an account an owner again, when its owners cannot sign in any more (their identity provider is lost).

Never by one person: staff ask, two administrators who did not ask approve, everybody known to the account is written
to at once, and a delay passes in which any owner or admin can stop it. Only then a person with that verified address
becomes an owner, beside those who are.
"""

from anuma_dash.domain.owner_recovery.deciding import (
    approve_recovery,
    ask_recovery,
    stop_recovery,
)
from anuma_dash.domain.owner_recovery.letters import stoppers
from anuma_dash.domain.owner_recovery.models import (
    UNAPPROVED_LIFETIME,
    OwnerRecovery,
    OwnerRecoveryApproval,
    approvals_of,
    open_recoveries,
    open_recovery,
)
from anuma_dash.domain.owner_recovery.settling import OWNER_RECOVERY, end_lapsed, end_open_recovery

__all__ = [
    "OWNER_RECOVERY",
    "UNAPPROVED_LIFETIME",
    "OwnerRecovery",
    "OwnerRecoveryApproval",
    "approvals_of",
    "approve_recovery",
    "ask_recovery",
    "end_lapsed",
    "end_open_recovery",
    "open_recoveries",
    "open_recovery",
    "stop_recovery",
    "stoppers",
]
