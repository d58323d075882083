"""The command line."""

import argparse
import sys
from pathlib import Path

from ledger.parser import BadEntry, parse
from ledger.report import balances, in_euros


def main(arguments: list[str] | None = None) -> int:
    reader = argparse.ArgumentParser(prog="ledger")
    reader.add_argument("command", choices=["balance"])
    reader.add_argument("book", type=Path)
    chosen = reader.parse_args(arguments)
    try:
        entries = parse(chosen.book.read_text(encoding="utf-8"))
    except (OSError, BadEntry) as error:
        sys.stderr.write(f"ledger: {error}\n")
        return 1
    for account, cents in sorted(balances(entries).items()):
        sys.stdout.write(f"{account:<20} {in_euros(cents):>12}\n")
    return 0
