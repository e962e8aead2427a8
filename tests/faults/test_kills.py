"""kill -9 of web, worker and gateway after a random number of bytes between them, in every workflow.

The seed decides victims and points, so a run can be repeated. `ANUMA_KILL_SEEDS` says how many seeds are run. Each
effect happens exactly once, and the page tells the truth before and after.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator

import pytest

from anuma_dash.db import new_id
from anuma_dash.domain.controls import CONTROLS, request_control
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.gateway import schemas
from tests.faults.killing import MOST, Killer, Point, act, broken_by
from tests.faults.site import Site, site

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("kills")]
SEEDS = int(os.environ.get("ANUMA_KILL_SEEDS", "3"))
VICTIMS = ("worker", "web", "gateway")
BYTES: tuple[Point, ...] = ("requests", "answers")
REQUESTS = 5


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One installation for all seeds; each makes an account of its own."""
    with site(tmp_path_factory.mktemp("kills"), ANUMA_GATEWAY_BUDGET_SECONDS="20") as found:
        found.start("gateway", "web", "worker")
        yield found


@pytest.mark.parametrize("seed", range(SEEDS))
def test_each_effect_happens_once_whoever_is_killed(running: Site, seed: int) -> None:
    dice = random.Random(seed)
    stories = [switching_off, deleting, making_a_key, revoking, telling_of_an_account]
    # Of three seeds, each story is broken into, and each victim dies twice.
    broken = {stories[n % len(stories)]: VICTIMS[v % 3] for n, v in ((seed, seed), (seed + 3, seed + 1))}
    if seed >= 15:
        broken = {dice.choice(stories): dice.choice(VICTIMS)}
    running.sign_in()
    running.sync()
    for story in stories:
        killer = None
        if story in broken:
            point = dice.choice(BYTES)
            killer = Killer(running, broken[story], point, dice.randrange(1, MOST[point]))
        story(running, killer)
    assert running.audit_holds()


def switching_off(running: Site, killer: Killer | None) -> None:
    logging = CONTROLS["prompt_logging"]
    accepted = current_disclosure(logging.name).sha256
    change = request_control(
        running.context, running.olive, running.account_id, logging, enabled=True, accepted_sha256=accepted
    )
    assert change.outcome == "in_effect"
    running.visit("/data-controls")
    with broken_by(killer):
        act(lambda: running.submit("Prompt logging", within="#prompt-logging"))
        if says_off(running):
            assert not enabled(running), f"{killer}: the page said off"
    running.settled()
    running.visit("/data-controls")
    assert says_off(running) == (not enabled(running))
    assert running.count("control.requested") == running.count("control.in_effect")
    if not says_off(running):
        assert running.count("control.requested") == 1, "the request never arrived"
        running.submit("Prompt logging", within="#prompt-logging")
        assert says_off(running)
    assert running.count("control.in_effect") == 2


def says_off(running: Site) -> bool:
    assert running.page is not None
    pills = running.page.select("#prompt-logging-state")
    return bool(pills) and pills[0].text == "Off"


def enabled(running: Site) -> bool:
    state = running.context.gateway.data_state(running.olive, running.account_id)
    return state.controls.controls["prompt_logging"].enabled


def deleting(running: Site, killer: Killer | None) -> None:
    context, olive, account_id = running.context, running.olive, running.account_id
    logging = CONTROLS["prompt_logging"]
    accepted = current_disclosure(logging.name).sha256
    request_control(context, olive, account_id, logging, enabled=True, accepted_sha256=accepted)
    key = context.gateway.create_key(olive, account_id, schemas.NewKey(name="ci"), str(new_id()))
    for number in range(REQUESTS):
        assert running.chat(key.secret or "", f"Hello {number}").status_code == 200
    running.visit("/deletions/new?category=request_content")
    with broken_by(killer):
        act(lambda: running.submit("Delete …"))
    running.settled(60)
    requested = running.count("deletion.requested")
    assert requested <= 1
    assert running.count("deletion.verified") == requested, f"{killer}: it resumes, and ends once"
    if not requested:
        running.visit("/deletions/new?category=request_content")
        running.submit("Delete …")
        running.settled(60)
    rows = {row.category: row.count for row in context.gateway.inventory(olive, account_id).rows}
    assert rows["request_content"] == 0
    running.visit("/deletions")
    assert "verified" in running.text.lower()


def making_a_key(running: Site, killer: Killer | None) -> None:
    before = len(keys(running))
    running.visit("/keys/new")
    with broken_by(killer):
        answer = act(lambda: running.submit("Make the key", name="broken"))
        shown = running.page.select("#secret") if answer is not None and running.page else []
    running.settled()
    made = [key for key in keys(running) if key.name == "broken"]
    assert len(keys(running)) - before == len(made) <= 1, f"{killer}: never two keys of one form"
    if shown:
        assert running.chat(shown[0].text).status_code == 200, "a secret that was shown works"
        assert running.count("key.created") == 1
    else:
        assert all(key.state == "revoked" for key in made), f"{killer}: nobody has seen its secret, so it is withdrawn"
    running.visit("/keys")
    working = [key for key in made if key.state == "active"]
    assert ("broken" in running.text) == bool(made)
    assert running.text.count("Revoked · in effect") >= len(made) - len(working)


def keys(running: Site) -> list[schemas.Key]:
    return running.context.gateway.keys(running.olive, running.account_id).data


def revoking(running: Site, killer: Killer | None) -> None:
    context, olive, account_id = running.context, running.olive, running.account_id
    key = context.gateway.create_key(olive, account_id, schemas.NewKey(name="doomed"), str(new_id()))
    running.visit(f"/keys/{key.id}/revocation")
    before = running.count("key.revoked")
    with broken_by(killer):
        act(lambda: running.submit("Revoke …"))
        if "Revoked · in effect" in running.text and str(key.id) in running.text:
            assert running.chat(key.secret or "").status_code == 401, f"{killer}: the page said revoked"
    running.settled()
    requested = running.count("key.revocation_requested")
    running.visit(f"/keys/{key.id}")
    said = "Revoked · in effect" in running.text
    assert said == (running.chat(key.secret or "").status_code == 401)
    assert said == (requested == 1), f"{killer}: what was asked for is done"
    assert running.count("key.revoked") - before == requested


def telling_of_an_account(running: Site, killer: Killer | None) -> None:
    """Only the worker acts here; the account is made as a first sign-in makes it."""
    with broken_by(killer):
        running.sign_in()
        with contextlib.suppress(AssertionError):
            running.settled(2)
    running.settled()
    assert running.context.gateway.overview(running.olive, running.account_id).requests_today == 0
    assert running.count("account.created") == 1
