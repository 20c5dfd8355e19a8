"""What is said of the machine."""

import subprocess
import sys
import unittest
import unittest.mock

import machine


class Machine(unittest.TestCase):
    def test_two_of_one_kind_may_have_another_kernel_and_other_memory(self):
        here = machine.about()
        self.assertEqual(machine.kind(here), machine.kind({**here, "kernel": "another", "memory_gb": 1}))
        self.assertNotEqual(machine.kind(here), machine.kind({**here, "model": "another"}))
        self.assertNotEqual(machine.kind(here), machine.kind({**here, "processors": here["processors"] + 1}))

    def test_quiet_is_where_others_take_little_whatever_we_take_ourselves(self):
        watch = machine.Watch()
        busy, stolen, there_was = watch.ticks
        for others, taken, quiet in ((0.01, 0.0, True), (0.3, 0.0, False), (0.01, 0.1, False)):
            # Of 100 seconds of one processor, we take 50.
            ticks = (busy + 5_000 + int(others * 10_000), stolen + int(taken * 10_000), there_was + 10_000)
            with (
                self.subTest(others=others, stolen=taken),
                unittest.mock.patch.object(machine, "_ticks", lambda: ticks),
                unittest.mock.patch.object(machine, "_ours", lambda: watch.ours + 50),
                unittest.mock.patch.object(machine.os, "sysconf", lambda _: 100),
            ):
                ended = watch.ended()
                self.assertEqual((ended["others"], ended["stolen"], ended["quiet"]), (others, taken, quiet))

    def test_what_our_processes_did_is_ours(self):
        before = machine._ours()
        subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
        self.assertGreater(machine._ours(), before)

    def test_a_commit_is_named(self):
        commit = machine.commit(machine.Path(__file__).parent)
        self.assertRegex(commit["commit"], "^[0-9a-f]{10,}$")
        self.assertIn(commit["uncommitted_changes"], (True, False))


if __name__ == "__main__":
    unittest.main()
