"""users have a locale

Revision: af38fea87c13
Revises: 63fbb5d8ac94
Created: 2026-11-25 04:18:37.432189
"""

import sqlalchemy as sa
from alembic import op

revision = "af38fea87c13"
down_revision = "63fbb5d8ac94"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(sa.Column("locale", sa.String(length=10), server_default="en", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_column("locale")
