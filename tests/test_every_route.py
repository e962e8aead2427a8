"""Every route, as the application itself knows them: who gets in, what is written, what is never seen by others.

A route of a new feature is found by itself. If it has arguments in its path, add a line to `examples.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from uuid import UUID

import pytest
from sqlalchemy import event

from anuma_dash.domain import support
from anuma_dash.domain.suspensions import suspend_account, suspend_person
from anuma_dash.identity import HALTED, PERMISSIONS, SUPPORT_PERMISSIONS, StaffRole
from anuma_dash.web.access import Rule, rule_of
from tests import factories
from tests.examples import CANARIES, EXAMPLES, make_belongings
from tests.features.support_access.steps import inside, let_in
from tests.hygiene import nonce_of
from tests.test_headers import HARDENED

pytestmark = pytest.mark.long
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Current-URL": "http://localhost:8000/keys"}
NOT_ALLOWED = "You may not do this"
MEMBERS = ("olive", "ada", "dev", "bill", "vera")
STAFF = ("sam", "pria", "ines")
ADMINISTRATOR = factories.STAFF["ines"]
MOST_GATEWAY_CALLS = 2
SWITCHES_ON = ("data_controls.repetition",)
"""What is asked for again here is that prompt logging be on, as it was asked for in `examples.py`."""
QUERY_NAMES = ("after", "key", "key_id", "app", "person", "user", "request", "deletion", "account", "account_id", "id")


@dataclass(frozen=True)
class Route:
    """One way to ask for one view."""

    endpoint: str
    method: str
    path: str
    rule: Rule
    names: frozenset[str]

    def __str__(self) -> str:
        return f"{self.method} {self.path} ({self.endpoint})"


@pytest.fixture
def own(world):
    """One of each kind of object, owned by Northwind Labs."""
    return make_belongings(world)


@pytest.fixture
def routes(world, own):
    """Every route of the application, with arguments that exist in Northwind Labs."""
    return list(every_route(world, own))


def every_route(world, own) -> Iterator[Route]:
    with world.app.test_request_context(base_url=world.settings.public_url):
        for one in world.app.url_map.iter_rules():
            if one.endpoint == "static":
                continue
            rule = rule_of(world.app, one.endpoint)
            assert rule is not None, f"{one.endpoint} has no access rule"
            assert not one.arguments or one.endpoint in EXAMPLES, f"{one.endpoint} needs a line in tests/examples.py"
            values = EXAMPLES[one.endpoint](own) if one.arguments else {}
            path = world.app.url_map.bind("localhost").build(one.endpoint, values)
            for method in sorted(one.methods & {"GET", "POST", "PUT", "PATCH", "DELETE"}):
                yield Route(one.endpoint, method, path, rule, frozenset(one.arguments))


@contextmanager
def writes(world) -> Iterator[list[str]]:
    """The statements that change the database while this lasts."""
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_):
        if not re.match(r"\s*(SELECT|PRAGMA|BEGIN|SET)\b", statement, re.IGNORECASE):
            seen.append(statement.split("(")[0].strip())

    event.listen(world.db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(world.db.engine, "before_cursor_execute", note)


@contextmanager
def gateway_calls(world) -> Iterator[list[str]]:
    """The calls to the gateway while this lasts."""
    seen: list[str] = []
    hooks = world.gateway._http.event_hooks
    world.gateway._http.event_hooks = {"request": [lambda request: seen.append(request.method)]}
    try:
        yield seen
    finally:
        world.gateway._http.event_hooks = hooks


def ask(world, route, person=None, headers=None, *, token=True):
    """Ask for a route in a new session, with a good form token unless told otherwise."""
    browser = world.browser(person)
    form = form_token(browser) if route.method != "GET" and token else None
    return browser.request(route.method, route.path, headers=headers or {}, data=form)


def form_token(browser):
    """What every form of this browser's pages sends."""
    page = browser.request("GET", "/signed-out").text
    return {"csrf_token": re.search(r'name="csrf_token" value="([^"]+)"', page).group(1)}


def faults_of(found):
    assert not found, "\n" + "\n".join(found)


def test_nobody_needs_more_than_an_example_for_a_route_that_exists(world):
    known = {one.endpoint for one in world.app.url_map.iter_rules()}

    assert set(EXAMPLES) <= known


@pytest.mark.parametrize("name", [*MEMBERS, *STAFF])
def test_a_person_gets_in_exactly_where_their_role_says(world, routes, name):
    person, faults = world.people[name], []
    headers = {} if world.db.sqlite else HTMX  # each way on one engine: who is let in depends on neither
    held = PERMISSIONS[person.role] if person.role else frozenset()
    for route in routes:
        if route.rule.staff:
            continue  # who is let in there is told by the next test
        reached = held & set(route.rule.permissions)
        if route.names and name != "dev" and reached and all("OWN" in permission.name for permission in reached):
            continue  # what is Dev's own is Dev's; the features tell these stories
        allowed = not route.rule.permissions or bool(reached)
        with writes(world) as written:
            answer = ask(world, route, person, headers)
        refused = answer.status_code == 403 and NOT_ALLOWED in answer.text
        if refused == allowed or answer.status_code == 500:
            faults.append(f"{route}: {name} should be {'let in' if allowed else 'refused'}, got {answer.status_code}")
        faults += [f"{route}: {name} is refused and writes {s}" for s in written if refused and "sessions" not in s]
    faults_of(faults)


@pytest.mark.parametrize("name", ["nobody", "strange", *MEMBERS, *STAFF])
def test_the_staff_section_does_not_exist_but_for_the_roles_it_is_for(world, routes, name):
    person, faults = world.people.get(name), []
    headers = {} if world.db.sqlite else HTMX
    missing = {
        method: comparable(ask(world, Route("", method, "/no-such-page", Rule(), frozenset()), person, headers))
        for method in ("GET", "POST")
    }
    for route in routes:
        if not route.rule.staff:
            continue
        with writes(world) as written:
            answer = ask(world, route, person, headers)
        if factories.STAFF.get(name) in route.rule.staff:
            another_s = answer.status_code == 404 and comparable(answer) != missing[route.method]
            goal = answer.headers.get("HX-Redirect") or answer.headers.get("Location", "")
            let_in = another_s or answer.status_code in (200, 409, 422) or "/staff" in goal
            faults += [] if let_in else [f"{route}: {name} gets {answer.status_code}"]
            continue
        if (answer.status_code, comparable(answer)) != (404, missing[route.method]):
            faults.append(f"{route}: {name} gets {answer.status_code}, which is not what a missing page answers")
        other = ask(world, Route(**{**vars(route), "method": "DELETE"}), person, headers, token=False)
        faults += (
            [f"DELETE {route.path}: {other.status_code} tells that there is something"]
            if other.status_code != 404
            else []
        )
        faults += [f"{route}: {name} writes {one}" for one in written if "sessions" not in one]
    faults_of(faults)


def test_what_is_under_staff_is_for_staff_and_nothing_else_is(routes):
    for route in routes:
        assert bool(route.rule.staff) == (route.path == "/staff" or route.path.startswith("/staff/")), str(route)
        assert not (route.rule.staff and (route.rule.anonymous or route.rule.permissions or route.rule.csrf_exempt))
        assert not route.rule.staff or route.rule.support == "never", f"{route} would let staff nest"


def test_in_a_suspended_account_each_role_still_does_what_is_not_off_limits(world, routes, own):
    ines = replace(world.ines.actor, staff_roles=frozenset({StaffRole.ADMINISTRATOR}))
    reason = "Payment with a card that its holder reports as stolen."
    suspend_account(world.services.context, ines, world.northwind, reason=reason, contest="support@anuma.example")
    headers, faults = {} if world.db.sqlite else HTMX, []
    for name in MEMBERS:
        held = PERMISSIONS[world.people[name].role]
        for route in routes:
            wanted = set(route.rule.permissions)
            if not held & wanted:
                continue
            answer = ask(world, route, world.people[name], headers)
            refused = answer.status_code == 403 and "This account is suspended. Until that ends" in answer.text
            off_limits = not (held - HALTED) & wanted or route.endpoint in SWITCHES_ON
            if refused != off_limits and not _own_only(held & wanted, route):
                faults.append(f"{route}: {name} gets {answer.status_code} in a suspended account")
            if answer.status_code == 500:
                faults.append(f"{route}: 500")
            page = answer.mimetype == "text/html" and answer.status_code == 200 and not headers
            if page and "This account is suspended" not in answer.text:
                faults.append(f"{route}: no banner")
    faults_of(faults)


def _own_only(reached, route):
    return route.names and all("OWN" in permission.name for permission in reached)


def test_a_suspended_person_is_a_stranger_everywhere(world, routes):
    browser, faults = world.browser(world.vera), []
    headers = {} if world.db.sqlite else HTMX
    ines = replace(world.ines.actor, staff_roles=frozenset({StaffRole.ADMINISTRATOR}))
    suspend_person(world.services.context, ines, world.vera.id, reason="Somebody else signs in with their sign-in.")
    for route in routes:
        if route.rule.anonymous or route.rule.staff:
            continue
        with writes(world) as written:
            answer = browser.request(route.method, route.path, headers=headers)
        status, goal = (200, "HX-Redirect") if headers else (303, "Location")
        if answer.status_code != status or not answer.headers.get(goal, "").startswith("/sign-in?next="):
            faults.append(f"{route}: {answer.status_code} instead of a redirect to the sign-in page")
        faults += [f"{route}: a suspended person writes {statement}" for statement in written]
    faults_of(faults)


def test_a_stranger_is_sent_to_sign_in_and_nothing_is_written(world, routes):
    faults = []
    for route in routes:
        if route.rule.anonymous or route.rule.staff:
            continue
        with writes(world) as written:
            plain, htmx = ask(world, route), ask(world, route, headers=HTMX)
        if plain.status_code != 303 or not plain.headers["Location"].startswith("/sign-in?next="):
            faults.append(f"{route}: {plain.status_code} instead of a redirect to the sign-in page")
        if htmx.status_code != 200 or htmx.text or "/sign-in?next=" not in htmx.headers.get("HX-Redirect", ""):
            faults.append(f"{route}: htmx is not told to leave the page ({htmx.status_code})")
        faults += [f"{route}: a stranger writes {statement}" for statement in written]
    faults_of(faults)


def test_what_belongs_to_others_does_not_exist(world, routes, own):
    faults = []
    for route in routes:
        if not any(str(identifier) in route.path for identifier in own.identifiers):
            continue
        for headers in ({}, HTMX):
            with writes(world) as written:
                answer = ask(world, route, world.strange, headers)
            missing = ask(world, Route(**{**vars(route), "path": with_unknown_ids(route.path)}), world.strange, headers)
            if answer.status_code != 404 or answer.status_code != missing.status_code:
                faults.append(f"{route}: Strange gets {answer.status_code}, for nothing at all {missing.status_code}")
            if comparable(answer) != comparable(missing):
                faults.append(f"{route}: what is others' is not answered as what is missing")
            faults += [f"{route}: Strange writes {s}" for s in written if "sessions" not in s]
    faults_of(faults)


def with_unknown_ids(path):
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", str(UUID(int=7)), path)


def comparable(answer):
    return re.sub(r"req_\w+|nonce[-=]\"?[\w-]+|[0-9a-f]{8}-[0-9a-f-]{27}", "", answer.text)


@pytest.mark.parametrize(
    ("engine", "name"), [("sqlite", "strange"), ("postgresql", "sam")], indirect=["engine"]
)  # whose something is, is one comparison; `what_belongs_to_others` makes it on both
def test_nothing_of_an_account_is_ever_shown_to_others(world, routes, own, name):
    """Nor to staff who are not inside: in their section they see its name, and of its people and things nothing."""
    browser, faults = world.browser(world.people[name]), []
    for route in routes:
        if route.method != "GET":
            continue
        swaps = [f"{name}={own.identifiers[n % 5]}" for n, name in enumerate(QUERY_NAMES)]
        queries = ["", *(f"?{swap}" for swap in (["&".join(swaps)] if route.names else swaps))]
        for query in queries:
            answer = browser.request("GET", route.path + query)
            may_show = {"Northwind"} if route.rule.staff else set()
            shown = [canary for canary in CANARIES if canary in answer.text and canary not in may_show]
            faults += [f"{route.path}{query}: shows {shown} to {name}"] if shown else []
            faults += [f"{route.path}{query}: 500"] if answer.status_code == 500 else []
    faults_of(faults)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_ids_of_others_in_a_form_change_nothing(world, routes, own):
    before, faults = stored(world), []
    for route in routes:
        if route.method == "GET" or route.names or route.endpoint == "sign_in.sign_out":
            continue
        browser = world.browser(world.strange)
        token = form_token(browser)
        for identifier in own.identifiers:
            form = dict.fromkeys((*QUERY_NAMES, "token", "test", "state", "next", "request_id"), str(identifier))
            answer = browser.request(route.method, route.path, data=form | token)
            shown = [canary for canary in CANARIES if canary in answer.text]
            faults += [f"{route} with {form['id']}: {answer.status_code}, shows {shown}"] if shown else []
            faults += [f"{route} with {form['id']}: 500"] if answer.status_code == 500 else []
        faults += [] if browser.request("GET", "/").status_code == 200 else [f"{route}: Strange is signed out by it"]
    assert stored(world) == before
    faults_of(faults)


def stored(world):
    """What the gateway keeps for Northwind Labs, and obeys."""
    state = world.gateway.data_state(world.olive.actor, world.northwind).model_dump(mode="json")
    keys = world.gateway.keys(world.olive.actor, world.northwind).model_dump(mode="json")
    return re.sub(r'"as_of": "[^"]+"', "", json.dumps([state, keys]))


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", ["olive", "nobody", "ines"])
def test_a_forged_form_is_refused_and_nothing_is_written(world, routes, name):
    person, faults = world.people.get(name), []
    for route in routes:
        if route.method == "GET" or route.rule.csrf_exempt or (person is None and not route.rule.anonymous):
            continue
        if bool(route.rule.staff) != (name == "ines") or (route.rule.staff and ADMINISTRATOR not in route.rule.staff):
            continue
        browser = world.browser(person)
        token = form_token(browser)
        forgeries = {
            "no token": ({}, {}),
            "a made-up token": ({"csrf_token": "AAAA"}, {}),
            "another site": (token, {"Sec-Fetch-Site": "cross-site"}),
            "another origin": (token, {"Origin": "https://evil.example"}),
        }
        for what, (form, headers) in forgeries.items():
            with writes(world) as written, gateway_calls(world) as called:
                answer = browser.request(route.method, route.path, data=form, headers=headers)
            if answer.status_code != 403 or written or called:
                faults.append(f"{route} with {what}: {answer.status_code}, writes {written}, calls {called}")
    faults_of(faults)


@pytest.mark.parametrize("name", ["olive", "nobody"])
def test_reading_changes_nothing_and_asks_the_gateway_at_most_twice(world, routes, name):
    faults = []
    for route in routes:
        if route.method != "GET":
            continue
        browser = world.browser(world.people.get(name))
        with writes(world) as written, gateway_calls(world) as called:
            browser.request("GET", route.path)
        if written and not route.rule.writes_on_get:
            faults.append(f"{route}: writes {written}")
        if set(called) - {"GET"} or len(called) > MOST_GATEWAY_CALLS:
            faults.append(f"{route}: calls the gateway with {called}")
    faults_of(faults)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", ["olive", "nobody"])
def test_every_answer_is_hardened_and_has_a_nonce_of_its_own(world, routes, name):
    nonces, faults = set(), []
    for number, route in enumerate(routes):
        for extra, headers in enumerate(({}, HTMX)):
            answer = ask(world, route, world.people.get(name), headers)
            kept = {header: answer.headers.get(header) for header in HARDENED}
            faults += [f"{route}: headers {kept}"] if kept != HARDENED else []
            faults += [f"{route}: Vary {answer.vary}"] if not {"HX-Request", "Cookie"} <= set(answer.vary) else []
            nonces.add(nonce_of(answer.headers["Content-Security-Policy"]))
            assert len(nonces) == 2 * number + extra + 1, f"{route} repeats a nonce"
    faults_of(faults)


# The markup is the same on each engine: on PostgreSQL it is enough that whoever sees most sees everything.
@pytest.mark.parametrize(
    ("engine", "name", "gateway"),
    [
        ("sqlite", "olive", "up"),
        ("sqlite", "olive", "down"),
        ("sqlite", "bill", "up"),
        ("sqlite", "sam", "up"),
        ("sqlite", "ines", "up"),
        ("sqlite", "nobody", "up"),
        ("postgresql", "olive", "up"),
        ("postgresql", "ines", "up"),
    ],
    indirect=["engine"],
)
def test_every_page_is_clean_with_the_gateway_and_without(world, routes, name, gateway):
    if gateway == "down":
        world.break_gateway()
    browser = world.browser(world.people.get(name))
    for route in routes:
        if route.method != "GET":
            continue
        if browser.request("GET", route.path).mimetype == "text/html":
            assert browser.visit(route.path).status != 500, route


RECORDING = (
    "INSERT INTO audit_entries",
    "INSERT INTO audit_details",
    "INSERT INTO audit_objects",
    "UPDATE audit_heads",
    "UPDATE support_sessions",
)


@pytest.mark.parametrize(
    ("engine", "scopes"), [("sqlite", ["content", "billing"]), ("postgresql", [])], indirect=["engine"]
)
def test_staff_in_a_support_session_only_look_and_leave_a_record(world, routes, own, scopes):
    """Rules 7, 8, 9, 11 and 12 of support access, over everything that there is."""
    context = world.services.context
    support.revoke_grant(context, world.olive.actor, world.northwind, own.grant_id)
    browser = inside(world, let_in(world, *scopes))
    last_four = world.gateway.key(world.olive.actor, world.northwind, own.key_id).last_four
    tail = re.compile(rf"(?<![\w-]){last_four}(?![\w-])")
    held = frozenset().union(*(SUPPORT_PERMISSIONS[scope] for scope in ("metadata", *scopes)))
    token, faults = browser.visit("/").csrf_token(), []
    for route in routes:
        if not route.rule.session or route.rule.support == "stop":
            continue
        read = route.rule.support == "read" and route.method == "GET"
        allowed = read and (not route.rule.permissions or bool(held & set(route.rule.permissions)))
        for headers in ({}, HTMX):
            with writes(world) as written, gateway_calls(world) as called:
                data = None if route.method == "GET" else {"csrf_token": token}
                answer = browser.request(route.method, route.path, data=data, headers=headers)
            status = answer.status_code == 200 if allowed else answer.status_code == 403 and NOT_ALLOWED in answer.text
            faults += [] if status else [f"{route}: {answer.status_code}, expected {'a page' if allowed else '403'}"]
            others = {one for one in written if not (allowed and one.startswith(RECORDING))}
            faults += [f"{route}: writes {others}"] if others else []
            faults += [] if allowed == bool(written) else [f"{route}: recorded {written}"]
            faults += [f"{route}: calls the gateway with {called}"] if set(called) - {"GET"} else []
            faults += [f"{route}: shows the tail of a key"] if tail.search(answer.text) else []
            faults += [f"{route}: shows content"] if "canary-prompt" in answer.text and not scopes else []
            faults += [f"{route}: shows costs"] if re.search(r"\$\d", answer.text) and not scopes else []
            # It would keep the session from being idle, and fill the record with what nobody clicked.
            faults += [f"{route}: asks again by itself"] if 'hx-trigger="every' in answer.text else []
            faults += [] if answer.headers.get("X-Anuma-Support-Session") else [f"{route}: has no header"]
            barred = bool(headers) or "is looking into Northwind Labs" in answer.text
            faults += [] if barred else [f"{route}: has no bar"]
    faults_of(faults)
