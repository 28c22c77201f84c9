"""Where things lie: the sources beside this file, and the cache, where another content is another name."""

import hashlib
import os
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[3]
FILES: Final = Path(__file__).resolve().parent / "files"


def cache() -> Path:
    """The folder of all that is made here; it is made when missing."""
    root = os.environ.get("TACOTUNE_CACHE")
    if not root:
        root = f"{os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'}/tacotune"
    folder = Path(root).expanduser().absolute() / "kind"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def kubeconfig() -> Path:
    """How to reach the cluster, once it is up."""
    return cache() / "kubeconfig"


def digest(*ingredients: object) -> str:
    """A short hash of what goes into something; of a path its content counts."""
    whole = hashlib.sha256()
    for ingredient in ingredients:
        content = ingredient.read_bytes() if isinstance(ingredient, Path) else str(ingredient).encode()
        whole.update(b"%d:" % len(content) + content)
    return whole.hexdigest()[:12]


def logs() -> Path:
    """The folder of the logs; it is made when missing."""
    folder = cache() / "logs"
    folder.mkdir(exist_ok=True)
    return folder
