import av
import pytest

from demo.sinks.aac import ADTS_BYTES, Parameters, parameters_of


@pytest.mark.parametrize("size", [1, 300, 8000])
def test_a_header_states_the_parameters_and_the_size(size):
    parameters = Parameters(profile=2, rate_index=3, channels=6, adts=True)
    assert parameters.rate == 48_000
    header = parameters.header(size)
    assert parameters_of(av.Packet(header + bytes(size)), None) == parameters
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    assert length == size + ADTS_BYTES


def test_the_parameters_of_packets_without_a_header_are_those_of_the_track():
    parameters = parameters_of(av.Packet(bytes(9)), bytes([0x12, 0x10]))
    assert parameters == Parameters(profile=2, rate_index=4, channels=2, adts=False)
    assert parameters.header(9) == b""
    assert parameters_of(av.Packet(bytes(9)), None) is None
