"""Alembic's entry: migrates over the connection that `migrate()` hands in."""

from alembic import context

from anuma_dash import features
from anuma_dash.db import Base

features.load_models()
connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
