"""The register put together, and what it lacks beside the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import MetaData

from anuma_dash.domain.data_register import accounts, activity, elsewhere, membership, person, service
from anuma_dash.domain.data_register.terms import Category, Personal, Tag

FOLDER = "anuma_dash/domain/data_register"

CATEGORIES: tuple[Category, ...] = (
    *person.CATEGORIES,
    *accounts.CATEGORIES,
    *activity.CATEGORIES,
    *membership.CATEGORIES,
    *service.CATEGORIES,
    *elsewhere.CATEGORIES,
)
"""In the order of the page *Your data*."""
BY_NAME = {one.name: one for one in CATEGORIES}

SUBJECTS: Mapping[str, Mapping[str, Mapping[str, Tag]]] = {
    "person": person.TAGS,
    "accounts": accounts.TAGS,
    "activity": activity.TAGS,
    "membership": membership.TAGS,
    "service": service.TAGS,
}
TAGS = {table: columns for tags in SUBJECTS.values() for table, columns in tags.items()}
"""Table → column → tag. A column that is not here fails tests/features/your_data/test_register.py."""


def fields_of(category: str) -> list[str]:
    """What is held in a category, in words, without what is said twice."""
    words = [
        tag.words
        for columns in TAGS.values()
        for tag in columns.values()
        if isinstance(tag, Personal) and tag.category == category
    ]
    return list(dict.fromkeys([*words, *BY_NAME[category].more_fields]))


def faults_of(metadata: MetaData) -> Iterable[str]:
    """What the register lacks, or has too much, beside these tables; each says what to write."""
    for table in metadata.sorted_tables:
        tagged = TAGS.get(table.name, {})
        for column in table.columns:
            if column.name not in tagged:
                yield (
                    f"{table.name}.{column.name} is in no category: in {_file_of(table.name)}, "
                    f'TAGS["{table.name}"], add "{column.name}": '
                    'Personal("<category>", "<words for people>") or NotPersonal("<why not>")'
                )
        for name in sorted(set(tagged) - set(table.columns.keys())):
            yield f'{table.name}.{name} is gone: take it out of TAGS["{table.name}"] in {_file_of(table.name)}'
    for name in sorted(set(TAGS) - set(metadata.tables)):
        yield f"the table {name} is gone: take it out of TAGS in {_file_of(name)}"
    for name, columns in TAGS.items():
        for column_name, tag in columns.items():
            if isinstance(tag, Personal) and tag.category not in BY_NAME:
                yield f"{name}.{column_name}: {FOLDER} has no category {tag.category!r}"


def _file_of(table: str) -> str:
    return next((f"{FOLDER}/{name}.py" for name, tags in SUBJECTS.items() if table in tags), f"a file of {FOLDER}")
