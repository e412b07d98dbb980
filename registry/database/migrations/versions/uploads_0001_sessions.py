"""Open upload sessions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "uploads_0001"
down_revision = None
branch_labels = ("uploads",)
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
        "upload",
        sa.Column("id", text(36), nullable=False),
        sa.Column("repository", text(255), nullable=False),
        sa.Column("algorithm", text(32), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("boot", text(64), nullable=False),
        sa.Column("claim", text(32), nullable=True),
        sa.Column("claimant", text(255), nullable=True),
        sa.Column("claimed_until", sa.BigInteger(), nullable=False),
        sa.Column("touched", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload")),
    )
    op.create_index(op.f("ix_upload_touched"), "upload", ["touched"], unique=False)


def downgrade() -> None:
    op.drop_table("upload")
