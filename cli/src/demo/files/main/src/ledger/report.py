"""Sums entries."""

from collections import defaultdict

from ledger.parser import Entry


def balances(entries: list[Entry]) -> dict[str, int]:
    """Cents by account."""
    sums: dict[str, int] = defaultdict(int)
    for entry in entries:
        sums[entry.account] += entry.cents
    return dict(sums)


def in_euros(cents: int) -> str:
    """An amount for people, for instance -950.00."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02}"
