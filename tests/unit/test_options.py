"""The options: one definition, checked values, refusals that name the option."""

from __future__ import annotations

import argparse

import pytest

from nbspy import options
from nbspy.errors import UsageError


@pytest.mark.parametrize(("text", "pid"), [("42", 42), ("0x2A", 42), ("0X2a", 42)])
def test_given_a_pid_in_either_base_then_it_is_read(text: str, pid: int) -> None:
    assert options.parse_pid(text) == pid


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "1.5", "0xzz", str(2**31)])
def test_given_no_pid_then_it_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no pid"):
        options.parse_pid(text)


def test_every_option_has_a_name_of_its_own_and_a_help() -> None:
    for group in (options.RECORD, options.DUMP):
        flags = [flag for option in group for flag in option.flags]
        assert len(flags) == len(set(flags))
        assert all(option.help and option.flags[-1].startswith("--") for option in group)


def test_given_a_parser_then_the_dataclasses_take_what_it_parsed() -> None:
    parser = argparse.ArgumentParser()
    options.add_to_parser(parser, options.RECORD)
    values = parser.parse_args(["-r", "50", "-d", "2.5", "--nonblocking", "-g", "--full-filenames", "-F"])
    assert options.SamplingOptions.from_values(values) == options.SamplingOptions(50.0, 2.5, True)
    content = options.ContentOptions(gil=True, function=True, full_filenames=True)
    assert options.ContentOptions.from_values(vars(values)) == content


def test_given_nothing_then_the_defaults_of_parser_and_dataclass_agree() -> None:
    parser = argparse.ArgumentParser()
    options.add_to_parser(parser, (*options.RECORD, options.DUMP[0]))
    values = parser.parse_args([])
    for kind in (options.SamplingOptions, options.ContentOptions, options.DumpOptions):
        assert kind.from_values(values) == kind()
