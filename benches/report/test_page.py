"""The page shows what was measured, fetches nothing, and is well-formed: on figures that are made up."""

import re
import unittest
from xml.etree import ElementTree

import chart
import example
import main
import page


def rendered(entry, past=()):
    return main.report(entry, list(past))[0]


def all_drawings(html):
    """Several may have the same title, in different sections."""
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg .*?</svg>", html)]


def drawings(html):
    """One under each title."""
    return {svg.get("aria-label"): svg for svg in all_drawings(html)}


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.past = [example.entry(seed=seed, date=f"2026-11-0{seed}T00:00:00Z", busy=seed == 2) for seed in range(1, 4)]
        cls.entry = example.entry(seed=9, slower=1.4, date="2026-12-01T10:00:00Z")
        cls.html = rendered(cls.entry, cls.past)

    def test_every_section_has_its_drawings(self):
        made = drawings(self.html)
        for name in example.OPERATIONS:
            self.assertIn(name, made)
            self.assertIn(f"{name}, 6,000 per second", made)
        wanted = ("Ratios at 256 connections", "What every request pays", "What is made durable, 64 at once", "The broker, in MB resident")
        wanted += ("A store with outstanding tokens", "Microseconds a call, in one thread", "Requests per second")
        for title in wanted:
            self.assertIn(title, made)

    def test_nothing_is_fetched(self):
        for word in ("http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"):
            self.assertNotIn(word, self.html)

    def test_it_has_colours_for_dark_and_light(self):
        dark = self.html.split("@media (prefers-color-scheme: dark)")[1]
        for name in set(re.findall(r"var\((--[a-z]+)\)", self.html)) - {"--line"}:
            self.assertIn(f"{name}:", self.html)
            self.assertIn(f"{name}:", dark)

    def test_what_got_worse_is_named(self):
        self.assertIn('class="worse"', self.html)
        self.assertNotIn('class="worse"', rendered(example.entry(seed=8), self.past))

    def test_a_busy_machine_is_told_on_top_and_outlined_in_the_history(self):
        self.assertNotIn('class="busy"', self.html)
        self.assertIn('class="busy"', rendered(example.entry(busy=True)))
        hollow = [dot for dot in drawings(self.html)["Requests per second"].iter("circle") if "hollow" in dot.get("class")]
        self.assertEqual(len(hollow), len(example.OPERATIONS))

    def test_names_are_escaped(self):
        entry = example.entry()
        entry["machine"]["model"] = "<script>alert(1)</script>"
        entry["operations"]["<b>&"] = entry["operations"].pop("get a page")
        html = rendered(entry)
        self.assertNotIn("<script", html)
        self.assertIn("<b>&", drawings(html))

    def test_a_first_entry_has_a_page_too(self):
        self.assertIn("There is no entry of a machine of this kind yet", rendered(example.entry()))


class Drawing(unittest.TestCase):
    def test_everything_is_drawn_inside_its_frame(self):
        entry = example.entry(seed=3)
        # As if one round had been of another kind.
        entry["operations"]["mint a share"]["connections"]["1024"]["per_second"]["most"] *= 50
        entry["outstanding"]["steps"][2]["us"]["redeem a share"]["most"] *= 30
        for svg in all_drawings(rendered(entry, [example.entry(seed=1)])):
            title = svg.get("aria-label")
            _, _, width, height = map(float, svg.get("viewBox").split())
            for dot in svg.iter("circle"):
                self.assertTrue(0 <= float(dot.get("cx")) <= width and 0 <= float(dot.get("cy")) <= height, title)
            for path in svg.iter("path"):
                if path.get("class") in ("line", "area", "range"):
                    for x, y in re.findall(r"([-\d.]+) ([-\d.]+)", path.get("d")):
                        self.assertTrue(chart.LEFT <= float(x) <= width - chart.RIGHT, title)
                        self.assertTrue(chart.TOP <= float(y) <= height - chart.BOTTOM, title)

    def test_a_value_lies_where_its_axis_has_the_mark(self):
        axis = chart.Axis(1, 1000, "", is_log=True)
        self.assertAlmostEqual(axis.part(10), 1 / 3)
        self.assertEqual([text for _, text in axis.ticks()], ["1", "10", "100", "1k"])
        self.assertAlmostEqual(chart.Axis(0, 200, "").part(50), 0.25)

    def test_an_axis_holds_all_its_values(self):
        for low, high in ((0.06, 9.8), (1, 1), (3, 2_000_000), (0.0123, 0.0124)):
            axis = chart.log_axis([low, high], "")
            self.assertTrue(axis.low <= low and high <= axis.high)
            self.assertGreaterEqual(len(axis.ticks()), 2, (low, high))
        for high in (0.3, 7, 10, 999, 1_234_567):
            axis = chart.even_axis([high], "")
            self.assertTrue(high <= axis.high <= high * 2)
            self.assertTrue(3 <= len(axis.ticks()) <= 11)

    def test_units(self):
        self.assertEqual([chart.microseconds(value) for value in (0.5, 50, 1500, 2e6)], ["0.5 µs", "50 µs", "1.5 ms", "2 s"])
        self.assertEqual([chart.number(value) for value in (0, 0.1, 999, 12_000, 1e6)], ["0", "0.1", "999", "12k", "1M"])


class Latencies(unittest.TestCase):
    # A bucket n begins at 2^(n/8) ns: 80 at 1,024 ns.
    BUCKETS = {"first": 80, "counts": [900, 90, 0, 9, 1]}

    def test_a_distribution_has_all_requests(self):
        points = page.distribution(self.BUCKETS)
        self.assertAlmostEqual(sum(percent for _, percent in points), 100)
        self.assertAlmostEqual(points[1][0], 1.024 * 2 ** (1 / 16))
        self.assertEqual([percent for _, percent in points], [0, 90, 9, 0, 0.9, 0.1, 0])

    def test_a_tail_says_what_one_in_so_many_exceeds(self):
        points = page.tail(self.BUCKETS)
        self.assertEqual([round(rarity) for rarity, _ in points], [10, 100, 1000, 2000])
        self.assertAlmostEqual(points[0][1], 1.024 * 2 ** (1 / 8))
        self.assertAlmostEqual(points[-1][1], 1.024 * 2 ** (5 / 8))


if __name__ == "__main__":
    unittest.main()
