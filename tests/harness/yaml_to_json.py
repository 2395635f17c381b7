"""Prints the YAML documents of a file (the argument) as a JSON list."""

import json
import sys

import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    print(json.dumps(list(yaml.safe_load_all(file)), default=str))
