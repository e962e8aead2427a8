"""Which gateway is held against the contract: the one that the options name, else the embedded one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from tests.conformance.caller import Caller


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance of a gateway")
    group.addoption(
        "--gateway-url", help="where its internal API is, without /internal/v1; the embedded one if left out"
    )
    group.addoption("--gateway-key-file", help="the private key (PEM, ES256) whose public half it trusts")
    group.addoption("--gateway-public-url", help="where its public API is, without /v1; --gateway-url if left out")
    group.addoption("--gateway-model", help="a model that a new account's live key may call; anuma/echo if left out")


@pytest.fixture(scope="session")
def caller(request: pytest.FixtureRequest) -> Iterator[Caller]:
    """The options are known only if this folder was named on the command line."""
    option = request.config.getoption
    url, key_file = option("gateway_url", None), option("gateway_key_file", None)
    model = option("gateway_model", None) or "anuma/echo"
    if url is None:
        embedded = request.getfixturevalue("gateway_server")
        url, key_file = embedded.url, embedded.key_file
    elif key_file is None:
        pytest.exit("--gateway-url needs --gateway-key-file", returncode=4)
    with closing(Caller(url, option("gateway_public_url", None) or url, Path(key_file), model)) as caller:
        yield caller


@pytest.fixture
def account(caller: Caller) -> UUID:
    """An account of this test's own."""
    return caller.new_account()
