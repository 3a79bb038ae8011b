from webui.errors import InvalidRequest, TaskFailed
from webui.ui.library import answered


def failing(error: Exception):
    def action() -> None:
        raise error

    return action


def test_the_script_is_told_errors_in_words_and_their_field():
    assert answered(failing(InvalidRequest("name", "There is one already."))) == {
        "error": "There is one already.",
        "field": "name",
    }
    assert answered(failing(TaskFailed("The disk is full."))) == {"error": "The disk is full."}


def test_what_answers_nothing_answers_an_empty_table():
    assert answered(lambda: None) == {}
    assert answered(lambda: {"size": 3}) == {"size": 3}
