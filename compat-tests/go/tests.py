"""franz-go: produce with every codec, consume in a group, administer."""
from harness.context import expect_in


def test_franz_go(context):
    program = context.cache / "franz-go-client"
    folder = context.root / "compat-tests" / "go"
    # An older Go than the newest is enough, and no other toolchain is to be fetched.
    context.run(["go", "build", "-o", program, "."], cwd=folder, env={"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"})
    out = context.run([program, context.broker().bootstrap, int(5000 * context.scale)]).out
    expect_in("franz-go done", out)
    return out.strip()
