from prefpipe.pipeline.errors import PrefpipeError, RunError, UsageError, WaitingError, did_you_mean, listed


def test_errors_carry_their_sentence_their_hint_and_their_exit_code() -> None:
    error = UsageError("There is no file a.", "Check the name.")
    assert (str(error), error.message, error.hint) == ("There is no file a.", "There is no file a.", "Check the name.")
    assert UsageError.exit_code == 2
    assert RunError.exit_code == 1
    assert WaitingError.exit_code == 75
    assert all(issubclass(kind, PrefpipeError) for kind in (UsageError, RunError, WaitingError))


def test_a_mistyped_word_is_answered_with_the_nearest_known_one() -> None:
    assert did_you_mean("genrate", ["judge", "generate"]) == "Did you mean 'generate'?"


def test_a_word_that_is_near_to_none_is_answered_with_all_of_them() -> None:
    assert did_you_mean("xyz", ["judge", "generate"]) == "Known: judge, generate."


def test_without_known_words_there_is_no_hint() -> None:
    assert did_you_mean("xyz", []) is None
    assert did_you_mean("xyz", ["", "\n"]) is None


def test_a_hint_is_one_line_without_empty_names_and_of_bounded_length() -> None:
    assert did_you_mean("xyz", ["", "a\nb", " c\r\n"]) == "Known: a b, c."
    assert did_you_mean("judge", ["jud\nge"]) == "Did you mean 'jud ge'?"
    hint = did_you_mean("xyz", (f"m{number}" for number in range(500)))
    assert hint == f"Known: {', '.join(f'm{number}' for number in range(30))}, …."
    assert listed(["a", "b"], most=2) == "a, b"
