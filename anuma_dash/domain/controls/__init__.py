"""Controls: the state a person requested, the state the gateway confirmed, and never one shown as the other.

A change is stored with the next epoch, committed, sent, and sent again until the gateway says that it is in effect
(GATEWAY.md, *In effect*). Every requested state is whole: the same epoch always bears the same body.
"""

from anuma_dash.domain.controls.accepting import Accepted, AcceptFirst, accept_text, accepted_text
from anuma_dash.domain.controls.catalogue import CONTROLS, PERSONAL, Control, find_control
from anuma_dash.domain.controls.models import ControlChange, Standing, latest_change, standing
from anuma_dash.domain.controls.requesting import (
    ask_again,
    keep_stored_items,
    own_scope,
    request_control,
    request_own_choice,
    request_period,
    request_rule,
)
from anuma_dash.domain.controls.scopes import PERIODS, Scope, Value, is_longer, period_words, value_in
from anuma_dash.domain.controls.settling import CONTROL_CHANGE
from anuma_dash.domain.controls.states import ControlState, Told, control_state, setting_state, told_setting

__all__ = [
    "CONTROLS",
    "CONTROL_CHANGE",
    "PERIODS",
    "PERSONAL",
    "AcceptFirst",
    "Accepted",
    "Control",
    "ControlChange",
    "ControlState",
    "Scope",
    "Standing",
    "Told",
    "Value",
    "accept_text",
    "accepted_text",
    "ask_again",
    "control_state",
    "find_control",
    "is_longer",
    "keep_stored_items",
    "latest_change",
    "own_scope",
    "period_words",
    "request_control",
    "request_own_choice",
    "request_period",
    "request_rule",
    "setting_state",
    "standing",
    "told_setting",
    "value_in",
]
