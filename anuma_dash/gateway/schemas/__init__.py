"""The shapes that travel over the gateway's internal API, `/internal/v1`.

This folder is the contract: the embedded gateway serves these models, the dashboard's client reads them, and
`openapi.yaml` beside it is generated from them. Money is integer micro-USD (`*_micro_usd`), times are aware UTC
(RFC 3339), identifiers are UUIDv7, durations carry their unit in the name.
"""

from anuma_dash.gateway.schemas.accounts import Account, AccountBody, AccountStatus, Credit, CreditBody
from anuma_dash.gateway.schemas.apps import App, AppChange, NewApp
from anuma_dash.gateway.schemas.canary import Canary, NewCanary, StoreScan
from anuma_dash.gateway.schemas.controls import (
    ControlInEffect,
    ControlName,
    Controls,
    ControlSetting,
    Decision,
    EffectivePolicy,
    PersonalControlName,
    PersonalInEffect,
    PersonalSetting,
    RequestedControls,
    StricterControl,
    StricterInEffect,
)
from anuma_dash.gateway.schemas.conversations import (
    Conversation,
    ConversationChange,
    ConversationMessage,
    ConversationOwner,
    SearchHit,
    SnippetPart,
)
from anuma_dash.gateway.schemas.deletions import (
    ContentCategory,
    Deletion,
    DeletionPreview,
    DeletionScope,
    Kept,
    NewDeletion,
    StoreResult,
    Unreachable,
)
from anuma_dash.gateway.schemas.keys import LAST_FOUR, CreatedKey, Key, KeyChange, KeyEnvironment, KeyOwners, NewKey
from anuma_dash.gateway.schemas.memories import Memory, MemoryChange, NewMemory
from anuma_dash.gateway.schemas.purges import Purge, RetentionPreview
from anuma_dash.gateway.schemas.requests import (
    Attachment,
    Evaluation,
    Message,
    NewEvaluation,
    Request,
    RequestContent,
    RequestSummary,
    RequestTrace,
    ToolCall,
    TraceStep,
)
from anuma_dash.gateway.schemas.shapes import CONTRACT_VERSION, Contract, Page, Problem, Time
from anuma_dash.gateway.schemas.summaries import DataState, Day, Evidence, Inventory, InventoryRow, Overview

__all__ = [
    "CONTRACT_VERSION",
    "LAST_FOUR",
    "Account",
    "AccountBody",
    "AccountStatus",
    "App",
    "AppChange",
    "Attachment",
    "Canary",
    "ContentCategory",
    "Contract",
    "ControlInEffect",
    "ControlName",
    "ControlSetting",
    "Controls",
    "Conversation",
    "ConversationChange",
    "ConversationMessage",
    "ConversationOwner",
    "CreatedKey",
    "Credit",
    "CreditBody",
    "DataState",
    "Day",
    "Decision",
    "Deletion",
    "DeletionPreview",
    "DeletionScope",
    "EffectivePolicy",
    "Evaluation",
    "Evidence",
    "Inventory",
    "InventoryRow",
    "Kept",
    "Key",
    "KeyChange",
    "KeyEnvironment",
    "KeyOwners",
    "Memory",
    "MemoryChange",
    "Message",
    "NewApp",
    "NewCanary",
    "NewDeletion",
    "NewEvaluation",
    "NewKey",
    "NewMemory",
    "Overview",
    "Page",
    "PersonalControlName",
    "PersonalInEffect",
    "PersonalSetting",
    "Problem",
    "Purge",
    "Request",
    "RequestContent",
    "RequestSummary",
    "RequestTrace",
    "RequestedControls",
    "RetentionPreview",
    "SearchHit",
    "SnippetPart",
    "StoreResult",
    "StoreScan",
    "StricterControl",
    "StricterInEffect",
    "Time",
    "ToolCall",
    "TraceStep",
    "Unreachable",
]
