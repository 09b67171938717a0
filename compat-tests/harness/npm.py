"""Node programs of the tests: what a folder's package.json pins is installed once, under build/compat."""
import shutil


def installed(context, folder, name):
    """The directory NAME in the cache, with the packages and programs of `folder`."""
    target = context.cache / name
    stamp = target / ".package.json"
    wanted = (folder / "package.json").read_bytes()
    if not stamp.exists() or stamp.read_bytes() != wanted:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "package.json", target)
        context.run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"], cwd=target)
        stamp.write_bytes(wanted)
    for program in folder.glob("*.js"):
        shutil.copy(program, target)
    return target
