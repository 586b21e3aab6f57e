from __future__ import annotations

from pathlib import Path

import pytest

from nbspy.target.source_files import SourceFiles


@pytest.fixture
def files(tmp_path: Path) -> SourceFiles:
    """Names for a target whose root is ``tmp_path``: /lib/pack/sub are packages, /lib/loose is none."""
    for folder in ("lib/pack/sub", "lib/loose/inner"):
        (tmp_path / folder).mkdir(parents=True)
    for marker in ("lib/pack", "lib/pack/sub", "lib/loose/inner"):
        (tmp_path / marker / "__init__.py").touch()
    return SourceFiles(lambda path: f"{tmp_path}{path}")


@pytest.mark.parametrize(
    ("filename", "short", "module"),
    [
        ("/lib/pack/sub/deep.py", "pack/sub/deep.py", "pack.sub.deep"),
        ("/lib/pack/sub/__init__.py", "pack/sub/__init__.py", "pack.sub"),
        ("/lib/pack/__init__.py", "pack/__init__.py", "pack"),
        ("/lib/pack/compiled.pyc", "pack/compiled.pyc", "pack.compiled"),
        ("/lib/pack/dotted.name.py", "pack/dotted.name.py", "pack.dotted.name"),
        ("/lib/pack/script", "pack/script", "pack.script"),
        ("/lib/alone.py", "alone.py", "alone"),
        ("/lib/__init__.py", "__init__.py", "__init__"),
        ("/lib/loose/inner/part.py", "inner/part.py", "inner.part"),
        ("/nowhere/at/all.py", "all.py", "all"),
        ("/", "", ""),
        ("relative.py", "relative.py", "relative"),
        ("<string>", "<string>", ""),
        ("<stdin>", "<stdin>", ""),
        ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>", "importlib._bootstrap"),
        ("<frozen zipimport>", "<frozen zipimport>", "zipimport"),
        ("/tmp/ipykernel_4242/1234567890.py", "cell 1234567890", ""),
        ("C:\\Temp\\ipykernel_7\\99.py", "cell 99", ""),
        ("/lib/pack/caf\xe9 \U0001f40d.py", "pack/caf\xe9 \U0001f40d.py", "pack.caf\xe9 \U0001f40d"),
        ("/lib/nul\0byte/x.py", "x.py", "x"),
        ("/lib/lone\udcff/x.py", "x.py", "x"),
        ("/lib/\ud800/x.py", "x.py", "x"),
    ],
)
def test_names_are_those_below_the_outermost_package(
    files: SourceFiles, filename: str, short: str, module: str
) -> None:
    assert files.names(filename) == (short, module)
    assert files.names(filename) == (short, module)


def test_names_ask_the_file_system_once_a_folder() -> None:
    asked: list[str] = []

    def resolve(path: str) -> str:
        asked.append(path)
        return "/nowhere" + path

    files = SourceFiles(resolve)

    for number in range(100):
        files.names(f"/some/folder/{number}.py")

    assert asked == ["/some/folder/__init__.py"]


def test_names_when_every_folder_is_a_package_end_with_the_root(tmp_path: Path) -> None:
    marker = tmp_path / "__init__.py"
    marker.touch()
    files = SourceFiles(lambda path: str(marker))

    short, module = files.names("/a" * 500 + "/x.py")

    assert short.endswith("/a/x.py")
    assert short.count("/") <= 64
    assert module == short.removesuffix(".py").replace("/", ".")


def test_paths_of_windows_are_shortened_at_their_own_separator(tmp_path: Path) -> None:
    package = tmp_path / "app" / "server"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()

    def resolve(path: str) -> str:
        return path.replace("C:\\srv", str(tmp_path)).replace("\\", "/")

    names = SourceFiles(resolve).names
    assert names("C:\\srv\\app\\server\\main.py") == ("server/main.py", "server.main")
    assert names("C:\\srv\\app\\run.py") == ("run.py", "run")
    assert names("/srv/odd\\name.py") == ("odd\\name.py", "odd\\name")
