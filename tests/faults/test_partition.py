"""The network between dashboard and gateway fails at random while a person switches prompt logging.

Whatever the interleaving: the text of the page never says "Off" or "In effect" of what the gateway does not obey, and
nothing is stored after the page said that it is off. `ANUMA_PARTITION_EXAMPLES` sets how many runs are made.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from anuma_dash.domain.accounts import create_account
from anuma_dash.domain.controls import ControlChange
from anuma_dash.errors import GatewayError, GatewayUnavailable
from anuma_dash.gateway import schemas
from anuma_dash.gateway.client import Caller, Gateway
from anuma_dash.identity import OPERATOR, User
from tests.features.data_controls.steps import make_key, switch
from tests.page import Document
from tests.world import World

EXAMPLES = int(os.environ.get("ANUMA_PARTITION_EXAMPLES", "50"))
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
FAULTS = ("drop request", "none", "drop response", "delay request", "down")


class Flaky(Gateway):
    """The real client over a network that loses and delays.

    `late` holds requests that have not arrived yet; `answered` says for each epoch whose acknowledgement was heard
    whether it switched logging on.
    """

    fault = "none"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.late: list[Callable[[], object]] = []
        self.answered: dict[int, bool] = {}

    def put_controls(self, caller: Caller, account_id: UUID, requested: schemas.RequestedControls) -> schemas.Controls:
        """Send, or not, or later; hear the answer, or not."""

        def send() -> schemas.Controls:
            return super(Flaky, self).put_controls(caller, account_id, requested)

        if self.fault == "delay request":
            self.late.append(send)
        elif self.fault == "drop response":
            send()
        if self.fault != "none":
            raise GatewayUnavailable("The gateway does not answer.")
        answer = send()
        self.answered[answer.epoch] = answer.controls["prompt_logging"].enabled
        return answer

    def data_state(self, caller: Caller, account_id: UUID) -> schemas.DataState:
        """Looking works, unless nothing does."""
        if self.fault == "down":
            raise GatewayUnavailable("The gateway does not answer.")
        return super().data_state(caller, account_id)

    def deliver(self) -> None:
        """Let the oldest delayed request arrive; nobody hears its answer."""
        try:
            self.late.pop(0)()
        except GatewayError:
            return  # it is too old: the gateway refuses it


def machine_for(world: World, gateway: Flaky) -> type[RuleBasedStateMachine]:
    """The machine, bound to this test's world; each run has an account of its own."""

    class Partition(RuleBasedStateMachine):
        @initialize(history=st.sampled_from(((), (True,), (True, False))))
        def begin(self, history: tuple[bool, ...]) -> None:
            gateway.fault, gateway.late, gateway.answered = "none", [], {}
            with world.db.transaction() as tx:
                owner = tx.get_one(User, world.olive.id)
                account = create_account(tx, OPERATOR, owner, "Partitioned", "organization", world.clock.now)
            world.run_worker()
            self.olive = replace(world.olive, account_id=account.id)
            self.secret = make_key(world, self.olive).secret
            for enabled in history:
                switch(world, self.olive, enabled)
            self.page = world.browser(self.olive, htmx=True)

        @rule(fault=st.sampled_from(FAULTS))
        def network(self, fault: str) -> None:
            gateway.fault = fault

        @rule(fault=st.sampled_from(FAULTS))
        def person_switches(self, fault: str) -> None:
            gateway.fault = fault
            changes = world.rows(ControlChange, account_id=self.olive.account_id)
            switch(world, self.olive, not (changes and changes[-1].enabled))

        @rule(seconds=st.sampled_from((1, 4, 25)), fault=st.sampled_from(FAULTS))
        def worker_runs(self, seconds: int, fault: str) -> None:
            gateway.fault = fault
            world.clock.advance(seconds=seconds)
            world.run_worker()

        @rule()
        def delayed_request_arrives(self) -> None:
            if gateway.late:
                gateway.deliver()

        @rule()
        def another_system_writes(self) -> None:
            told = self.truth()
            names = schemas.ControlName.__args__  # type: ignore[attr-defined]
            body = {"epoch": told.epoch + 3, "controls": {name: {"enabled": True} for name in names}}
            world.server.client.put_controls(
                self.olive.actor, self.olive.account_id, schemas.RequestedControls.model_validate(body)
            )

        @rule()
        def request_is_made(self) -> None:
            said_off = self.looks()
            stored = world.chat(self.secret, "hello").headers["X-Anuma-Content-Stored"] == "true"
            assert not (said_off and stored), "the page said off, and content was stored"

        @invariant()
        def the_page_tells_the_truth(self) -> None:
            if hasattr(self, "page"):
                self.looks()

        def looks(self) -> bool:
            """Look at the control, as its page asks for it again and again; returns whether it says that it is off."""
            answer = self.page.request("GET", "/data-controls/prompt-logging", headers=HTMX)
            assert answer.status_code == 200
            fragment = Document(f"<!doctype html><title>Data controls</title>{answer.text}")
            control = fragment.one("#prompt-logging")
            switches = [node.element for node in fragment.select("[role=switch]")]
            pill = fragment.one("#prompt-logging-state").text
            told = self.truth()
            logging = told.controls["prompt_logging"].enabled
            heard = {0: False} | gateway.answered
            changes = world.rows(ControlChange, account_id=self.olive.account_id)
            if pill in ("Off", "On"):
                assert told.in_effect
                assert told.epoch in heard, "somebody else's settings are not ours to claim"
                assert not changes or changes[-1].epoch in heard, "the last request was not acknowledged"
                assert logging == (pill == "On"), f"the page says {pill!r}; the gateway: {told}"
                assert [one.get("aria-checked") for one in switches] == [str(logging).lower()]
            else:
                if pill.endswith("when last confirmed"):
                    assert heard[max(heard)] == pill.startswith("On")
                    assert len(heard) > 1
                assert "In effect" not in control.text
                assert "under it" not in control.text
                assert all(one.get("aria-busy") == "true" for one in switches)
            return pill == "Off"

        def truth(self) -> schemas.Controls:
            return world.server.client.data_state(self.olive.actor, self.olive.account_id).controls

        def teardown(self) -> None:
            if not hasattr(self, "page"):
                return
            gateway.fault = "none"
            for _ in range(8):
                world.clock.advance(seconds=61)
                world.run_worker()
            changes = world.rows(ControlChange, account_id=self.olive.account_id)
            assert all(change.outcome != "pending" for change in changes), "mended, everything is settled"
            self.looks()
            assert self.page.visit("/data-controls").status == 200

    return Partition


@pytest.fixture
def flaky(world: World) -> Any:
    """The world's gateway behind a bad network."""
    gateway = Flaky(world.server.url, world.server.key, budget_seconds=15)
    world._use(gateway)
    yield gateway
    world.mend_gateway()


def test_no_page_says_what_is_not_true(world: World, flaky: Flaky) -> None:
    run_state_machine_as_test(
        machine_for(world, flaky),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
