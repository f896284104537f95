"""How far two words are apart: changes of one letter, and swaps of two neighbours. Pure arithmetic.

`near_words` has the last say by it, and `drugs` tells a mistyped name by it.
"""


def distance(left: str, right: str, most: int) -> int:
    """Changes of one letter, and swaps of two neighbours, between two words; `most + 1` when there are more."""
    if abs(len(left) - len(right)) > most:
        return most + 1
    start, a, b = 0, len(left), len(right)
    while start < a and start < b and left[start] == right[start]:
        start += 1
    while a > start and b > start and left[a - 1] == right[b - 1]:
        a, b = a - 1, b - 1
    left, right = left[start:a], right[start:b]
    if len(left) <= 1 and len(right) <= 1:
        return min(max(len(left), len(right)), most + 1)
    if most == 1:  # what is left of two words one change apart is one letter, or two that were swapped
        return 1 if left == right[::-1] and len(left) == 2 else 2
    return _table(left, right, most)


def _table(left: str, right: str, most: int) -> int:
    """`distance` by the table of all beginnings, given up where a row is too far already."""
    before: list[int] = []
    last = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        row = [i]
        least = i
        for j, b in enumerate(right, start=1):
            cost = last[j - 1]
            if a != b:
                beside = row[j - 1] if row[j - 1] < last[j] else last[j]
                cost = (cost if cost < beside else beside) + 1
                if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b and before[j - 2] < cost - 1:
                    cost = before[j - 2] + 1
            row.append(cost)
            if cost < least:
                least = cost
        if least > most:
            return most + 1
        before, last = last, row
    return min(last[-1], most + 1)
