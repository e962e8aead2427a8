"""The people of the sandbox: the cast that the tests and the demo data know, and anybody new.

A subject is derived from the cast key or, for somebody new, from the e-mail address. The two never
meet: a newcomer who types Olive's address gets another subject, which is how to try out that the
dashboard tells people apart by (issuer, subject) and not by e-mail.
"""

from dataclasses import dataclass
from uuid import UUID, uuid5

_SUBJECTS = UUID("5b1f1c1e-6f0b-5d8e-9a47-0d6b6f0a8d11")


@dataclass(frozen=True)
class Person:
    """Somebody the sandbox can sign in. `email_verified` is what the ID token will say."""

    subject: str
    name: str
    email: str
    email_verified: bool = True


@dataclass(frozen=True)
class CastMember:
    """A person of the cast: `key` names them in forms and tests, `says` tells who they are."""

    key: str
    person: Person
    home: str
    says: str


def newcomer(name: str, email: str, email_verified: bool) -> Person:
    """Return somebody outside the cast; the same address (in any case) is the same subject."""
    return Person(str(uuid5(_SUBJECTS, f"email:{email.casefold()}")), name, email, email_verified)


def _member(key: str, name: str, domain: str, home: str, says: str) -> CastMember:
    subject = str(uuid5(_SUBJECTS, f"cast:{key}"))
    return CastMember(key, Person(subject, name, f"{key}@{domain}"), home, says)


NORTHWIND = ("northwind.example", "Northwind")
ELSEWHERE = ("elsewhere.example", "Elsewhere")
ANUMA = ("anuma.example", "Anuma staff")

CAST: tuple[CastMember, ...] = (
    _member("olive", "Olive Lindqvist", *NORTHWIND, "Plays the owner of an account."),
    _member("ada", "Ada Moreau", *NORTHWIND, "Plays an administrator: people, keys and controls."),
    _member("dev", "Dev Kapoor", *NORTHWIND, "Plays a developer with keys of his own."),
    _member("bill", "Bill Tanaka", *NORTHWIND, "Plays the one who pays."),
    _member("vera", "Vera Novak", *NORTHWIND, "Plays a viewer, who changes nothing."),
    _member("strange", "Strange Okafor", *ELSEWHERE, "Plays somebody of another account."),
    _member("sam", "Sam Ruiz", *ANUMA, "Plays support staff."),
    _member("pria", "Pria Castellanos", *ANUMA, "Plays privacy staff."),
    _member("ines", "Ines Duarte", *ANUMA, "Plays an administrator of the service."),
    _member("theo", "Theo Baum", *ANUMA, "Plays another administrator, who approves."),
)

STAFF_ROLES = {"sam": "support", "pria": "privacy", "ines": "administrator", "theo": "administrator"}
"""What those of the cast who work for the service are there, by key."""

BY_KEY: dict[str, CastMember] = {member.key: member for member in CAST}
