"""Kafka's jars from Maven, at the versions that the pom files of compat-tests/java pin, kept under build/compat."""
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "compat"
JAVA = ROOT / "compat-tests" / "java"
ZOOKEEPER = "zookeeper-3.9.4"  # ZooKeeper itself, with Curator


def jar_dir(version):
    target = CACHE / f"jars-{version}"
    pom = JAVA / f"pom-{version}.xml"
    stamp = target / ".pom.xml"
    if not stamp.exists() or stamp.read_bytes() != pom.read_bytes():
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        subprocess.run(["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", "-DincludeScope=runtime",
                        f"-DoutputDirectory={target}"], check=True)
        shutil.copy(pom, stamp)
    return target


# A JVM that starts fast, for tests; and the one that Kafka's start script runs, for measurements.
FAST = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
KAFKAS = ["-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
          "-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15", "-Djava.awt.headless=true"]


def java(version, main_class, *arguments, heap="256m", log_level="WARN", options=(), as_kafka=False, flags=None):
    """The command line of a Java program on the jars of one Kafka version."""
    log4j = JAVA / f"log4j-{log_level.lower()}.properties"
    classes = compiled_classes(version)
    if flags is None:
        flags = [f"-Xms{heap}", *KAFKAS] if as_kafka else FAST
    return ["java", f"-Xmx{heap}", *flags, f"-Dlog4j.configuration=file:{log4j}", f"-Dorg.slf4j.simpleLogger.defaultLogLevel={log_level.lower()}",
            *options, "-cp", f"{classes}:{jar_dir(version)}/*", main_class, *map(str, arguments)]


def compiled_classes(version):
    """Our own Java programs: those of compat-tests/java compiled against Kafka 3.9.2, the same class files run on the
    other versions; those of compat-tests/zookeeper-clients against ZooKeeper 3.9.4 and Curator."""
    zookeeper = version.startswith("zookeeper-")
    folder = ROOT / "compat-tests" / "zookeeper-clients" / "java" if zookeeper else JAVA / "src"
    jars = jar_dir(ZOOKEEPER if zookeeper else "3.9.2")
    sources = sorted(folder.glob("*.java"))
    target = CACHE / ("classes-zookeeper" if zookeeper else "classes")
    stamp = target / ".sources"
    content = b"".join(source.read_bytes() for source in sources)
    if not stamp.exists() or stamp.read_bytes() != content:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        if sources:
            subprocess.run(["javac", "-nowarn", "--release", "11", "-cp", f"{jars}/*", "-d", str(target),
                            *map(str, sources)], check=True)
        stamp.write_bytes(content)
    return target
