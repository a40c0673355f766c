"""Answers that show more than the columns: Pydantic models that name relations of the SQLAlchemy models."""

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel


class ArtistName(BaseModel):
    artist_id: int
    name: str | None


class TrackName(BaseModel):
    track_id: int
    name: str
    milliseconds: int


class AlbumWithTracks(BaseModel):
    """An album, who made it, and what is on it."""

    album_id: int
    title: str
    artist_id: int
    artist: ArtistName
    tracks: list[TrackName]


class Line(BaseModel):
    invoice_line_id: int
    track_id: int
    unit_price: Decimal
    quantity: int


class InvoiceWithLines(BaseModel):
    """An invoice, and what was bought."""

    invoice_id: int
    customer_id: int
    invoice_date: datetime
    billing_address: str | None
    billing_city: str | None
    billing_state: str | None
    billing_country: str | None
    billing_postal_code: str | None
    total: Decimal
    lines: list[Line]
