"""The chooser in a real Chromium: by mouse and keyboard, under its own Content-Security-Policy."""

from itertools import product
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright import sync_api

pytestmark = pytest.mark.browser

LOWEST_CONTRAST = """() => {
  const numbers = color => color.match(/[\\d.]+/g).map(Number);
  const channel = value => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = element => {
    const color = numbers(getComputedStyle(element).backgroundColor);
    return color[3] === 0 && element.parentElement ? ground(element.parentElement) : color;
  };
  const ratios = [...document.querySelectorAll("body *")].filter(element => element.textContent.trim())
    .map(element => [light(numbers(getComputedStyle(element).color)), light(ground(element))])
    .map(([one, other]) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05));
  return Math.min(...ratios);
}"""


@pytest.fixture
def more_settings(dashboard):
    return {"redirect_uris": (f"{dashboard.origin}/sign-in/sandbox/callback",)}


@pytest.fixture
def tab(browser, party):
    """A page in which any console error or policy violation fails the test (a 422 is an answer, not one)."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    complaints = []

    def hear(message):
        if message.type == "error" and "status of 422" not in message.text:
            complaints.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_default_timeout(15_000)
    yield page
    page.close()
    assert complaints == []


def address(party) -> str:
    return str(party.http.build_request("GET", "/authorize", params=party.request()).url)


def came_back(tab, party, dashboard) -> dict[str, list[str]]:
    tab.wait_for_url(f"{dashboard.origin}/sign-in/sandbox/callback?**")
    query = parse_qs(urlsplit(tab.url).query)
    assert query["iss"] == [party.issuer]
    return query


def test_a_click_signs_in_and_the_policy_lets_the_redirect_through(tab, party, dashboard):
    tab.goto(address(party))
    tab.get_by_role("button", name="Olive Lindqvist").click()
    (code,) = came_back(tab, party, dashboard)["code"]
    assert party.claims(party.redeem(code).json()["id_token"])["name"] == "Olive Lindqvist"
    tab.goto(address(party))
    assert tab.get_by_role("button", name="Olive Lindqvist signed in here").is_visible()


def test_keyboard_alone_is_enough(tab, party, dashboard):
    tab.goto(address(party))
    tab.keyboard.press("Tab")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    (code,) = came_back(tab, party, dashboard)["code"]
    assert party.claims(party.redeem(code).json()["id_token"])["name"] == "Ada Moreau"


def test_somebody_new_by_their_labels(tab, party, dashboard):
    tab.goto(address(party))
    tab.get_by_label("Name").fill("<img src=x>")
    tab.get_by_label("E-mail", exact=True).fill("nonsense")
    tab.get_by_role("button", name="Sign in as somebody new").click()
    assert "Enter an e-mail address" in tab.get_by_label("E-mail", exact=True).evaluate(
        "field => document.getElementById(field.getAttribute('aria-describedby')).textContent"
    )
    sync_api.expect(tab.get_by_label("E-mail", exact=True)).to_be_focused()
    tab.get_by_label("E-mail", exact=True).fill("robin@robin.example")
    tab.get_by_role("button", name="Sign in as somebody new").click()
    (code,) = came_back(tab, party, dashboard)["code"]
    assert party.claims(party.redeem(code).json()["id_token"])["name"] == "<img src=x>"


def test_no_page_scrolls_sideways(tab, party):
    for page in (address(party), f"{party.issuer}/", f"{party.issuer}/end-session"):
        for scheme, width in product(("light", "dark"), (320, 390, 820, 1280)):
            tab.emulate_media(color_scheme=scheme)
            tab.set_viewport_size({"width": width, "height": 800})
            tab.goto(page)
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), (page, scheme, width)


def test_texts_have_contrast_in_light_and_dark(tab, party):
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        tab.goto(address(party))
        assert tab.evaluate(LOWEST_CONTRAST) >= 4.5
