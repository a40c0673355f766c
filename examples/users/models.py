"""Two ordinary SQLAlchemy models. What the columns say here is what the API allows and what /docs shows."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import DateTime, ForeignKey, MetaData, Numeric, String, Text, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from splice import read_only


class Base(DeclarativeBase):
    # With names of their own, constraints can be changed by later migrations on every database.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class User(Base):
    """Somebody who writes posts."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), doc="As others see it.")
    email: Mapped[str] = mapped_column(String(255), unique=True, index=True, doc="No two users share one.")
    bio: Mapped[str | None] = mapped_column(Text, doc="A few sentences.")
    age: Mapped[int | None] = mapped_column(doc="In years.")
    balance: Mapped[Decimal | None] = mapped_column(Numeric(12, 2), doc="In euros and cents.")
    birthday: Mapped[date | None]
    is_active: Mapped[bool] = mapped_column(default=True, doc="Whether the account may be used.")
    is_admin: Mapped[bool] = mapped_column(
        default=False, info=read_only, doc="Whether the account may do everything."
    )
    locale: Mapped[str] = mapped_column(
        String(10), server_default="en", doc="The language to write to them in, such as `en` or `pt-BR`."
    )
    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), doc="When the account was made."
    )

    posts: Mapped[list["Post"]] = relationship(back_populates="user")


class Post(Base):
    """Something that a user wrote."""

    __tablename__ = "posts"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True, doc="The user who wrote it.")
    title: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), doc="When it was written."
    )

    user: Mapped[User] = relationship(back_populates="posts")
