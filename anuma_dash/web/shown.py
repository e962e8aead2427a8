"""A number that a page showed, on its way back in the page's form: signed, so that the record says what was shown.

Without it, whoever sends the form decides what "asked to delete 3 stored requests" says in the activity.
"""

from __future__ import annotations

from itsdangerous import BadSignature, URLSafeTimedSerializer

from anuma_dash.errors import Invalid
from anuma_dash.web.state import account, services, signed_in

FIELD = "shown"
LIFETIME_SECONDS = 86_400


def signed_count(about: str, count: int | None) -> str:
    """The value of the form's field: this number (None: it was not known), shown to this session, of this account."""
    return str(_serializer().dumps([_bound_to(about), count]))


def shown_count(about: str, text: str) -> int | None:
    """The number that the page showed. Raises `Invalid` if no page showed it to this session within a day."""
    try:
        bound, count = _serializer().loads(text, max_age=LIFETIME_SECONDS)
    except (BadSignature, UnicodeError):
        bound, count = "", None
    if bound != _bound_to(about):
        raise Invalid("This form is out of date. Reload its page, and look at the number again.", field=FIELD)
    return None if count is None else int(count)


def _bound_to(about: str) -> str:
    return f"{about} {account().id} {signed_in().session.id}"


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(list(reversed(services().settings.csrf_secrets)), salt="shown")
