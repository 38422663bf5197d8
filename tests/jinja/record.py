"""Records what ansible-core makes of the expressions in `expressions.yml`.

    python tests/jinja/record.py > tests/jinja/results.json

Run it with a Python that has ansible-core. Each entry of the output is an expression, and either
its value or, as `"error": true`, that ansible-core refuses it.
"""

import json
import os
import sys

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.release import __version__
from ansible.template import Templar, trust_as_template

FOLDER = os.path.dirname(os.path.abspath(__file__))


def trusted(value):
    """Marks every text as a template, as those of a playbook are."""
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, list):
        return [trusted(item) for item in value]
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    return value


def plain(value):
    """The value as JSON has it."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)


def main():
    os.environ["LVSMITH_RECORDED"] = "yes"
    os.environ.pop("LVSMITH_MISSING", None)
    with open(os.path.join(FOLDER, "expressions.yml")) as file:
        document = yaml.safe_load(file)
    init_plugin_loader()
    loader = DataLoader()
    loader.set_basedir(os.path.relpath(FOLDER))
    variables = {**trusted(document["variables"]), "ansible_search_path": [FOLDER]}
    results = []
    for group in document["groups"]:
        for text in group["expressions"]:
            templar = Templar(loader, variables=variables)
            try:
                value = plain(templar.template(trust_as_template(text)))
                results.append({"text": text, "value": value})
            except Exception as error:
                results.append({"text": text, "error": str(error).splitlines()[0]})
    json.dump({"ansible-core": __version__, "results": results}, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    main()
