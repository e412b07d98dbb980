"""The first bytes of an upload session stand in its row instead of in storage; rows stand in the order of their key."""

from typing import Literal

import sqlalchemy as sa
from alembic import op

revision = "uploads_0002"
down_revision = "uploads_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # SQLite has to make the table anew for the order of its rows, and copies the open sessions.
    anew: Literal["always", "never"] = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    with op.batch_alter_table("upload", recreate=anew, table_kwargs={"sqlite_with_rowid": False}) as upload:
        upload.add_column(sa.Column("content", sa.LargeBinary(length=67108864), nullable=True))


def downgrade() -> None:
    """Only where no session has its bytes in its row."""
    with op.batch_alter_table("upload", table_kwargs={"sqlite_with_rowid": True}) as upload:
        upload.drop_column("content")
