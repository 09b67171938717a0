"""A disk that is soon full."""
import pathlib
import subprocess

from harness.process import Child


class SmallDisk:
    """A tmpfs of a few megabytes where mounting is allowed, else a limit on the size of the broker's files."""

    def __init__(self, context, size):
        self.directory = pathlib.Path(context.work / "small-disk")
        self.directory.mkdir()
        self.prefix = []
        self.mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.directory)],
                                      capture_output=True, check=False).returncode == 0
        if not self.mounted:
            self.prefix = ["env", "--ignore-signal=XFSZ", "prlimit", f"--fsize={size // 4}"]

    def grow(self, size):
        if self.mounted:
            subprocess.run(["mount", "-o", f"remount,size={size}", str(self.directory)], check=True)
        self.prefix = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        Child.kill_all()
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.directory)], check=False)
