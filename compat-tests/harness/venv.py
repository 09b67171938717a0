"""A Python with the pinned packages of python/requirements*.txt, kept under build/compat."""
import subprocess
import sys


def python(context, variant=None):
    suffix = f"-{variant}" if variant else ""
    wanted = context.root / "compat-tests" / "python" / f"requirements{suffix}.txt"
    target = context.cache / f"venv{suffix}"
    stamp = target / ".requirements.txt"
    if not stamp.exists() or stamp.read_bytes() != wanted.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(target)], check=True)
        subprocess.run([str(target / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", "-r", str(wanted)],
                       check=True)
        stamp.write_bytes(wanted.read_bytes())
    return target / "bin" / "python"
