from tests.web.serving import served


def test_without_a_source_the_first_page_is_the_camera_s():
    with served(names=()) as run:
        status, headers, _ = run.get("/")
        assert (status, headers["Location"]) == (303, "/camera")
        assert run.json("/api/sources") == {"sources": []}
        assert run.json("/api/people")["in_view"] == []
        assert run.get("/stream.mjpg")[0] == 404
