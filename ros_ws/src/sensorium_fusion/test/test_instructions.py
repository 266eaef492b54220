"""However many instructions come, the last one counts, and a stop is never late."""

from sensorium_fusion.instructions import CachedLanguage, Mailbox


def test_of_a_thousand_instructions_a_second_twenty_are_read_and_the_last_one_counts():
    mailbox, read = Mailbox(), []
    for i in range(2000):
        mailbox.put(f"pick {i}")
        text = mailbox.take(i * 1e-3)
        read += [] if text is None else [text]
    assert 38 <= len(read) <= 41
    assert mailbox.take(3.0) == "pick 1999"
    assert mailbox.take(4.0) is None
    assert mailbox.replaced == 2000 - len(read) - 1


def test_a_stop_overtakes_a_flood():
    mailbox = Mailbox()
    mailbox.put("pick 1")
    assert mailbox.take(0.0) == "pick 1"
    mailbox.put("pick 2")
    mailbox.put("  ")
    assert mailbox.take(0.001) == "  "
    mailbox.put("pick 3")
    assert mailbox.take(0.002) is None
    assert mailbox.take(0.06) == "pick 3"


def test_the_first_instruction_is_read_at_once_and_what_waits_can_be_forgotten():
    mailbox = Mailbox()
    mailbox.put("pick")
    assert mailbox.take(100.0) == "pick"
    mailbox.put("push")
    mailbox.clear()
    assert mailbox.take(200.0) is None


def test_what_was_understood_once_is_not_encoded_again_and_memory_is_bounded(bench):
    cached = CachedLanguage(bench.language)
    assert cached.encode("pick") is cached.encode("pick")
    assert bench.language.asked == ["pick"]
    for i in range(100):
        cached.encode(f"pick {i}")
    assert cached.encode("pick") is not None
    assert bench.language.asked.count("pick") == 2
