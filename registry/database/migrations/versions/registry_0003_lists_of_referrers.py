"""Lists of referrers are made when they are read; a push finds the descriptors that wait for it in its repository."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "registry_0003"
down_revision = "registry_0002"
branch_labels = None
depends_on = None


def text(length: int) -> TypeEngine[str]:
    """A text that every database compares by bytes."""
    return (
        sa.String(length)
        .with_variant(sa.String(length, collation="C"), "postgresql")
        .with_variant(sa.String(length, collation="utf8mb4_bin"), "mysql", "mariadb")
    )


def where(sql: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(sql), "postgresql_where": sa.text(sql)}


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    if sqlite:
        copy_descriptors()
    else:
        op.add_column("descriptor", sa.Column("repository_id", sa.BigInteger(), nullable=True))
        op.execute(
            "UPDATE descriptor SET repository_id ="
            " (SELECT manifest.repository_id FROM manifest WHERE manifest.id = descriptor.manifest_id)"
        )
        op.alter_column("descriptor", "repository_id", existing_type=sa.BigInteger(), nullable=False)
    op.create_index(
        op.f("ix_descriptor_repository_id_digest"),
        "descriptor",
        ["repository_id", "digest"],
        **where("blob_id IS NULL AND child_id IS NULL"),
    )
    op.create_index(
        op.f("ix_descriptor_blob_id_repository_id"),
        "descriptor",
        ["blob_id", "repository_id"],
        **where("blob_id IS NOT NULL"),
    )
    op.create_index(op.f("ix_descriptor_child_id"), "descriptor", ["child_id"], **where("child_id IS NOT NULL"))
    if not sqlite:
        # Only now: MariaDB wants an index for every foreign key.
        op.drop_index(op.f("ix_descriptor_blob_id_digest"), "descriptor")
        op.drop_index(op.f("ix_descriptor_child_id_digest"), "descriptor")
    create_lists()
    # Tags that may be lists: whether they are is found out when they are read.
    lists = sa.table(
        "referrers_list",
        sa.column("repository_id"),
        sa.column("tag"),
        sa.column("fresh", sa.Boolean()),
        sa.column("generation"),
    )
    tag = sa.table("tag", sa.column("repository_id"), sa.column("name", sa.String()))
    alike = sa.or_(tag.c.name.like("sha256-%"), tag.c.name.like("sha512-%")) & (sa.func.length(tag.c.name) == 71)
    op.execute(
        sa.insert(lists).from_select(
            ["repository_id", "tag", "fresh", "generation"],
            sa.select(tag.c.repository_id, tag.c.name, sa.false(), sa.literal(0)).where(alike),
        )
    )


def copy_descriptors() -> None:
    """SQLite cannot add a column without a default: rows are copied in the order of their key, then indexed."""
    op.create_table(
        "descriptor_0003",
        sa.Column("manifest_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("role", text(16), nullable=False),
        sa.Column("media_type", text(255), nullable=False),
        sa.Column("digest", text(255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
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
    op.execute(
        "INSERT INTO descriptor_0003"
        " (manifest_id, position, role, media_type, digest, size, repository_id, blob_id, child_id)"
        " SELECT d.manifest_id, d.position, d.role, d.media_type, d.digest, d.size, m.repository_id, d.blob_id,"
        " d.child_id FROM descriptor AS d JOIN manifest AS m ON m.id = d.manifest_id"
        " ORDER BY d.manifest_id, d.position"
    )
    op.drop_table("descriptor")
    op.rename_table("descriptor_0003", "descriptor")


def create_lists() -> None:
    op.create_table(
        "referrers_list",
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("tag", text(128), nullable=False),
        sa.Column("source", sa.BigInteger(), nullable=True),
        sa.Column("made_id", sa.BigInteger(), nullable=True),
        sa.Column("fresh", sa.Boolean(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["repository_id"], ["repository.id"], name=op.f("fk_referrers_list_repository_id")),
        sa.PrimaryKeyConstraint("repository_id", "tag", name=op.f("pk_referrers_list")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "made_list",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("repository_id", sa.BigInteger(), nullable=False),
        sa.Column("tag", text(128), nullable=False),
        sa.Column("digest", text(255), nullable=False),
        sa.Column("media_type", text(255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("replaced", sa.BigInteger(), nullable=True),
        sa.Column("outlived", sa.Boolean(), nullable=False),
        sa.Column("entries", text(64), nullable=False),
        sa.Column("body", sa.LargeBinary(length=67108864), nullable=False),
        sa.ForeignKeyConstraint(["repository_id"], ["repository.id"], name=op.f("fk_made_list_repository_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_made_list")),
    )
    op.create_index(op.f("ix_made_list_repository_id_digest"), "made_list", ["repository_id", "digest"])
    op.create_index(op.f("ix_made_list_repository_id_tag_replaced"), "made_list", ["repository_id", "tag", "replaced"])
    op.create_index(op.f("ix_made_list_replaced"), "made_list", ["replaced"])
    for name, time, index in (
        ("omitted_referrer", "deleted", ["repository_id", "tag", "deleted"]),
        ("offered_referrer", "since", ["since"]),
    ):
        op.create_table(
            name,
            sa.Column("repository_id", sa.BigInteger(), nullable=False),
            sa.Column("tag", text(128), nullable=False),
            sa.Column("digest", text(255), nullable=False),
            sa.Column(time, sa.BigInteger(), nullable=False),
            sa.ForeignKeyConstraint(["repository_id"], ["repository.id"], name=op.f(f"fk_{name}_repository_id")),
            sa.PrimaryKeyConstraint("repository_id", "tag", "digest", name=op.f(f"pk_{name}")),
            sqlite_with_rowid=False,
        )
        op.create_index(op.f(f"ix_{name}_{'_'.join(index)}"), name, index)


def downgrade() -> None:
    for name in ("offered_referrer", "omitted_referrer", "made_list", "referrers_list"):
        op.drop_table(name)
    op.create_index(op.f("ix_descriptor_blob_id_digest"), "descriptor", ["blob_id", "digest"])
    op.create_index(op.f("ix_descriptor_child_id_digest"), "descriptor", ["child_id", "digest"])
    for columns in ("repository_id_digest", "blob_id_repository_id", "child_id"):
        op.drop_index(op.f(f"ix_descriptor_{columns}"), "descriptor")
    with op.batch_alter_table("descriptor", table_kwargs={"sqlite_with_rowid": False}) as descriptor:
        descriptor.drop_column("repository_id")
