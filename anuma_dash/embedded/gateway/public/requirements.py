"""What a request requires of its provider's terms: a route that is not known to meet it is refused before dispatch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from . import refusals
from .routes import Route

HEADER: Final = "x-anuma-require"
_TERMS: Final[Mapping[str, Callable[[Route], str]]] = {
    "no-retention": lambda route: route.retention,
    "no-training": lambda route: route.training,
}


def check_requirements(headers: Iterable[str], route: Route) -> None:
    """Let a request go to a route that meets what its headers require: `no-retention`, `no-training`, or both.

    A route meets one if its terms begin with the word "none". What is not known is assumed not to be met.

    Raises:
        Refusal: 422, a requirement that this gateway does not know; 403, one that the route is not known to meet.
    """
    for required in (one.strip(" ") for header in headers for one in header.split(",")):
        if required not in _TERMS:
            raise refusals.requirement_not_known(sorted(_TERMS))
        terms = _TERMS[required](route)
        if terms.partition(":")[0].strip().lower() != "none":
            raise refusals.requirement_not_met(required, terms)
