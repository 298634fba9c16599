"""How a setting is declared: its default, its meaning in one sentence, its unit, an example."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class SettingsError(Exception):
    """The settings cannot be used: a line per problem, none of which shows a secret."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def setting(
    default: Any, meaning: str, *, unit: str = "", example: str = "", shown: str | None = None, **rules: Any
) -> Any:
    """A field of a table. The default is written as a person would write it; `shown` describes one that is computed."""
    words: dict[str, JsonValue] = {"unit": unit, "example": example, "shown": shown}
    return Field(default=default, description=meaning, json_schema_extra=words, validate_default=True, **rules)


class Table(BaseModel):
    """A group of settings: nothing unknown gets in, nothing changes, and values stay out of pydantic's errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
