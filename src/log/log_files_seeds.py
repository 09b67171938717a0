#!/usr/bin/env python3
"""log_files_seeds.py FOLDER: inputs for log_files_fuzz, the small files beside the logs of real brokers, and names of folders."""
import pathlib
import sys
import tarfile

TESTDATA = pathlib.Path(__file__).resolve().parent / "testdata"
NAMES = ("leader-epoch-checkpoint", "log-start-offset-checkpoint", "recovery-point-offset-checkpoint",
         "replication-offset-checkpoint", "cleaner-offset-checkpoint", "meta.properties", "partition.metadata")


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    contents = {b"topic-0", b"a-b.c-12.0123456789abcdef0123456789abcdef-delete", b"t-1.0123456789abcdef0123456789abcdef-future",
                b"00000000000000000042.timeindex", b"00000000000000000042.log.deleted", b"00000000000000000042.snapshot"}
    for archive_path in sorted(TESTDATA.glob("*.tar.gz")):
        with tarfile.open(archive_path) as archive:
            for member in archive:
                name = pathlib.Path(member.name).name
                if member.isfile() and (name.endswith((".snapshot", ".txnindex")) or name in NAMES):
                    contents.add(archive.extractfile(member).read())
    for number, content in enumerate(sorted(contents)):
        (folder / f"{number:03}").write_bytes(content)
    print(f"{len(contents)} seeds")


main(pathlib.Path(sys.argv[1]))
