"""Pipelines as YAML: a step is written as it is called, and every mistake has its place."""

from datakit.config.load import (
    load_pipeline,
    load_teacher,
    parse_pipeline,
    parse_step,
    parse_teacher,
)
from datakit.config.schema import pipeline_schema
from datakit.config.teachers import teacher_of
from datakit.config.write import to_yaml

__all__ = [
    "load_pipeline",
    "load_teacher",
    "parse_pipeline",
    "parse_step",
    "parse_teacher",
    "pipeline_schema",
    "teacher_of",
    "to_yaml",
]
