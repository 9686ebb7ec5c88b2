from domain.models.operation import OperationState


def test_which_states_are_final() -> None:
    assert {state for state in OperationState if not state.is_final} == {
        OperationState.QUEUED,
        OperationState.RUNNING,
        OperationState.AWAITING_CONFIRMATION,
    }
