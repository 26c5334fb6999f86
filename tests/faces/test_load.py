from demo.faces.load import STEP_FRAMES, STEPS, LoadController


def spend(budget: LoadController, milliseconds: float, times: int = STEP_FRAMES) -> tuple[int, int]:
    for _ in range(times):
        budget.spent(milliseconds)
    return budget.crops, budget.interval_factor


def test_crops_are_saved_first_then_searches_and_both_come_back():
    budget = LoadController(10.0)
    assert (budget.crops, budget.interval_factor) == STEPS[0]
    assert [spend(budget, 12.0) for _ in range(len(STEPS))] == [*STEPS[1:], STEPS[-1]]
    assert spend(budget, 8.0, 10 * STEP_FRAMES) == STEPS[-1]  # neither over it nor much below
    assert [spend(budget, 1.0) for _ in range(len(STEPS))] == [*STEPS[-2::-1], STEPS[0]]


def test_one_slow_frame_changes_nothing():
    budget = LoadController(10.0)
    spend(budget, 8.0, STEP_FRAMES - 1)
    assert spend(budget, 20.0, 1) == STEPS[0]


def test_without_a_budget_time_does_not_matter():
    assert spend(LoadController(None), 1e6, 10 * STEP_FRAMES) == STEPS[0]
