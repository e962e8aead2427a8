"""The register of what is held: whole, and as the code itself does."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, MetaData, String, Table

from anuma_dash import features
from anuma_dash.db import Base
from anuma_dash.domain.data_register import BY_NAME, CATEGORIES, TAGS, Personal, faults_of, fields_of


@pytest.fixture(autouse=True, scope="module")
def _every_table():
    features.load_models()


def test_every_column_of_every_table_is_in_the_register():
    """If this fails, the message says which line to write, and where."""
    faults = list(faults_of(Base.metadata))

    assert not faults, "\n".join(faults)


def test_a_new_column_and_one_that_is_gone_are_found_and_the_message_says_what_to_write():
    there = MetaData()
    for table in Base.metadata.sorted_tables:
        columns = [Column(one.name, String, primary_key=one.primary_key) for one in table.columns]
        more = [Column("shoe_size", String)] if table.name == "users" else []
        Table(table.name, there, *[one for one in columns if one.name != "language"], *more)

    assert list(faults_of(there)) == [
        'users.shoe_size is in no category: in anuma_dash/domain/data_register/person.py, TAGS["users"], '
        'add "shoe_size": Personal("<category>", "<words for people>") or NotPersonal("<why not>")',
        'users.language is gone: take it out of TAGS["users"] in anuma_dash/domain/data_register/person.py',
    ]


def test_every_category_says_everything_and_holds_something():
    assert len(BY_NAME) == len(CATEGORIES)
    for one in CATEGORIES:
        assert all((one.title, one.source, one.purpose, one.basis, one.recipients)), one.name
        assert fields_of(one.name), f"{one.name} has no field"
        assert bool(one.counted) == (one.holder == "dashboard" and one.name != "logs"), one.name


def test_what_is_counted_are_columns_that_exist():
    for one in CATEGORIES:
        for counted in one.counted:
            assert counted.column in Base.metadata.tables[counted.table].columns, counted
            assert any(isinstance(tag, Personal) and tag.category == one.name for tag in TAGS[counted.table].values())
