"""How exact decimals are printed."""

from decimal import Decimal

# The CBR prints four places.
PLACES = Decimal("0.0001")


def plain(value: Decimal) -> str:
    """`value` with the CBR's four places, more where it has more, never an exponent: "53.8300"."""
    trimmed = value.normalize()
    exponent = trimmed.as_tuple().exponent
    assert isinstance(exponent, int), "rates are finite"
    return f"{trimmed if exponent < -4 else value.quantize(PLACES):f}"


def exact_unit_value(value: Decimal, nominal: int) -> Decimal:
    """Roubles for one unit, without trailing zeros; exact, as nominals are powers of ten."""
    quotient = (value / nominal).normalize()
    # normalize() writes 100 as 1E+2.
    return quotient.quantize(Decimal(1)) if quotient == quotient.to_integral() else quotient


def unit_value(value: Decimal, nominal: int) -> str:
    """`exact_unit_value` as a string without an exponent: "0.00633058"."""
    return f"{exact_unit_value(value, nominal):f}"
