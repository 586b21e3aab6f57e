"""nbspy where it is not Linux: what may be imported and asked for there, told to interpreters of this machine."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nbspy
from nbspy.sampler_process import module_environment

PACKAGE = Path(nbspy.__file__).parent
ASKS_WHICH_PLATFORM = {"host/__init__.py", "target/__init__.py"}

PRETEND = """
import importlib.abc, os, signal, sys, types
platform, *absent = sys.argv[1].split(",")
import ctypes, subprocess, asyncio, multiprocessing, psutil, site, sysconfig, tempfile, shutil, pathlib, select
import asyncio.selector_events, asyncio.unix_events, urllib.request, uuid, platform as _, getpass, webbrowser, pdb
import IPython, ipywidgets, anywidget, rich.console  # what others do on another platform is not what is tested

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in absent:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

for name in absent:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Absent())
sys.platform = platform
for name in ("uname", "memfd_create", "pidfd_open", "process_vm_readv"):
    if hasattr(os, name): delattr(os, name)
if platform == "win32":
    for name in ("getuid", "geteuid", "register_at_fork", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_DIRECTORY",
                 "set_blocking", "get_blocking", "fork", "preadv", "WNOHANG", "getpgid", "mkfifo"):
        if hasattr(os, name): delattr(os, name)
    for name in ("SIGSYS", "SIGPIPE", "SIGCHLD", "SIGKILL", "pthread_sigmask", "sigtimedwait", "valid_signals"):
        if hasattr(signal, name): delattr(signal, name)
    del select.select
"""
ABSENT = {
    "win32": "win32,fcntl,resource,pwd,grp,termios,tty,pty,syslog",
    "darwin": "darwin,msvcrt,winreg",
}
"""What each platform has not; what is deleted above it has not either."""

DO_EVERYTHING = """
import pkgutil, nbspy
for module in pkgutil.walk_packages(nbspy.__path__, "nbspy."):
    if module.name not in ("nbspy.__main__", "nbspy.target.linux", "nbspy.target.linux_ptrace"):
        __import__(module.name)
from nbspy.cli import main
try: main(["--help"])
except SystemExit as err: assert err.code == 0
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "nbspy")
shell.run_line_magic("profile_remote", "--help")
"""


@pytest.mark.parametrize("platform", ABSENT)
def test_all_but_the_modules_of_linux_imports_and_shell_and_magics_give_their_help(platform: str) -> None:
    command = [sys.executable, "-P", "-c", PRETEND + DO_EVERYTHING, ABSENT[platform]]
    ran = subprocess.run(
        command, env=module_environment(), capture_output=True, text=True, encoding="utf-8", timeout=100, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "usage: nbspy" in ran.stdout
    assert "usage: %profile_remote" in ran.stdout.replace("%%", "%")


def test_only_two_modules_ask_which_platform_this_is() -> None:
    asking = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.platform", "os.name", "platform.system"):
                asking.add(path.relative_to(PACKAGE).as_posix())
    assert asking == ASKS_WHICH_PLATFORM
