"""The model that all API models share: camelCase on the wire, snake_case in Python, nothing unknown let through."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class ApiModel(BaseModel):
    """Strict about fields, forgiving about number notation (YAML reads `1e-3` as text)."""

    model_config = ConfigDict(
        extra="forbid",
        validate_assignment=True,
        alias_generator=to_camel,
        populate_by_name=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


def _whole_seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


Time = Annotated[datetime, AfterValidator(_whole_seconds)]
"""A moment as metav1.Time has it: whole seconds."""
