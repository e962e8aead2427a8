"""What the contract promises beyond shapes: in effect, once, stored exactly when allowed, gone when deleted."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from anuma_dash.gateway import schemas
from tests.conformance.caller import problem, spelled, until

KEYS = schemas.Page[schemas.Key]
REQUESTS = schemas.Page[schemas.RequestSummary]
DELETIONS = schemas.Page[schemas.Deletion]


def newest(caller, account):
    """The log has a request when its answer has come."""
    return caller.get(REQUESTS, account, "/requests", limit=1).data[0]


def test_the_contract_version(caller):
    contract = schemas.Contract.model_validate(caller.http.get("/contract").json())
    assert contract.contract == schemas.CONTRACT_VERSION


def key_owners(caller, last_four, account="*", **claims):
    headers = {"authorization": f"Bearer {caller.token(account, **claims)}", "x-request-id": "conformance"}
    return caller.http.get("/key-owners", params={"last_four": last_four}, headers=headers)


def test_whose_key_ends_so_is_told_with_account_identifiers_alone(caller, account):
    key, other = caller.new_key(account), caller.new_account()
    caller.new_key(account)
    caller.call("DELETE", account, f"/keys/{key.id}")

    found = caller.read(schemas.KeyOwners, key_owners(caller, key.last_four))

    assert account in found.account_ids, "a revoked key is found too"
    assert other not in found.account_ids
    assert not found.more
    assert set(key_owners(caller, key.last_four).json()) == {"account_ids", "more"}


@pytest.mark.parametrize("last_four", ["", "abc", "abcde", "ab d", "ab%_", "äbcd"])
def test_whose_key_ends_so_is_asked_with_four_letters_or_digits(caller, last_four):
    problem(key_owners(caller, last_four), 422, "invalid_request")


def test_whose_key_ends_so_is_told_to_the_service_alone(caller, account):
    problem(key_owners(caller, "abcd", account), 404, "not_found")
    problem(key_owners(caller, "abcd", act={"sub": str(uuid4())}), 404, "not_found")
    problem(caller.http.get("/key-owners", params={"last_four": "abcd"}), 401, "token_missing")


def test_an_account_is_put_whole(caller, account):
    changed = caller.read(schemas.Account, caller.call("PUT", account, json={"name": "O", "status": "suspended"}))
    assert (changed.id, changed.name, changed.status) == (account, "O", "suspended")
    assert caller.get(schemas.Account, account) == changed


def test_an_account_that_stops_takes_its_keys_along_and_brings_none_back(caller, account):
    key = caller.read(schemas.CreatedKey, caller.call("POST", account, "/keys", json={"name": "ci"}, **once("stops")))
    for status in ("suspended", "closed"):
        stopped = caller.read(schemas.Account, put(caller, account, status))
        assert stopped.status_in_effect_at is not None, "a gateway with a lease may take up to ten seconds"
        problem(caller.call("PATCH", account, f"/keys/{key.id}", json={"is_active": True}), 403, f"account_{status}")
        problem(caller.call("POST", account, "/keys", json={"name": "x"}, **once(status)), 403, f"account_{status}")
    caller.read(schemas.Account, put(caller, account, "active"))
    deactivated = caller.get(schemas.Key, account, f"/keys/{key.id}")
    assert (deactivated.state, deactivated.deactivated_at is None) == ("deactivated", False)
    for _ in range(2):
        active = caller.read(schemas.Key, caller.call("PATCH", account, f"/keys/{key.id}", json={"is_active": True}))
        assert (active.state, active.deactivated_at) == ("active", None)
    caller.call("DELETE", account, f"/keys/{key.id}")
    problem(caller.call("PATCH", account, f"/keys/{key.id}", json={"is_active": True}), 409, "key_not_usable")
    problem(caller.call("PATCH", account, f"/keys/{key.id}", json={"is_active": False}), 422)


def test_a_late_change_of_an_account_is_refused(caller, account):
    caller.read(schemas.Account, put(caller, account, "suspended", revision=7))
    assert problem(put(caller, account, "active", revision=6), 409, "revision_conflict").stored_version == 7
    told = caller.read(schemas.Account, put(caller, account, "suspended", revision=7))
    assert (told.status, told.revision) == ("suspended", 7)


def put(caller, account, status, **more):
    return caller.call("PUT", account, json={"name": "O", "status": status, **more})


def once(name):
    return {"headers": {"idempotency-key": f"conformance-{name}"}}


def test_a_new_account_has_everything_off(caller, account):
    controls = caller.get(schemas.Controls, account, "/controls")
    assert controls.epoch == 0
    assert not any(control.enabled for control in controls.controls.values())


def test_the_same_epoch_and_body_get_the_same_times(caller, account):
    first = caller.switch_logging(account, True)
    again = caller.read(schemas.Controls, caller.put_controls(account, first.epoch, True))
    assert again == first
    assert first.in_effect_at >= first.applied_at
    assert first.controls["prompt_logging"].since_epoch == first.epoch
    assert first.controls["memories"].since_epoch == 0, "its value did not change"


def test_a_lower_epoch_or_another_body_is_a_conflict(caller, account):
    caller.read(schemas.Controls, caller.put_controls(account, 5, True))
    stored = caller.get(schemas.Controls, account, "/controls")
    for epoch, enabled in ((4, True), (5, False)):
        conflict = problem(caller.put_controls(account, epoch, enabled), 409, "epoch_conflict")
        assert (conflict.stored_epoch, conflict.body_hash) == (5, stored.body_hash)
    assert caller.get(schemas.Controls, account, "/controls").controls["prompt_logging"].enabled
    incomplete = {"epoch": 6, "controls": {"traces": {"enabled": True}}}
    problem(caller.call("PUT", account, "/controls", json=incomplete), 422)


def test_a_secret_is_shown_once(caller, account):
    body, headers = {"name": "once"}, {"idempotency-key": "conformance-once"}
    first = caller.read(schemas.CreatedKey, caller.call("POST", account, "/keys", json=body, headers=headers))
    again = caller.read(schemas.CreatedKey, caller.call("POST", account, "/keys", json=body, headers=headers))
    assert first.secret.startswith(first.prefix)
    assert first.secret.endswith(first.last_four)
    assert spelled(again) == spelled(first) | {"secret": None, "code": "secret_already_shown"}
    assert first.secret not in caller.call("GET", account, f"/keys/{first.id}").text
    other = caller.call("POST", account, "/keys", json={"name": "twice"}, headers=headers)
    problem(other, 409, "idempotency_key_reused")


def test_a_revoked_key_is_refused_once_that_is_in_effect(caller, account):
    key = caller.new_key(account)
    assert caller.chat(key.secret).status_code == 200

    def revoked():
        answer = caller.read(schemas.Key, caller.call("DELETE", account, f"/keys/{key.id}"))
        return answer if answer.revocation_in_effect_at else None

    first = until(revoked)
    refused = caller.chat(key.secret)
    assert refused.status_code == 401
    assert refused.json()["error"].keys() == {"message", "type", "code", "param"}
    assert revoked().revoked_at == first.revoked_at, "asking again changes nothing"
    assert first.state == "revoked"


def test_lists_go_newest_first_in_steady_pages(caller, account):
    made = [caller.new_key(account).id for _ in range(3)]
    first = caller.get(KEYS, account, "/keys", limit=2)
    later = caller.new_key(account).id
    second = caller.get(KEYS, account, "/keys", limit=2, after=first.next)
    assert [key.id for key in first.data + second.data] == made[::-1]
    assert second.next is None
    assert caller.get(KEYS, account, "/keys").data[0].id == later
    assert {identifier.version for identifier in made} == {7}
    for limit in (0, 201, "x"):
        problem(caller.call("GET", account, "/keys", params={"limit": limit}), 422, "invalid_request")


def test_content_is_stored_exactly_when_it_is_allowed(caller, account):
    key, strict = caller.new_key(account), caller.new_key(account)
    cases = [(False, {}, False, key), (True, {}, True, key), (True, {"X-Anuma-Store": "none"}, False, key)]
    cases += [(True, {}, False, strict), (False, {}, False, key)]
    for enabled, headers, stored, used in cases:
        words = f"private words {uuid4()}"
        level = {"keys": {str(strict.id): {"prompt_logging": {"enabled": False}}}}
        epoch = caller.switch_logging(account, enabled, **level).epoch
        policy = caller.get(schemas.EffectivePolicy, account, "/effective-policy", key=str(used.id))
        answer = caller.chat(used.secret, words, **headers)
        assert answer.headers["x-anuma-content-stored"] == str(stored).lower()
        assert answer.headers["x-anuma-policy-epoch"] == str(epoch)
        row = newest(caller, account)
        assert str(row.id) == answer.headers["x-request-id"]
        assert row.content.stored is stored
        assert headers or row.content == policy.decisions["prompt_logging"]
        path = f"/requests/{row.id}"
        content = caller.get(schemas.RequestContent, account, f"{path}/content")
        assert (content.prompt is not None) is stored
        assert not stored or content.prompt[0].text == words
        for metadata in ("/requests", path, "/overview", "/data-state"):
            assert words not in caller.call("GET", account, metadata).text


@pytest.mark.parametrize("enabled", [False, True])
def test_traces_evaluations_and_memories_are_kept_exactly_when_they_are_allowed(caller, account, enabled):
    key = caller.new_key(account)
    names = ("prompt_logging", "chat_history", "traces", "evaluations", "memories")
    controls = {name: {"enabled": enabled and name != "prompt_logging"} for name in names}
    requested = {"epoch": 1, "controls": controls}
    until(lambda: caller.read(schemas.Controls, caller.call("PUT", account, "/controls", json=requested)).in_effect)
    path = f"/requests/{caller.chat(key.secret).headers['x-request-id']}"

    trace = caller.get(schemas.RequestTrace, account, f"{path}/trace")
    assert (trace.trace.stored, trace.trace.rule) == (enabled, "account_control")
    assert (trace.steps is not None) is enabled

    words = {"name": "helpful", "score": 1, "comment": f"private words {uuid4()}"}
    memory = {"text": f"private words {uuid4()}"}
    given = caller.call("POST", account, f"{path}/evaluations", json=words)
    kept = caller.public.post("/v1/memories", json=memory, headers={"x-api-key": key.secret})
    evaluations = caller.get(schemas.Page[schemas.Evaluation], account, f"{path}/evaluations").data
    memories = caller.get(schemas.Page[schemas.Memory], account, "/memories", owner="account").data
    if enabled:
        assert evaluations == [caller.read(schemas.Evaluation, given)]
        assert [one.text for one in memories] == [memory["text"]]
        caller.chat(key.secret)
        assert newest(caller, account).memories_used == 1
    else:
        problem(given, 403, "evaluations_off")
        assert (kept.status_code, kept.json()["error"]["code"]) == (403, "memories_off")
        assert (evaluations, memories) == ([], [])


def test_a_key_that_is_handed_over_takes_nothing_of_the_past_with_it(caller, account):
    former, present = uuid4(), uuid4()
    body, headers = {"name": "k", "created_by": str(former)}, {"idempotency-key": "conformance-handing-over"}
    key = caller.read(schemas.CreatedKey, caller.call("POST", account, "/keys", json=body, headers=headers))
    caller.switch_logging(account, True)
    assert caller.chat(key.secret, "before").status_code == 200

    for change in ({"created_by": str(present)}, {}, {"created_by": None}):
        changed = caller.read(schemas.Key, caller.call("PATCH", account, f"/keys/{key.id}", json=change))
        assert (changed.created_by, changed.name, changed.state) == (present, "k", "active")
    assert caller.chat(key.secret, "after").status_code == 200

    for person in (former, present):
        (row,) = caller.get(REQUESTS, account, "/requests", person=str(person)).data
        assert row.created_by == person
        (stored,) = caller.get(schemas.Inventory, account, "/inventory", person=str(person)).rows
        assert (stored.category, stored.count, stored.oldest) == ("request_content", 1, stored.newest)
    assert caller.get(KEYS, account, "/keys", person=str(former)).data == []
    (none,) = caller.get(schemas.Inventory, account, "/inventory", person=str(uuid4())).rows
    assert (none.count, none.bytes, none.oldest) == (0, 0, None)


def test_a_request_is_metered_once_with_its_price(caller, account):
    key = caller.new_key(account)
    usage = caller.chat(key.secret).json()["usage"]
    (row,) = caller.get(REQUESTS, account, "/requests").data
    whole = caller.get(schemas.Request, account, f"/requests/{row.id}")
    assert (row.key_id, row.model, row.status, row.outcome) == (key.id, caller.model, 200, "completed")
    assert (whole.prompt_tokens, whole.cost_micro_usd) == (usage["prompt_tokens"], usage["cost_micro_usd"])
    overview = caller.get(schemas.Overview, account, "/overview")
    assert (overview.requests_today, overview.requests_ever, overview.active_keys) == (1, 1, 1)
    assert caller.get(REQUESTS, account, "/requests", key=str(uuid4())).data == []
    inventory = caller.get(schemas.Inventory, account, "/inventory")
    assert {one.category: one.count for one in inventory.rows}["request_metadata"] == 1
    state = caller.get(schemas.DataState, account, "/data-state")
    assert [one.id for one in state.latest] == [row.id]


def test_a_deletion_deletes_what_there_was(caller, account):
    key = caller.new_key(account)
    caller.switch_logging(account, True)
    caller.chat(key.secret, "to be deleted")
    row = newest(caller, account)
    body = {"id": str(uuid4()), "scope": {"category": "request_content"}}
    assert caller.call("POST", account, "/deletions", json=body).status_code == 202
    path = f"/deletions/{body['id']}"
    done = until(lambda: finished(caller.get(schemas.Deletion, account, path)), 120)
    assert (done.state, done.total, done.failure) == ("verified", 1, None)
    assert done.per_store
    content = caller.get(schemas.RequestContent, account, f"/requests/{row.id}/content")
    assert (content.content.stored, content.content.rule, content.prompt) == (False, "deleted", None)
    caller.chat(key.secret, "arrived later")
    assert newest(caller, account).content.stored
    assert caller.call("POST", account, "/deletions", json=body).json()["id"] == body["id"], "asked twice, done once"
    other = body | {"scope": {"category": "request_content", "request_ids": []}}
    problem(caller.call("POST", account, "/deletions", json=other), 409, "deletion_id_reused")
    assert [one.id for one in caller.get(DELETIONS, account, "/deletions").data] == [UUID(body["id"])]
    problem(caller.call("GET", account, f"/deletions/{uuid4()}"), 404, "not_found")


def finished(deletion):
    return deletion if deletion.state in ("verified", "failed") else None


@pytest.mark.parametrize("enabled", [True, False])
def test_the_canary_finds_what_is_true(caller, account, enabled):
    key = caller.new_key(account)
    caller.switch_logging(account, enabled)
    found = caller.read(schemas.Canary, caller.call("POST", account, "/canary", json={"key_id": str(key.id)}))
    assert (found.passed, found.expected, found.readable) == (True, enabled, enabled)
    assert all(scan.control_found and not scan.test_found for scan in found.scans)
    assert newest(caller, account).is_test
    too_soon = caller.call("POST", account, "/canary", json={"key_id": str(key.id)})
    assert 0 < problem(too_soon, 429, "canary_too_soon").retry_after_seconds <= 60
    assert too_soon.headers["retry-after"]


def test_credit_is_put_under_a_version(caller, account):
    problem(caller.call("GET", account, "/credit"), 404, "not_found")
    body = {"available_micro_usd": 1_000_000, "charged_micro_usd": 0, "version": 2}
    put = caller.read(schemas.Credit, caller.call("PUT", account, "/credit", json=body))
    assert (put.available_micro_usd, put.reserved_micro_usd, put.unsettled_micro_usd) == (1_000_000, 0, 0)
    assert caller.read(schemas.Credit, caller.call("PUT", account, "/credit", json=body)) == put
    for change in ({"version": 1}, {"available_micro_usd": 5}):
        conflict = problem(caller.call("PUT", account, "/credit", json=body | change), 409, "version_conflict")
        assert conflict.stored_version == 2
    assert caller.get(schemas.Credit, account, "/credit") == put
