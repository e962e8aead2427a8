"""The pages as a person, a browser and a screen reader get them."""

import re

import pytest

HOSTILE = "<img src=x onerror=alert(1)>"
PAGES = {
    "landing": lambda party: party.http.get("/"),
    "chooser": lambda party: party.authorize(state=HOSTILE, nonce='"><b>'),
    "chooser with errors": lambda party: party.newcomer(HOSTILE + "\n", HOSTILE),
    "request refused": lambda party: party.authorize(client_id=HOSTILE),
    "sign out": lambda party: party.http.get("/end-session"),
    "signed out": lambda party: party.http.get("/end-session", params={"id_token_hint": party.tokens()["id_token"]}),
    "missing": lambda party: party.http.get("/" + HOSTILE),
    "wrong method": lambda party: party.http.delete("/authorize"),
    "too large": lambda party: party.http.post("/authorize", data={"state": "x" * 70_000}),
    "wrong host": lambda party: party.http.get("/", headers={"Host": "evil.example"}),
}


@pytest.fixture(params=PAGES)
def page(request, party, read_page):
    return read_page(PAGES[request.param](party))


def test_title_begins_with_the_one_heading(page):
    (heading,) = page.all("h1")
    (title,) = page.all("title")
    assert title.text.startswith("".join(heading.itertext()))


def test_language_landmark_and_unique_ids(page):
    assert page.tree.get("lang") == "en"
    assert len(page.all("main")) == 1
    ids = [element.get("id") for element in page.tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids))


def test_every_field_has_a_label_and_every_reference_an_end(page):
    ids = {element.get("id") for element in page.tree.iter()}
    labelled = {label.get("for") for label in page.all("label")}
    wrapped = {id(child) for label in page.all("label") for child in label.iter()}
    for field in page.all("input"):
        assert field.get("type") == "hidden" or field.get("id") in labelled or id(field) in wrapped
    for element in page.tree.iter():
        for name in ("aria-describedby", "aria-labelledby", "for"):
            assert element.get(name) in ids


def test_forms_are_real_and_carry_their_token(page):
    for number, form in enumerate(page.all("form")):
        assert form.get("method") == "post"
        assert form.get("action").startswith("/")
        assert page.fields(number)["form_token"]


def test_nothing_hostile_becomes_markup(page):
    for element in page.tree.iter():
        assert not any(name.startswith("on") or name == "style" for name in element.attrib)
    assert not page.all("script")
    assert all(image.get("src") == "/static/icon.svg" for image in page.all("img"))


def test_headers_are_strict(page, party):
    headers = page.response.headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' http://localhost:8000" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert not re.search(r"\d", headers["server"])


def test_error_page_keeps_what_the_protocol_asks_for(party):
    response = party.http.delete("/authorize")
    assert response.status_code == 405
    assert "POST" in response.headers["allow"]


def test_chooser_shows_the_cast(party, read_page):
    text = read_page(party.authorize()).text
    for words in (
        "Olive Lindqvist olive@northwind.example Plays the owner of an account.",
        "Strange Okafor strange@elsewhere.example",
        "Sam Ruiz sam@anuma.example Plays support staff.",
        "Pria Castellanos pria@anuma.example Plays privacy staff.",
    ):
        assert words in text


def test_hostile_name_is_shown_as_typed_and_carried_as_given(party, read_page):
    page = read_page(party.newcomer(HOSTILE, "no address"))
    assert page.response.status_code == 422
    assert "Enter an e-mail address" in page.text
    assert "Nobody was signed in" in page.text
    name = next(field for field in page.all("input") if field.get("id") == "name")
    assert name.get("value") == HOSTILE
    corrected = page.fields(1) | {"name": HOSTILE, "email": "robin@robin.example"}
    code = party.callback(party.http.post("/authorize", data=corrected))["code"]
    assert party.claims(party.redeem(code).json()["id_token"])["name"] == HOSTILE


@pytest.mark.parametrize(
    ("name", "email", "wrong"),
    [
        ("", "robin@robin.example", {"name"}),
        ("Robin\u202e", "robin@robin.example", {"name"}),
        ("x" * 101, "robin@robin.example", {"name"}),
        ("Robin", "", {"email"}),
        ("Robin", "robin@robin@robin.example", {"email"}),
        ("Robin", "x" * 250 + "@robin.example", {"email"}),
        ("", "", {"name", "email"}),
    ],
)
def test_errors_are_tied_to_their_fields(party, read_page, name, email, wrong):
    page = read_page(party.newcomer(name, email))
    assert page.response.status_code == 422
    marked = {field.get("id") for field in page.all("input") if field.get("aria-invalid") == "true"}
    assert marked == wrong
    assert "sandbox_session" not in page.response.cookies


def test_choice_of_nobody_known_is_an_error(party):
    assert party.choose("mallory").status_code == 422


def test_session_cookie_is_named_for_the_sandbox_and_out_of_reach_of_scripts(party):
    party_cookies = party.choose().headers.get_list("set-cookie")
    (cookie,) = [cookie for cookie in party_cookies if cookie.startswith("sandbox_session=")]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_style_and_icon_are_served(party):
    assert party.http.get("/static/sandbox.css").headers["content-type"].startswith("text/css")
    assert party.http.get("/static/icon.svg").headers["content-type"].startswith("image/svg+xml")
