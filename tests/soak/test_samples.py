"""What bin/soak takes for growth; nothing runs here."""

from tests.soak.samples import Process, Sample


def growth(memory: float = 0.0, files: float = 0.0, threads: float = 0.0) -> list[str]:
    """Of a process that takes so much more with each of 100 samples."""
    samples = [Sample(60 + memory * n, int(20 + files * n), int(4 + threads * n)) for n in range(100)]
    return Process("web", samples).growth()


def test_what_stays_as_it_is_is_flat() -> None:
    assert growth() == []
    assert Process("web", [Sample(60, 20, 4)] * 9).cells() == ["web", "60.0 → 60.0", "20 → 20", "4 → 4", "flat"]


def test_what_warms_up_first_is_flat() -> None:
    samples = [Sample(30 + n, n, n) for n in range(25)] + [Sample(55, 25, 25)] * 75
    assert Process("web", samples).growth() == []


def test_what_grows_is_found() -> None:
    assert growth(memory=0.5) == ["memory grows"]
    assert growth(files=0.2) == ["files grow"]
    assert growth(threads=0.1) == ["threads grow"]


def test_a_process_that_ended_is_found() -> None:
    assert Process("web", [Sample(60, 20, 4)] * 9, gone=True).growth() == ["ended"]
