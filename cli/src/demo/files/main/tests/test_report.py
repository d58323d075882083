from ledger.parser import parse
from ledger.report import balances, in_euros


def test_amounts_of_one_account_are_summed():
    entries = parse("2026-10-01 rent -95000\n2026-11-01 rent -95000\n")
    assert balances(entries) == {"rent": -190000}


def test_cents_are_written_as_euros():
    assert in_euros(-95001) == "-950.01"
