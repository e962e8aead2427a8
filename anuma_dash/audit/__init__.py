"""The audit log: typed events, one chain an account, personal details that can be erased without breaking it."""

from anuma_dash.audit.chain import Link, Walk, chained, chains, go_on, verify
from anuma_dash.audit.entries import GENESIS, SYSTEM_CHAIN, AuditDetail, AuditEntry, AuditHead, AuditObject
from anuma_dash.audit.erasing import PERSONAL_LINK, erase_details
from anuma_dash.audit.events import EVENTS, Event
from anuma_dash.audit.recording import PERSON, is_recorded, objects_of, readable_fields, record

__all__ = [
    "EVENTS",
    "GENESIS",
    "PERSON",
    "PERSONAL_LINK",
    "SYSTEM_CHAIN",
    "AuditDetail",
    "AuditEntry",
    "AuditHead",
    "AuditObject",
    "Event",
    "Link",
    "Walk",
    "chained",
    "chains",
    "erase_details",
    "go_on",
    "is_recorded",
    "objects_of",
    "readable_fields",
    "record",
    "verify",
]
