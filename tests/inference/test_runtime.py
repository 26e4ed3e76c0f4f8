"""No runtime reports to its makers, unless the user has asked for it."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from votepose.inference.runtime import import_openvino

ROOT = Path(__file__).parents[2]
HOME = ROOT / "src/votepose/inference/runtime.py"
REPORTING = {"onnxruntime", "openvino", "openvino_telemetry"}


def test_one_module_imports_the_runtimes_that_report() -> None:
    for folder in ("src", "scripts", "benchmarks", "research"):
        for path in (ROOT / folder).rglob("*.py"):
            if path != HOME:
                assert not REPORTING & _imported(path), path


def _imported(path: Path) -> set[str]:
    """The packages that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            found |= {arg.value.partition(".")[0] for arg in node.args if isinstance(arg, ast.Constant)}
    return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def _cut() -> list[str]:
    """A command that runs another without a network, where these tests may."""
    cut = ["unshare", "-n"]
    may = shutil.which("unshare") and not subprocess.run([*cut, "true"], capture_output=True, check=False).returncode
    return cut if may else []


CUT = _cut()
without_network = pytest.mark.skipif(not CUT, reason="it would report: the network cannot be cut off here")


def run(code: str, home: Path, **environment: str) -> list[str]:
    """The files in `home` after a Python process, without a network where possible."""
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "SYSTEMROOT")}
    process = subprocess.run(
        [*CUT, sys.executable, "-c", code],
        env=inherited | {"HOME": str(home)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert "elemetry" not in process.stderr
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


LOADED = "import numpy, votepose; votepose.load({!r})(numpy.zeros((64, 64, 3), numpy.uint8))"


def test_a_picture_leaves_nothing_in_the_home(fake_model: Path, home: Path) -> None:
    assert run(LOADED.format(str(fake_model)), home) == []


def test_neither_do_worker_processes(fake_model: Path, home: Path) -> None:
    code = f"""
import concurrent.futures, multiprocessing, numpy, votepose
model = votepose.load({str(fake_model)!r}, threads=1)
for kind in ("spawn", "fork"):
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context(kind)) as pool:
        list(pool.map(model, [numpy.zeros((64, 64, 3), numpy.uint8)]))
"""
    assert run(f"if __name__ == '__main__':\n{code}".replace("\n", "\n    "), home) == []


def test_a_home_that_cannot_be_written_goes_unnoticed(fake_model: Path) -> None:
    assert run(LOADED.format(str(fake_model)), Path("/proc/nowhere")) == []


def test_no_module_of_votepose_leaves_more_than_a_cache_of_fonts(home: Path) -> None:
    """What training, synthesis, serving and clusters import, too."""
    pytest.importorskip("torch", reason="needs the extra [train]")
    code = """
import importlib, pkgutil, votepose
for module in pkgutil.walk_packages(votepose.__path__, "votepose."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError:
            pass  # of an extra that is not installed
"""
    assert {path for path in run(code, home) if not path.startswith(".cache/matplotlib/")} == set()


@without_network
def test_the_users_own_setting_stays(home: Path) -> None:
    code = """
import os
from votepose.inference.runtime import import_onnxruntime
import_onnxruntime()
assert os.environ["ORT_DISABLE_TELEMETRY"] == "{}"
"""
    run(code.format(1), home, ORT_DISABLE_TELEMETRY="")
    run(code.format(1), home, ORT_DISABLE_TELEMETRY="1")
    assert not list(home.iterdir())
    run(code.format(0), home, ORT_DISABLE_TELEMETRY="0")


OPENVINO = "from votepose.inference.runtime import import_openvino; import_openvino().Core()"


def test_openvino_reports_nothing(home: Path) -> None:
    if not importlib.util.find_spec("openvino"):
        pytest.skip("needs the extra [openvino]")
    assert run(OPENVINO, home) == []
    consent = home / "intel" / "openvino_telemetry"
    consent.parent.mkdir()
    consent.write_text("0", encoding="utf-8")
    assert run(OPENVINO, home) == ["intel/openvino_telemetry"]


@without_network
def test_openvino_reports_with_consent(home: Path) -> None:
    if not importlib.util.find_spec("openvino_telemetry"):
        pytest.skip("needs openvino_telemetry")
    consent = home / "intel" / "openvino_telemetry"
    consent.parent.mkdir()
    consent.write_text("1", encoding="utf-8")
    assert len(run(OPENVINO, home)) > 1


def test_a_missing_openvino_is_an_import_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ImportError):
        import_openvino()
    assert "openvino_telemetry" not in sys.modules
