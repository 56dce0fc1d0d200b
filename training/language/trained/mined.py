"""Probes mined from a corpus: multiple-choice items in its own words, nine kinds of three levels.

The right option is what stands in the text, but for `frequency`, `matching` and `copy`, which make theirs. All options of an item
have the same number of tokens, so that none is likelier for being shorter, and where knowing which words are frequent would do,
each option is right as often as wrong over the items.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise

import numpy as np

from ..encoding import Encode
from ..items import Item
from .corpus import Document

LEVELS = (0, 1, 2)
WINDOW = 8  # words of context
_AHEAD = 400  # words that are searched from a place that was drawn
_NEW = 0.02  # of the places drawn that have to give a new item: a probe with fewer has no more
_TOO_RARE = 10
_DRAWS = 100  # of words that may be wrong options


class Counts:
    """How often words, and words after words, stand in training documents."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.words: Counter[str] = Counter()
        self.after: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.third: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for document in documents:
            words = document.words
            self.words.update(words)
            for a, b in pairwise(words):
                self.after[a][b] += 1
            for a, b, c in zip(words, words[1:], words[2:], strict=False):
                self.third[a, b][c] += 1
        self.ranked = [w for w, _ in self.words.most_common() if w.isalpha() and len(w) > 1]
        self.rank = {word: i for i, word in enumerate(self.ranked)}


class Miner:
    """Draws items from documents. `encode`: the tokenizer that makes options equally long."""

    def __init__(self, counts: Counts, encode: Encode) -> None:
        self.counts = counts
        self.tokens: Callable[[str], int] = cache(lambda text: len(encode(text)))
        self.phrases = _phrases(counts)
        self.forms = _forms(counts)
        self._by_size: dict[int, list[str]] = {}

    def mine(
        self,
        probe: str,
        level: int,
        documents: Sequence[Document],
        n: int,
        rng: np.random.Generator,
    ) -> list[Item]:
        """`n` different items, fewer if there are no more; what is right takes turns among the kinds of a probe."""
        make, kinds = PROBES[probe]
        sizes = np.array([len(d.words) for d in documents], dtype=float)
        found: dict[tuple[str, str], Item] = {}
        new = n
        while new > _NEW * n:
            new = -len(found)
            chosen = rng.choice(len(documents), n, p=sizes / sizes.sum())
            for document in (documents[i] for i in chosen):
                place = int(rng.integers(2 * WINDOW + 1, len(document.words) - 2 * WINDOW))
                item = make(self, rng, level, len(found) % kinds, document, place)
                if item is not None and self._fair(item):
                    found.setdefault((item.context, item.options[item.gold]), item)
                if len(found) == n:
                    return list(found.values())
            new += len(found)
        return list(found.values())

    def _fair(self, item: Item) -> bool:
        return len({self.tokens(option) for option in item.options}) == 1

    def like(
        self, rng: np.random.Generator, word: str, n: int, fits: Callable[[str], bool]
    ) -> list[str] | None:
        """`n` words about as frequent as `word`, with as many tokens and the same case; None if they are not found."""
        rank = self.counts.rank.get(word)
        if rank is None:
            return None
        near = self.counts.ranked[int(rank / 1.5) : int(1.5 * rank) + 40]
        found: list[str] = []
        for i in rng.integers(0, len(near), _DRAWS).tolist():
            other = near[i]
            same = other[0].isupper() == word[0].isupper() and other not in (word, *found)
            if same and self.tokens(f" {other}") == self.tokens(f" {word}") and fits(other):
                found.append(other)
            if len(found) == n:
                return found
        return None

    def words_of(self, size: int) -> list[str]:
        """Words that are neither very frequent nor rare, with so many tokens."""
        if size not in self._by_size:
            some = self.counts.ranked[100:2000]
            self._by_size[size] = [w for w in some if self.tokens(f" {w}") == size]
        return self._by_size[size]


def _phrases(counts: Counts) -> list[dict[tuple[str, str], str]]:
    """By level, the most frequent third word after two others, where it is the third in three of ten cases or more."""
    frequent = []
    for pair, thirds in counts.third.items():
        word, n = thirds.most_common(1)[0]
        if (
            n >= _TOO_RARE
            and n >= 0.3 * thirds.total()
            and all(w.isalpha() and len(w) > 1 for w in (*pair, word))
        ):
            frequent.append((n, pair, word))
    frequent.sort(key=lambda one: (-one[0], one[1]))
    return [
        {pair: word for _, pair, word in frequent[a:b]}
        for a, b in ((0, 60), (60, 300), (300, 1500))
    ]


def _forms(counts: Counts) -> dict[str, tuple[str, str, str]]:
    """Verbs by each of their forms: as they are, with -ed, with -ing."""
    known = {w for w in counts.ranked if w.islower() and counts.words[w] >= _TOO_RARE}
    found = {}
    for word in sorted(known):  # of two with one stem the longer has it: unite, not unit
        stem = word.removesuffix("e")
        forms = (word, f"{stem}ed", f"{stem}ing")
        if all(form in known for form in forms):
            found.update(dict.fromkeys(forms, forms))
    return found


def _shuffled(rng: np.random.Generator, context: str, right: str, wrong: Sequence[str]) -> Item:
    order = rng.permutation(len(wrong) + 1)
    options = [right, *wrong]
    return Item(context, tuple(options[i] for i in order), int(np.flatnonzero(order == 0)[0]))


def _from(document: Document, place: int) -> Iterator[int]:
    """Places from one that was drawn on."""
    yield from range(place, min(place + _AHEAD, len(document.words) - 2 * WINDOW))


Make = Callable[[Miner, np.random.Generator, int, int, Document, int], Item | None]


def _phrase(
    miner: Miner, rng: np.random.Generator, level: int, _kind: int, document: Document, place: int
) -> Item | None:
    """The third word of a frequent phrase; level: how frequent."""
    words, phrases = document.words, miner.phrases[level]
    for i in _from(document, place):
        pair = (words[i - 2], words[i - 1])
        if phrases.get(pair) == words[i]:
            thirds = miner.counts.third[pair]
            wrong = miner.like(rng, words[i], 3, lambda w: w not in thirds)  # noqa: B023
            if wrong is None:
                return None
            context = document.between(i - WINDOW, i)
            return _shuffled(rng, context, f" {words[i]}", [f" {w}" for w in wrong])
    return None


_CLASSES = (((0, 40), (300, 700)), ((40, 120), (300, 700)), ((120, 250), (400, 700)))


def _frequency(
    miner: Miner, rng: np.random.Generator, level: int, _kind: int, document: Document, place: int
) -> Item | None:
    """The more frequent of two words, by their classes of frequency; level: how far these are apart."""
    (a, b), (x, y) = _CLASSES[level]
    context = document.between(place - int(rng.integers(2, 6)), place)
    ranked = miner.counts.ranked
    for i, j in zip(rng.integers(a, b, _DRAWS), rng.integers(x, y, _DRAWS), strict=True):
        right, wrong = ranked[i], ranked[j]
        same = right[0].isupper() == wrong[0].isupper()
        if same and miner.tokens(f" {right}") == miner.tokens(f" {wrong}"):
            return _shuffled(rng, context, f" {right}", [f" {wrong}"])
    return None


_CUES = ((("a",), ("an",)), (("this", "that"), ("these", "those")))
_NUMBERS = (("is", "are"), ("was", "were"), ("has", "have"))


def _agreement(
    miner: Miner, rng: np.random.Generator, level: int, kind: int, document: Document, place: int
) -> Item | None:
    """The word that agrees: after a or an, after this or these, and a verb with its subject."""
    words = document.words
    if level == 2:
        for i in _from(document, place):
            for pair in _NUMBERS:
                if words[i] == pair[kind]:
                    context = document.between(i - WINDOW, i)
                    return _shuffled(rng, context, f" {words[i]}", [f" {pair[1 - kind]}"])
        return None
    own, others = _CUES[level][kind], _CUES[level][1 - kind]
    after = miner.counts.after
    for i in _from(document, place):
        word = words[i]
        if words[i - 1] not in own or not word.isalpha() or not word.islower() or len(word) < 2:
            continue
        if any(after[other][word] for other in others):
            continue

        def fits(w: str) -> bool:
            return any(after[o][w] >= 2 for o in others) and not any(after[o][w] for o in own)

        wrong = miner.like(rng, word, 1, fits)
        if wrong is not None:
            return _shuffled(rng, document.between(i - WINDOW, i), f" {word}", [f" {wrong[0]}"])
    return None


_BRACKETS = (("(", ")"), ("[", "]"))
_DISTANCES = ((1, 2), (3, 4), (5, 7))


def _matching(
    _miner: Miner, rng: np.random.Generator, level: int, kind: int, document: Document, place: int
) -> Item | None:
    """The bracket that closes the one that is open; level: how many words ago it was opened."""
    low, high = _DISTANCES[level]
    inner = int(rng.integers(low, high + 1))
    if not all(w[0].isalpha() for w in document.words[place - inner : place]):
        return None
    before = document.between(place - max(WINDOW, inner + 2), place - inner)
    opening, closing = _BRACKETS[kind]
    context = f"{before} {opening}{document.between(place - inner, place)}"
    return _shuffled(rng, context, closing, [_BRACKETS[1 - kind][1]])


def _copy(
    miner: Miner, rng: np.random.Generator, level: int, _kind: int, _document: Document, _place: int
) -> Item | None:
    """The next word of a list of words that is repeated; level: how long the list is."""
    n, size = (3, 5, 8)[level], int(rng.integers(1, 3))
    pool = miner.words_of(size)
    if len(pool) < n:
        return None
    words = [pool[i] for i in rng.choice(len(pool), n, replace=False)]
    at = int(rng.integers(1, n))
    wrong = rng.permutation([w for i, w in enumerate(words) if i != at]).tolist()[:3]
    context = f"{' '.join(words)}. {' '.join(words[:at])}"
    return _shuffled(rng, context, f" {words[at]}", [f" {w}" for w in wrong])


def _order(
    _miner: Miner, rng: np.random.Generator, level: int, _kind: int, document: Document, place: int
) -> Item | None:
    """Six words in their order, against another order: any, two that are apart exchanged, two neighbours exchanged."""
    words = document.words[place : place + 6]
    if not all(w.isalpha() and len(w) > 1 for w in words) or len(set(words)) < 6:
        return None
    order = np.arange(6)
    if level == 0:
        order = rng.permutation(6)
    else:
        a = int(rng.integers(0, 3 if level == 1 else 5))
        b = a + (int(rng.integers(2, 4)) if level == 1 else 1)
        order[[a, b]] = b, a
    other = [words[i] for i in order]
    if other == words:
        return None
    context = document.between(place - WINDOW, place)
    return _shuffled(rng, context, " " + " ".join(words), [" " + " ".join(other)])


_RANKS = ((0, 100), (100, 1000), (1000, 6000))


def _capital(
    miner: Miner, rng: np.random.Generator, level: int, kind: int, document: Document, place: int
) -> Item | None:
    """A word with a capital at the beginning of a sentence, and without one inside; level: how rare the word is."""
    words, counts = document.words, miner.counts
    low, high = _RANKS[level]
    for i in _from(document, place):
        word = words[i]
        starts = (
            words[i - 1] in ".!?" and words[i - 2].islower() and len(words[i - 2]) > 2
        )  # no "Mr."
        if starts != (kind == 0) or not (starts or words[i - 1].isalpha() or words[i - 1] == ","):
            continue
        if (
            not word.isalpha()
            or len(word) < 2
            or word != (word.capitalize() if starts else word.lower())
        ):
            continue
        other = word.lower() if starts else word.capitalize()
        rank = counts.rank.get(word.lower())
        if rank is None or not low <= rank < high or counts.words[other] < 2:
            continue
        return _shuffled(rng, document.between(i - WINDOW, i), f" {word}", [f" {other}"])
    return None


_BEFORE = (
    frozenset({"to"}),
    frozenset({"has", "have", "had", "been"}),
    frozenset({"of", "by", "for", "in"}),
)
_PAIRS = ((0, 1), (0, 2), (1, 2))  # by level, the two forms


def _form(
    miner: Miner, rng: np.random.Generator, level: int, kind: int, document: Document, place: int
) -> Item | None:
    """The form of a verb after to, have, of; level: which two forms."""
    pair = _PAIRS[level]
    right, wrong = pair[kind], pair[1 - kind]
    words = document.words
    for i in _from(document, place):
        forms = miner.forms.get(words[i])
        if forms is not None and words[i - 1] in _BEFORE[right] and forms[right] == words[i]:
            return _shuffled(
                rng, document.between(i - WINDOW, i), f" {words[i]}", [f" {forms[wrong]}"]
            )
    return None


_TOPIC = 6  # words of an option
_FAR = (100, 20, 6)  # words from one option to the other, at least
_NEAR = 40  # and so many more at most


def _topic(
    miner: Miner, rng: np.random.Generator, level: int, _kind: int, document: Document, place: int
) -> Item | None:
    """How the text goes on, against words that come later; level: how much later."""
    words, context = document.words, document.between(place - 2 * WINDOW, place)
    own = words[place : place + _TOPIC]
    if not all(w.isalpha() for w in own):
        return None
    size = miner.tokens(" " + " ".join(own))
    for gap in (_TOPIC + _FAR[level] + rng.permutation(_NEAR)).tolist():
        other = words[place + gap : place + gap + _TOPIC]
        text = " " + " ".join(other)
        if len(other) == _TOPIC and all(w.isalpha() for w in other) and miner.tokens(text) == size:
            return None if other == own else _shuffled(rng, context, " " + " ".join(own), [text])
    return None


# Each with how many kinds of right answers take turns.
PROBES: dict[str, tuple[Make, int]] = {
    "phrase": (_phrase, 1),
    "frequency": (_frequency, 1),
    "agreement": (_agreement, 2),
    "matching": (_matching, 2),
    "copy": (_copy, 1),
    "order": (_order, 1),
    "capital": (_capital, 2),
    "form": (_form, 2),
    "topic": (_topic, 1),
}
TASK_LEVELS = tuple((probe, level) for probe in PROBES for level in LEVELS)
