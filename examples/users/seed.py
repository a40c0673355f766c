"""Plausible people and what they write: made up, and the same every time."""

import random
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from examples.users.models import Post, User
from splice import Database, errors

FIRST_NAMES = (
    "Ada Alan Amara Barbara Bjarne Chidi Claude Donald Dorothy Edsger Elif Emeka Frances Grace Guido Hedy "
    "Ines Ingrid Jürgen Karen Katherine Ken Leila Linus Margaret Marie Mei Niklaus Noor Olga Priya Radia "
    "Ravi Sofía Tim Tomoko Yukihiro Zoë"
)
LAST_NAMES = (
    "Adeyemi Becker Björk Chen Costa Dubois Eriksen Fischer García Haddad Ivanova Jensen Kim Kowalski Laurent "
    "Lindqvist Moreau Müller Nakamura Novák Okafor O'Neill Patel Petrov Rossi Sato Schmidt Silva Suzuki Tanaka "
    "Şahin Virtanen Weber Zhang"
)
WORKS = ("a nurse", "a carpenter", "a teacher", "a baker", "an architect", "a librarian", "a gardener")
LIKES = ("chess", "long walks", "old maps", "jazz", "bread", "birds", "bicycles", "crosswords", "the sea")
TITLES = (
    "What {} taught me",
    "A beginner's guide to {}",
    "Why I came back to {}",
    "Three books about {}",
    "{} on a rainy day",
    "A letter about {}",
)
SENTENCES = (
    "It began with a small mistake that I have been grateful for ever since.",
    "My neighbour showed me how it is done, and would not hear of any thanks.",
    "I wrote everything down, and lost the notebook on the train.",
    "Nobody believed it until we tried.",
    "There is more to it than I thought, and less than I had feared.",
    "If you know a better way, please write to me.",
    "Next time I will take a sandwich along.",
)
NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
USERS = 300


async def fill(db: Database) -> bool:
    """Store the people if there are none, and say whether it was done; several processes may try at once."""
    try:
        return await db.run(store)
    except errors.NotUnique:
        # Another process is filling the same database: the first email was taken while we waited for it.
        return False


def store(session: Session) -> bool:
    """Store the people if there are none."""
    if session.scalar(select(exists().select_from(User))):
        return False
    session.add_all(people())
    return True


def people() -> Iterator[User]:
    """Users with their posts, the oldest first."""
    dice = random.Random(42)
    names = dice.sample(list(product(FIRST_NAMES.split(), LAST_NAMES.split())), USERS)
    for number, (first, last) in enumerate(names):
        joined = NOW - timedelta(hours=37 * (USERS - number), minutes=dice.randrange(600))
        yield person(dice, f"{first} {last}", joined)


def person(dice: random.Random, name: str, joined: datetime) -> User:
    likes = dice.sample(LIKES, 2)
    born = date(1945, 1, 1) + timedelta(days=dice.randrange(60 * 365))
    age = joined.year - born.year - ((joined.month, joined.day) < (born.month, born.day))
    return User(
        name=name,
        email=f"{plain(name)}@example.org",
        bio=f"{dice.choice(WORKS).capitalize()} who likes {likes[0]} and {likes[1]}."
        if dice.random() < 0.8
        else None,
        age=age if dice.random() < 0.9 else None,
        balance=Decimal(dice.randrange(-5_000, 500_000)) / 100 if dice.random() < 0.7 else None,
        birthday=born if dice.random() < 0.9 else None,
        is_active=dice.random() < 0.9,
        is_admin=dice.random() < 0.02,
        created_at=joined,
        posts=[post(dice, dice.choice(likes), joined) for _ in range(dice.choice((0, 0, 1, 1, 2, 3, 5)))],
    )


def post(dice: random.Random, subject: str, joined: datetime) -> Post:
    return Post(
        title=dice.choice(TITLES).format(subject).capitalize(),
        body=" ".join(dice.sample(SENTENCES, dice.randint(2, 4))),
        created_at=joined + (NOW - joined) * dice.random(),
    )


def plain(name: str) -> str:
    """A name as it stands in an email address."""
    letters = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return letters.replace(" ", ".").replace("'", "")
