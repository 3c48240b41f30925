from decimal import Decimal

import pytest

from datakit.amounts import about, counted, duration, million, money, size


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (counted(0, "row"), "0 rows"),
        (counted(1, "row"), "1 row"),
        (counted(12_000, "row"), "12,000 rows"),
        (million(4_884_480), "4.88\u00a0M"),
        (million(1.2e9), "1.2\u00a0B"),
        (million(999), "999"),
        (size(19_600_000), "19.6\u00a0MB"),
        (size(7), "7\u00a0bytes"),
        (duration(8.24), "8.2 s"),
        (duration(59.6), "1 min 0 s"),
        (duration(260), "4 min 20 s"),
        (duration(7500), "2 h 5 min"),
        (about(0.2), "1 s"),
        (about(89), "89 s"),
        (about(720), "12 min"),
        (about(9000), "2.5 h"),
        (money(0), "$0.00"),
        (money(Decimal("0.00421")), "$0.0042"),
        (money(0.1), "$0.10"),
        (money(Decimal("1234.5")), "$1,234.50"),
    ],
)
def test_amounts(made, text):
    assert made == text
