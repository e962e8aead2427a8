"""The register of what is held about people: every category, and every column of every table of the dashboard.

The pages *Your data* and *Profile* are drawn from it, the worker deletes by its periods, and a test compares it with
the tables: a column that nobody has tagged fails it. Purposes and lawful bases are data that a lawyer may change.

Each file holds the categories of a subject and the tables in which they are. To add a column: a line in `TAGS`,
`Personal("category", "Words for people")` or `NotPersonal("why not")`. To add a category: an entry in `CATEGORIES`.
"""

from anuma_dash.domain.data_register.person import CLAIMS
from anuma_dash.domain.data_register.register import BY_NAME, CATEGORIES, TAGS, faults_of, fields_of
from anuma_dash.domain.data_register.terms import (
    EXPORTS_KEPT,
    SESSIONS_KEPT,
    SETTLED_KEPT,
    UNDER_WAY_KEPT,
    Category,
    Counted,
    Personal,
    session_days_kept,
)

__all__ = [
    "BY_NAME",
    "CATEGORIES",
    "CLAIMS",
    "EXPORTS_KEPT",
    "SESSIONS_KEPT",
    "SETTLED_KEPT",
    "TAGS",
    "UNDER_WAY_KEPT",
    "Category",
    "Counted",
    "Personal",
    "faults_of",
    "fields_of",
    "session_days_kept",
]
