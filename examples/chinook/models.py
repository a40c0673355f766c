"""The Chinook database, a music shop, as SQLAlchemy models: Python's names over those of tables and columns."""

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import DateTime, ForeignKey, Numeric, String
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    # SQLite compares moments as text, and this file has them without fractions of a second.
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime().with_variant(sqlite.DATETIME(truncate_microseconds=True), "sqlite"),  # type: ignore[no-untyped-call]  # SQLAlchemy's
    }


class Artist(Base):
    """A band, a composer or a speaker."""

    __tablename__ = "Artist"

    artist_id: Mapped[int] = mapped_column("ArtistId", primary_key=True)
    name: Mapped[str | None] = mapped_column("Name", String(120))

    albums: Mapped[list["Album"]] = relationship(back_populates="artist")


class Album(Base):
    """A record, with its tracks."""

    __tablename__ = "Album"

    album_id: Mapped[int] = mapped_column("AlbumId", primary_key=True)
    title: Mapped[str] = mapped_column("Title", String(160))
    artist_id: Mapped[int] = mapped_column("ArtistId", ForeignKey("Artist.ArtistId"), index=True)

    artist: Mapped[Artist] = relationship(back_populates="albums")
    tracks: Mapped[list["Track"]] = relationship(back_populates="album", order_by="Track.track_id")


class Genre(Base):
    """A kind of music, or of film."""

    __tablename__ = "Genre"

    genre_id: Mapped[int] = mapped_column("GenreId", primary_key=True)
    name: Mapped[str | None] = mapped_column("Name", String(120))

    tracks: Mapped[list["Track"]] = relationship(back_populates="genre")


class MediaType(Base):
    """The format of a file."""

    __tablename__ = "MediaType"

    media_type_id: Mapped[int] = mapped_column("MediaTypeId", primary_key=True)
    name: Mapped[str | None] = mapped_column("Name", String(120))

    tracks: Mapped[list["Track"]] = relationship(back_populates="media_type")


class PlaylistTrack(Base):
    """A track on a playlist."""

    __tablename__ = "PlaylistTrack"

    playlist_id: Mapped[int] = mapped_column(
        "PlaylistId", ForeignKey("Playlist.PlaylistId"), primary_key=True, index=True
    )
    track_id: Mapped[int] = mapped_column(
        "TrackId", ForeignKey("Track.TrackId"), primary_key=True, index=True
    )


class Playlist(Base):
    """A list of tracks; deleting it leaves the tracks."""

    __tablename__ = "Playlist"

    playlist_id: Mapped[int] = mapped_column("PlaylistId", primary_key=True)
    name: Mapped[str | None] = mapped_column("Name", String(120))

    tracks: Mapped[list["Track"]] = relationship(secondary="PlaylistTrack", back_populates="playlists")


class Track(Base):
    """A song, or another thing that is sold by the piece."""

    __tablename__ = "Track"

    track_id: Mapped[int] = mapped_column("TrackId", primary_key=True)
    name: Mapped[str] = mapped_column("Name", String(200))
    album_id: Mapped[int | None] = mapped_column("AlbumId", ForeignKey("Album.AlbumId"), index=True)
    media_type_id: Mapped[int] = mapped_column("MediaTypeId", ForeignKey("MediaType.MediaTypeId"), index=True)
    genre_id: Mapped[int | None] = mapped_column("GenreId", ForeignKey("Genre.GenreId"), index=True)
    composer: Mapped[str | None] = mapped_column("Composer", String(220))
    milliseconds: Mapped[int] = mapped_column("Milliseconds", doc="How long it plays.")
    bytes: Mapped[int | None] = mapped_column("Bytes", doc="The size of the file.")
    unit_price: Mapped[Decimal] = mapped_column("UnitPrice", Numeric(10, 2), doc="In dollars and cents.")

    album: Mapped[Album | None] = relationship(back_populates="tracks")
    media_type: Mapped[MediaType] = relationship(back_populates="tracks")
    genre: Mapped[Genre | None] = relationship(back_populates="tracks")
    playlists: Mapped[list[Playlist]] = relationship(secondary="PlaylistTrack", back_populates="tracks")
    invoice_lines: Mapped[list["InvoiceLine"]] = relationship(back_populates="track")


class Employee(Base):
    """Somebody who works for the shop."""

    __tablename__ = "Employee"

    employee_id: Mapped[int] = mapped_column("EmployeeId", primary_key=True)
    last_name: Mapped[str] = mapped_column("LastName", String(20))
    first_name: Mapped[str] = mapped_column("FirstName", String(20))
    title: Mapped[str | None] = mapped_column("Title", String(30))
    reports_to: Mapped[int | None] = mapped_column(
        "ReportsTo", ForeignKey("Employee.EmployeeId"), index=True, doc="The employee who leads this one."
    )
    birth_date: Mapped[datetime | None] = mapped_column("BirthDate")
    hire_date: Mapped[datetime | None] = mapped_column("HireDate")
    address: Mapped[str | None] = mapped_column("Address", String(70))
    city: Mapped[str | None] = mapped_column("City", String(40))
    state: Mapped[str | None] = mapped_column("State", String(40))
    country: Mapped[str | None] = mapped_column("Country", String(40))
    postal_code: Mapped[str | None] = mapped_column("PostalCode", String(10))
    phone: Mapped[str | None] = mapped_column("Phone", String(24))
    fax: Mapped[str | None] = mapped_column("Fax", String(24))
    email: Mapped[str | None] = mapped_column("Email", String(60))

    manager: Mapped["Employee | None"] = relationship(back_populates="reports", remote_side=[employee_id])
    reports: Mapped[list["Employee"]] = relationship(back_populates="manager")
    customers: Mapped[list["Customer"]] = relationship(back_populates="support_rep")


class Customer(Base):
    """Somebody who buys."""

    __tablename__ = "Customer"

    customer_id: Mapped[int] = mapped_column("CustomerId", primary_key=True)
    first_name: Mapped[str] = mapped_column("FirstName", String(40))
    last_name: Mapped[str] = mapped_column("LastName", String(20))
    company: Mapped[str | None] = mapped_column("Company", String(80))
    address: Mapped[str | None] = mapped_column("Address", String(70))
    city: Mapped[str | None] = mapped_column("City", String(40))
    state: Mapped[str | None] = mapped_column("State", String(40))
    country: Mapped[str | None] = mapped_column("Country", String(40))
    postal_code: Mapped[str | None] = mapped_column("PostalCode", String(10))
    phone: Mapped[str | None] = mapped_column("Phone", String(24))
    fax: Mapped[str | None] = mapped_column("Fax", String(24))
    email: Mapped[str] = mapped_column("Email", String(60))
    support_rep_id: Mapped[int | None] = mapped_column(
        "SupportRepId", ForeignKey("Employee.EmployeeId"), index=True, doc="The employee who helps."
    )

    support_rep: Mapped[Employee | None] = relationship(back_populates="customers")
    invoices: Mapped[list["Invoice"]] = relationship(back_populates="customer")


class Invoice(Base):
    """What a customer bought at one time."""

    __tablename__ = "Invoice"

    invoice_id: Mapped[int] = mapped_column("InvoiceId", primary_key=True)
    customer_id: Mapped[int] = mapped_column("CustomerId", ForeignKey("Customer.CustomerId"), index=True)
    invoice_date: Mapped[datetime] = mapped_column("InvoiceDate")
    billing_address: Mapped[str | None] = mapped_column("BillingAddress", String(70))
    billing_city: Mapped[str | None] = mapped_column("BillingCity", String(40))
    billing_state: Mapped[str | None] = mapped_column("BillingState", String(40))
    billing_country: Mapped[str | None] = mapped_column("BillingCountry", String(40))
    billing_postal_code: Mapped[str | None] = mapped_column("BillingPostalCode", String(10))
    total: Mapped[Decimal] = mapped_column("Total", Numeric(10, 2), doc="In dollars and cents.")

    customer: Mapped[Customer] = relationship(back_populates="invoices")
    lines: Mapped[list["InvoiceLine"]] = relationship(
        back_populates="invoice", cascade="all, delete-orphan", order_by="InvoiceLine.invoice_line_id"
    )


class InvoiceLine(Base):
    """One track on an invoice; it goes with the invoice."""

    __tablename__ = "InvoiceLine"

    invoice_line_id: Mapped[int] = mapped_column("InvoiceLineId", primary_key=True)
    invoice_id: Mapped[int] = mapped_column("InvoiceId", ForeignKey("Invoice.InvoiceId"), index=True)
    track_id: Mapped[int] = mapped_column("TrackId", ForeignKey("Track.TrackId"), index=True)
    unit_price: Mapped[Decimal] = mapped_column("UnitPrice", Numeric(10, 2), doc="In dollars and cents.")
    quantity: Mapped[int] = mapped_column("Quantity")

    invoice: Mapped[Invoice] = relationship(back_populates="lines")
    track: Mapped[Track] = relationship(back_populates="invoice_lines")
