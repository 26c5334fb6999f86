from demo.sinks.timeline import MAX_PIECES, Timeline


def test_a_long_timeline_keeps_its_sums_and_peaks():
    timeline = Timeline()
    for second in range(4000):
        faces = 3 if second == 2222 else 1
        timeline.add(second, second + 1, faces, faces)
    assert timeline.width == 15
    assert timeline.face_seconds.sum() == 4002
    assert timeline.busiest()[0] == {"from": 2220, "to": 2235, "faces": 3}


def test_pieces_are_merged_when_there_are_too_many():
    timeline = Timeline()
    for second in (0, MAX_PIECES - 2, MAX_PIECES - 1):
        timeline.add(second, second + 1, 1, 1)
    assert (timeline.width, len(timeline.most)) == (5, MAX_PIECES // 5)
    assert (timeline.most[0], timeline.most[-1]) == (1, 1)
    assert timeline.face_seconds[-1] == 2


def test_the_last_piece_counts_for_as_long_as_it_lasted():
    timeline = Timeline()
    timeline.add(0.0, 1.0, 2, 2)
    timeline.add(1.0, 1.5, 2, 2)
    assert timeline.record(1.5) == {"width": 1, "most": [2, 2], "mean": [2.0, 2.0]}


def test_pieces_without_faces_are_not_busy():
    timeline = Timeline()
    timeline.add(0.0, 1.0, 0, 0)
    timeline.add(1.0, 2.0, 1, 1)
    assert timeline.busiest() == [{"from": 1, "to": 2, "faces": 1}]
