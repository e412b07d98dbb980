"""Small blobs stand in rows of their own instead of in storage."""

import sqlalchemy as sa
from alembic import op

revision = "registry_0002"
down_revision = "registry_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("blob") as blob:
        blob.alter_column("key", existing_type=sa.String(400), nullable=True)
    op.create_table(
        "blob_content",
        sa.Column("blob_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("content", sa.LargeBinary(length=67108864), nullable=False),
        sa.ForeignKeyConstraint(["blob_id"], ["blob.id"], name=op.f("fk_blob_content_blob_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("blob_id", name=op.f("pk_blob_content")),
    )


def downgrade() -> None:
    """Only where no blob stands in a row: nothing else knows their bytes."""
    op.drop_table("blob_content")
    with op.batch_alter_table("blob") as blob:
        blob.alter_column("key", existing_type=sa.String(400), nullable=False)
