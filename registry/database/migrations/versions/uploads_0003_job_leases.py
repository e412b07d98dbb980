"""Who is at a job that is done time and again, and when it was done last."""

import sqlalchemy as sa
from alembic import op

revision = "uploads_0003"
down_revision = "uploads_0002"
branch_labels = None
depends_on = None


def text(length: int) -> sa.types.TypeEngine[str]:
    return (
        sa.String(length)
        .with_variant(sa.String(length, collation="C"), "postgresql")
        .with_variant(sa.String(length, collation="utf8mb4_bin"), "mysql", "mariadb")
    )


def upgrade() -> None:
    op.create_table(
        "job_lease",
        sa.Column("job", text(64), nullable=False),
        sa.Column("token", text(32), nullable=False),
        sa.Column("holder", text(255), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job", name="pk_job_lease"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("job_lease")
