"""The shapes that travel over the gateway's internal API, `/internal/v1`.

This folder is the contract: the embedded gateway serves these models, the dashboard's client reads them, and
`openapi.yaml` beside it is generated from them. Money is integer micro-USD (`*_micro_usd`), times are aware UTC
(RFC 3339), identifiers are UUIDv7, durations carry their unit in the name.
"""

from anuma_dash.gateway.schemas.accounts import Account, AccountBody, AccountStatus, Credit, CreditBody
from anuma_dash.gateway.schemas.canary import Canary, NewCanary, StoreScan
from anuma_dash.gateway.schemas.controls import (
    ControlInEffect,
    ControlName,
    Controls,
    ControlSetting,
    Decision,
    EffectivePolicy,
    RequestedControls,
    StricterControl,
)
from anuma_dash.gateway.schemas.deletions import Deletion, DeletionScope, NewDeletion, StoreResult, Unreachable
from anuma_dash.gateway.schemas.keys import LAST_FOUR, CreatedKey, Key, KeyChange, KeyEnvironment, KeyOwners, NewKey
from anuma_dash.gateway.schemas.requests import Message, Request, RequestContent, RequestSummary
from anuma_dash.gateway.schemas.shapes import (
    CONTRACT_VERSION,
    Contract,
    Page,
    Problem,
    Time,
)
from anuma_dash.gateway.schemas.summaries import DataState, Day, Evidence, Inventory, InventoryRow, Overview

__all__ = [
    "CONTRACT_VERSION",
    "LAST_FOUR",
    "Account",
    "AccountBody",
    "AccountStatus",
    "Canary",
    "Contract",
    "ControlInEffect",
    "ControlName",
    "ControlSetting",
    "Controls",
    "CreatedKey",
    "Credit",
    "CreditBody",
    "DataState",
    "Day",
    "Decision",
    "Deletion",
    "DeletionScope",
    "EffectivePolicy",
    "Evidence",
    "Inventory",
    "InventoryRow",
    "Key",
    "KeyChange",
    "KeyEnvironment",
    "KeyOwners",
    "Message",
    "NewCanary",
    "NewDeletion",
    "NewKey",
    "Overview",
    "Page",
    "Problem",
    "Request",
    "RequestContent",
    "RequestSummary",
    "RequestedControls",
    "StoreResult",
    "StoreScan",
    "StricterControl",
    "Time",
    "Unreachable",
]
