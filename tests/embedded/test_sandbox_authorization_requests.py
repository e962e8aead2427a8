"""What the authorization endpoint refuses and how; prompt and max_age."""

import pytest

LONG_CHALLENGE = "x" * 43


@pytest.mark.parametrize(
    "params",
    [
        {"client_id": None},
        {"client_id": "somebody-else"},
        {"redirect_uri": None},
        {"redirect_uri": "http://localhost:8000/sign-in/sandbox/callback/"},
        {"redirect_uri": "http://localhost:8000/sign-in/sandbox/callback?next=x"},
        {"redirect_uri": 'http://evil.example/"><script>alert(1)</script>'},
        {"redirect_uri": "http://evil.example/ž\\"},
        {"client_id": "somebody-else", "prompt": "none"},
    ],
)
def test_unregistered_client_or_address_gets_a_page_and_never_a_redirect(party, read_page, params):
    response = party.authorize(**params)
    assert response.status_code == 400
    assert "location" not in response.headers
    assert "<script" not in response.text
    assert "This sign-in request is not valid" in read_page(response).text


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_repeated_client_or_address_gets_a_page(party, name):
    request = party.request()
    response = party.http.get("/authorize", params=[*request.items(), (name, request[name])])
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": 'co"de\\ž'}, "unsupported_response_type"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain", "code_challenge": LONG_CHALLENGE}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "٣"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"request_uri": "http://localhost:1/"}, "request_uri_not_supported"),
    ],
)
def test_wrong_request_goes_back_with_error_state_and_issuer(party, params, error):
    callback = party.callback(party.authorize(**params))
    assert callback["error"] == error
    assert callback["state"] == "the-state"
    assert callback["iss"] == party.issuer
    assert "code" not in callback


@pytest.mark.parametrize("name", ["state", "nonce", "code_challenge", "prompt", "max_age"])
def test_repeated_parameter_goes_back_as_an_error(party, name):
    request = party.request(prompt="login", max_age="5")
    response = party.http.get("/authorize", params=[*request.items(), (name, request[name])])
    assert party.callback(response)["error"] == "invalid_request"


def test_unknown_parameters_are_ignored(party):
    assert party.authorize(claims="{}", acr_values="a b", ui_locales="cs", whatever="1").status_code == 200


@pytest.mark.parametrize("params", [{}, {"prompt": "login"}, {"max_age": "0"}, {"prompt": "select_account"}])
def test_chooser_is_shown_again_to_somebody_signed_in(party, read_page, clock, params):
    party.tokens("olive")
    clock.forward(minutes=5)
    page = read_page(party.authorize(**params))
    assert page.response.status_code == 200
    assert "Olive Lindqvist signed in here" in page.text
    claims = party.claims(party.tokens("olive", **params)["id_token"])
    assert claims["auth_time"] == int(clock.now.timestamp())


def test_prompt_none_succeeds_for_whoever_is_signed_in_with_the_time_they_signed_in(party, clock):
    party.tokens("vera")
    signed_in = int(clock.now.timestamp())
    clock.forward(minutes=5)
    code = party.callback(party.authorize(prompt="none"))["code"]
    claims = party.claims(party.redeem(code).json()["id_token"])
    assert claims["email"] == "vera@northwind.example"
    assert claims["auth_time"] == signed_in


@pytest.mark.parametrize(("max_age", "outcome"), [("301", "code"), ("300", "error"), ("0", "error")])
def test_prompt_none_with_max_age(party, clock, max_age, outcome):
    party.tokens("vera")
    clock.forward(seconds=300)
    callback = party.callback(party.authorize(prompt="none", max_age=max_age))
    assert outcome in callback
    assert callback.get("error", "login_required") == "login_required"


def test_session_ends_after_twelve_hours(party, clock):
    party.tokens("vera")
    clock.forward(hours=12)
    assert party.callback(party.authorize(prompt="none"))["error"] == "login_required"


def test_choosing_again_replaces_the_session(party):
    party.tokens("vera")
    before = party.http.cookies["sandbox_session"]
    party.tokens("ada")

    def silently(session: str) -> dict[str, str]:
        party.http.cookies.clear()
        party.http.cookies.set("sandbox_session", session)
        return party.callback(party.authorize(prompt="none"))

    now = party.http.cookies["sandbox_session"]
    assert "code" in silently(now)
    assert silently(before)["error"] == "login_required"


@pytest.mark.parametrize(
    "change",
    [
        {"form_token": "0" * 64},
        {"form_token": "ž"},
        {"form_token": ""},
        {"state": "another"},
        {"nonce": "another"},
        {"max_age": "5"},
    ],
)
def test_form_that_we_did_not_draw_chooses_nobody(party, read_page, change):
    fields = read_page(party.authorize()).fields() | {"person": "olive"} | change
    response = party.http.post("/authorize", data=fields)
    assert response.status_code == 400
    assert "sandbox_session" not in response.cookies


def test_form_drawn_for_another_browser_chooses_nobody(party, read_page):
    fields = read_page(party.authorize()).fields() | {"person": "olive"}
    party.http.cookies.clear()
    assert party.http.post("/authorize", data=fields).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}],
)
def test_form_sent_from_elsewhere_chooses_nobody(party, read_page, headers):
    fields = read_page(party.authorize()).fields() | {"person": "olive"}
    assert party.http.post("/authorize", data=fields, headers=headers).status_code == 400


def test_our_own_origin_is_fine(party, read_page):
    fields = read_page(party.authorize()).fields() | {"person": "olive"}
    headers = {"Origin": party.issuer, "Sec-Fetch-Site": "same-origin"}
    assert "code" in party.callback(party.http.post("/authorize", data=fields, headers=headers))


def test_a_posted_choice_is_validated_again(party, read_page):
    fields = read_page(party.authorize()).fields()
    response = party.http.post("/authorize", data=fields | {"person": "olive", "redirect_uri": "http://evil.example/"})
    assert response.status_code == 400
    assert "location" not in response.headers
