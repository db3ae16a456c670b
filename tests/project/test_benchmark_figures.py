"""The arithmetic behind the tables of docs/benchmarks.md; nothing is measured here."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.bench import million, plots, report, transport
from tests.bench.figures import Spread, longest_gap, number, percentile, ratios, spread
from tests.bench.outcome import Outcome
from tests.bench.rows import Figures, Results, Target
from tests.bench.service import capacity
from tests.bench.service import run as service
from tests.bench.trace import Kind, Trace, Writer


def test_ratios_are_taken_round_by_round() -> None:
    # A machine that got twice as slow in the third round: the ratio did not.
    assert ratios([300.0, 330.0, 150.0], [100.0, 100.0, 50.0]) == [3.0, 3.3, 3.0]
    assert spread([3.0, 3.3, 2.9]) == Spread(3.0, 2.9, 3.3)


def test_a_round_that_one_side_did_not_end_gives_no_ratio() -> None:
    assert ratios([300.0, None, 100.0], [100.0, 100.0, None]) == [3.0]
    assert spread([]) is None


@pytest.mark.parametrize(("percent", "expected"), [(50, 50.0), (99, 99.0), (100, 100.0), (0, 1.0)])
def test_percentiles_are_values_that_were_measured(percent: float, expected: float) -> None:
    values = [float(value) for value in range(1, 101)]
    random.shuffle(values)
    assert percentile(values, percent) == expected


def test_the_longest_gap_is_between_neighbours() -> None:
    assert longest_gap([5.0, 1.0, 1.5]) == 3.5
    assert longest_gap([1.0]) == 0.0


def test_numbers_have_three_digits_that_matter() -> None:
    values = [0, 0.01234, 1.234, 12.34, 123.4, 4000, 7]
    assert [number(value) for value in values] == ["0", "0.0123", "1.23", "12.3", "123", "4 000", "7"]


def test_several_runs_say_which_of_them_a_row_is_of(tmp_path: Path) -> None:
    first = Outcome(["2 cores", "Monday"], {}, {"drain": {"ours": [{"rate": 1.0}]}, "chain": {"ours": [{"p50": 2.0}]}})
    second = Outcome(["2 cores", "Tuesday"], {}, {"drain": {"ours": [{"rate": 3.0}]}})
    paths = [tmp_path / "first", tmp_path / "second"]
    for outcome, path in zip((first, second), paths, strict=True):
        outcome.save(path)
    both = Outcome.load(paths)
    assert both.machine == ["2 cores", "`chain`: Monday", "`drain`: Tuesday"]
    assert both.rows == {"chain": {"ours": [{"p50": 2.0}]}, "drain": {"ours": [{"rate": 3.0}]}}
    assert Outcome.load(paths[:1]) == first


def test_a_row_that_is_measured_again_takes_the_place_of_the_kept_one(tmp_path: Path) -> None:
    kept = tmp_path / "figures"
    rows: dict[str, dict[str, list[Figures | None]]] = {
        "drain": {"ours": [{"rate": 1.0}]},
        "chain": {"ours": [{"p50": 2.0}]},
    }
    assert Outcome(["Monday"], {}, rows).keep(kept).rows == rows
    both = Outcome(["Tuesday"], {}, {"drain": {"ours": [{"rate": 3.0}]}}).keep(kept)
    assert both.rows == {**rows, "drain": {"ours": [{"rate": 3.0}]}}
    assert both.machine == ["`chain`: Monday", "`drain`: Tuesday"]


ROUNDS: Results = {
    "ours": [{"rate": 300, "lost": 0}, {"rate": 270, "lost": 1}, {"rate": 290, "lost": 0}],
    "redis": [{"rate": 100}, {"rate": 100}, None],
}


def test_a_target_judges_the_median_or_the_worst_round() -> None:
    assert Target("rate", "redis", at_least=2.8).measured(ROUNDS) == ("2.85× (2.70–3)", True)
    assert Target("rate", "redis", at_least=2.8, worst=True).measured(ROUNDS)[1] is False
    assert Target("lost", at_most=0).measured(ROUNDS)[1] is True
    assert Target("lost", at_most=0, worst=True).measured(ROUNDS)[1] is False
    assert Target("rate", "rabbitmq", at_least=1.0).measured(ROUNDS) == ("–", None)


def test_a_target_is_not_reached_where_ours_did_not_end() -> None:
    assert Target("rate", at_least=1).measured({"ours": [{"rate": 5}, None]})[1] is False


def test_written_lately_counts_each_step_that_may_still_be_on_the_disk() -> None:
    # Steps of 100 s and 50 MB: what was written in the last 360 s, the step that had begun by then included.
    ends = [100.0 * number for number in range(1, 11)]
    assert [million.written_lately(ends[:count], 50.0) for count in (1, 3, 4, 10)] == [100.0, 200.0, 250.0, 250.0]


def test_the_trace_keeps_what_several_writers_tell(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "trace")
    for worker in (1, 2):
        Writer(str(trace.path), worker).write(Kind.ENDED, 40 + worker, leg=1)
    assert trace.count() == 2
    assert [(event.worker, event.number, event.leg) for event in trace.of(Kind.ENDED)] == [(1, 41, 1), (2, 42, 1)]
    assert [event.number for event in trace.events(begin=1)] == [42]


def test_every_target_is_about_a_figure_and_a_peer_of_its_row() -> None:
    for row in (*transport.ROWS, *service.ROWS):
        figures = {figure.key for figure in row.figures}
        peers = {peer.name for peer in row.peers}
        assert {target.key for target in row.targets} <= figures, row.name
        assert {target.peer for target in row.targets} | {
            target.against or target.peer for target in row.targets
        } <= peers


def test_a_target_is_missed_by_more_than_the_margin_or_not() -> None:
    twice = Target("rate", "redis", at_least=6.0)
    assert twice.missed(ROUNDS, 2.0) and not twice.missed(ROUNDS, 3.0)
    assert Target("rate", at_most=100).missed(ROUNDS, 2.5) and not Target("rate", at_most=100).missed(ROUNDS, 3.0)
    assert Target("rate", "rabbitmq", at_least=1.0).missed(ROUNDS, 3.0)


def test_the_page_takes_the_figures_between_its_markers(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(transport.PAGE.read_text())
    results = [(transport.ROWS[0], ROUNDS)]
    text = report.markdown(["a machine"], results, {"rabbitmq": "rabbitmq is not installed"})
    report.write_docs(text, page)
    report.write_docs(text, page)
    assert page.read_text().count("2.85×") == 2  # the target, and the ratio to Redis
    assert "| RabbitMQ | rabbitmq is not installed |" in page.read_text()
    assert page.read_text().startswith(transport.PAGE.read_text().partition(report.BEGIN)[0])


def test_pictures_are_made_of_rows_with_several_peers(tmp_path: Path) -> None:
    row = next(row for row in service.ROWS if row.name == "deliver")
    rounds: Results = {"ours": [{"rate": 200.0}, {"rate": 220.0}], "three": [{"rate": 100.0}, None]}
    (picture,) = plots.save([(row, rounds), (service.ROWS[-1], {})], tmp_path, "bench")
    text = picture.read_text()
    assert picture.name == "bench-deliver.svg"
    assert "three services" in text and "210" in text


def test_the_page_of_the_service_has_its_markers(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(service.PAGE.read_text())
    report.write_docs("| a | table |", page, service.MARK)
    assert "| a | table |" in page.read_text()


COSTS = {
    "web": 3.0,
    "relay": 1.0,
    "rates": 4.0,
    "notify": 5.0,
    "broker": 2.0,
    "redis": 0.1,
    "database": 2.5,
    "sum": 0.0,
}
WRITES = {
    "topics": 4.0,
    "records": 2.0,
    "commits": 0.2,
    "commit-records": 1.0,
    "database": 1.0,
    "transactions": 6.0,
    "wal": 3.0,
}


def test_what_a_rate_needs_is_reckoned_from_what_one_request_costs() -> None:
    twice_as_dear: Figures = {key: 2 * value for key, value in COSTS.items()}
    cost: Results = {"postgres": [{key: value / 2 for key, value in COSTS.items()}, COSTS, twice_as_dear]}
    table = capacity.needs({"cost": cost, "writes": {"postgres": [WRITES, None]}})
    lines = {line[0]: line[1:] for line in table}
    assert lines["what"] == ["one request", "1 000 a second", "10 000 a second"]
    # 3 ms a thousand times a second are three cores, or five of which each is in use for 60 %.
    assert lines["web"] == ["3 ms of CPU", "5 cores", "50 cores"]
    assert lines["Redis"] == ["0.100 ms of CPU", "1 core", "2 cores"]
    assert lines["all of it"] == ["17.6 ms of CPU", "33 cores", "296 cores"]
    assert lines["Kafka's messages, by 3 replicas"] == ["2 of 2 kB", "2 000/s, 12 MB/s", "20 000/s, 120 MB/s"]
    assert lines["Kafka's commits, by 3 replicas"] == ["1 of 0.200 kB", "1 000/s, 0.600 MB/s", "10 000/s, 6 MB/s"]
    assert lines["PostgreSQL's transactions"] == ["6, 3 kB of log", "6 000/s, 3 MB/s", "60 000/s, 30 MB/s"]
    assert lines["what stays in PostgreSQL"] == ["1 kB", "86.4 GB a day", "864 GB a day"]


def test_nothing_is_reckoned_from_half_of_what_it_takes() -> None:
    assert capacity.needs({"cost": {"postgres": [COSTS]}}) == []
    assert capacity.needs({"cost": {"ours": [COSTS]}, "writes": {"ours": [WRITES]}}) == []
