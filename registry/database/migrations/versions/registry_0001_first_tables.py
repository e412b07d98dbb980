"""Repositories, blobs, manifests, tags and their history."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "registry_0001"
down_revision = None
branch_labels = ("registry",)
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
        "blob",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("digest", text(255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("key", text(400), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blob")),
        sa.UniqueConstraint("digest", name=op.f("uq_blob_digest")),
        sa.UniqueConstraint("key", name=op.f("uq_blob_key")),
    )
    op.create_table(
        "repository",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", text(255), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repository")),
        sa.UniqueConstraint("name", name=op.f("uq_repository_name")),
    )
    op.create_index(op.f("ix_repository_listed_name"), "repository", ["listed", "name"], unique=False)
    op.create_table(
        "manifest",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", text(255), nullable=False),
        sa.Column("media_type", text(255), nullable=False),
        sa.Column("artifact_type", text(255), nullable=True),
        sa.Column("subject", text(255), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("referrer", sa.LargeBinary(length=67108864), nullable=True),
        sa.Column("body", sa.LargeBinary(length=67108864), nullable=False),
        sa.ForeignKeyConstraint(["repository_id"], ["repository.id"], name=op.f("fk_manifest_repository_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_manifest")),
    )
    op.create_index(op.f("ix_manifest_repository_id_digest"), "manifest", ["repository_id", "digest"], unique=True)
    op.create_index(
        op.f("ix_manifest_repository_id_subject_artifact_type_id"),
        "manifest",
        ["repository_id", "subject", "artifact_type", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_manifest_repository_id_subject_id"), "manifest", ["repository_id", "subject", "id"], unique=False
    )
    op.create_table(
        "repository_blob",
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("blob_id", sa.BigInteger(), nullable=False),
        sa.Column("renewed", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["blob_id"], ["blob.id"], name=op.f("fk_repository_blob_blob_id")),
        sa.ForeignKeyConstraint(["repository_id"], ["repository.id"], name=op.f("fk_repository_blob_repository_id")),
        sa.PrimaryKeyConstraint("repository_id", "blob_id", name=op.f("pk_repository_blob")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_repository_blob_blob_id"), "repository_blob", ["blob_id"], unique=False)
    op.create_table(
        "tag_history",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("name", text(128), nullable=False),
        sa.Column("digest", text(255), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["repository_id"], ["repository.id"], name=op.f("fk_tag_history_repository_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag_history")),
    )
    op.create_index(
        op.f("ix_tag_history_repository_id_name_id"), "tag_history", ["repository_id", "name", "id"], unique=False
    )
    op.create_table(
        "descriptor",
        sa.Column("manifest_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("role", text(16), nullable=False),
        sa.Column("media_type", text(255), nullable=False),
        sa.Column("digest", text(255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("blob_id", sa.BigInteger(), nullable=True),
        sa.Column("child_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["blob_id"], ["blob.id"], name=op.f("fk_descriptor_blob_id")),
        sa.ForeignKeyConstraint(
            ["child_id"], ["manifest.id"], name=op.f("fk_descriptor_child_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifest.id"], name=op.f("fk_descriptor_manifest_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("manifest_id", "position", name=op.f("pk_descriptor")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_descriptor_blob_id_digest"), "descriptor", ["blob_id", "digest"], unique=False)
    op.create_index(op.f("ix_descriptor_child_id_digest"), "descriptor", ["child_id", "digest"], unique=False)
    op.create_table(
        "tag",
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("name", text(128), nullable=False),
        sa.Column("manifest_id", sa.BigInteger(), nullable=False),
        sa.Column("moved", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["manifest_id"], ["manifest.id"], name=op.f("fk_tag_manifest_id")),
        sa.ForeignKeyConstraint(["repository_id"], ["repository.id"], name=op.f("fk_tag_repository_id")),
        sa.PrimaryKeyConstraint("repository_id", "name", name=op.f("pk_tag")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_tag_manifest_id"), "tag", ["manifest_id"], unique=False)


def downgrade() -> None:
    op.drop_table("tag")
    op.drop_table("descriptor")
    op.drop_table("tag_history")
    op.drop_table("repository_blob")
    op.drop_table("manifest")
    op.drop_table("repository")
    op.drop_table("blob")
