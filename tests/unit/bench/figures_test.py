"""The arithmetic of script/bench, on samples whose percentiles anybody can see."""

import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "bench"))
import figures


class Percentile(unittest.TestCase):
    def test_nearest_rank(self):
        hundred = list(range(100, 0, -1))  # unsorted on purpose
        self.assertEqual(figures.percentile(hundred, 50), 50)
        self.assertEqual(figures.percentile(hundred, 99), 99)
        self.assertEqual(figures.percentile(hundred, 100), 100)
        self.assertEqual(figures.percentile(hundred, 0.5), 1)

    def test_is_always_a_sample(self):
        self.assertEqual(figures.percentile([10, 20], 50), 10)
        self.assertEqual(figures.percentile([10, 20], 51), 20)
        self.assertEqual(figures.percentile([7], 1), 7)

    def test_few_samples_give_the_largest_as_p99(self):
        self.assertEqual(figures.percentile([1, 2, 3], 99), 3)

    def test_leaves_the_samples_as_they_were(self):
        samples = [3, 1, 2]
        figures.percentile(samples, 50)
        self.assertEqual(samples, [3, 1, 2])

    def test_refuses_nonsense(self):
        for samples, percent in (([], 50), ([1], 0), ([1], 101)):
            with self.assertRaises(ValueError):
                figures.percentile(samples, percent)


class Ratio(unittest.TestCase):
    def test_divides_by_the_baseline(self):
        self.assertEqual(figures.ratio(3, 2), 1.5)
        self.assertEqual(figures.ratio(0, 2), 0)

    def test_nothing_to_divide(self):
        self.assertIsNone(figures.ratio(None, 2))
        self.assertIsNone(figures.ratio(3, None))
        self.assertIsNone(figures.ratio(3, 0))


class Rows(unittest.TestCase):
    def test_latency(self):
        row = figures.latency_row("cold.python.pool", [1_000_000, 3_000_000, 2_000_000], [8_000_000] * 3)
        self.assertEqual(row, {"name": "cold.python.pool", "p50_us": 2000.0, "p99_us": 3000.0, "per_s": None,
                               "kib": None, "baseline": 8000.0, "ratio": 0.25, "n": 3})

    def test_rate_is_the_median_of_its_slices(self):
        row = figures.rate_row("scale.python.rate", [(100, 1.0), (10, 1.0), (120, 1.0)], [(400, 2.0)] * 3)
        self.assertEqual((row["per_s"], row["baseline"], row["ratio"], row["n"]), (100.0, 200.0, 0.5, 230))
        self.assertIsNone(row["p50_us"])

    def test_memory(self):
        row = figures.row("density.native", n=4, kib=300, baseline=100)
        self.assertEqual((row["kib"], row["ratio"], row["p50_us"]), (300, 3.0, None))

    def test_unknown_name(self):
        with self.assertRaises(StopIteration):
            figures.row("no.such", n=1)


class Output(unittest.TestCase):
    rows = [figures.row("density.native", n=4, kib=300, baseline=100),
            figures.latency_row("cold.node.pool", [5_000], [10_000])]

    def test_table_has_a_line_for_each(self):
        lines = figures.table(self.rows).splitlines()
        self.assertEqual([line.split()[0] for line in lines], ["name", "density.native", "cold.node.pool"])
        self.assertIn("0.500", lines[2])
        self.assertIn("node -e 0", lines[2])

    def test_json_has_every_key_and_null(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "figures.json"
            figures.write_json(self.rows, path)
            found = json.loads(path.read_text())
            self.assertEqual([list(r) for r in found], [list(figures.KEYS)] * 2)
            self.assertIsNone(found[0]["p50_us"])
            self.assertEqual([p.name for p in Path(folder).iterdir()], ["figures.json"])


if __name__ == "__main__":
    unittest.main()
