"""`--set name=value`: parameters from the command line, typed by the table in `config`."""

from collections.abc import Iterable

from tacotrain.config import PARAMETERS
from tacotrain.errors import ConfigError


def parse_settings(settings: Iterable[str]) -> dict[str, float | int | str]:
    """Turn `learning_rate=0.01` into a parameter; bounds and names are checked by `TrainConfig.resolve`.

    Raises:
        ConfigError: There is no `=`, or a number is none.
    """
    parameters: dict[str, float | int | str] = {}
    for setting in settings:
        name, separator, text = setting.partition("=")
        if not separator:
            raise ConfigError(f"--set {setting}: write it as name=value")
        parameters[name.strip()] = _value(name.strip(), text.strip())
    return parameters


def _value(name: str, text: str) -> float | int | str:
    parameter = PARAMETERS.get(name)
    # An unknown name goes on as text: `resolve` knows its nearest neighbor.
    if parameter is None or parameter.kind == "categorical":
        return text
    try:
        return int(text) if parameter.kind == "int" else float(text)
    except ValueError as error:
        raise ConfigError(
            f"--set {name}={text}: {text!r} is not a {'whole ' if parameter.kind == 'int' else ''}number"
        ) from error
