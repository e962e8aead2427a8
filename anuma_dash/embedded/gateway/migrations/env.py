"""Runs one database's migrations on the connection that `migrate` hands over."""

from alembic import context

from anuma_dash.embedded.gateway import content_tables, tables  # noqa: F401 - the metadata needs both

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=getattr(tables, context.config.attributes["store"]),
    version_table="gateway_version",
    transactional_ddl=False,  # the caller's transaction holds it all
)
context.run_migrations()
