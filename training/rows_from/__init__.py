"""From one graph with its credit to rows of each kind."""

from cogitate.training.rows_from.asked import Credits, PromptForm, Worth, without_examples
from cogitate.training.rows_from.compared import preference_rows, ranked_rows, rated_row
from cogitate.training.rows_from.replies import sft_rows, unpaired_rows
from cogitate.training.rows_from.starts import StartKind, coat_rows, problem_starts, prompt_rows
from cogitate.training.rows_from.steps import step_rows

__all__ = [
    "Credits",
    "PromptForm",
    "StartKind",
    "Worth",
    "coat_rows",
    "preference_rows",
    "problem_starts",
    "prompt_rows",
    "ranked_rows",
    "rated_row",
    "sft_rows",
    "step_rows",
    "unpaired_rows",
    "without_examples",
]
