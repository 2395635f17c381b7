"""Holds the YAML documents of a file (the argument) against the JSON Schema on the standard input, with `jsonschema`.

Fails if the schema is none. Prints a list of lists: for each document, for each of its errors, the keys that
lead to it, joined by dots.
"""

import json
import sys

import jsonschema
import yaml

schema = json.load(sys.stdin)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)


def places(document):
    return sorted(".".join(map(str, error.absolute_path)) for error in validator.iter_errors(document))


with open(sys.argv[1], encoding="utf-8") as file:
    print(json.dumps([places(document) for document in yaml.safe_load_all(file)]))
