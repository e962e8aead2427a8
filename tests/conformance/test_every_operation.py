"""What holds for each operation of the contract, walked through one by one."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from tests.conformance.caller import problem

CONTRACT = yaml.safe_load((Path(__file__).parents[2] / "anuma_dash" / "gateway" / "openapi.yaml").read_text())
PREFIX = "/internal/v1"
OPERATIONS = [
    pytest.param(method.upper(), path.removeprefix(PREFIX), id=operation["operationId"])
    for path, methods in CONTRACT["paths"].items()
    for method, operation in methods.items()
    if "{acc}" in path
]
WRITES = [one for one in OPERATIONS if one.values[0] != "GET"]
every_operation = pytest.mark.parametrize(("method", "path"), OPERATIONS)
every_write = pytest.mark.parametrize(("method", "path"), WRITES)
METHODS = {"GET", "PUT", "POST", "PATCH", "DELETE"}


def under(path):
    """What follows the account, with an identifier of nothing in each place."""
    rest = path.removeprefix("/accounts/{acc}")
    return re.sub(r"\{[a-z_]+\}", str(uuid4()), rest)


def body_of(method):
    return {} if method in ("GET", "DELETE") else {"json": {}}


def test_every_operation_of_the_contract_is_walked():
    walked = {(one.values[1], one.values[0].lower()) for one in OPERATIONS}
    described = {
        (path.removeprefix(PREFIX), method) for path, methods in CONTRACT["paths"].items() for method in methods
    }
    assert described - walked == {("/contract", "get"), ("/key-owners", "get")}, "their own tests: test_semantics.py"


@every_operation
def test_it_needs_a_token(caller, account, method, path):
    for token in ("", "Bearer nonsense"):
        refused = caller.call(method, account, under(path), headers={"authorization": token}, **body_of(method))
        assert problem(refused, 401).code.startswith("token_")
        assert refused.headers["www-authenticate"].startswith("Bearer")


@every_operation
def test_another_accounts_token_finds_nothing(caller, account, method, path):
    token = f"Bearer {caller.token(uuid4())}"
    refused = caller.call(method, account, under(path), headers={"authorization": token}, **body_of(method))
    problem(refused, 404, "not_found")


@every_operation
def test_an_account_that_does_not_exist_answers_the_same(caller, method, path):
    if (method, path) == ("PUT", "/accounts/{acc}"):
        return  # this is how it comes to exist
    answer = caller.call(method, uuid4(), under(path), **body_of(method))
    if answer.status_code != 422:  # the body may be looked at first; what it says does not depend on the account
        problem(answer, 404, "not_found")


@every_write
def test_a_support_session_may_not_write(caller, account, method, path):
    token = f"Bearer {caller.token(account, act={'sub': str(uuid4())})}"
    refused = caller.call(method, account, under(path), headers={"authorization": token}, **body_of(method))
    problem(refused, 403, "support_session_read_only")


@pytest.mark.parametrize("act", [{}, "sam", {"sub": "sam"}])
def test_who_acts_in_a_support_session_is_a_person(caller, account, act):
    refused = caller.call("GET", account, headers={"authorization": f"Bearer {caller.token(account, act=act)}"})
    problem(refused, 401, "token_invalid")


def test_a_support_session_reads_content_only_with_that_scope(caller, account):
    path, staff = f"/requests/{uuid4()}/content", {"sub": str(uuid4())}
    for scope, status, code in (("metadata", 403, "support_scope_missing"), ("content metadata", 404, "not_found")):
        token = caller.token(account, act=staff, scope=scope)
        problem(caller.call("GET", account, path, headers={"authorization": f"Bearer {token}"}), status, code)


@every_write
def test_a_token_is_good_for_one_write(caller, account, method, path):
    headers = {"authorization": f"Bearer {caller.token(account)}"}
    first = caller.call(method, account, under(path), headers=headers, **body_of(method))
    assert first.status_code in (404, 422), first.text
    problem(caller.call(method, account, under(path), headers=headers, **body_of(method)), 401, "token_already_used")


@every_write
def test_bodies_are_json_of_known_fields(caller, account, method, path):
    if method == "DELETE":
        return
    unknown = caller.call(method, account, under(path), json={"no_such_field": "private words"})
    assert "private words" not in unknown.text
    problem(unknown, 422, "invalid_request")
    wrong_type = {"content-type": "text/plain"}
    refused = caller.call(method, account, under(path), content=b"{}", headers=wrong_type)
    problem(refused, 415, "unsupported_media_type")
    json_type = {"content-type": "application/json"}
    problem(caller.call(method, account, under(path), content=b"{", headers=json_type), 422, "invalid_request")
    large = caller.call(method, account, under(path), content=b" " * (2**20 + 1), headers=json_type)
    problem(large, 413, "request_too_large")


@pytest.mark.parametrize(("method", "path"), [one for one in WRITES if one.values[0] == "POST"])
@pytest.mark.parametrize("key", ["", "short", "x" * 201, "with a space"])
def test_every_post_needs_an_idempotency_key(caller, account, method, path, key):
    refused = caller.call(method, account, under(path), json={}, headers={"idempotency-key": key})
    assert "Idempotency-Key" in problem(refused, 422, "invalid_request").detail


@pytest.mark.parametrize("path", sorted({one.values[1] for one in OPERATIONS}))
def test_other_methods_are_refused(caller, account, path):
    there = {one.values[0] for one in OPERATIONS if one.values[1] == path}
    for method in METHODS - there:
        problem(caller.call(method, account, under(path), **body_of(method)), 405, "method_not_allowed")


def test_paths_that_are_not_there(caller, account):
    problem(caller.call("GET", account, "/nothing"), 404, "not_found")
    problem(caller.call("GET", "not-an-account"), 404, "not_found")
