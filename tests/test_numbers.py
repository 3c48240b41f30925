"""Final answers and their numbers."""

from fractions import Fraction

import pytest

from datakit.numbers import final, number_in, plain, sole_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The answer is 18.", 18),
        ("She makes 9 * 2 = $18 every day.", 18),
        ("It costs $1,234.50", Fraction("1234.5")),
        ("1,234,567 people", 1234567),
        ("So 3/4 of it", Fraction(3, 4)),
        ("1 1/2 cups", Fraction(3, 2)),
        ("-7 degrees", -7),
        ("\u22127 degrees", -7),
        ("about -$5", -5),
        ("from 10-3", 10),
        ("50%", 50),
        ("**42**", 42),
        (r"\frac{3}{8}", Fraction(3, 8)),
        ("0.5", Fraction(1, 2)),
        (".5 litres", Fraction(1, 2)),
        ("12km", 12),
        ("The answer is 1e5", 100_000),
        ("1.5e-3", Fraction(3, 2000)),
        ("-2.5E+2 volts", -250),
        ("7 eggs", 7),
        ("1e9999999", 1),
        ("the 3 boats, 12, and 4.", 4),
        ("3/0", 3),
        ("no number", None),
        ("CO2", None),
        ("", None),
        ("9" * 5000, None),
    ],
)
def test_the_last_number(text, number):
    found = number_in(text)
    if text.startswith("9" * 100):
        assert found is None or found < 10**41
    elif text == "from 10-3":
        assert found in (10, 3)
    else:
        assert found == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("18", 18),
        ("$18.", 18),
        ("18 dollars a day", 18),
        ("3/4 cup", Fraction(3, 4)),
        ("20%", 20),
        ("1,000", 1000),
        ("1e5 dollars", 100_000),
        ("In 1969 it was Neil Armstrong", None),
        ("3 boats and 4 ferries", None),
        ("Paris", None),
        ("7 is the number that they all thought of", None),
    ],
)
def test_a_text_that_is_a_number(text, number):
    assert sole_number(text) == number


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("2+2=4\n#### 4", "4"),
        ("#### 4\n\nShe has 9 left over.", "4"),
        (r"so \boxed{3} and then \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        ("  Paris. ", "Paris."),
    ],
)
def test_the_final_answer(text, result):
    assert final(text) == result


def test_plain_forms():
    assert plain("  **Paris**. ") == plain("paris") == "paris"
    assert plain("\uff30aris\n  Texas") == "paris texas"
    assert plain("don't") == "don't"
    assert plain("Straße") == plain("STRASSE")
