#!/usr/bin/env python3
"""connection_seeds.py DIRECTORY: a client's bytes from its handshake on, as a corpus; see frames_seeds.py."""
import pathlib
import subprocess
import sys

subprocess.run([sys.executable, pathlib.Path(__file__).with_name("frames_seeds.py"), sys.argv[1], "connection"], check=True)
