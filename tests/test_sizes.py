"""How large a request may be: every bound is a setting with a safe default, and refuses in words."""

from __future__ import annotations

import gzip
import io

import pytest
from flask import request

from anuma_dash.settings import Settings
from tests.probes import add_probe

LIMITS = {"max_body_bytes": 20_000, "max_form_parts": 30, "max_url_bytes": 2_500, "max_header_bytes": 9_000}


@pytest.fixture(scope="module")
def engine():
    """Nothing here asks the database."""
    return "sqlite"


@pytest.fixture
def count(world):
    """A view that counts the fields of a form, under tight limits."""
    world.restart(**LIMITS)
    add_probe(world, lambda: str(len(request.form)), anonymous=True)
    browser = world.browser().visit("/sign-in")
    token = {"X-CSRF-Token": browser.csrf_token()}

    def send(method="POST", path="/probe", headers=None, **options):
        return browser.request(method, path, headers=token | (headers or {}), **options)

    return send


def test_without_settings_the_bounds_are_modest():
    settings = Settings()

    assert settings.max_body_bytes <= 1_000_000
    assert settings.max_form_parts <= 1_000
    assert settings.max_url_bytes <= 8_190
    assert settings.max_header_bytes <= 65_536


def test_an_address_may_be_so_long(count):
    assert count("GET", "/probe?q=" + "a" * 2_400).status_code == 200
    answer = count("GET", "/probe?q=" + "a" * 2_500)
    assert answer.status_code == 414
    assert "This address is too long" in answer.text


def test_headers_may_be_so_large_together(count):
    assert count(headers={"X-Filler": "a" * 8_000}).status_code == 200
    answer = count(headers={f"X-Filler-{number}": "a" * 1_000 for number in range(10)})
    assert answer.status_code == 431
    assert "Your browser sends too much with each request" in answer.text


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_may_have_so_many_fields(count, kind):
    def send(fields):
        return count(data={f"f{number}": "x" for number in range(fields)}, content_type=kind)

    assert send(30).text == "30"
    answer = send(31)
    assert answer.status_code == 413
    assert "That is too large" in answer.text
    assert send(1_000).status_code == 413


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"])
def test_a_body_may_be_so_large(count, kind):
    assert count(data={"f": "x" * 15_000}, content_type=kind).status_code == 200
    answer = count(data={"f": "x" * 20_001}, content_type=kind)
    assert answer.status_code == (200 if kind == "text/plain" else 413), "what nobody reads is no form"


@pytest.mark.parametrize("size", [1, 10_000_000])
def test_a_body_that_does_not_say_its_length_is_not_read(count, size):
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    body = io.BytesIO(b"f=" + b"x" * size)

    answer = count(input_stream=body, environ_overrides=chunked, content_type="application/x-www-form-urlencoded")

    assert answer.status_code == 411
    assert "Send it with its length" in answer.text
    assert body.tell() == 0


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "deflate", "br", "zstd", "gzip, gzip", "x"])
def test_nothing_is_ever_decompressed(count, coding):
    bomb = gzip.compress(b"f=" + b"0" * 5_000_000)
    assert len(bomb) < LIMITS["max_body_bytes"]
    headers = {"Content-Encoding": coding}

    answer = count(data=bomb, headers=headers, content_type="application/x-www-form-urlencoded")

    assert answer.status_code == 415
    assert "uncompressed" in answer.text
    assert count(data={"f": "x"}, headers={"Content-Encoding": "identity"}).text == "1"


def test_a_signed_in_person_is_told_in_words_too(world):
    browser = world.browser(world.olive)

    answer = browser.visit("/keys?q=" + "a" * 8_000)

    assert (answer.status, answer.heading) == (414, "This address is too long")
