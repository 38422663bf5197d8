"""Records what ansible-core makes of the texts and arguments in `cases.yml`.

    python tests/edits/record.py > tests/edits/results.json

Run it with a Python that has ansible-core. Each row is a module, the numbers of a text and of
arguments, what became of the text, whether that was a change, and the message; a module that
failed has only a return code. Then each is run again on what it left: whether that changes it.
"""

import contextlib
import importlib
import io
import json
import os
import tempfile

import yaml
from ansible.module_utils import basic
from ansible.release import __version__

FOLDER = os.path.dirname(os.path.abspath(__file__))


def run(module, arguments):
    """The answer of a module, which is a program that prints it."""
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        importlib.import_module(f"ansible.modules.{module}").main()
    return json.loads(said.getvalue())


def read(path):
    """The file's text; none where there is no file."""
    if not os.path.exists(path):
        return None
    with open(path, newline="") as file:
        return file.read()


def recorded(module, text, arguments):
    """What becomes of a text, once and then again."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        if text is not None:
            with open(path, "w", newline="") as file:
                file.write(text)
        answer = run(module, {**arguments, "path": path})
        if answer.get("failed"):
            return {"rc": answer.get("rc")}
        row = {"after": read(path), "changed": answer["changed"]}
        row["msg"] = answer["msg"].replace(path, "PATH")
        row["again"] = run(module, {**arguments, "path": path})["changed"]
        return row


def main():
    with open(os.path.join(FOLDER, "cases.yml")) as file:
        cases = yaml.safe_load(file)
    rows = []
    for module in ("lineinfile", "blockinfile"):
        for number, arguments in enumerate(cases[module]):
            for at, text in enumerate(cases["texts"]):
                row = {"module": module, "text": at, "arguments": number}
                rows.append(json.dumps({**row, **recorded(module, text, arguments)}))
    rows = ",\n".join(rows)
    print(f'{{"ansible-core": "{__version__}", "results": [\n{rows}\n]}}')


if __name__ == "__main__":
    main()
