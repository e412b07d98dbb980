"""What a session's row says of the start of its store is called what the driver calls it."""

from alembic import op

revision = "uploads_0004"
down_revision = "uploads_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # In place, on every database: no row is written.
    op.execute("ALTER TABLE upload RENAME COLUMN boot TO incarnation")


def downgrade() -> None:
    op.execute("ALTER TABLE upload RENAME COLUMN incarnation TO boot")
