"""What the tests of accounts have in common."""

from __future__ import annotations


def facts(page):
    """The facts of the account's page, by their labels."""
    labels, values = (page.select(f"#details .facts {tag}") for tag in ("dt", "dd"))
    return {label.text: value.text for label, value in zip(labels, values, strict=True)}
