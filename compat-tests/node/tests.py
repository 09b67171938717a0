"""kafkajs: produce, a group that grows and shrinks, administration."""
import shutil

from harness.context import expect_in


def installed(context):
    folder = context.root / "compat-tests" / "node"
    target = context.cache / "node"
    stamp = target / ".package.json"
    wanted = (folder / "package.json").read_bytes()
    if not stamp.exists() or stamp.read_bytes() != wanted:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "package.json", target)
        context.run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"], cwd=target)
        stamp.write_bytes(wanted)
    shutil.copy(folder / "client.js", target)
    return target


def test_kafkajs(context):
    target = installed(context)
    out = context.run(["node", target / "client.js", context.broker().bootstrap, int(3000 * context.scale)]).out
    expect_in("kafkajs done", out)
    return out.strip()
