"""The frames of one thread: ``_PyInterpreterFrame`` linked by ``previous`` (3.11+), ``PyFrameObject`` by ``f_back``.

Since 3.11 most frames lie one after the other on the thread's data stack; those of generators and coroutines lie in
their heap objects, and the shims of 3.12+ on the C stack. Before, each is an object on the heap, mostly where the last
frame of its function was. :class:`FrameChain` keeps what it saw last and says which memory it
wants next time: :attr:`FrameChain.ranges`, the thread state first, then the frames from the root to the leaf. One copy
of those ranges is a *region*, and because its bytes are in the order of the stack, frames within the common beginning
of two regions have not moved. Only what lies above is walked again, so a sample costs what changed, not what is there.

Hot path: :meth:`FrameChain.update` runs on every sample of a busy thread, while that thread stands still.
``walk_plain`` in the tests is the plain version that it must agree with.
"""

from __future__ import annotations

from typing import Final

from nbspy.cpython.chain_head import ChainHead
from nbspy.cpython.frame_places import FramePlaces
from nbspy.cpython.frame_struct import FrameStruct
from nbspy.cpython.layout import Layout
from nbspy.cpython.page_cache import PageCache
from nbspy.cpython.thread_state import ThreadState, word
from nbspy.errors import CorruptTarget, MemoryFault
from nbspy.target.memory import RemoteMemory

MAX_FRAMES: Final = 100_000
"""Longest chain that is followed; ``sys.setrecursionlimit`` is seldom above 10,000."""

_UNORDERED: Final = 16
"""Frames above which the plan is made anew: those that came back to places that are copied behind the others."""
_MAX_ELSEWHERE: Final = 1 << 12
_ROOMY: Final = 1 << 16
"""Regions above this size are planned anew when most of their bytes are no longer frames."""


class FrameChain:
    """One thread's frames, root first. ``addresses``, ``codes`` and ``instructions`` run in parallel.

    A frame that C code keeps on the chain (a shim) is in the lists with code 0.
    """

    __slots__ = (
        "_address",
        "_are_objects",
        "_elsewhere",
        "_fields",
        "_memory",
        "_offsets",
        "_ordered",
        "_positions",
        "_thread",
        "_unpack",
        "addresses",
        "changed_from",
        "codes",
        "differs_from",
        "head",
        "instructions",
        "places",
        "ranges",
        "region",
        "stale",
        "unpredicted",
    )

    def __init__(self, memory: RemoteMemory, layout: Layout, thread: ThreadState, unpack: FrameStruct) -> None:
        self._memory = memory
        self._address = thread.address
        self._thread = layout.thread_state
        self.head = ChainHead(thread.address, layout.thread_state, layout.long_size)
        self._fields = layout.frame
        self._unpack = unpack.unpack_from
        self.addresses: list[int] = []
        self.codes: list[int] = []
        self.instructions: list[int] = []
        self.region = b""
        """The last copy; b"" where there is none to compare with."""
        self.changed_from = 0
        """Index of the first frame that the last update replaced."""
        self.differs_from = 0
        """Index of the first frame that was another then. Without a copy to compare with, all frames are replaced."""
        self.unpredicted = False
        """True where the last update had to read memory outside of its region."""
        self.stale = True
        """True where :attr:`ranges` has changed since the region was copied."""
        self.places = FramePlaces(layout.frame.size)
        self._are_objects = layout.frame.lasti_unit is not None
        self._elsewhere: set[int] = set()
        """Where frames were seen that are not on the data stack (3.11+): those of generators, and shims."""
        self._positions: dict[int, int] = {}
        self._offsets: list[int] = []
        """Where each frame begins in the region."""
        self._ordered = 0
        self.ranges: list[tuple[int, int]] = [*self.head.ranges]
        self._index_ranges()

    @property
    def thread_state(self) -> int:
        """Address of the thread state."""
        return self._address

    @property
    def frames_start(self) -> int:
        """Where, in a region, the frames begin."""
        return self.head.size

    @property
    def frame_size(self) -> int:
        """Bytes at the beginning of a frame that hold its links."""
        return self._fields.size

    @property
    def ordered(self) -> int:
        """How many frames, from the root, lie in the region one behind the other."""
        return self._ordered

    def update(self, region: bytes, *, stood: bool = True) -> None:
        """Take ``region``, a new copy of :attr:`ranges`, and follow the chain as far as it has changed.

        What the region lacks is read now: the thread must be standing still, or the caller must check
        :attr:`unpredicted` and copy again. Raises CorruptTarget or MemoryFault. Where the thread ``stood``, the chain
        is then empty, and the next region, of the same ranges, is walked in full; where it ran on, the copy was torn,
        and the chain is what it was.
        """
        had, self.unpredicted = self.unpredicted, False
        try:
            unchanged = self._unchanged_frames(region)
            if not (unchanged and self._step(region, unchanged)):
                self._follow(self._leaf_address(region), region, unchanged, stood=stood)
        except (CorruptTarget, MemoryFault):
            self.changed_from = len(self.addresses)
            if stood:
                self._forget_frames()
            else:
                self.unpredicted = had
            raise
        self.region = region

    def _step(self, region: bytes, unchanged: int) -> bool:
        """Take the most common change: the same leaf, at another instruction. False where it is another change."""
        leaf = len(self.addresses) - 1
        if unchanged != leaf or self.head.leaf(region) != self.addresses[leaf]:
            return False
        code, previous, instruction, owner = self._unpack(region, self._offsets[leaf])
        if owner in self._fields.owners_without_code or previous != self.addresses[leaf - 1]:
            return False
        self.codes[leaf] = code & self._fields.executable_mask
        self.instructions[leaf] = instruction
        self.changed_from = self.differs_from = leaf
        return True

    def same_links(self, region: bytes) -> bool:
        """True where ``region``, a later copy, has the links of the last one: leaf, links, code, callers' positions.

        Only the leaf may have gone on to another instruction. Needs a chain that lies within its region.
        """
        old, offsets = self.region, self._offsets
        head = self.head.size
        if self.head.leaf_words(region) != self.head.leaf_words(old):
            return False
        ordered = self._ordered == len(offsets)
        if not offsets or (ordered and region[head : offsets[-1]] == old[head : offsets[-1]]):
            callers: list[int] = []
        else:
            callers = offsets[:-1]
        unpack = self._unpack
        if any(unpack(region, offset) != unpack(old, offset) for offset in callers):
            return False
        if not offsets:
            return True
        code, previous, _, owner = unpack(region, offsets[-1])
        old_code, old_previous, _, old_owner = unpack(old, offsets[-1])
        return bool(code == old_code and previous == old_previous and owner == old_owner)

    def byte_at(self, index: int, field: int) -> int:
        """Return a byte-sized field of the frame at ``index``, from the last region or the target.

        A frame that was beyond the region may be gone by now: 0 then.
        """
        offset = self._offsets[index]
        if offset >= 0 and self.region:
            return self.region[offset + field]
        try:
            return self._memory.read(self.addresses[index] + field, 1)[0]
        except MemoryFault:
            return 0

    def word_at(self, index: int, field: int) -> int:
        """Return a pointer-sized field of the frame at ``index`` from the last region; 0 where it lay beyond that."""
        offset = self._offsets[index]
        return word(self.region, offset + field) if offset >= 0 and self.region else 0

    def _forget_frames(self) -> None:
        self.addresses.clear()
        self.codes.clear()
        self.instructions.clear()
        self._offsets.clear()
        self._positions.clear()
        self.region = b""
        self.changed_from = 0
        self._ordered = 0

    def reset(self) -> None:
        """Forget everything but the thread."""
        self._forget_frames()
        self.places.reset()
        self.head.reset()
        self.ranges = [*self.head.ranges]
        self._index_ranges()
        self.stale = True

    def plan(self) -> None:
        """Choose the ranges for the next copy from the frames seen last."""
        self.head.plan()
        self.ranges = self.head.ranges + self.places.choose(self.addresses, self._elsewhere)
        self._index_ranges()
        self.region = b""
        self.stale = False

    def _index_ranges(self) -> None:
        """Make the tables that find an address in a region."""
        self.places.lay_out(self.ranges[len(self.head.ranges) :], self.head.size)
        # The frames seen last are where they were, but may lie elsewhere in the next region.
        self._offsets = [self.places.offset_of(address) for address in self.addresses]
        self._ordered = self._count_ordered()

    def _count_ordered(self) -> int:
        """Return how many frames, from the root, lie one behind the other in the region."""
        size = self._fields.size
        last = self.head.size - size
        for count, offset in enumerate(self._offsets):
            if offset < last + size:
                return count
            last = offset
        return len(self._offsets)

    def _leaf_address(self, region: bytes) -> int:
        at = self.head.leaf_at(region)
        if at:
            return word(region, at)
        self.unpredicted = self.stale = True
        return word(self._memory.read(*self.head.elsewhere(region)), 0)

    def _unchanged_frames(self, region: bytes) -> int:
        """Return how many frames, from the root, have the same bytes in ``region`` as in the last one."""
        old = self.region
        if not self._ordered or len(old) != len(region):
            return 0
        first = self.head.size
        offsets = self._offsets
        # Down from the leaf in steps that double, then between the last two.
        differs = self._ordered
        same = differs - 1
        step = 1
        while same > 0 and region[first : offsets[same]] != old[first : offsets[same]]:
            differs = same
            same -= step
            step *= 2
        same = max(same, 0)
        while differs - same > 2:
            middle = (same + differs) // 2
            start = offsets[same]
            if region[start : offsets[middle]] == old[start : offsets[middle]]:
                same = middle
            else:
                differs = middle
        return same

    def _follow(self, address: int, region: bytes, unchanged: int, *, stood: bool) -> None:
        """Walk from the leaf to the first frame that has not changed, and replace what is above it."""
        unpack, positions = self._unpack, self._positions
        mask, without_code = self._fields.executable_mask, self._fields.owners_without_code
        addresses: list[int] = []
        codes: list[int] = []
        instructions: list[int] = []
        offsets: list[int] = []
        seen: set[int] = set()
        base = owner = 0
        low = high = delta = 0
        beyond: PageCache | None = None
        while address:
            known = positions.get(address)
            if known is not None and known < unchanged:
                base = known + 1
                break
            if address in seen or len(seen) >= MAX_FRAMES:
                raise CorruptTarget("the chain of frames has no end")
            seen.add(address)
            if not low <= address <= high:
                low, high, delta = self.places.range_around(address)
            if delta:
                offset = address + delta
                code, previous, instruction, owner = unpack(region, offset)
            else:
                offset = -1
                self.unpredicted = True
                beyond = beyond or PageCache(self._memory)
                code, previous, instruction, owner = unpack(self._read_beyond(beyond, address))
            if owner:
                self._elsewhere.add(address)
            addresses.append(address)
            codes.append(0 if owner in without_code else code & mask)
            instructions.append(instruction)
            offsets.append(offset)
            address = previous
        if not stood and not base and unchanged and offsets and owner == self._fields.owner_generator:
            # The first frames are all there. One that yields is unlinked from its caller before the leaf is set anew.
            raise CorruptTarget("a generator that nobody resumed")
        self._replace(base, addresses, codes, instructions, offsets, region)

    def _read_beyond(self, pages: PageCache, address: int) -> bytes:
        """Return a frame outside of the region.

        Where one is, there are more, close together, as after many calls: a page costs as much to read as one of them.
        """
        try:
            return pages.read(address, self._fields.size)
        except MemoryFault:
            return self._memory.read(address, self._fields.size)

    def _replace(
        self,
        base: int,
        addresses: list[int],
        codes: list[int],
        instructions: list[int],
        offsets: list[int],
        region: bytes,
    ) -> None:
        positions = self._positions
        left = self.addresses[base:]
        for gone in left:
            positions.pop(gone, None)
        if self._are_objects:
            self.places.leave(left)
        elif self._elsewhere:
            self.places.leave(self._elsewhere.intersection(left))
            if len(self._elsewhere) > _MAX_ELSEWHERE:
                self._elsewhere.clear()
        for new in (addresses, codes, instructions, offsets):
            new.reverse()
        self.differs_from = base if self.region else self._first_difference(addresses, codes, instructions)
        self.addresses[base:] = addresses
        self.codes[base:] = codes
        self.instructions[base:] = instructions
        self._offsets[base:] = offsets
        for index, address in enumerate(addresses, base):
            positions[address] = index
        self.changed_from = base
        used = self._offsets[-1] - self.head.size if self._offsets else 0
        if self.unpredicted or len(region) > max(_ROOMY, 4 * used):
            self.stale = True
        # Hot: as _count_ordered.
        size = self._fields.size
        last = self._offsets[base - 1] if base else self.head.size - size
        ordered = base
        for offset in offsets:
            if offset < last + size:
                break
            last = offset
            ordered += 1
        self._ordered = ordered
        if base + len(offsets) - ordered > _UNORDERED:
            self.stale = True

    def _first_difference(self, *new: list[int]) -> int:
        """Return the index of the first frame that ``new`` addresses, codes and instructions do not leave as it is.

        Where no frames were known, none is.
        """
        if not self.addresses:
            return len(new[0])
        old = zip(self.addresses, self.codes, self.instructions, strict=True)
        pairs = enumerate(zip(old, zip(*new, strict=True), strict=False))
        return next((index for index, (before, now) in pairs if before != now), min(len(self.addresses), len(new[0])))
