"""Controls: the state a person requested, the state the gateway confirmed, and never one shown as the other.

A change is stored with the next epoch, committed, sent, and sent again until the gateway says that it is in effect
(GATEWAY.md, *In effect*). Every requested state is whole: the same epoch always bears the same body.
"""

from anuma_dash.domain.controls.catalogue import CONTROLS, Control, find_control
from anuma_dash.domain.controls.models import ControlChange, Standing, latest_change, standing
from anuma_dash.domain.controls.requesting import ask_again, keep_stored_items, request_control
from anuma_dash.domain.controls.settling import CONTROL_CHANGE
from anuma_dash.domain.controls.states import ControlState, control_state

__all__ = [
    "CONTROLS",
    "CONTROL_CHANGE",
    "Control",
    "ControlChange",
    "ControlState",
    "Standing",
    "ask_again",
    "control_state",
    "find_control",
    "keep_stored_items",
    "latest_change",
    "request_control",
    "standing",
]
