"""The network between dashboard and gateway fails at random while a person switches prompt logging or revokes a key.

Whatever the interleaving: the text of the page never says "Off", "On" or "in effect" of what the gateway does not obey,
and nothing is stored, or answered, after the page said so. `ANUMA_PARTITION_EXAMPLES` sets how many runs the three
tests make together.
Requests in flight across the change are in tests/gateway/test_interleavings.py.
"""

from __future__ import annotations

import html
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from jinja2_fragments.flask import render_block

from anuma_dash.db import new_id
from anuma_dash.domain.accounts import create_account
from anuma_dash.domain.controls import ControlChange
from anuma_dash.domain.key_revocations import KeyRevocation
from anuma_dash.errors import GatewayError, GatewayUnavailable, NotFound
from anuma_dash.features.keys.revocations import request_revocation
from anuma_dash.gateway import schemas
from anuma_dash.gateway.client import Caller, Gateway
from anuma_dash.identity import OPERATOR, User
from anuma_dash.web import render
from tests.faults.proxy import DOWN, FINE, Fault, Proxy, Way
from tests.features.data_controls.steps import make_key, switch
from tests.world import World

pytestmark = pytest.mark.long
EXAMPLES = int(os.environ.get("ANUMA_PARTITION_EXAMPLES", "200"))
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
T = TypeVar("T")


class Flaky(Gateway):
    """The real client over a network that loses, repeats and delays what changes something.

    `late` holds requests that have not arrived yet; `answered` says for each epoch whose acknowledgement was heard
    whether it switched logging on.
    """

    faults = ("drop request", "none", "drop response", "repeat", "delay request", "down")
    fault = "none"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.late: list[Callable[[], object]] = []
        self.answered: dict[int, bool] = {}

    def begin(self) -> None:
        """A new run: the network works, and nothing was said yet."""
        self.fault, self.late, self.answered = "none", [], {}

    def put_controls(self, caller: Caller, account_id: UUID, requested: schemas.RequestedControls) -> schemas.Controls:
        """Send, or not, or later; hear the answer, or not."""
        answer = self._over_the_network(lambda: super(Flaky, self).put_controls(caller, account_id, requested))
        self.answered[answer.epoch] = answer.controls["prompt_logging"].enabled
        return answer

    def revoke_key(self, caller: Caller, account_id: UUID, key_id: UUID) -> schemas.Key:
        """The same for a revocation."""
        return self._over_the_network(lambda: super(Flaky, self).revoke_key(caller, account_id, key_id))

    def _over_the_network(self, send: Callable[[], T]) -> T:
        if self.fault == "delay request":
            self.late.append(send)
        elif self.fault in ("drop response", "repeat"):
            send()
        if self.fault not in ("none", "repeat"):
            raise GatewayUnavailable("The gateway does not answer.")
        return send()

    def key(self, caller: Caller, account_id: UUID, key_id: UUID) -> schemas.Key:
        """Looking works, unless nothing does."""
        if self.fault == "down":
            raise GatewayUnavailable("The gateway does not answer.")
        return super().key(caller, account_id, key_id)

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


class Wire(Flaky):
    """The real client over a real bad network: the proxy's faults instead of made-up ones."""

    ways: dict[str, Fault] = {  # noqa: RUF012 - a constant
        "none": FINE,
        "refused": DOWN,
        "lost answer": Fault(answers=Way("lose")),
        "request cut": Fault(requests=Way(cut_after=300)),
        "answer cut": Fault(answers=Way(cut_after=90)),
        "garbage": Fault(answers=Way("garble")),
        "ended": Fault(answers=Way("end")),
        "drip": Fault(requests=Way("drip"), answers=Way("drip")),
    }
    faults = tuple(ways)

    def __init__(self, proxy: Proxy, *arguments: Any, **options: Any) -> None:
        self._proxy = proxy
        super().__init__(*arguments, **options)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "fault":
            self._proxy.fault = self.ways[value]
        super().__setattr__(name, value)

    def _over_the_network(self, send: Callable[[], T]) -> T:
        return send()

    def key(self, caller: Caller, account_id: UUID, key_id: UUID) -> schemas.Key:
        """As it is."""
        return Gateway.key(self, caller, account_id, key_id)

    def data_state(self, caller: Caller, account_id: UUID) -> schemas.DataState:
        """As it is."""
        return Gateway.data_state(self, caller, account_id)


def machine_for(world: World, gateway: Flaky) -> type[RuleBasedStateMachine]:
    """The machine, bound to this test's world; each run has an account of its own."""
    faults = st.sampled_from(gateway.faults)

    class Partition(RuleBasedStateMachine):
        @initialize(history=st.sampled_from(((), (True,), (True, False))))
        def begin(self, history: tuple[bool, ...]) -> None:
            gateway.begin()
            # Somebody new in each run: with each account that one person owns, every page of theirs takes longer.
            now = world.clock.now
            with world.db.transaction() as tx:
                owner = User(id=new_id(), name="Olive", email=None, created_at=now, attested_age_at=now)
                tx.add(owner)
                tx.flush()
                account = create_account(tx, OPERATOR, owner, "Partitioned", "organization", now)
            world.run_worker()
            self.olive = replace(world.olive, id=owner.id, account_id=account.id)
            self.secret = make_key(world, self.olive).secret or ""
            self.doomed = make_key(world, self.olive, "doomed")
            self.asked_to_revoke = False
            for enabled in history:
                switch(world, self.olive, enabled)
            self.page = world.browser(self.olive, htmx=True)
            self.backup = backup_of(world, self.olive.account_id)

        @rule(fault=faults)
        def network(self, fault: str) -> None:
            gateway.fault = fault

        @rule(fault=faults)
        def person_switches(self, fault: str) -> None:
            gateway.fault = fault
            changes = world.rows(ControlChange, account_id=self.olive.account_id)
            switch(world, self.olive, not (changes and changes[-1].enabled))

        @rule(fault=faults)
        def person_revokes(self, fault: str) -> None:
            gateway.fault = fault
            try:
                request_revocation(
                    world.services.context, self.olive.actor, self.olive.account_id, self.doomed.id, again=True
                )
            except (GatewayError, NotFound):
                return  # nothing was requested
            self.asked_to_revoke = True
            self.looks_at_the_key()

        @rule(seconds=st.sampled_from((1, 4, 25)), fault=faults)
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
        def gateway_comes_back_with_an_older_state(self) -> None:
            restore(world, self.backup)

        @rule()
        def request_is_made(self) -> None:
            said_off = self.looks()
            stored = world.chat(self.secret, "hello").headers["X-Anuma-Content-Stored"] == "true"
            assert not (said_off and stored), "the page said off, and content was stored"

        @rule()
        def request_is_made_with_the_other_key(self) -> None:
            said_revoked = self.looks_at_the_key()
            answered = world.chat(self.doomed.secret or "", "hello").status_code == 200
            assert not (said_revoked and answered), "the page said revoked, and the key worked"

        @invariant()
        def the_page_tells_the_truth(self) -> None:
            if hasattr(self, "backup"):
                self.looks()
                if self.asked_to_revoke:
                    self.looks_at_the_key()

        def looks(self) -> bool:
            """Look at the control, as its page asks for it again and again; returns whether it says that it is off."""
            answer = self.page.request("GET", "/data-controls/prompt-logging", headers=HTMX)
            assert answer.status_code == 200
            pill = said_by(re.search(r'id="prompt-logging-state"[^>]*>(.*?)</span>\s*</', answer.text, re.DOTALL))
            switches = re.findall(r'<button[^>]*role="switch"[^>]*>', answer.text)
            changes = world.rows(ControlChange, account_id=self.olive.account_id)
            heard = {0: False} | gateway.answered
            if pill in ("Off", "On"):
                told = self.truth()
                logging = told.controls["prompt_logging"].enabled
                assert told.in_effect
                assert told.epoch in heard, "somebody else's settings are not ours to claim"
                assert not changes or changes[-1].epoch in heard, "the last request was not acknowledged"
                assert logging == (pill == "On"), f"the page says {pill!r}; the gateway: {told}"
                assert all(f'aria-checked="{str(logging).lower()}"' in one for one in switches)
            else:
                if pill.endswith("when last confirmed"):
                    assert heard[max(heard)] == pill.startswith("On")
                    assert len(heard) > 1
                said = words(answer.text)
                assert "In effect" not in said
                assert "under it" not in said
                assert all('aria-busy="true"' in one for one in switches)
            return pill == "Off"

        def looks_at_the_key(self) -> bool:
            """Look at the key's row; returns whether it says that its revocation is in effect."""
            answer = self.page.request("GET", f"/keys/{self.doomed.id}", headers=HTMX)
            said = words(answer.text)
            in_effect = "Revoked · in effect" in said
            if in_effect:
                told = world.server.client.key(self.olive.actor, self.olive.account_id, self.doomed.id)
                assert told.revocation_in_effect_at is not None, f"the page says {said!r}; the gateway: {told}"
            return in_effect

        def truth(self) -> schemas.Controls:
            return world.server.client.data_state(self.olive.actor, self.olive.account_id).controls

        def teardown(self) -> None:
            if not hasattr(self, "backup"):
                return
            gateway.fault = "none"
            for _ in range(8):
                world.clock.advance(seconds=61)
                if not world.run_worker():
                    break
            for model in (ControlChange, KeyRevocation):
                rows = world.rows(model, account_id=self.olive.account_id)
                assert all(row.outcome != "pending" for row in rows), "mended, everything is settled"
            self.looks()
            self.looks_at_the_key()

    return Partition


def words(text: str) -> str:
    """What a person reads of a fragment; quick, because it is asked for some thousand times."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def said_by(match: re.Match[str] | None) -> str:
    assert match is not None
    return words(match.group(1))


def backup_of(world: World, account_id: UUID | None) -> list[tuple[Any, ...]]:
    """The account's controls in the gateway's database, as they are now."""
    assert account_id is not None
    with closing(gateway_database(world)) as database:
        return database.execute("SELECT * FROM controls WHERE account_id = ?", (account_id.hex,)).fetchall()


def restore(world: World, backup: list[tuple[Any, ...]]) -> None:
    """The gateway holds these controls again, and knows of no revocation of this account's keys."""
    with closing(gateway_database(world)) as database, database:
        for row in backup:
            marks = ",".join("?" * len(row))
            database.execute("DELETE FROM controls WHERE account_id = ?", row[:1])
            database.execute(f"INSERT INTO controls VALUES ({marks})", row)
            database.execute("UPDATE api_keys SET revoked_at = NULL WHERE account_id = ?", row[:1])


def gateway_database(world: World) -> sqlite3.Connection:
    connection = sqlite3.connect(world.server.key_file.parent / "gateway.sqlite", timeout=15)
    connection.execute("PRAGMA busy_timeout=15000")
    return connection


def run(world: World, gateway: Flaky, examples: int) -> None:
    run_state_machine_as_test(
        machine_for(world, gateway),
        settings=settings(
            max_examples=examples,
            stateful_step_count=10,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


@pytest.fixture(autouse=True)
def fragments_are_compared_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing each page beside its fragment, some thousand times, would prove nothing new."""
    monkeypatch.setattr(render, "render_block", render_block)


@pytest.fixture
def flaky(world: World) -> Iterator[Flaky]:
    """The world's gateway behind a network that can do what no proxy can: let requests arrive later."""
    gateway = Flaky(world.server.url, world.server.key, budget_seconds=15)
    world._use(gateway)
    yield gateway
    world.mend_gateway()


@pytest.fixture
def wire(world: World) -> Iterator[Wire]:
    """The world's gateway behind the TCP proxy."""
    with Proxy(int(world.server.url.rpartition(":")[2])) as proxy:
        gateway = Wire(proxy, proxy.url, world.server.key, budget_seconds=15)
        world._use(gateway)
        yield gateway
        world.mend_gateway()


def test_no_page_says_what_is_not_true(world: World, flaky: Flaky, engine: str) -> None:
    run(world, flaky, EXAMPLES * 3 // 4 if engine == "sqlite" else max(1, EXAMPLES // 8))


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_no_page_says_what_is_not_true_over_a_real_bad_network(world: World, wire: Wire) -> None:
    run(world, wire, max(1, EXAMPLES // 8))
