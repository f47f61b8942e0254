from delta_server.features.users.failures import FREE, LONGEST_MS, MOST, Failures

ADA, EVE = ("user ada", "address 192.0.2.1"), ("user ada", "address 198.51.100.1")


def failed(failures: Failures, names: tuple[str, ...], times: int, now_ms: int = 0) -> None:
    for _ in range(times):
        failures.add(names, now_ms)


def test_the_first_failures_cost_no_wait() -> None:
    failures = Failures()
    failed(failures, EVE, FREE - 1)
    assert failures.wait_ms(EVE, 0) == 0
    failed(failures, EVE, 1)
    assert failures.wait_ms(EVE, 0) == 1000
    assert failures.wait_ms(("user bo", "address 203.0.113.1"), 0) == 0


def test_somebody_elses_failures_hold_up_nobody_past_a_minute() -> None:
    failures = Failures()
    failed(failures, EVE, 20)
    first_ms = 7
    waits = [failures.wait_ms(ADA, first_ms)]
    for now_ms in range(1000, first_ms + LONGEST_MS, 500):  # Eve fails again before each of Ada's tries
        failed(failures, EVE, 1, now_ms)
        waits.append(failures.wait_ms(ADA, now_ms))
        assert now_ms + waits[-1] <= first_ms + LONGEST_MS
    assert min(waits) > 0, "until then it waits like all the others"
    failed(failures, EVE, 1, first_ms + LONGEST_MS)
    assert failures.wait_ms(EVE, first_ms + LONGEST_MS) == LONGEST_MS
    assert failures.wait_ms(ADA, first_ms + LONGEST_MS) == 0


def test_a_turn_is_one_try() -> None:
    failures = Failures()
    failed(failures, EVE, 20)
    assert failures.wait_ms(ADA, 0) == LONGEST_MS
    failed(failures, EVE, 1, LONGEST_MS)
    assert failures.wait_ms(ADA, LONGEST_MS) == 0
    failed(failures, ADA, 1, LONGEST_MS)
    assert failures.wait_ms(ADA, LONGEST_MS) == LONGEST_MS


def test_what_is_remembered_is_bounded() -> None:
    failures = Failures()
    for number in range(2 * MOST):
        names = (f"user {number}", "address 192.0.2.1")
        failures.add(names, 0)
        failures.wait_ms(names, 0)
    assert len(failures._counts) <= MOST
    assert len(failures._turns) <= MOST
