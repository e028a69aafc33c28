"""What is installed from a wheel is the whole package."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = [link.name for link in (ROOT / "src" / "cogitate").iterdir() if link.is_symlink()]


def test_a_wheel_holds_every_module_data_file_and_licence(tmp_path: Path) -> None:
    source = tmp_path / "source"
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ["src", *FOLDERS]:
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=unwanted)
    for name in ["pyproject.toml", "README.md", "LICENSE"]:
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, source],
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("cogitate-*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        f"cogitate/{path.relative_to(source / 'src' / 'cogitate')}"
        for path in (source / "src" / "cogitate").glob("*.*")
    } | {
        f"cogitate/{path.relative_to(source)}"
        for name in FOLDERS
        for path in (source / name).rglob("*.*")
        if path.is_file()
    }
    assert wanted - held == set()
    assert any(name.endswith("licenses/LICENSE") for name in held)
