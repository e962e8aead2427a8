"""Why a request's content is stored or not, in words, for every rule of the contract (`Decision.rule`)."""

from __future__ import annotations

from anuma_dash.gateway.schemas import Decision

STORED = "Prompt logging was on when this request arrived and when its response ended."
NOT_STORED = {
    "account_control": "Prompt logging was off when this request arrived.",
    "app_control": "Prompt logging was switched off for this key's app when this request arrived.",
    "key_control": "Prompt logging was switched off for this key when this request arrived.",
    "person_control": "Prompt logging was switched off for the person whose key sent this request.",
    "request_header": "The request itself said X-Anuma-Store: none.",
    "control_off_at_arrival": "Prompt logging was off when this request arrived. It was switched on only later.",
    "control_off_at_write": "Prompt logging was switched off before the response ended.",
    "deleted": "It was stored, and has been deleted.",
    "expired": "It was stored, and its retention period has ended.",
    "account_suspended": "The account was suspended.",
    "deletion_under_way": "It was under way when a deletion of stored content was accepted, so it was never stored.",
    "failed": "The request failed, so nothing of it was kept.",
    "no_content": "The caller left before its prompt had arrived whole, so there was nothing to store.",
    "key_unknown": "The gateway did not know the key.",
}


def no_response(endpoint: str) -> str:
    """What to say where a prompt is stored and nothing of its response."""
    if endpoint == "embeddings":
        return "The response was vectors, which are never stored."
    return "No text of a response is stored."


def why(decision: Decision) -> str:
    """The rule that decided, as a sentence."""
    if decision.stored:
        return STORED
    unknown = f"The gateway names the rule “{decision.rule}”, which this page has no words for."
    return NOT_STORED.get(decision.rule, unknown)
