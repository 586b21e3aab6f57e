"""What call sites say of whom they call, against stacks of interpreters that stand."""

from __future__ import annotations

import itertools
import json
import subprocess

import pytest

from nbspy.cpython.call_sites import CALLS, CallSites
from nbspy.cpython.code_object import CodeObject
from nbspy.cpython.interner import Interner
from nbspy.cpython.unwinder import Unwinder
from nbspy.sampling.attach import attached

from .interpreters import Interpreter, start_target

pytestmark = pytest.mark.oldest(3, 11)

CERTAIN = "awaiting awaited looping passed_on generated another plainly_again bound method with_default plainly"
"""Callers of Python functions, root first; what ``map`` and ``send`` call is called by C code."""
KINDS = """
import json, _opcode_metadata as found
print(json.dumps(found._specialized_opmap))
"""


def test_each_specialised_call_vouches_for_its_callee_and_for_no_other(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "call_sites.py") as target, attached(target.pid) as (process, runtime):
        unwinder = Unwinder(process, runtime, lambda file: (file, ""), Interner())
        try:
            while True:
                assert unwinder.sample()
                [thread] = unwinder.threads
                if unwinder.frames(thread)[0].key.name == "leaf":
                    break
        finally:
            unwinder.close()
        codes = unwinder._codes
        sites = CallSites(process.memory, runtime.layout, codes.identity_range[0])
        chain = thread.chain
        frames = [(codes.codes[code], index) for index, code in enumerate(chain.codes) if code]

        def function(index: int) -> int:
            return 0 if sites.frame_function is None else chain.word_at(index, sites.frame_function)

        vouched: list[str] = []
        for (caller, at), (callee, above) in itertools.pairwise(frames):
            site = chain.instructions[at]
            if sites.calls(site, callee, function(above)):
                vouched.append(caller.name)
            others: list[tuple[CodeObject, int]] = [one for one in frames if one[0] is not callee]
            assert not any(sites.calls(site, code, function(index)) for code, index in others)
        specialises = interpreter.version >= (3, 14) or not runtime.layout.free_threaded
        # 3.11 specialises the first call, others some of the first.
        assert [name for name in vouched if name != "<module>"] == (CERTAIN.split() if specialises else [])


@pytest.mark.oldest(3, 13)
def test_opcodes_are_those_of_the_interpreter(interpreter: Interpreter) -> None:
    shown = subprocess.run([interpreter.path, "-c", KINDS], capture_output=True, text=True, check=True).stdout
    names = {number: name for name, number in json.loads(shown).items()}
    fields = CALLS[interpreter.version[:2]]
    kinds = ("CALL_PY_", "CALL_BOUND_METHOD_", "CALL_KW_PY", "CALL_KW_BOUND_METHOD")
    assert fields.opcodes == {number for number, name in names.items() if name.startswith(kinds)}
