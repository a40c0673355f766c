"""How migrations run: on the connection that there is, or without one where only the SQL is wanted.

`splice db eject` copies this file into a project, which may then change what it likes.
"""

from alembic import context
from sqlalchemy.engine import Connection

from splice.migrations.environment import options, run, transaction


def migrate(connection: Connection) -> None:
    """Do what the command asked for."""
    context.configure(connection=connection, **options(context.config, connection))
    with transaction(connection, context):
        context.run_migrations()


run(context.config, migrate)
