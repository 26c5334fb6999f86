from demo.sources.connection import Watchdog


def test_a_thread_hangs_after_as_long_as_it_may():
    watchdog = Watchdog(limit=30, recovery=60)
    assert not watchdog.is_hung(last_read=100, now=129)
    assert watchdog.is_hung(last_read=100, now=130)


def test_each_hang_doubles_the_limit():
    watchdog = Watchdog(limit=30, recovery=60)
    watchdog.note_restart()
    watchdog.note_restart()
    assert not watchdog.is_hung(last_read=0, now=119)
    assert watchdog.is_hung(last_read=0, now=120)


def test_a_minute_of_frames_after_the_last_hang_resets_the_limit():
    watchdog = Watchdog(limit=30, recovery=60)
    watchdog.note_frame(1000)
    for _ in range(10):
        watchdog.note_restart()
    watchdog.note_frame(5000)
    watchdog.note_frame(5059)
    assert not watchdog.is_hung(last_read=5059, now=5100)
    watchdog.note_frame(5060)
    assert watchdog.is_hung(last_read=5060, now=5090)
