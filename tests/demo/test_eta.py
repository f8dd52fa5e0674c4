from i2i.demo.eta import RuntimeEstimator, format_duration


def test_the_estimate_scales_the_run_time_of_the_image_nearest_in_size() -> None:
    estimator = RuntimeEstimator()
    assert estimator.estimate("m", 100) is None
    estimator.record("m", 100, 1.0)
    estimator.record("m", 10_000, 50.0)
    estimates = (estimator.estimate("m", 200), estimator.estimate("m", 20_000), estimator.estimate("m", 9_000))
    assert estimates == (2.0, 100.0, 50.0)


def test_durations_are_rounded_for_people() -> None:
    assert [format_duration(seconds) for seconds in (0.84, 12.3, 600)] == ["0.8 s", "12 s", "10 min"]
