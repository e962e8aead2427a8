"""The policy in a real browser: what it stops is seen by every browser test, and counted by the dashboard."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import openai
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import make_server

from anuma_dash import create_app
from anuma_dash.migrations import migrate
from anuma_dash.settings import Settings
from tests.e2e import main_job
from tests.e2e.chromium import ARGUMENTS, Watch, find_chromium, new_context, scrolls_sideways
from tests.processes import Stack, wait_until
from tests.test_reports import counted

pytestmark = [pytest.mark.browser, pytest.mark.processes]
HOSTILE = '<img src=x hx-get="/keys?stolen" hx-trigger="load"><script>document.title="stolen"</script>'
LONG = "W" * 100
FOREIGN_IMAGE = (
    "document.body.appendChild(Object.assign(document.createElement('img'), {src: 'https://e.example/x?t=1'}))"
)


def test_a_violated_policy_fails_a_browser_test_and_is_counted(product: Stack, browser: Browser) -> None:
    watch = Watch()
    context = new_context(browser, watch)
    page = context.new_page()
    page.goto(f"{product.dashboard}/sign-in")
    watch.check()
    page.evaluate(FOREIGN_IMAGE)
    page.evaluate("() => { try { document.body.innerHTML = '<b>x</b>' } catch (refused) {} }")
    wait_until(lambda: len(watch.faults) >= 2, "the watch has seen both violations")
    context.close()

    with pytest.raises(AssertionError, match="Content Security Policy"):
        watch.check()
    assert any("TrustedHTML" in fault for fault in watch.faults)

    def figures() -> str:
        return httpx.get(f"{product.dashboard}/metrics", timeout=30, trust_env=False).text

    for directive in ("img-src", "require-trusted-types-for"):
        line = f'anuma_security_reports_total{{directive="{directive}",type="csp-violation"}}'
        wait_until(lambda line=line: line in figures(), f"a report of {directive} is counted")


def test_markup_in_a_name_stays_text_and_a_long_one_stays_on_the_page(product: Stack, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    main_job.sign_in(page, product.dashboard, "Vera Novak")
    page.goto(f"{product.dashboard}/keys/new")
    page.get_by_label("Name").fill(HOSTILE)
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_text("is ready")).to_be_visible()
    for path in ("/keys", "/activity", "/data-controls", "/requests"):
        page.goto(product.dashboard + path)
        if path in ("/keys", "/activity"):
            expect(page.get_by_text(HOSTILE).first).to_be_visible()
        assert page.locator("img[src=x], main script").count() == 0
        assert "stolen" not in page.title()
    assert not [url for url in asked if "stolen" in url]
    main_job.make_key(page, LONG)
    page.set_viewport_size({"width": 390, "height": 900})
    for path in ("/keys", "/activity", "/data-controls", "/requests"):
        page.goto(product.dashboard + path)
        assert not scrolls_sideways(page), path
    page.goto(f"{product.dashboard}/keys")
    page.get_by_role("link", name=LONG).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(LONG)
    assert not scrolls_sideways(page)


def test_markup_in_a_stored_prompt_and_its_answer_stays_text(product: Stack, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    sign_in_as_somebody_new(page, product.dashboard)
    secret = main_job.make_key(page)
    main_job.switch_on(page)
    with openai.OpenAI(base_url=f"{product.gateway}/v1", api_key=secret, max_retries=0) as client:
        assert HOSTILE in main_job.call(client, HOSTILE)
    main_job.open_latest_request(page)
    page.get_by_role("link", name="Show prompt and response").click()
    for role in ("user", "assistant"):
        expect(page.locator(f"#content [data-role={role}]")).to_contain_text(HOSTILE)
    assert page.locator("img[src=x], main script").count() == 0
    page.goto(f"{page.url.removesuffix('/content')}/content")
    expect(page.locator("#content [data-role=assistant]")).to_contain_text(HOSTILE)
    assert page.locator("img[src=x], main script").count() == 0
    assert "stolen" not in page.title()
    assert not [url for url in asked if "stolen" in url]


def sign_in_as_somebody_new(page: Page, dashboard: str) -> None:
    """With an account in which no other test expects anything."""
    page.goto(f"{dashboard}/sign-in")
    page.get_by_role("button", name="Continue with Sandbox").click()
    page.locator("input[name=name]").fill("Hella Moss")
    page.locator("input[name=email]").fill("hella@elsewhere.example")
    page.get_by_role("button", name="Sign in as somebody new").click()
    page.get_by_label("I am 13 or older").check()
    page.get_by_role("button", name="Create my account").click()
    page.wait_for_url(f"{dashboard}/")


@pytest.fixture
def on_https(tmp_path: Path) -> Iterator[tuple[Flask, str]]:
    """The dashboard on https: only there do browsers use `report-to`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    day = timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, datetime.now(UTC) - day, datetime.now(UTC) + day)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file)
    holder: dict[str, Flask] = {}
    server = make_server(
        "127.0.0.1", 0, lambda environ, start: holder["app"](environ, start), threaded=True, ssl_context=tls
    )
    origin = f"https://localhost:{server.server_port}"
    settings = Settings.from_environment({"ANUMA_INSTANCE": str(tmp_path / "instance"), "ANUMA_PUBLIC_URL": origin})
    migrate(settings.database_url)
    holder["app"] = create_app(settings)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield holder["app"], origin
    server.shutdown()
    thread.join()
    server.server_close()
    holder["app"].extensions["anuma"].db.dispose()
    holder["app"].extensions["anuma"].gateway.close()


def test_on_https_the_reports_come_through_the_reporting_api(browser: Browser, on_https: tuple[Flask, str]) -> None:
    app, origin = on_https
    arguments = [*ARGUMENTS, "--short-reporting-delay", "--ignore-certificate-errors"]
    with browser.browser_type.launch(executable_path=find_chromium(), args=arguments) as hasty:
        page = hasty.new_page(ignore_https_errors=True)
        page.goto(f"{origin}/sign-in")
        page.evaluate(FOREIGN_IMAGE)
        page.evaluate("navigator.geolocation.getCurrentPosition(() => {}, () => {})")
        wanted = {("csp-violation", "img-src"), ("permissions-policy-violation", "none")}

        def came() -> bool:
            page.wait_for_timeout(50)  # lets Playwright's loop turn; the condition is the counter
            return wanted <= set(counted(app))

        wait_until(came, "both reports are counted")
    assert set(counted(app)) == wanted
