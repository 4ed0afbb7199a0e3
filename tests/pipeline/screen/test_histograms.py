from pipeline.screen.histograms import draw


def test_bars_are_as_high_as_their_share_of_the_most():
    assert draw([0, 0.25, 0.5], 0.5, 2, ascii_only=False) == "  ▄▄██"
    assert draw([0.5, 0, 1.0], 1.0, 1, ascii_only=True) == "= @"


def test_the_least_share_can_be_seen():
    assert draw([0.0001, 1], 1, 1, ascii_only=False) == "▁█"
