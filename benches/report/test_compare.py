"""A regression is found, noise is not, and a busy or another machine is told apart: on figures that are made up."""

import copy
import io
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path

import compare
import example
import history
import main


def verdicts(before, now):
    return {change.name: change.verdict for change in compare.judged(before, now) if change.verdict}


class Comparing(unittest.TestCase):
    def test_noise_is_not_called_a_change(self):
        for seed in range(2, 40):
            with self.subTest(seed=seed):
                self.assertEqual(verdicts(example.entry(seed=1), example.entry(seed=seed)), {})

    def test_one_operation_that_takes_a_third_longer_is_found_everywhere_and_nothing_else_is(self):
        for name in example.OPERATIONS:
            with self.subTest(operation=name):
                found = verdicts(example.entry(seed=1), example.entry(seed=2, slower=1.35, operation=name))
                self.assertTrue(all(each.startswith(name) for each in found), found)
                self.assertEqual(set(found.values()), {"worse"})
                for connections in example.CONNECTIONS:
                    for figure in ("requests/s", "processor time"):
                        self.assertIn(f"{name}, {connections} at once: {figure}, of the bare handler's", found)

    def test_what_got_faster_is_better(self):
        found = verdicts(example.entry(seed=1, slower=1.35), example.entry(seed=2))
        self.assertGreaterEqual(len(found), 10)
        self.assertEqual(set(found.values()), {"better"})

    def test_a_machine_that_is_slower_as_a_whole_is_not_slower_code(self):
        before, now = example.entry(seed=1), example.entry(seed=1)
        slowed(now["primitives_us"], 1.6)
        for step in now["outstanding"]["steps"]:
            slowed(step["us"], 1.6)
            slowed(step, 1.6, only="yardstick_us")
        self.assertEqual(verdicts(before, now), {})

    def test_a_primitive_that_is_slower_beside_the_yardstick_is_found(self):
        before, now = example.entry(seed=1), example.entry(seed=1)
        slowed(now["primitives_us"], 1.3, only="seal a share token")
        self.assertEqual(verdicts(before, now), {"seal a share token: of SHA-256 of 4 KiB": "worse"})

    def test_a_cost_that_grows_with_tokens_is_found_where_it_does(self):
        before, now = example.entry(seed=1), example.entry(seed=1)
        slowed(now["outstanding"]["steps"][-1]["us"], 1.5, only="redeem a share")
        slowed(now["outstanding"]["steps"][-1]["us"], 1.5, only="authorise")
        about = "10,000 keys, 1,000,000 tokens: "
        wanted = {f"{about}redeem a share: of the same with none", f"{about}authorise: of SHA-256 of 4 KiB"}
        self.assertEqual(set(verdicts(before, now)), wanted)

    def test_memory_that_grew_is_found(self):
        before, now = example.entry(seed=1), example.entry(seed=1)
        now["outstanding"]["steps"][2]["resident_mb"] *= 1.2
        slowed(now["memory"], 1.4, only="loaded_mb")
        self.assertEqual(set(verdicts(before, now)), {"10,000 keys, 10,000 tokens: MB", "MB after a round of load"})

    def test_ranges_that_overlap_or_nearly_do_are_noise_however_far_the_middles_are_apart(self):
        for most, verdict in ((180, ""), (165, ""), (130, "worse")):
            before, now = compare.Spread(100, 90, most), compare.Spread(180, 175, 200)
            self.assertEqual(compare._verdict(before, compare.Figure("", now)), verdict, most)

    def test_a_little_is_no_change_however_certain(self):
        before = compare.Spread(100, 100, 100)
        self.assertEqual(compare._verdict(before, compare.Figure("", compare.Spread(109, 109, 109))), "")
        self.assertEqual(compare._verdict(before, compare.Figure("", compare.Spread(111, 111, 111))), "worse")

    def test_a_figure_that_only_one_of_both_has_is_not_compared(self):
        before, now = example.entry(seed=1), example.entry(seed=1)
        del before["operations"]["get a page"]
        self.assertTrue(compare.judged(before, now))
        self.assertFalse([change for change in compare.judged(before, now) if change.name.startswith("get a page")])

    def test_what_is_worse_is_told_first_with_both_ranges(self):
        now = example.entry(seed=2, slower=1.35)
        slowed(now["primitives_us"], 0.5, only="seal a share token")
        told = []
        compare.table(compare.judged(example.entry(seed=1), now), told.append)
        self.assertRegex(told[1], r"^worse +mint a share.*\(.* to .*\).*\(.* to .*\)")
        self.assertRegex(told[-2], r"^better +seal a share token")
        self.assertRegex(told[-1], r"of \d+ figures are as they were")


def slowed(figures, factor, only=None):
    for name in [only] if only else figures:
        figures[name] = {part: value * factor for part, value in figures[name].items()}


class History(unittest.TestCase):
    def test_the_last_entry_of_a_quiet_machine_of_the_same_kind_is_taken(self):
        quiet, later, busy, other = (
            example.entry(seed=seed, date=f"2026-11-0{seed}T00:00:00Z", busy=seed == 3) for seed in range(1, 5)
        )
        other["machine"]["model"] = "another"
        now = example.entry(seed=9)
        self.assertIs(history.last_like(now, [quiet, later, busy, other]), later)
        self.assertIs(history.last_like(now, [busy, other]), busy)
        self.assertIsNone(history.last_like(now, [other]))

    def test_what_is_kept_is_read_again_as_it_was_the_oldest_first(self):
        first, second = example.entry(seed=1), example.entry(seed=2, date="2026-10-01T00:00:00Z")
        with tempfile.TemporaryDirectory() as folder:
            files = [history.keep(entry, Path(folder)) for entry in (first, second)]
            self.assertEqual(files[0].name, "2026-11-01-0000000001.json")
            self.assertEqual(history.entries(Path(folder)), [second, first])

    def test_an_entry_is_small(self):
        self.assertLess(len(history.text(example.entry())), 120_000)

    def test_every_committed_entry_can_be_compared_and_drawn(self):
        past = history.entries()
        for place, entry in enumerate(past):
            with self.subTest(entry=entry["commit"]):
                self.assertEqual(entry["schema"], main.SCHEMA)
                self.assertTrue(compare.judged(entry, copy.deepcopy(entry)))
                main.report(entry, past[:place])


class Checking(unittest.TestCase):
    def ended(self, now, past, is_checked=True):
        with redirect_stdout(io.StringIO()) as said:
            _, changes, base = main.report(now, past)
            return main.told(now, base, changes, is_checked), said.getvalue()

    def test_a_regression_ends_a_check_with_one(self):
        worse = example.entry(seed=2, slower=1.35)
        self.assertEqual(self.ended(worse, [example.entry(seed=1)])[0], 1)
        self.assertEqual(self.ended(worse, [example.entry(seed=1)], is_checked=False)[0], 0)
        self.assertEqual(self.ended(example.entry(seed=2), [example.entry(seed=1)])[0], 0)

    def test_nothing_to_compare_with_is_no_pass(self):
        status, said = self.ended(example.entry(), [])
        self.assertEqual(status, 2)
        self.assertIn("no entry", said)

    def test_it_says_when_the_machine_was_busy(self):
        past = [example.entry(seed=1, busy=True)]
        said = self.ended(example.entry(seed=2, busy=True), past)[1]
        self.assertIn("others took 30.0% of it", said)
        self.assertIn("of a busy machine", said)


if __name__ == "__main__":
    unittest.main()
