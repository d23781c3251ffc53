"""Writing the files: their names, their contents, and the names that are refused."""

from pathlib import Path

import pytest

from lightning_autobalance.scaffold import write
from lightning_autobalance.scaffold.files import KINDS, TEMPLATES, class_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [("my_pde", "MyPde"), ("heat", "Heat"), ("my_2d_pde", "My2dPde"), ("myPDE", "MyPDE"), ("a__b_", "AB"), ("_", "")],
)
def test_class_names(name: str, expected: str) -> None:
    assert class_name(name) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_are_the_templates_of_their_kind_under_the_new_name(kind: str, tmp_path: Path) -> None:
    files = write("my_own", tmp_path, kind)
    assert files == (tmp_path / "my_own.py", tmp_path / "my_own.yaml", tmp_path / "test_my_own.py")
    for file, template in zip(files, (f"{kind}.py.txt", f"{kind}.yaml.txt", "test.py.txt"), strict=True):
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        assert file.read_text(encoding="utf-8") == text.replace("my_pde", "my_own").replace("MyPde", "MyOwn")
        assert "my_pde" in text


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    files = write("my_own", tmp_path / "deep" / "er")
    assert all(file.parent == tmp_path / "deep" / "er" and file.exists() for file in files)


@pytest.mark.parametrize("there", ["my_own.py", "my_own.yaml", "test_my_own.py"])
def test_no_file_is_overwritten_and_none_is_written_beside_it(there: str, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"  # from where the module cannot be imported
    folder.mkdir()
    (folder / there).write_text("mine")
    with pytest.raises(FileExistsError, match=rf"{there}` must not be there yet\. Choose another name, or another"):
        write("my_own", folder)
    assert [file.name for file in folder.iterdir()] == [there]
    assert (folder / there).read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my-pde", "`name` must be a Python identifier, such as my_pde, got 'my-pde'"),
        ("2d", "must be a Python identifier"),
        ("class", "must be a Python identifier"),
        ("../pde", "must be a Python identifier"),
        ("_", "must give the class a name that is free, got '_', hence ''"),
        ("rectangle", "must give the class a name that is free, got 'rectangle', hence 'Rectangle'"),
        ("torch", r"must not be that of a module, got 'torch': torch .* is there\. Try my_torch"),
        ("test", "must not be that of a module, got 'test'"),
        ("sys", "must not be that of a module, got 'sys'"),
    ],
)
def test_names_that_cannot_work(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        write(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_that_name_is_no_module_but_a_package_is(tmp_path: Path) -> None:
    folder = tmp_path / "my_own"
    folder.mkdir()
    write("my_own", folder)
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "__init__.py").touch()
    with pytest.raises(ValueError, match="must not be that of a module, got 'my_package'"):
        write("my_package", tmp_path / "elsewhere")


def test_the_test_of_another_module_is_not_hidden(tmp_path: Path) -> None:
    (tmp_path / "test_my_own.py").touch()
    with pytest.raises(ValueError, match="must not be that of a module, got 'my_own': test_my_own"):
        write("my_own", tmp_path / "elsewhere")
