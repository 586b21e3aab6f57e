"""Reprs of what programs are made of: types, functions, methods, modules, code, generators, exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nbspy.cpython.attributes import instance_attribute
from nbspy.cpython.objects import int_size, read_c_string, read_str, read_word, tuple_items
from nbspy.cpython.remote_types import RemoteType
from nbspy.cpython.repr_writer import Formatter, ReprWriter

_MAX_NAME_CHARS: Final = 1024
_MAX_ARGUMENTS: Final = 1 << 16


def write_type(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``type_repr``."""
    shown = writer.types.at(address)
    word = "class" if shown.is_class else writer.style.static_type
    writer.add(f"<{word} '{writer.types.full_name(shown)}'>")


def write_function(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``func_repr``."""
    writer.add(f"<function {function_name(writer, address)} at {address:#x}>")


def function_name(writer: ReprWriter, address: int) -> str:
    """Return the qualified name of a function; before 3.3, that of its code."""
    field = writer.layout.objects.function_qualname
    if field is not None:
        return _text(writer, read_word(writer.memory, address + field))
    code = read_word(writer.memory, address + writer.layout.objects.function_code)
    return _text(writer, read_word(writer.memory, code + writer.layout.code.name))


def _generator(description: str) -> Formatter:
    """``gen_repr`` and the like."""

    def write(writer: ReprWriter, address: int, kind: RemoteType) -> None:
        field = writer.layout.objects.generator_qualname
        if field is not None:
            name = _text(writer, read_word(writer.memory, address + field))
        else:  # 2.7: PyGenObject is frame, whether it runs, code.
            code = writer.own_words(address, 3)[2]
            name = _text(writer, read_word(writer.memory, code + writer.layout.code.name))
        writer.add(f"<{description} object {name} at {address:#x}>")

    return write


def _text(writer: ReprWriter, address: int) -> str:
    return read_str(writer.memory, writer.layout, address, _MAX_NAME_CHARS)


def write_builtin(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``meth_repr``: ``PyCFunctionObject`` is definition, self, module."""
    definition, owner = writer.own_words(address, 2)
    name = read_c_string(writer.memory, read_word(writer.memory, definition), _MAX_NAME_CHARS)
    owner_kind = writer.types.of(owner) if owner else None
    if owner_kind is None or any(ancestor.name == "module" for ancestor in writer.types.lineage(owner_kind)):
        writer.add(f"<built-in function {name}>")
    else:
        writer.add(f"<built-in method {name} of {owner_kind.name} object at {owner:#x}>")


def write_method(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``method_repr``: ``PyMethodObject`` is function, self."""
    function, owner = writer.own_words(address, 2)
    name = function_name(writer, function) if writer.types.of(function).name == "function" else "?"
    if writer.style.methods_name_their_class and owner:
        name = f"{writer.types.of(owner).short_name}.{name}"
    with writer.entered(address, "<bound method ...>") as first:
        if first:
            writer.add(f"<bound method {name} of ")
            writer.value(owner)
            writer.add(">")


def _descriptor(description: str) -> Formatter:
    """``wrapperdescr_repr`` and the like: ``PyDescrObject`` is type, name."""

    def write(writer: ReprWriter, address: int, kind: RemoteType) -> None:
        owner, name = writer.own_words(address, 2)
        writer.add(f"<{description} '{_text(writer, name)}' of '{writer.types.at(owner).name}' objects>")

    return write


def write_method_wrapper(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``wrapper_repr``: ``wrapperobject`` is descriptor, self."""
    descriptor, owner = writer.own_words(address, 2)
    name = _text(writer, writer.own_words(descriptor, 2)[1])
    writer.add(f"<method-wrapper '{name}' of {writer.types.of(owner).name} object at {owner:#x}>")


def write_module(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``_module_repr`` of importlib, as far as it needs no loader."""
    found = {name: instance_attribute(writer.memory, writer.layout, address, name) for name in _OF_MODULES}
    spec = found["__spec__"]
    if spec is not None and writer.types.of(spec).name != "NoneType":
        for name in ("name", "origin", "_set_fileattr"):
            found[name] = instance_attribute(writer.memory, writer.layout, spec, name)
    label = _known(writer, found.get("name")) or _known(writer, found["__name__"])
    origin, file = _known(writer, found.get("origin")), _known(writer, found["__file__"])
    writer.add("<module ")
    if label is None:
        writer.add("'?'")
    else:
        writer.value(label)
    if origin is not None and _is_true(writer, found.get("_set_fileattr")):
        writer.add(" from ")
        writer.value(origin)
    elif origin is not None:
        writer.add(f" ({_text(writer, origin)})")
    elif file is not None:
        writer.add(" from ")
        writer.value(file)
    else:
        loader = writer.types.name_of_type(found["__loader__"]) if found["__loader__"] else ""
        writer.add(_OF_LOADERS.get(loader, writer.style.module_without_file))
    writer.add(">")


_OF_MODULES: Final = ("__name__", "__spec__", "__file__", "__loader__")
_OF_LOADERS: Final = {"BuiltinImporter": " (built-in)", "FrozenImporter": " (frozen)"}
"""Loaders that are classes -> what their modules are called where nothing else is known of them."""


def _known(writer: ReprWriter, address: int | None) -> int | None:
    """Return ``address`` where a str is there."""
    return None if address is None or writer.types.of(address).name != "str" else address


def _is_true(writer: ReprWriter, address: int | None) -> bool:
    if address is None or writer.types.of(address).name != "bool":
        return False
    return int_size(writer.memory, writer.layout, address)[0] > 0


def write_code(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``code_repr``."""
    fields = writer.layout.code
    name, file = (_text(writer, read_word(writer.memory, address + field)) for field in (fields.name, fields.filename))
    line = int.from_bytes(writer.memory.read(address + fields.firstlineno, 4), "little", signed=True)
    writer.add(f'<code object {name} at {address:#x}, file "{file}", line {line or -1}>')


def write_exception(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``BaseException_repr``: ``PyBaseExceptionObject`` begins with the dict and the arguments."""
    arguments = writer.own_words(address, 2)[1]
    items = tuple_items(writer.memory, writer.layout, arguments, _MAX_ARGUMENTS)
    with writer.entered(address, f"{kind.short_name}(...)") as first:
        if first:
            writer.add(f"{kind.short_name}(")
            writer.values(items)
            writer.add(f"{writer.style.exception_comma if len(items) == 1 else ''})")


FORMATS: Final[Mapping[str, Formatter]] = {
    "type": write_type,
    "function": write_function,
    "generator": _generator("generator"),
    "coroutine": _generator("coroutine"),
    "async_generator": _generator("async_generator"),
    "builtin_function_or_method": write_builtin,
    "method": write_method,
    "method-wrapper": write_method_wrapper,
    "wrapper_descriptor": _descriptor("slot wrapper"),
    "method_descriptor": _descriptor("method"),
    "classmethod_descriptor": _descriptor("method"),
    "getset_descriptor": _descriptor("attribute"),
    "member_descriptor": _descriptor("member"),
    "module": write_module,
    "code": write_code,
    "BaseException": write_exception,
}
