"""Holds a YAML document (its file is the argument) against the JSON Schema on the standard input, with `jsonschema`.

Fails if the schema is none. Prints a list: for each error, the keys that lead to it, joined by dots.
"""

import json
import sys

import jsonschema
import yaml

schema = json.load(sys.stdin)
jsonschema.Draft202012Validator.check_schema(schema)
with open(sys.argv[1], encoding="utf-8") as file:
    document = yaml.safe_load(file)
errors = jsonschema.Draft202012Validator(schema).iter_errors(document)
print(json.dumps(sorted(".".join(map(str, error.absolute_path)) for error in errors)))
