"""The first bytes of an upload session stand in its row instead of in storage."""

import sqlalchemy as sa
from alembic import op

revision = "uploads_0002"
down_revision = "uploads_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("upload", sa.Column("content", sa.LargeBinary(length=67108864), nullable=True))


def downgrade() -> None:
    op.drop_column("upload", "content")
