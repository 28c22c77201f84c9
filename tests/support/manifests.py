"""The smallest valid manifest, as text: a test says only what matters."""

SPACE = "  - {name: learning_rate, float: {low: 1.0e-4, high: 1.0e-2, log: true}}\n"


def manifest(
    *lines: str, space: str = SPACE, dataset: str = "  dataset: {speech: {}}\n", name: str = "demo"
) -> str:
    """A manifest whose spec begins in line 4, with further lines of the spec behind it."""
    head = f"apiVersion: tacotune.dev/v1alpha1\nkind: TTSStudy\nmetadata: {{name: {name}}}\nspec:\n"
    return (
        head
        + dataset
        + ("  searchSpace:\n" + space if space else "")
        + "".join(f"  {line}\n" for line in lines)
    )
