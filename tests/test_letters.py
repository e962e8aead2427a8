"""Every letter of the project: it fills in, text and HTML say the same, and nothing is loaded or counted."""

from __future__ import annotations

import importlib
import pkgutil
import re
from datetime import timedelta
from html.parser import HTMLParser
from string import Template

import pytest

import anuma_dash
from anuma_dash import mail
from anuma_dash.mail import Letter, Mail
from anuma_dash.mail.letters import template
from anuma_dash.vault import Vault

ONE_ENGINE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
LONGEST_SUBJECT = 78
QUOTES = str.maketrans(
    {
        '"': None,
        "\N{LEFT DOUBLE QUOTATION MARK}": None,
        "\N{RIGHT DOUBLE QUOTATION MARK}": None,
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    }
)
APART = ("embedded", "migrations", "__main__", "worker")
"""Parts that are no part of the site, or run when they are imported."""


def letters() -> list[Letter]:
    """Every letter that a module of the site defines."""
    found: dict[str, Letter] = {}
    for module in pkgutil.walk_packages(anuma_dash.__path__, "anuma_dash."):
        if module.name.split(".")[1] in APART:
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Letter):
                assert found.setdefault(value.name, value) is value, f"two letters are called {value.name}"
    return sorted(found.values(), key=lambda letter: letter.name)


class Shown(HTMLParser):
    """The words of a message, with the address of each link in place of its words, and every tag."""

    INLINE = ("a", "b", "strong", "em", "code", "span")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.raw = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._silent = 0
        self.feed(html)

    @property
    def words(self) -> str:
        """What is read, in one line."""
        return " ".join(self.raw.split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "a":
            self.raw += dict(attributes)["href"] or ""
        elif tag not in self.INLINE:
            self.raw += " "
        self._silent += tag in ("a", "style", "title")

    def handle_endtag(self, tag):
        if tag not in self.INLINE:
            self.raw += " "
        self._silent -= tag in ("a", "style", "title")

    def handle_data(self, data):
        if not self._silent:
            self.raw += data


def values_of(letter: Letter) -> dict[str, str]:
    """A value for each name that the letter's templates know, each recognizable and as awkward as people are."""
    html = template(letter.html)
    templates = [template(letter.text), html, Template(letter.subject)]
    names = {name for one in templates for name in one.get_identifiers()}
    links = set(re.findall(r'href="\$\{?(\w+)', html.template))
    return {
        name: f"http://localhost:8000/{name}" if name in links else f"({name})<q>&'</q>" for name in names - {"name"}
    }


def plain(text: str) -> str:
    """Words alone: what one of the two puts in quotes, the other may put in bold, or in better quotes."""
    return " ".join(text.translate(QUOTES).split())


@pytest.mark.parametrize("letter", letters(), ids=lambda letter: letter.name)
@ONE_ENGINE
def test_a_letter(world, letter):
    values = values_of(letter)
    with world.db.transaction() as tx:
        until = world.clock.now + timedelta(days=365)
        row = mail.write_to(
            tx,
            world.settings,
            world.olive.email,
            letter,
            {"name": "Olive", **values},
            now=world.clock.now,
            until=until,
            user_id=world.olive.id,
        )
        assert row.letter == letter.name
    world.run_worker()
    (message,) = world.mailbox.messages
    text, html = message.content("plain").replace("\r\n", "\n"), message.content("html")
    shown = Shown(html)

    assert "$" not in text + html
    said = shown.words
    for name, value in values.items():
        in_html, in_text = value in said, value in text
        assert in_html == in_text, f"${name} is said in one of the two only"
        assert in_html or name in Template(letter.subject).get_identifiers(), f"${name} is said nowhere"
    for paragraph in text.split("\n\n"):
        words = plain(paragraph).removeprefix("-- ")
        for sentence in re.split(r"http\S+", words):
            assert sentence.strip() in plain(said), f"the text says what the HTML does not: {sentence}"
    assert letter.why in " ".join(text.split())
    assert letter.why in said

    tags = {tag for tag, _ in shown.tags}
    assert not tags & {"img", "script", "link", "iframe", "object", "embed", "form", "input", "video", "svg", "q"}
    assert not re.search(r"url\(|@import|@font-face", html)
    for _, attributes in shown.tags:
        assert not {"src", "srcset", "background", "data"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
        address = attributes.get("href") or ""
        assert address.startswith(("http://localhost:8000/", "mailto:")) or "href" not in attributes, address
    subject = Template(letter.subject)
    longest = subject.safe_substitute(dict.fromkeys(subject.get_identifiers(), "x" * 20))
    assert len(longest) <= LONGEST_SUBJECT
    assert not re.search("code|url|token", " ".join(subject.get_identifiers()))


def test_every_module_with_a_letter_was_found():
    assert {"confirmation_code", "new_device"} <= {letter.name for letter in letters()}


@ONE_ENGINE
def test_what_a_letter_says_is_sealed_until_it_is_sent(world):
    with world.db.transaction() as tx:
        now = world.clock.now
        values = dict.fromkeys(("code", "until", "asked_at", "device", "support_email"), "4071 1122")
        until = now + timedelta(days=365)
        mail.write_to(
            tx, world.settings, "a@b.example", mail.CONFIRMATION_CODE, {"name": "A", **values}, now=now, until=until
        )
    (row,) = world.rows(Mail)
    assert b"4071 1122" not in row.ciphertext
    assert b"4071 1122" in Vault.from_settings(world.settings).open(row)
