"""nbspy: a sampling profiler for Python that lives in the notebook.

The public names are loaded when they are first used: the sampler process imports this package too, and its
start-up time counts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbspy.doctor import Diagnosis as Diagnosis
    from nbspy.doctor import allow as allow
    from nbspy.doctor import diagnose as diagnose
    from nbspy.errors import NbspyError as NbspyError
    from nbspy.files import load as load
    from nbspy.magics import load_ipython_extension as load_ipython_extension
    from nbspy.magics import unload_ipython_extension as unload_ipython_extension
    from nbspy.model.profile import Profile as Profile
    from nbspy.observe import dump as dump
    from nbspy.observe import processes as processes
    from nbspy.session import Session as Session
    from nbspy.session import attach as attach
    from nbspy.session import profile as profile
    from nbspy.stack_trace import Frame as Frame
    from nbspy.stack_trace import LocalVariable as LocalVariable
    from nbspy.stack_trace import ProcessInfo as ProcessInfo
    from nbspy.stack_trace import StackTrace as StackTrace

__version__ = "0.1.0"

_HOME = {
    "Diagnosis": "nbspy.doctor",
    "allow": "nbspy.doctor",
    "diagnose": "nbspy.doctor",
    "NbspyError": "nbspy.errors",
    "load": "nbspy.files",
    "load_ipython_extension": "nbspy.magics",
    "unload_ipython_extension": "nbspy.magics",
    "Profile": "nbspy.model.profile",
    "dump": "nbspy.observe",
    "processes": "nbspy.observe",
    "Session": "nbspy.session",
    "attach": "nbspy.session",
    "profile": "nbspy.session",
    "Frame": "nbspy.stack_trace",
    "LocalVariable": "nbspy.stack_trace",
    "ProcessInfo": "nbspy.stack_trace",
    "StackTrace": "nbspy.stack_trace",
}
__all__ = ["__version__", *_HOME]

_WAYS_OUT = {
    "save": "nbspy.files",
    "to_pandas": "nbspy.exporters.dataframes",
    "to_polars": "nbspy.exporters.dataframes",
    "to_arrow": "nbspy.exporters.dataframes",
    "Plots": "nbspy.views.plots",
    "explore": "nbspy.views.widget",
}
"""Where the work of a profile's methods is done that the model only names (``nbspy/model/ways_out.py``)."""


def way_out(name: str) -> Any:
    """Return what ``nbspy.model.ways_out`` calls ``name``, importing its room at the first use."""
    return getattr(importlib.import_module(_WAYS_OUT[name]), name)


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'nbspy' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
