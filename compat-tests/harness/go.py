"""Go programs of the tests. Where the Go of this machine is too old for one, a pinned one is fetched from the module proxy, as a newer
`go` would do by itself, and kept under build/compat."""
import hashlib
import re
import shutil
import subprocess
import urllib.request
import zipfile

TOOLCHAIN = "toolchain@v0.0.1-go1.26.0.linux-amd64"
SHA256 = "38461905b98c59173672814302e222ab43b652274bc0c95817b08b71ab66b705"


def installed_version():
    """(1, 19) of Debian 12."""
    said = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.findall(r"\d+", said)[:2]))


def proxy():
    said = subprocess.run(["go", "env", "GOPROXY"], capture_output=True, text=True, check=True).stdout
    for one in re.split("[,|]", said.strip()):
        if one.startswith("http"):
            return one.rstrip("/")
    raise RuntimeError(f"Go {installed_version()} is too old for this test, and GOPROXY={said.strip()} names no proxy to fetch a newer one from")


def fetched(context):
    """The pinned Go."""
    home = context.cache / "go-toolchain"
    root = home / "golang.org" / TOOLCHAIN
    stamp = home / ".sha256"
    if not stamp.exists() or stamp.read_text(encoding="ascii") != SHA256:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        archive = home / "toolchain.zip"
        module, version = TOOLCHAIN.split("@")
        with urllib.request.urlopen(f"{proxy()}/golang.org/{module}/@v/{version}.zip") as answer, archive.open("wb") as file:
            shutil.copyfileobj(answer, file)
        actual = hashlib.sha256(archive.read_bytes()).hexdigest()
        if actual != SHA256:
            raise RuntimeError(f"{archive} has the SHA-256 {actual} instead of {SHA256}")
        with zipfile.ZipFile(archive) as files:
            files.extractall(home)
        archive.unlink()
        for program in [*root.glob("bin/*"), *root.glob("pkg/tool/*/*")]:
            program.chmod(0o755)
        stamp.write_text(SHA256, encoding="ascii")
    return root / "bin" / "go"


def build(context, folder, program, package=".", at_least=(1, 19)):
    """Where the program is."""
    go = "go" if installed_version() >= at_least else fetched(context)
    target = context.cache / program
    context.run([go, "build", "-o", target, package], cwd=folder, env={"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"})
    return target
