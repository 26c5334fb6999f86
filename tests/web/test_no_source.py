from tests.web.serving import served


def test_without_a_source_the_first_page_is_the_camera_s():
    with served(names=()) as run:
        status, headers, _ = run.get("/")
        assert (status, headers["Location"]) == (303, "/camera")
        assert run.json("/api/sources") == {"sources": []}
        assert run.json("/api/people")["in_view"] == []
        assert run.get("/stream.mjpg")[0] == 404


def test_a_server_of_cameras_alone_is_healthy():
    with served(names=()) as run:
        with run.hub:
            pass  # a run without sources ends at once
        assert run.get("/healthz")[0] == 200


def test_an_endless_stream_has_no_head():
    with served() as run:
        for path in ("/stream.mjpg", "/api/events"):
            assert run.get(path, method="HEAD")[0] == 405


def test_a_source_whose_name_is_no_text_is_measured():
    name = "su\udcffr.mp4"
    with served(names=(name,)) as run:
        run.write(0, source=name)
        status, _, body = run.get("/metrics")
    assert status == 200
    assert 'agestream_frames_total{source="su\ufffdr.mp4"} 1.0' in body.decode()
