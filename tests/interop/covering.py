"""Few combinations of many choices, in which every two (or three) of the choices meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product

Choices = tuple[tuple[int, int], ...]  # (factor, level), by factor


def covering(factors: Mapping[str, Sequence[str]], strength: int) -> Iterator[dict[str, str]]:
    """Yield combinations so that every `strength` levels of different factors meet in one of them.

    Parameters
    ----------
    factors : mapping of str to sequence of str
        The levels of each factor.
    strength : int
        2 for pairs, 3 for triples.
    """
    names, sizes = list(factors), [len(levels) for levels in factors.values()]
    missing = {
        tuple(zip(group, levels, strict=True)): None
        for group in combinations(range(len(names)), strength)
        for levels in product(*(range(sizes[factor]) for factor in group))
    }
    while missing:
        row = _row(next(iter(missing)), sizes, missing, strength)
        for group in combinations(row, strength):
            missing.pop(group, None)
        yield {names[factor]: factors[names[factor]][level] for factor, level in row}


def _row(first: Choices, sizes: list[int], missing: Mapping[Choices, None], strength: int) -> Choices:
    """Return levels of all factors: those of `first`, then factor by factor what meets most that is missing."""
    chosen = dict(first)
    # where levels are equally good, another one each time
    turn = len(missing)
    for factor in sorted(set(range(len(sizes))) - set(chosen), key=lambda factor: -sizes[factor]):
        others = [tuple(group) for group in combinations(sorted(chosen.items()), strength - 1)]

        def gain(level: int, factor: int = factor, others: list[Choices] = others) -> int:
            return sum(tuple(sorted((*other, (factor, level)))) in missing for other in others)

        levels = [(turn + level) % sizes[factor] for level in range(sizes[factor])]
        chosen[factor] = max(levels, key=gain)
    return tuple(sorted(chosen.items()))
