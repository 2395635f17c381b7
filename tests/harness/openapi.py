"""Judges the OpenAPI document on the standard input, with `openapi-spec-validator`. Fails if there is anything against it."""

import json
import sys

from openapi_spec_validator import validate

validate(json.load(sys.stdin))
