"""Builds test programs of ours in C++, always as release builds, whatever the broker is built with."""
import subprocess


def program(context, target, folder):
    build = context.root / "build" / "release"
    if not (build / "build.ninja").exists():
        subprocess.run(["cmake", "--preset", "release"], cwd=context.root, check=True, stdout=subprocess.DEVNULL)
    context.run(["cmake", "--build", build, "--target", target], guard_s=900)
    return build / folder / target
