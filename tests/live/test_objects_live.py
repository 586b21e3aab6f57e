from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from nbspy.cpython import attributes, dicts, objects, runtime
from nbspy.cpython.layout import Layout
from nbspy.cpython.thread_names import thread_names
from nbspy.errors import CorruptTarget, MemoryFault
from nbspy.target import open_target
from nbspy.target.memory import RemoteMemory

from .interpreters import Interpreter, Target, start_target

since_3_6 = pytest.mark.oldest(3, 6)
"""The objects of 2.7 are read, but the program that makes them is in a newer syntax."""


@contextmanager
def opened(
    interpreter: Interpreter, script: str, options: tuple[str, ...] = ()
) -> Iterator[tuple[Target, RemoteMemory, Layout]]:
    with start_target(interpreter.path, script, options=options) as target:
        process = open_target(target.pid)
        try:
            yield target, process.memory, runtime.locate(process).layout
        finally:
            process.close()


@since_3_6
def test_readers_when_the_target_holds_objects_of_many_shapes_see_what_python_sees(interpreter: Interpreter) -> None:
    with opened(interpreter, "many_objects.py") as (target, memory, layout):
        info = target.info
        for address, code_points in info["strings"]:
            assert list(map(ord, objects.read_str(memory, layout, address))) == code_points
        for address, number in info["integers"]:
            assert objects.read_int(memory, layout, address) == int(number)
        for address, data in info["bytes"]:
            assert objects.read_bytes(memory, layout, address) == bytes.fromhex(data)
        for address, items in info["dicts"]:
            found = dicts.dict_items(memory, layout, address)
            assert sorted(found) == sorted(map(tuple, items))
        for address, name in info["types"]:
            assert objects.type_name(memory, layout, address).rpartition(".")[2] == name


@since_3_6
def test_instance_attribute_when_instances_keep_them_in_many_ways_finds_each(interpreter: Interpreter) -> None:
    with opened(interpreter, "many_objects.py") as (target, memory, layout):
        for address, held, missing in target.info["instances"]:
            for name, value in held:
                assert attributes.instance_attribute(memory, layout, address, name) == value, name
            for name in missing:
                assert attributes.instance_attribute(memory, layout, address, name) is None, name


@since_3_6
def test_module_attribute_finds_what_sys_modules_leads_to(interpreter: Interpreter) -> None:
    with opened(interpreter, "many_objects.py") as (target, memory, layout):
        modules = target.info["modules"]

        assert attributes.module_attribute(memory, layout, modules, "sys", "path") == target.info["sys_path"]
        assert attributes.module_attribute(memory, layout, modules, "sys", "modules") == modules
        assert attributes.module_attribute(memory, layout, modules, "sys", "nothing") is None
        assert attributes.module_attribute(memory, layout, modules, "nothing", "path") is None


@since_3_6
def test_readers_when_there_is_more_than_was_asked_for_stop_there(interpreter: Interpreter) -> None:
    with opened(interpreter, "many_objects.py") as (target, memory, layout):
        assert objects.read_str(memory, layout, target.info["long_string"], max_chars=10) == "y" * 10 + "…"
        assert objects.read_bytes(memory, layout, target.info["bytes"][2][0], max_bytes=3) == b"xxx"
        large, items = target.info["dicts"][4]
        assert dicts.dict_items(memory, layout, large, max_items=5) == [tuple(item) for item in items[:5]]
        with pytest.raises(CorruptTarget):
            objects.read_int(memory, layout, target.info["integers"][12][0], max_digits=2)


@since_3_6
def test_readers_when_the_object_is_another_or_none_refuse_it(interpreter: Interpreter) -> None:
    with opened(interpreter, "many_objects.py") as (target, memory, layout):
        text, number = target.info["strings"][1][0], target.info["integers"][4][0]
        for reader, address in [
            (objects.read_str, number),
            (objects.read_int, text),
            (objects.read_bytes, text),
            (dicts.dict_items, text),
        ]:
            with pytest.raises(CorruptTarget):
                reader(memory, layout, address)
            with pytest.raises(MemoryFault):
                reader(memory, layout, 8)


def test_thread_names_when_threads_have_names_of_all_kinds_are_those_of_threading(interpreter: Interpreter) -> None:
    with opened(interpreter, "named_threads.py") as (target, memory, layout):
        modules = target.info["modules"]
        assert len(target.info["names"]) == 209

        assert thread_names(memory, layout, modules) == dict(target.info["names"])

        renamed = dict(target.ask("rename"))
        assert "\U0001f40d main" in renamed.values()
        assert thread_names(memory, layout, modules) == renamed


def test_thread_names_when_threading_is_not_imported_are_none(interpreter: Interpreter) -> None:
    with opened(interpreter, "without_threading.py", options=("-S",)) as (target, memory, layout):
        assert thread_names(memory, layout, target.info["modules"]) == {}
