"""Random requests against both contracts: nothing unforeseen comes back, and what the contract forbids is refused.

`ANUMA_SCHEMATHESIS_EXAMPLES` says how many requests each operation gets, valid ones and invalid ones each.
"""

from __future__ import annotations

import os
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

CONTRACTS = Path(__file__).parents[2] / "anuma_dash" / "gateway"
EXAMPLES = int(os.environ.get("ANUMA_SCHEMATHESIS_EXAMPLES", "5"))
# The few of `make test` are the same each time; `make soak` looks for new ones.
ALWAYS_THE_SAME = "ANUMA_SCHEMATHESIS_EXAMPLES" not in os.environ
ALWAYS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
ONLY = {
    GenerationMode.POSITIVE: [checks.positive_data_acceptance],
    GenerationMode.NEGATIVE: [checks.negative_data_rejection],
}
ACCOUNT = UUID("01900000-0000-7000-8000-000000000001")


def cases(name):
    """Every operation, valid and (if it takes anything) invalid. Who calls, and for which account, is not random."""
    contract = yaml.safe_load((CONTRACTS / name).read_text())
    contract.pop("security", None)
    paths = {path: methods for path, methods in contract["paths"].items() if not path.startswith("/api/")}
    contract["paths"] = {path.replace("{acc}", str(ACCOUNT)): methods for path, methods in paths.items()}
    for methods in paths.values():
        for operation in methods.values():
            operation.pop("security", None)
            operation["parameters"] = [p for p in operation.get("parameters", []) if p["name"] != "acc"]
    found = [result.ok() for result in schemathesis.openapi.from_dict(contract).get_all_operations()]
    return [
        pytest.param(operation, mode, id=f"{operation.method} {operation.path} {mode.value}")
        for operation in found
        for mode in GenerationMode
        if mode.is_positive or operation.body or any(p.name != "model" for p in operation.iter_parameters())
    ]


class Target:
    """A gateway with an account in which there is one of everything."""

    def __init__(self, running):
        self.base_url, self.dashboard = running.base_url, running.dashboard
        self.dashboard.call("PUT", ACCOUNT, body={"name": "Olive"})
        self.dashboard.switch_logging(ACCOUNT, True)
        key = self.dashboard.new_key(ACCOUNT)
        self.secret = key["secret"]
        running.chat(self.secret)
        (request,) = self.dashboard.requests(ACCOUNT)
        deletion = {"id": str(uuid4()), "scope": {"category": "request_content", "request_ids": []}}
        self.dashboard.call("POST", ACCOUNT, "/deletions", body=deletion)
        self.known = {"key_id": key["id"], "request_id": request["id"], "deletion_id": deletion["id"]}
        self.session = requests.Session()
        self.session.trust_env = False

    def call(self, case, headers, mode):
        case.call_and_validate(
            base_url=self.base_url,
            session=self.session,
            headers=headers,
            checks=[*ALWAYS, *ONLY[mode]],
            timeout=30,
        )


@pytest.fixture(scope="module")
def target(served):
    target = Target(served)
    yield target
    target.session.close()


def for_each_case(operation, mode, check):
    strategy = operation.as_strategy(generation_mode=mode)
    bounded = settings(
        max_examples=EXAMPLES,
        derandomize=ALWAYS_THE_SAME,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    bounded(given(strategy, st.booleans())(check))()


@pytest.mark.parametrize(("operation", "mode"), cases("openapi.yaml"))
def test_the_internal_api(target, operation, mode):
    account = ACCOUNT if str(ACCOUNT) in operation.path else "*"

    def check(case, known):
        if known and mode.is_positive and case.path_parameters:
            case.path_parameters |= {n: v for n, v in target.known.items() if n in case.path_parameters}
        token = target.dashboard.signer.token(target.dashboard.now(), account)
        target.call(case, {"authorization": f"Bearer {token}"}, mode)

    for_each_case(operation, mode, check)


@pytest.mark.parametrize(("operation", "mode"), cases("openapi-public.yaml"))
def test_the_public_api(target, operation, mode):
    def check(case, known):
        if known and isinstance(case.body, dict) and "model" in case.body and mode.is_positive:
            case.body["model"] = "anuma/echo"
        target.call(case, {"authorization": f"Bearer {target.secret}"}, mode)

    for_each_case(operation, mode, check)
