"""kafkajs: produce, a group that grows and shrinks, administration."""
from harness import npm
from harness.context import expect_in


def test_kafkajs(context):
    target = npm.installed(context, context.root / "compat-tests" / "node", "node")
    out = context.run(["node", target / "client.js", context.broker().bootstrap, int(3000 * context.scale)]).out
    expect_in("kafkajs done", out)
    return out.strip()
