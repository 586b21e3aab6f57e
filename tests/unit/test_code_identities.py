"""Which code objects a copy has the identities of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbspy.cpython.code_identities import IDENTITIES, CodeIdentities

SIZE = 4
OFFSET = 100
FIRST = 2


class Aims:
    """A prepared read that only knows where its ranges are."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.addresses = [0] * (FIRST + IDENTITIES)

    def aim(self, index: int, address: int) -> None:
        self.addresses[index] = address

    def read(self) -> None:
        raise NotImplementedError

    def copied(self) -> bytes:
        """What the ranges would hold where each code object holds its own number."""
        return b"".join(identity(address - OFFSET) for address in self.addresses[FIRST:])


def identity(code: int) -> bytes:
    return b"" if code == 0 else code.to_bytes(SIZE, "little")


def test_nothing_is_trusted_where_no_code_is_wanted() -> None:
    read = Aims()
    assert CodeIdentities(FIRST, (OFFSET, SIZE)).aim([0, 0], identity, read) == (b"", frozenset())


def test_code_that_was_not_copied_is_not_trusted() -> None:
    assert CodeIdentities(FIRST, (OFFSET, SIZE)).aim([7], lambda _: b"", Aims()) == (b"", frozenset())


@given(st.lists(st.lists(st.integers(0, 12), max_size=10), min_size=1, max_size=30))
def test_what_is_expected_is_copied_and_the_codes_nearest_the_leaf_are_among_it(
    wanted: list[list[int]],
) -> None:
    read = Aims()
    identities = CodeIdentities(FIRST, (OFFSET, SIZE))
    for codes in wanted:
        expected, trusted = identities.aim(codes, identity, read)
        near = list(dict.fromkeys(code for code in codes if code))[-IDENTITIES:]
        assert trusted is not None
        assert trusted >= set(near)
        if near:
            assert expected == read.copied()
            assert trusted == {address - OFFSET for address in read.addresses[FIRST:]}
        assert read.addresses[:FIRST] == [0] * FIRST


def test_code_that_is_no_longer_known_gives_its_place_to_another() -> None:
    read = Aims()
    identities = CodeIdentities(FIRST, (OFFSET, SIZE))
    identities.aim([1, 2, 3], identity, read)

    expected, trusted = identities.aim([3, 4], lambda code: b"" if code in (0, 1, 2) else identity(code), read)

    assert trusted == frozenset({3, 4})
    assert expected == read.copied()
