"""From a pipeline's YAML to its objects."""

from __future__ import annotations

import dataclasses
from pathlib import Path as File
from typing import Annotated, Any, Literal

from msgspec import Meta

from datakit import registry
from datakit.config.marks import Document, Path
from datakit.errors import InputError, PipelineError, did_you_mean
from datakit.llm.teacher import Teacher, check_budget
from datakit.running.pipeline import Pipeline
from datakit.step import (
    FilePath,
    FileRef,
    StepError,
    asks,
    convert,
    hints_of,
    parameters,
    path_type,
    verb_of,
)

__all__ = [
    "KEYS",
    "load_pipeline",
    "load_teacher",
    "parse_pipeline",
    "parse_step",
    "parse_teacher",
]

_MOST_BYTES = 2**20
_Positive = Annotated[int, Meta(ge=1)]

# Plain keys of a pipeline and their types; seeds, source, teacher and steps have their own rules.
KEYS: dict[str, Any] = {
    "name": str,
    "description": str,
    "random_seed": Annotated[int, Meta(ge=0, le=2**63 - 1)],
    "target": _Positive,
    "max_candidates": _Positive,
    "round_size": Annotated[int, Meta(ge=1, le=100_000)],
    "draw": Literal["uniform", "coverage"],
    "min_novelty": Annotated[float, Meta(ge=0, lt=1)],
    "include_seeds": bool,
    "limit": _Positive,
}
_OWN = ("seeds", "source", "teacher", "budget", "steps")


def load_pipeline(path: str | File) -> Pipeline:
    """Reads a pipeline file; paths in it are relative to it.

    Raises:
        PipelineError: With every mistake, each with line, column, key and the line itself.
    """
    return parse_pipeline(_text(path, "pipeline"), name=str(path), folder=File(path).parent)


def load_teacher(path: str | File) -> Teacher:
    """Reads a teacher's file, `{provider: ..., model: ...}`; paths in it are relative to it.

    Raises:
        PipelineError: With every mistake, each with line, column, key and the line itself.
    """
    return parse_teacher(_text(path, "teacher"), name=str(path), folder=File(path).parent)


def _text(path: str | File, what: str) -> str:
    file = File(path)
    try:
        if file.is_dir():
            raise PipelineError(f"{path}: is a folder; name a {what} file in it.")
        if file.stat().st_size > _MOST_BYTES:
            raise PipelineError(f"{path}: is not a {what}: it is larger than 1 MiB.")
        raw = file.read_bytes()
    except FileNotFoundError:
        near = did_you_mean(file.name, _files(file.parent, ".yaml", ".yml"))
        raise PipelineError(f"{path}: there is no such file{near or '.'}") from None
    except OSError as error:
        raise PipelineError(f"{path}: cannot be read: {error.strerror}.") from None
    try:
        return raw.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise PipelineError(f"{path}:{line}: not UTF-8. Save the file as UTF-8.") from None


def _files(folder: File, *endings: str) -> list[str]:
    try:
        return [each.name for each in folder.iterdir() if not endings or each.suffix in endings]
    except OSError:
        return []


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def parse_pipeline(text: str, *, name: str = "pipeline", folder: str | File = ".") -> Pipeline:
    """Builds a pipeline from its YAML text.

    Args:
        text: The YAML.
        name: What messages call it.
        folder: What paths in it are relative to.

    Raises:
        PipelineError: With every mistake.
    """
    document = Document.parse(name, text)
    return _Reader(document, File(folder)).pipeline()


def parse_step(text: str, *, folder: str | File = ".") -> Any:  # noqa: ANN401  a step
    """Builds one step from YAML such as `filter.length: {min_chars: 20}`.

    Raises:
        PipelineError: With every mistake.
    """
    document = Document.parse("--step", text)
    reader = _Reader(document, File(folder))
    built = reader.step(document.value, ())
    document.raise_if_wrong()
    return built


def parse_teacher(text: str, *, name: str = "teacher", folder: str | File = ".") -> Teacher:
    """Builds a teacher from YAML such as `{provider: openai, model: m}`.

    Args:
        text: The YAML.
        name: What messages call it.
        folder: What paths in it are relative to.

    Raises:
        PipelineError: With every mistake.
    """
    document = Document.parse(name, text)
    teacher = _Reader(document, File(folder)).teacher(document.value, ())
    document.raise_if_wrong()
    assert teacher is not None
    return teacher


class _Reader:
    def __init__(self, document: Document, folder: File) -> None:
        self.doc = document
        self.folder = folder
        self.teachers: dict[int, Teacher] = {}

    def pipeline(self) -> Pipeline:
        value = self.doc.value
        if not isinstance(value, dict):
            what = "the file is empty" if value is None else "this is not a list of keys"
            self.doc.wrong((), f"{what}; a pipeline has the keys name, seeds or source, and steps.")
            self.doc.raise_if_wrong()
        fields = self._plain(value)
        for key in ("seeds", "source"):
            if value.get(key) is not None:
                fields[key] = self._source(value[key], (key,))
        if value.get("teacher") is not None:
            fields["teacher"] = self.teacher(value["teacher"], ("teacher",))
        if value.get("budget") is not None:
            fields["budget"] = self.doc.raw.get(("budget",), "")
        fields["steps"] = self._steps(value.get("steps"))
        if "name" not in value:
            self.doc.wrong((), "name is missing: what the dataset is called, such as name: sql.")
        self.doc.raise_if_wrong()
        return self._whole(fields)

    def _plain(self, value: dict[str, Any]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for key, given in value.items():
            if key not in KEYS and key not in _OWN:
                known = [*KEYS, *_OWN]
                near = did_you_mean(key, known) or f"; there are {', '.join(known)}."
                self.doc.wrong((key,), f"unknown key{near}", key=True)
            elif key in KEYS:
                try:
                    fields[key] = convert(given, KEYS[key])
                except ValueError as error:
                    self.doc.wrong((key,), _sentence(str(error)))
        fields.pop("description", None)
        return fields

    def _whole(self, fields: dict[str, Any]) -> Pipeline:
        try:
            whole = Pipeline(**fields, teachers=self.teachers, recipe=self.doc.text)
        except PipelineError as error:
            for problem in error.problems:
                key, _, text = problem.partition(": ")
                self.doc.wrong((key,), _sentence(text))
            self.doc.raise_if_wrong()
            raise AssertionError("unreachable") from None
        self._affordable(whole)
        self.doc.raise_if_wrong()
        return whole

    def _affordable(self, whole: Pipeline) -> None:
        """Notes a budget that cannot be kept, once for each teacher whose price is not known."""
        places: dict[Path, int] = {}
        for at in whole.askers:
            own: Path = ("steps", at, whole.steps[at].step_name, "teacher")
            places.setdefault(own if at in self.teachers else ("teacher",), at)
        for path, at in places.items():
            try:
                check_budget(whole.teacher_of(at), whole.cap)
            except InputError as error:
                self.doc.wrong(path, _sentence(str(error)))

    def _steps(self, given: Any) -> tuple[Any, ...]:  # noqa: ANN401
        if not isinstance(given, list) or not given:
            text = "a list of steps is needed, each on a line: - filter.length: {min_chars: 20}"
            self.doc.wrong(("steps",), text)
            return ()
        built = []
        for at, each in enumerate(given):
            one = self.step(each, ("steps", at))
            if one is not None:
                built.append(one)
        return tuple(built)

    def step(self, given: Any, path: Path) -> Any:  # noqa: ANN401
        """Builds the step at a path, or notes what is wrong and returns None."""
        if isinstance(given, str):
            given, inner = {given: {}}, None
        elif isinstance(given, dict) and len(given) == 1:
            inner = next(iter(given.values()))
        else:
            several = isinstance(given, dict) and len(given) > 1
            hint = " Is a - missing before the second?" if several else ""
            text = f"a step is one name with its values: filter.length: {{min_chars: 20}}.{hint}"
            self.doc.wrong(path, text)
            return None
        name = next(iter(given))
        at = (*path, name) if inner is not None or self.doc.has_key((*path, name)) else path
        cls = self._find(name, path, at)
        if cls is None:
            return None
        if verb_of(cls) == "read":
            text = "this is a source; write it under source: or seeds:, not as a step."
            self.doc.wrong(at, text, key=True)
            return None
        values = self._values(cls, inner, at)
        if values is None:
            return None
        if asks(cls) and "teacher" in values and "teacher" not in hints_of(cls):
            teacher = self.teacher(values.pop("teacher"), (*at, "teacher"))
            if teacher is not None and path:
                self.teachers[int(path[-1])] = teacher
        return self._object(cls, values, at)

    def _find(self, name: str, path: Path, at: Path) -> type | None:
        try:
            return registry.find(name)
        except InputError as error:
            dotted = ".".join(map(str, path))
            self.doc.wrong(at, str(error), key=True)
            line, text = self.doc.mistakes[-1]
            # The unknown name would be said twice: as the key and in the sentence.
            self.doc.mistakes[-1] = (line, text.replace(f"{dotted}.{name}: ", f"{dotted}: ", 1))
            return None

    def _values(self, cls: type, inner: Any, at: Path) -> dict[str, Any] | None:  # noqa: ANN401
        if inner is None:
            return {}
        if isinstance(inner, dict):
            return dict(inner)
        fields = dataclasses.fields(cls)
        if fields and not isinstance(inner, list):
            # `filter.where: "ifd < 1"` is short for its first field.
            return {fields[0].name: inner}
        self.doc.wrong(at, "the step's values are written as {key: value, ...}.")
        return None

    def _object(self, cls: type, values: dict[str, Any], at: Path) -> Any:  # noqa: ANN401
        before = len(self.doc.mistakes)
        self._paths(cls, values, at)
        for spec in dataclasses.fields(cls):
            missing = spec.default is dataclasses.MISSING
            if missing and spec.default_factory is dataclasses.MISSING and spec.name not in values:
                what = next(each["text"] for each in parameters(cls) if each["name"] == spec.name)
                what = what.partition(":")[0].partition(". ")[0].rstrip(".")
                self.doc.wrong(
                    at, f"{spec.name} is missing" + (f" ({what})." if what else "."), key=True
                )
        if len(self.doc.mistakes) > before:
            return None
        try:
            return cls(**values)
        except StepError as error:
            for key, text in error.fields.items():
                self.doc.wrong((*at, key) if key else at, _sentence(text))
            return None

    def _paths(self, cls: type, values: dict[str, Any], at: Path) -> None:
        """Resolves the paths among a class's values, and notes unknown keys."""
        hints = hints_of(cls)
        defaults = {spec.name: spec.default for spec in dataclasses.fields(cls) if spec.init}
        for key, value in values.items():
            if key not in defaults:
                near = did_you_mean(key, defaults) or f"; there are {', '.join(defaults) or 'none'}"
                self.doc.wrong((*at, key), f"unknown key{near}", key=True)
                continue
            kind = path_type(hints[key])
            # A server knows its models by name, even by one that looks like a path of ours.
            served = cls is Teacher and values.get("provider") == "openai"
            if kind is not None and value != defaults[key] and not served:
                values[key] = self._resolve(value, kind, (*at, key))

    def _resolve(self, value: Any, kind: type[FilePath] | type[FileRef], path: Path) -> Any:  # noqa: ANN401
        if isinstance(value, list):
            return [self._resolve(each, kind, (*path, at)) for at, each in enumerate(value)]
        if isinstance(value, dict):
            return {key: self._resolve(each, kind, (*path, key)) for key, each in value.items()}
        if not isinstance(value, str):
            return value
        if kind is FileRef and not FileRef(value).is_path_in(self.folder):
            return value
        file = self.folder / File(value).expanduser()
        if kind is FilePath and file.is_dir():
            self.doc.wrong(path, f"{file} is a folder; name a file in it.")
        elif not file.exists():
            near = did_you_mean(file.name, _files(file.parent))
            self.doc.wrong(path, _sentence(f"there is no such file: {file}{near}"))
        return str(file.resolve())

    def _source(self, given: Any, path: Path) -> Any:  # noqa: ANN401
        cls = registry.find("source.jsonl")
        if isinstance(given, str):
            resolved = self._resolve(given, FilePath, path)
            if path == ("seeds",):
                return cls(path=resolved, answers=True)
            return cls(path=resolved)
        if isinstance(given, dict) and len(given) == 1:
            name, inner = next(iter(given.items()))
            found = self._find(name, path, (*path, name))
            if found is None:
                return None
            if verb_of(found) != "read":
                text = "this is not a source, such as source.jsonl: {path: data.jsonl}."
                self.doc.wrong((*path, name), text, key=True)
                return None
            values = self._values(found, inner, (*path, name))
            return None if values is None else self._object(found, values, (*path, name))
        self.doc.wrong(path, "a file's path, or one source: {source.jsonl: {path: ...}}")
        return None

    def teacher(self, given: Any, path: Path) -> Teacher | None:  # noqa: ANN401
        """Builds the teacher at a path, or notes what is wrong and returns None."""
        if not isinstance(given, dict):
            self.doc.wrong(path, "a teacher is written as {provider: ..., model: ...}.")
            return None
        values = dict(given)
        price = values.get("price")
        if isinstance(price, dict):
            raw = self.doc.raw
            values["price"] = {key: raw.get((*path, "price", key), "") for key in price}
        teacher: Teacher | None = self._object(Teacher, values, path)
        named = teacher is not None and teacher.provider == "embedded" and teacher.model
        if named and not named.is_path:
            text = f"the embedded model is a .gguf file: write ./{named}.gguf."
            self.doc.wrong((*path, "model"), text)
        elif named and File(named).is_dir():
            self.doc.wrong((*path, "model"), f"{named} is a folder; name a .gguf file in it.")
        return teacher
