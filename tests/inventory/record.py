#!/usr/bin/env python3
"""Records what ansible-core makes of the inventories beside this file, for tests/inventory.rs.

Run it with the Python of an environment that has ansible-core:
    VENV/bin/python tests/inventory/record.py
"""
import json
import os
import pathlib
import subprocess
import sys

from ansible.release import __version__

folder = pathlib.Path(__file__).resolve().parent
programs = pathlib.Path(sys.executable).parent
environment = os.environ | {
    "ANSIBLE_DEPRECATION_WARNINGS": "0",
    "ANSIBLE_NOCOLOR": "1",
    "LC_ALL": "C.UTF-8",
}


def run(case, program, arguments):
    done = subprocess.run(
        [programs / program, *arguments],
        cwd=folder / case, env=environment, capture_output=True, text=True, check=False,
    )
    if done.returncode:
        sys.exit(f"{case} {arguments}: {done.stderr}")
    return done.stdout


recorded = []
for line in (folder / "cases.txt").read_text().splitlines():
    if not line or line.startswith("#"):
        continue
    asked, _, pattern = line.partition(" ~ ")
    case, *arguments = asked.split()
    if pattern:
        told = run(case, "ansible", [*arguments, "--list-hosts", "--", pattern])
        answer = [host.strip() for host in told.splitlines()[1:]]
    else:
        told = run(case, "ansible-inventory", arguments)
        answer = told if "--graph" in arguments or "--yaml" in arguments else json.loads(told)
    recorded.append({"case": line, "answer": answer})
text = json.dumps({"ansible-core": __version__, "recorded": recorded}, indent=1, ensure_ascii=False)
(folder / "recorded.json").write_text(text + "\n")
