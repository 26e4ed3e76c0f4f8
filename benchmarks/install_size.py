"""Size of `pip install .` (bytes downloaded and unpacked) and time of `import votepose`, in a fresh venv.

python benchmarks/install_size.py [--out benchmarks/install.json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REPEATS = 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "install.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder))
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(
        f"downloaded {result['downloaded_mb']} MB, unpacked {result['unpacked_mb']} MB "
        f"({result['votepose_unpacked_mb']} MB of it votepose itself, mostly weights)"
    )
    for name in result["packages"]:
        print(
            f"  {name:20s} {result['packages'][name]['downloaded_mb']:7.1f} MB, "
            f"unpacked {result['packages'][name]['unpacked_mb']:7.1f} MB"
        )
    print(f"import votepose: {result['import_ms']} ms more than an empty interpreter's {result['python_ms']} ms")


def measure(folder: Path) -> dict[str, Any]:
    """Measure; wheels are downloaded into `folder` and installed from there."""
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python, wheels = folder / "venv/bin/python", folder / "wheels"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--wheel-dir", wheels, HERE.parent], check=True)
    site = next((folder / "venv/lib").glob("python*/site-packages"))
    before = {path.name for path in site.iterdir()}
    subprocess.run([*pip, "install", "--no-index", "--no-compile", "--find-links", wheels, "votepose"], check=True)
    unpacked = _sizes_by_distribution(python)
    downloaded = {_normal(path.name.split("-")[0]): path.stat().st_size / 1e6 for path in wheels.glob("*.whl")}
    packages = {
        name: {"downloaded_mb": round(downloaded[name], 1), "unpacked_mb": round(unpacked[name], 1)}
        for name in sorted(downloaded, key=lambda name: -unpacked[name])
    }
    total = sum(_size(path) for path in site.iterdir() if path.name not in before) / 1e6
    empty, full = _seconds(python, "pass"), _seconds(python, "import votepose")
    return {
        "downloaded_mb": round(sum(downloaded.values()), 1),
        "unpacked_mb": round(total, 1),
        "votepose_unpacked_mb": packages["votepose"]["unpacked_mb"],
        "dependencies_downloaded_mb": round(sum(downloaded.values()) - downloaded["votepose"], 1),
        "packages": packages,
        "import_ms": round(1000 * (full - empty), 1),
        "python_ms": round(1000 * empty, 1),
        "python": sys.version.split()[0],
        "platform": sys.platform,
    }


def _sizes_by_distribution(python: Path) -> dict[str, float]:
    code = (
        "import json, importlib.metadata as m; print(json.dumps({d.name: sum(f.locate().stat().st_size "
        "for f in d.files or () if f.locate().exists()) for d in m.distributions()}))"
    )
    found = json.loads(subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout)
    return {_normal(name): size / 1e6 for name, size in found.items()}


def _seconds(python: Path, code: str) -> float:
    """Median time of a fresh interpreter for `code`, after a first run that compiles the bytecode."""
    times = []
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        subprocess.run([python, "-c", code], check=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def _size(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")


if __name__ == "__main__":
    main()
