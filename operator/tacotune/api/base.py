"""The model that all API models share: camelCase on the wire, snake_case in Python, nothing unknown let through."""

from pydantic import BaseModel, ConfigDict
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
