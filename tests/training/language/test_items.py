"""Items: the shipped sets are fair, and what makes one unfair is found."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emergence_stats.errors import UsageError
from emergence_training.language.items import (
    SETS,
    Item,
    chance_of,
    faults,
    read_items,
    shipped_items,
)


def by_set():
    found = {}
    for (name, _), items in shipped_items().items():
        found.setdefault(name, []).extend(items)
    return found


@pytest.mark.parametrize("name", SETS)
def test_a_shipped_set_is_balanced_and_of_the_size_it_should_be(name):
    items = by_set()[name]
    assert 16 <= len(items) <= 200
    assert list(faults(items)) == []
    assert {level for (n, level) in shipped_items() if n == name} == {0, 1, 2}
    assert all(item.context.isascii() and item.context for item in items)
    assert all(o[0] == " " and o[1] != " " for item in items for o in item.options)


def test_chance_is_that_of_a_guess():
    assert chance_of([Item("a", (" b", " c"), 0), Item("a", (" b", " c", " d", " e"), 1)]) == 0.375


FAIR = [Item(f"one {i}", (f" a{i}", f" b{i}"), i % 2) for i in range(20)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda items: [*items, items[0]], "occurs twice"),
        (lambda items: [dataclasses.replace(i, gold=0) for i in items], "in places"),
        (
            lambda items: [
                dataclasses.replace(i, options=tuple(o + "xx" * (k == i.gold) for k, o in enumerate(i.options)))
                for i in items
            ],
            "longest",
        ),
        (lambda items: [dataclasses.replace(i, options=(" a", " a")) for i in items], "repeats"),
        (
            lambda items: [
                dataclasses.replace(i, options=tuple(" yes" if k == i.gold else o for k, o in enumerate(i.options)))
                for i in items
            ],
            "is right in all",
        ),
    ],
)  # fmt: skip
def test_what_tells_the_right_option_is_found(change, said):
    assert list(faults(FAIR)) == []
    assert any(said in fault for fault in faults(change(FAIR)))


@given(st.lists(st.integers(0, 3), min_size=4, max_size=40))
@settings(max_examples=50)
def test_places_are_judged_by_their_counts(places):
    items = [
        Item(f"c{i}", tuple(f" {'abcd'[k]}{i}" for k in range(4)), g) for i, g in enumerate(places)
    ]
    counts = [places.count(k) for k in range(4)]
    uneven = max(counts) - min(counts) > max(1, 0.15 * len(places))
    assert uneven == any("in places" in fault for fault in faults(items))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("{", "no JSON"),
        ([], "no item"),
        ({"level": "0"}, "level"),
        ({"level": 0, "context": "a ", "options": [" b", " c"], "gold": 0}, "without a space"),
        ({"level": 0, "context": "a", "options": [" b"], "gold": 0}, "two options"),
        ({"level": 0, "context": "a", "options": [" b", " "], "gold": 0}, "two options"),
        ({"level": 0, "context": "a", "options": [" b", " c"], "gold": 2}, "gold"),
        ({"level": 0, "context": "a", "options": [" b", " c"], "gold": True}, "gold"),
    ],
)
def test_a_line_that_is_no_item_is_named(tmp_path, fields, said):
    good = json.dumps({"level": 1, "context": "a", "options": [" b", " c"], "gold": 1})
    line = fields if isinstance(fields, str) else json.dumps(fields)
    (tmp_path / "x.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(UsageError, match=rf"x\.jsonl:2: .*{said}"):
        list(read_items(tmp_path / "x.jsonl"))
