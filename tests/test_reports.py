"""Reports that browsers send by themselves: counted and logged with bounded words, whatever is sent."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr

import pytest
from flask import Flask

from anuma_dash import logs
from tests.processes import free_port

PAGE = "http://localhost:8000/keys/0190a000-0000-7000-8000-00000000beef?canary=1"
BLOCKED = "https://canary.example/steal?token=canary-token"
CSP_REPORT = {
    "csp-report": {
        "document-uri": PAGE,
        "referrer": "",
        "violated-directive": "img-src",
        "effective-directive": "img-src",
        "original-policy": "default-src 'none'; report-uri /reports;",
        "disposition": "enforce",
        "blocked-uri": BLOCKED,
        "status-code": 200,
        "script-sample": "canary-sample",
    }
}
"""As Chromium sends it for `report-uri`."""


def report(kind="csp-violation", url=PAGE, **body):
    """One report as Chromium sends it for `report-to`."""
    full = {"blockedURL": BLOCKED, "effectiveDirective": "img-src", "disposition": "enforce", "sample": "canary-sample"}
    return {"age": 4, "type": kind, "url": url, "user_agent": "canary-agent", "body": full | body}


@pytest.fixture(scope="module")
def engine():
    """Nothing here asks the database."""
    return "sqlite"


@pytest.fixture
def lines(world):
    """The reports that have been logged."""
    written = io.StringIO()
    with redirect_stderr(written):
        logs.configure("WARNING", "web")
    return lambda: [json.loads(line) for line in written.getvalue().splitlines()]


def send(world, sent, kind="application/reports+json", **headers):
    """What a browser does: no cookie, no token, no word of where it comes from."""
    body = sent if isinstance(sent, (str, bytes)) else json.dumps(sent)
    return world.app.test_client().post(
        "/reports", base_url="http://localhost:8000", data=body, content_type=kind, headers=headers
    )


def counted(app: Flask) -> dict[tuple[str, str], float]:
    """The figures."""
    (metric,) = app.extensions["anuma_security_reports"].collect()
    return {
        (one.labels["type"], one.labels["directive"]): one.value
        for one in metric.samples
        if one.name.endswith("_total")
    }


@pytest.mark.parametrize(
    ("sent", "kind"), [(CSP_REPORT, "application/csp-report"), ([report()], "application/reports+json")]
)
def test_a_violated_policy_is_counted_and_logged_without_anything_of_the_person(world, lines, sent, kind):
    answer = send(world, sent, kind)

    assert (answer.status_code, answer.text) == (204, "")
    assert "Set-Cookie" not in answer.headers
    assert counted(world.app) == {("csp-violation", "img-src"): 1}
    (line,) = lines()
    assert {name: line[name] for name in ("event", "type", "directive", "blocked", "page", "disposition")} == {
        "event": "security report",
        "type": "csp-violation",
        "directive": "img-src",
        "blocked": "canary.example",
        "page": "keys.show",
        "disposition": "enforce",
    }
    assert not [word for word in ("beef", "steal", "canary-", "canary=") if word in json.dumps(line)]


def test_the_figures_stand_beside_the_others(world):
    send(world, CSP_REPORT, "application/csp-report")

    figures = world.browser().request("GET", "/metrics").text

    assert 'anuma_security_reports_total{directive="img-src",type="csp-violation"} 1.0' in figures


def test_other_reports_are_counted_by_their_type(world, lines):
    kinds = ["coop", "network-error", "permissions-policy-violation", "deprecation", "intervention", "crash"]
    body = {"message": "canary-message", "policyId": "geolocation", "server_ip": "203.0.113.9"}

    assert send(world, [{"type": kind, "url": PAGE, "body": body} for kind in kinds]).status_code == 204

    assert counted(world.app) == {(kind, "none"): 1 for kind in kinds}
    assert "canary-" not in json.dumps(lines())
    assert "203.0.113.9" not in json.dumps(lines())


BLOCKED_SAID = [
    *(("inline", "inline"), ("eval", "eval"), ("trusted-types-sink", "trusted-types-sink"), ("", "none")),
    *(("data", "data"), ("data:image/png;base64,canary", "data"), ("blob:http://x/canary", "blob")),
    *(("http://localhost:8000/keys/canary", "self"), ("https://e.example:444/canary", "e.example")),
    *(
        ("chrome-extension://abc/canary.js", "abc"),
        ("javascript:canary()", "unreadable"),
        ("https://[::1", "unreadable"),
    ),
    *(("https://e\x1b{canary}/", "unreadable"), ("https://canary@e.example", "e.example"), (None, "none"), (5, "none")),
    *(({"a": 1}, "none"), ("https://" + "a" * 300 + ".example/", "unreadable")),
]
PAGE_SAID = [
    *((PAGE, "keys.show"), ("http://localhost:8000", "overview.index"), ("http://localhost:8000/x", "unknown")),
    *(("http://localhost:8000/static/js/x.js", "static"), ("https://evil.example/keys", "elsewhere"), (None, "none")),
    *(({}, "none"), ("http://[", "unknown"), ("http://localhost:8000/%00\x1b[31m", "unknown")),
]


def test_of_what_was_blocked_only_the_host_is_kept_and_of_the_page_only_its_view(world, lines):
    for blocked, _ in BLOCKED_SAID:
        send(world, [report(blockedURL=blocked)])
    for url, _ in PAGE_SAID:
        send(world, [report(url=url)])

    said = lines()
    assert [line["blocked"] for line in said[: len(BLOCKED_SAID)]] == [words for _, words in BLOCKED_SAID]
    assert [line["page"] for line in said[len(BLOCKED_SAID) :]] == [words for _, words in PAGE_SAID]


NO_REPORTS = (
    *(b"", b"{", b"null", b"5", b'"x"', b"{}", b"[5]", b'{"csp-report": 5}', b"\xff\xfe", b"[" * 20_000),
    *(b'{"a":' * 5_000, b"\x00" * 100, "csrf_token=x", b'[{"type": "coop"}, 5]'),
)


def test_what_is_no_report_is_refused_without_noise(world, lines):
    answers = [send(world, sent) for sent in NO_REPORTS]

    assert {(answer.status_code, answer.text) for answer in answers} == {(400, "")}
    assert lines() == []
    assert counted(world.app) == {("unreadable", "none"): len(NO_REPORTS)}


def test_hostile_reports_make_no_new_labels_and_break_no_line(world, lines):
    odd = [
        report(kind=f"type-{number}\n\x1b[31m", effectiveDirective=f"directive-{number}", disposition="x\n")
        for number in range(20)
    ]
    for number in range(50):
        odd[0]["body"] |= {"effectiveDirective": f"canary-{number}"}
        assert send(world, odd).status_code == 204
    send(world, [report(effectiveDirective=f"{number}-src") for number in range(1000)][:100])
    send(world, [{"type": {"a": []}, "body": []}])

    assert set(counted(world.app)) <= {("other", "none"), ("csp-violation", "other")}
    assert all("\x1b" not in json.dumps(line, ensure_ascii=False) for line in lines())
    assert "canary-" not in json.dumps(lines())


@pytest.mark.parametrize("kind", ["application/reports+json", "application/x-www-form-urlencoded", ""])
def test_of_one_message_twenty_reports_are_looked_at_and_none_of_a_huge_one(world, kind):
    send(world, [report(kind="coop", blockedURL="") for _ in range(30)])
    answer = send(world, b" " * 40_000 + b"[]", kind)

    assert (answer.status_code, answer.text) == (413, "")
    assert counted(world.app) == {("coop", "none"): 20, ("too-large", "none"): 1}


def test_the_sixty_first_message_in_a_minute_is_dropped_without_a_word(world, lines):
    answers = [send(world, [report()]) for _ in range(61)]

    assert {(answer.status_code, answer.text) for answer in answers} == {(204, "")}
    assert counted(world.app) == {("csp-violation", "img-src"): 60, ("dropped", "none"): 1}
    assert len(lines()) == 60


def test_without_redis_reports_are_dropped(world, lines):
    world.restart(redis_url=f"redis://127.0.0.1:{free_port()}/0")

    assert send(world, [report()]).status_code == 204
    assert counted(world.app) == {("dropped", "none"): 1}
    assert lines() == []
