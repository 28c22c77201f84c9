"""`kubectl tacotune trials`."""

from tacotune.cli.kubectl.options import (
    READER,
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    OperatorNamespaceOption,
    ReaderSecretOption,
    Rows,
    StorageOption,
    StudyArgument,
    connect,
)
from tacotune.cli.trials import Format, OutputOption, ReverseOption, SortOption, StateOption, show


def trials(  # noqa: PLR0917  typer passes by name
    study: StudyArgument,
    namespace: NamespaceOption = "",
    output: OutputOption = Format.TABLE,
    sort: SortOption = "number",
    reverse: ReverseOption = False,
    state: StateOption = None,
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
    storage: StorageOption = "",
    operator_namespace: OperatorNamespaceOption = "",
    reader_secret: ReaderSecretOption = READER,
) -> None:
    """List all trials of a study, from its database. Values and metrics are sorted with the best first.

    \b
    Examples:
      kubectl tacotune trials ruslan
      kubectl tacotune trials ruslan -n voices --sort value
      kubectl tacotune trials ruslan -o csv > trials.csv
      kubectl tacotune trials ruslan -o json --state complete | jq '.[0].parameters'
    """
    from tacotune.adapters.user_studies import read_study  # noqa: PLC0415  the client is slow to import
    from tacotune.local.rows import trial_row  # noqa: PLC0415

    user = connect(namespace, context, kubeconfig)
    found, _ = read_study(user, study)
    stored = Rows(storage, operator_namespace, reader_secret).read(user, found)
    rows = [trial_row(trial) for trial in stored.trials]
    show(rows, found.spec, output=output, sort=sort, reverse=reverse, state=state)
