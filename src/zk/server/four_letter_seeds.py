#!/usr/bin/env python3
"""four_letter_seeds.py DIRECTORY: each word after each state that the fuzz target knows, as a corpus."""
import pathlib
import sys

WORDS = ("conf cons crst dirs dump envi gtmk hash isro mntr ruok srst srvr stat stmk wchc wchp wchs nope").split()
target = pathlib.Path(sys.argv[1])
target.mkdir(parents=True, exist_ok=True)
for state in range(4):
    for word in WORDS:
        (target / f"{word}-{state}").write_bytes(bytes([state]) + word.encode() + bytes(range(8)))
