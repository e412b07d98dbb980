"""Keys of content that is being deleted, so that no push stores anything under them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "registry_0004"
down_revision = "registry_0003"
branch_labels = None
depends_on = None


def text(length: int) -> TypeEngine[str]:
    """A text that every database compares by bytes."""
    return (
        sa.String(length)
        .with_variant(sa.String(length, collation="C"), "postgresql")
        .with_variant(sa.String(length, collation="utf8mb4_bin"), "mysql", "mariadb")
    )


def upgrade() -> None:
    op.create_table(
        "dying_key",
        sa.Column("key", text(400), nullable=False),
        sa.Column("taker", text(255), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_dying_key")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("dying_key")
