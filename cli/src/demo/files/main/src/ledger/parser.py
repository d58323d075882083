"""Reads entries from text."""

from dataclasses import dataclass
from datetime import date


class BadEntry(ValueError):
    """A line that is no entry."""


@dataclass(frozen=True)
class Entry:
    day: date
    account: str
    cents: int
    text: str


def parse_line(line: str) -> Entry | None:
    """One line as an entry; nothing for comments and empty lines."""
    line = line.strip()
    if not line or line.startswith("#"):
        return None
    parts = line.split(maxsplit=3)
    if len(parts) < 3:
        raise BadEntry(f"expected date, account and amount: {line!r}")
    day, account, cents = parts[:3]
    text = parts[3] if len(parts) == 4 else ""
    return Entry(date.fromisoformat(day), account, int(cents), text)


def parse(text: str) -> list[Entry]:
    """All entries of a text."""
    entries = (parse_line(line) for line in text.splitlines())
    return [entry for entry in entries if entry is not None]
