"""What a program returned is read as data, and equals what Python's `==` on plain values does."""

import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.tasks.code.case import Expected
from cogitate.tasks.code.encoder import ENCODER
from cogitate.tasks.code.values import is_near, matches, parse, truth


def encoded(value: object) -> str:
    """Encode as a sandbox does. The encoder is ours; the value comes from these tests."""
    names: dict[str, object] = {}
    exec(ENCODER, names)
    encode = names["_cogitate_encode"]
    assert callable(encode)
    text = encode(value)
    assert isinstance(text, str)
    return text


KEYS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
VALUES = st.recursive(
    KEYS | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.sets(KEYS, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_a_value_equals_itself_after_its_way_out_of_a_sandbox(value: object) -> None:
    assert matches(value, parse(encoded(value)))
    assert truth(parse(encoded(value))) is bool(value)


@given(VALUES, VALUES)
def test_two_values_match_where_python_says_that_they_are_equal(a: object, b: object) -> None:
    assert matches(a, parse(encoded(b))) is (a == b)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (2**53, '{"int": "0x20000000000000"}'),
        (-(2**53) + 1, "-9007199254740991"),
        (math.inf, '{"float": "inf"}'),
        (0.1, "0.1"),
        ((1, [2]), '{"tuple": [1, [2]]}'),
        ({1}, '{"set": [1]}'),
        ({1: (2,)}, '{"dict": [[1, {"tuple": [2]}]]}'),
        (b"\x00a", '{"bytes": "0061"}'),
        ("\ud800€", '"\\ud800\\u20ac"'),
    ],
)
def test_the_encoded_form(value: object, text: str) -> None:
    assert encoded(value) == text
    assert matches(value, parse(text))


@pytest.mark.parametrize("value", [object(), 1j, range(3), iter([1]), [print], {1: object()}])
def test_what_is_no_plain_value_is_not_encoded(value: object) -> None:
    with pytest.raises(TypeError, match="a test needs a plain value"):
        encoded(value)


def test_tuples_lists_and_sets_differ_and_numbers_do_not() -> None:
    assert not matches([1], parse(encoded((1,))))
    assert not matches({1}, parse(encoded([1])))
    assert not matches({1}, parse(encoded({1, 2}))) and not matches({1, 2}, parse(encoded({1})))
    assert matches([1, True], parse(encoded([1.0, 1])))
    assert not matches(math.nan, parse(encoded(math.nan)))
    assert not matches("1", parse("1")) and not matches(b"a", parse('"a"'))


def test_a_tuple_is_taken_for_a_list_where_json_said_what_is_expected() -> None:
    assert matches([[1, 2]], parse(encoded([(1, 2)])), loose=True)
    assert matches({"a": [1]}, parse(encoded({"a": (1,)})), loose=True)
    assert not matches([1], parse(encoded({1})), loose=True)


def test_numbers_are_near_as_far_as_the_test_allows() -> None:
    third = parse(encoded([1 / 3, 2]))
    assert is_near([0.333, 2], third, relative=0.0, absolute=0.001)
    assert not is_near([0.333, 2], third, relative=0.0, absolute=0.0001)
    assert not is_near([0.333], third, relative=0.0, absolute=0.001)
    assert not is_near(1, parse('"1"'), relative=0.0, absolute=1e9)
    assert not is_near(1.0, parse('{"float": "nan"}'), relative=0.0, absolute=1e9)
    assert not is_near(1.0, 10**400, relative=0.5, absolute=0.0)


def test_an_expectation_is_met_by_its_own_relation() -> None:
    assert Expected((None,), "is").met_by(parse("null"))
    assert not Expected((False,), "is").met_by(parse("0"))
    assert Expected((True,), "is").met_by(parse("true"))
    assert Expected((False,), "truth").met_by(parse('{"set": []}'))
    assert Expected((1, 2)).met_by(parse("2")) and not Expected((1, 2)).met_by(parse("3"))
    assert str(Expected((1, "a"))) == "1 or 'a'"
    assert str(Expected((16**5000,))) == "an integer of very many digits"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NaN",
        "Infinity",
        "{}",
        '{"a": 1}',
        '{"int": 1}',
        '{"int": "x"}',
        '{"int": "0x1", "int": "0x2"}',
        '{"float": "1e5"}',
        '{"bytes": "0"}',
        '{"tuple": 1}',
        '{"set": "ab"}',
        "9" * 21,
        "9" * 5_000,
        "[1",
        "1 2",
        "[" * 100_000,
        '{"tuple": [' * 50_000,
    ],
)
def test_what_the_encoder_does_not_write_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


@given(st.text(max_size=100) | st.recursive(st.integers(), st.lists).map(json.dumps))
def test_any_text_is_read_or_refused_and_then_compared(text: str) -> None:
    try:
        found = parse(text)
    except ValueError:
        return
    for expected in (1, "a", [1], (1,), {1}, {1: 1}, None):
        matches(expected, found)


def test_values_that_were_made_to_collide_cost_no_time() -> None:
    modulus = 2**61 - 1  # Python's hash of an integer is its rest
    colliding = ", ".join(f'{{"int": "{n * modulus:#x}"}}' for n in range(1, 20_001))
    expected = set(range(20_000))
    pairs = ", ".join(f'[{{"int": "{n * modulus:#x}"}}, 1]' for n in range(1, 20_001))
    start = time.monotonic()
    assert not matches(expected, parse(f'{{"set": [{colliding}]}}'))
    assert not matches(dict.fromkeys(expected), parse(f'{{"dict": [{pairs}]}}'))
    assert not matches({frozenset(expected)}, parse(f'{{"set": [{{"set": [{colliding}]}}]}}'))
    assert time.monotonic() - start < 5
