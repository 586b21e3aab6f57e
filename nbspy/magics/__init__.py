"""The ways in from a notebook: ``%load_ext nbspy``.

| magic                         | what it does                                           | its value                  |
|-------------------------------|--------------------------------------------------------|----------------------------|
| ``%%profile_remote PID``      | samples PID while the cell's body runs                 | ``_profile``, ``_``        |
| ``%profile_remote PID -d 10`` | samples PID in the background, live                    | the Session: ``_``         |
| ``%%profile_cell``            | samples this kernel, from outside, while the body runs | ``_profile``, ``_``        |
| ``%dump_remote PID``          | what each thread of PID does now                       | list of StackTrace         |
| ``%python_processes``         | which Python processes are there                       | list of PythonProcess      |
| ``%nbspy``, ``%nbspy stop``   | which sessions run; ends them                          | Sessions; Profile          |
| ``%nbspy recordings``         | what sessions left on disk                             | list of Recording          |
| ``%nbspy doctor [PID]``       | whether a process can be sampled; what is in the way   | Diagnosis                  |

The modules: ``arguments`` (what a magic's line may say), ``cells`` (how a cell's body runs untouched),
``commands`` (the magics), ``completion``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from nbspy.magics.commands import NbspyMagics

_ATTRIBUTE = "_nbspy_magics"


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add the magics to ``shell``; loading again changes nothing."""
    from nbspy.magics.commands import NbspyMagics

    if getattr(shell, _ATTRIBUTE, None) is None:
        magics = NbspyMagics(shell)
        magics.install()
        setattr(shell, _ATTRIBUTE, magics)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Stop this notebook's sessions and take everything out of ``shell`` again."""
    magics: NbspyMagics | None = getattr(shell, _ATTRIBUTE, None)
    if magics is not None:
        magics.uninstall()
        setattr(shell, _ATTRIBUTE, None)
