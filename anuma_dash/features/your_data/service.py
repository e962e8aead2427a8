"""What is held about one person, counted by the register."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from anuma_dash.audit import PERSON
from anuma_dash.db import Base
from anuma_dash.domain.data_register import CATEGORIES, Category, Counted, fields_of
from anuma_dash.gateway.schemas import InventoryRow
from anuma_dash.identity import User
from anuma_dash.names import fold_address
from anuma_dash.settings import Settings


@dataclass(frozen=True)
class Held:
    """One category with what there is of it.

    `counts` are the numbers of the person's rows with their nouns, one and many; `stored` is what the gateway counted
    in the current account, None if it does not count this or does not answer.
    """

    category: Category
    fields: Sequence[str]
    kept: str
    counts: Sequence[tuple[int, str, str]]
    stored: InventoryRow | None


def held_about(tx: Session, settings: Settings, user: User, inventory: Mapping[str, InventoryRow]) -> list[Held]:
    """Every category of the register, with what is held of this person, in one query."""
    counted = [one for category in CATEGORIES for one in category.counted]
    numbers = tx.execute(select(*[_count(one, user).scalar_subquery() for one in counted])).one()
    found = dict(zip(counted, numbers, strict=True))
    return [
        Held(
            category=one,
            fields=fields_of(one.name),
            kept=one.kept(settings),
            counts=[(found[each], each.one, each.many or f"{each.one}s") for each in one.counted],
            stored=inventory.get(one.inventory),
        )
        for one in CATEGORIES
    ]


def _count(counted: Counted, user: User) -> Select[int]:
    table = Base.metadata.tables[counted.table]
    column = table.c[counted.column]
    match counted.by:
        case "id":
            whose = column == user.id
        case "link":
            whose = and_(table.c.kind == PERSON, column == str(user.id))
        case "email":
            whose = func.lower(column) == fold_address(user.email or "")
    return select(func.count()).select_from(table).where(whose)
