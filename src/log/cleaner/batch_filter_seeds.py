"""usage: batch_filter_seeds.py FOLDER   writes segments of real brokers there, for batch_filter_fuzz"""
import pathlib
import sys
import tarfile

TESTDATA = pathlib.Path(__file__).resolve().parent.parent / "testdata"


def main():
    target = pathlib.Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for name in ("compact", "legacy", "txn", "codecs"):
        with tarfile.open(TESTDATA / f"{name}.tar.gz") as archive:
            for member in archive:
                if member.name.endswith(".log") and 0 < member.size <= 8192:
                    content = archive.extractfile(member).read()
                    (target / f"{name}-{member.name.replace('/', '-')}").write_bytes(content)


main()
