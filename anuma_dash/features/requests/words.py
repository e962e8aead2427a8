"""Why something of a request is stored or not, in words, for every rule of the contract (`Decision.rule`)."""

from __future__ import annotations

from anuma_dash.domain.controls.names import CONTROL_NAMES, control_label
from anuma_dash.gateway.schemas import Decision, RequestSummary

NOT_STORED = {
    "account_control": "{it} {was} off when this request arrived",
    "app_control": "{it} {was} switched off for this key's app when this request arrived",
    "key_control": "{it} {was} switched off for this key when this request arrived",
    "person_control": "{it} {was} not switched on by the person whose key sent this request",
    "people_forbidden": "the account does not let people switch {it} on",
    "request_header": "the request itself said X-Anuma-Store: none",
    "control_off_at_arrival": "{it} {was} off when this request arrived. It was switched on only later",
    "control_off_at_write": "{it} {was} switched off before the response ended",
    "deleted": "it was stored, and has been deleted",
    "expired": "it was stored, and its retention period has ended",
    "account_suspended": "the account was suspended",
    "deletion_under_way": "it was under way when a deletion of stored content was accepted, so it was never stored",
    "failed": "the request failed, so nothing of it was kept",
    "no_content": "the caller left before its prompt had arrived whole, so there was nothing to store",
    "no_conversation": "the request named no conversation",
    "not_applicable": "a request of this kind has nothing to store there",
    "key_unknown": "the gateway did not know the key",
}
SEVERAL = ("traces", "evaluations", "memories")


def no_response(endpoint: str) -> str:
    """What to say where a prompt is stored and nothing of its response."""
    if endpoint == "embeddings":
        return "The response was vectors, which are never stored."
    return "No text of a response is stored."


def why(decision: Decision, control: str = "prompt_logging") -> str:
    """The rule that decided about what this control stores, as a sentence."""
    reason = _reason(decision, control)
    return f"{reason[:1].upper()}{reason[1:]}."


def _reason(decision: Decision, control: str) -> str:
    words = {"it": control.replace("_", " "), "was": "were" if control in SEVERAL else "was"}
    if decision.stored:
        return "{it} {was} on when this request arrived and when its response ended".format(**words)
    if (control, decision.rule) == ("memories", "not_applicable"):
        return "programs send memories apart, not with a request"
    unknown = f"the gateway names the rule “{decision.rule}”, which this page has no words for"
    return NOT_STORED[decision.rule].format(**words) if decision.rule in NOT_STORED else unknown


def per_control(request: RequestSummary) -> list[tuple[str, str]]:
    """For each control that decided: its name, and whether it stored something, with the reason."""
    decided = {**request.controls, "prompt_logging": request.content}
    found = []
    for name in CONTROL_NAMES:
        decision = decided.get(name)
        # Evaluations come after a request, when the control may be another way; only its own header forbids them.
        later = name == "evaluations" and decision is not None and decision.rule != "request_header"
        if decision is not None and not later:
            kept = "Stored" if decision.stored else "Not stored"
            found.append((control_label(name), f"{kept}, because {_reason(decision, name)}."))
    return found
