"""Tests that the suite notices an implementation that breaks a rule, and that its model answers as documented.

    python -m unittest discover --start-directory tests/sdk-conformance
"""

import asyncio
import dataclasses
import pathlib
import sys
import unittest

from sdk_conformance import scenario as scenarios
from sdk_conformance.faults import FaultPlan, contains
from sdk_conformance.job_model import ApiError, Job
from sdk_conformance.run_scenario import random_timeline, run_scenario
from sdk_conformance.service import Exchange

REFERENCE = [sys.executable, str(pathlib.Path(__file__).parent / "drivers/reference/driver.py")]

# The rule that the reference driver breaks, the scenario, and the invariant or expectation that notices it.
BROKEN = [
    ("changed_repeat", "worker/lost-answer", "repeats_have_the_same_body"),
    ("twice", "worker/plain", "requests_are_valid"),
    ("old_after_seq", "worker/plain", "after_seq_is_the_last_answered"),
    ("wrong_epoch", "worker/plain", "posts_have_the_epoch_of_the_claim"),
    ("overlap", "worker/slow-network", "posts_are_serial"),
    ("post_after_lease_lost", "worker/lease-lost", "no_post_after_the_end"),
    ("no_heartbeat", "worker/heartbeats", "lease_is_renewed"),
    ("ignore_cancel", "worker/cancel", "log"),
    ("flood", "worker/frequent-progress", "progress_is_thinned"),
    ("repeat_finished", "worker/restart", "requests_are_valid"),
    ("forget_checkpoint", "worker/checkpoint", "output"),
    ("no_number", "worker/checkpoint", "checkpoints_are_numbered"),
    ("key_to_bucket", "worker/large-input", "key_stays_at_the_api"),
    ("key_to_bucket", "worker/artifact", "key_stays_at_the_api"),
    ("json_content_type", "worker/large-results", "requests_are_valid"),
    ("extra_claim", "queue/several-jobs", "claims_only_with_a_free_slot"),
    ("old_worker_key", "queue/lost-claim", "requests_are_valid"),
    ("no_release", "queue/sigterm-releases", "requests"),
    ("no_listener", "queue/several-jobs", "claims_carry_the_listener"),
    ("no_listener", "queue/woken", "timeline"),
    ("poll_at_once", "queue/polling", "polls_respect_retry_after"),
    ("duplicates", "watch/duplicates", "durable_messages_once_and_in_order"),
    ("order", "watch/reordered", "durable_messages_once_and_in_order"),
    ("order", "watch/random-delivery", "durable_messages_once_and_in_order"),
    ("change_results", "watch/plain", "messages_are_unchanged"),
    ("ignore_gaps", "watch/missing", "timeline"),
    ("stale_progress", "watch/progress-out-of-order", "progress_is_not_stale"),
    ("progress_back", "watch/progress-out-of-order", "progress_never_goes_back"),
    ("no_resume", "watch/reset-connection", "resumes_after_the_last_seq"),
    ("too_far", "watch/reset-connection", "resumes_after_the_last_seq"),
    ("no_end", "watch/plain", "ends_in_time"),
    ("no_backoff", "watch/blocked-websockets", "reconnects_with_backoff"),
    ("poll_at_once", "watch/blocked-websockets", "polls_respect_retry_after"),
]
TIMEOUTS = {"no_heartbeat": 70, "ignore_cancel": 60, "no_end": 6, "no_listener": 20}


class BrokenImplementations(unittest.TestCase):
    def test_each_broken_rule_is_noticed(self):
        async def all_runs():
            slots = asyncio.Semaphore(16)

            async def one(broken, name):
                timeout = TIMEOUTS.get(broken, 30)
                changed = dataclasses.replace(known[name], timeout=timeout)
                async with slots:
                    return await run_scenario(changed, changed.seeds[0], REFERENCE, {"BREAK": broken}, timeout)

            ordered = sorted(BROKEN, key=lambda case: -TIMEOUTS.get(case[0], 30))
            return ordered, await asyncio.gather(*(one(broken, name) for broken, name, _ in ordered))

        known = {each.name: each for each in scenarios.load()}
        for (broken, name, expected), run in zip(*asyncio.run(all_runs())):
            with self.subTest(broken=broken, scenario=name):
                noticed = {violation.split(":")[0] for violation in run.violations}
                self.assertIn(expected, noticed, run.transcript())
                self.assertNotIn("suite", noticed, run.violations)

    def test_unmet_expectations_are_noticed(self):
        plain = next(each for each in scenarios.load() if each.name == "watch/plain")
        expectations = {
            "output": [{"event": "message", "message": {"stage": "decode", "progress": 41}}],
            "not_output": [{"event": "end"}],
            "requests": [{"request": "subscribe"}, {"request": "poll"}],
            "counts": [{"request": "subscribe", "at_least": 2}],
            "exit": 3,
        }
        for name, expected in expectations.items():
            with self.subTest(name):
                changed = dataclasses.replace(plain, expect={name: expected})
                run = asyncio.run(run_scenario(changed, 0, REFERENCE))
                self.assertIn(name, {violation.split(":")[0] for violation in run.violations})


class Scenarios(unittest.TestCase):
    def test_unknown_words_are_refused(self):
        for fields in ({"expect": {"outputs": []}}, {"faults": [{"request": "events", "fault": "explode"}]}):
            with self.subTest(fields), self.assertRaises(ValueError):
                scenarios.Scenario(name="x", mode="worker", about="", **fields)

    def test_a_seed_determines_faults_and_deliveries(self):
        def faults(seed):
            plan = FaultPlan([], {"requests": ["events"], "rate": 0.5}, seed)
            exchange = Exchange(1, "events", None, b"", {}, None, 0.0)
            return [plan.of(exchange)[0] for _ in range(40)]

        self.assertEqual(faults(1), faults(1))
        self.assertNotEqual(faults(1), faults(2))
        self.assertEqual(random_timeline({}, 1), random_timeline({}, 1))
        self.assertNotEqual(random_timeline({}, 1), random_timeline({}, 2))

    def test_random_faults_end(self):
        plan = FaultPlan([], {"requests": ["events"], "rate": 1, "most_in_a_row": 2}, 1)
        exchange = Exchange(1, "events", None, b"", {}, None, 0.0)
        self.assertEqual([bool(plan.of(exchange)[0]) for _ in range(6)], [True, True, False] * 2)

    def test_patterns_match_parts_of_objects_and_whole_lists(self):
        self.assertTrue(contains({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}))
        self.assertFalse(contains({"a": {"b": 1}}, {"a": {"c": None}}))
        self.assertFalse(contains([1, 2], [1]))


class Model(unittest.TestCase):
    def setUp(self):
        self.job = Job(1)
        self.job.claim(["decode", "transcribe"], "worker-1")

    def post(self, after_seq, *events, epoch=1):
        return self.job.post({"epoch": epoch, "after_seq": after_seq, "events": list(events)})

    def refused(self, code, call, *arguments, **options):
        with self.assertRaises(ApiError) as raised:
            call(*arguments, **options)
        self.assertEqual(raised.exception.code, code)

    def complete(self, stage, results=1):
        return {"type": "stage_complete", "stage": stage, "results": results}

    def test_repeated_post_is_applied_once(self):
        for _ in range(2):
            self.assertEqual(self.post(0, self.complete("decode"))["seq"], 1)
        self.assertEqual(len(self.job.log), 1)

    def test_repeated_post_applies_what_is_new(self):
        self.post(0, self.complete("decode"))
        answer = self.post(0, self.complete("decode"), self.complete("transcribe"), {"type": "job_complete"})
        self.assertEqual((answer["seq"], answer["status"]), (3, "completed"))

    def test_another_post_with_an_old_after_seq_is_a_conflict(self):
        self.post(0, self.complete("decode"))
        self.refused("seq_conflict", self.post, 0, self.complete("decode", results=2))
        self.refused("seq_conflict", self.post, 5)

    def test_posts_of_another_epoch_are_refused(self):
        self.job.take_over()
        self.refused("lease_lost", self.post, 0)

    def test_ended_job_answers_the_repeat_of_its_end_only(self):
        end = {"type": "job_failed", "error": {"code": "x", "message": "y"}}
        self.post(0, end)
        self.assertEqual(self.post(0, end)["status"], "failed")
        self.refused("job_already_finished", self.post, 1)

    def test_job_is_held_by_its_worker(self):
        self.refused("job_held", self.job.claim, ["decode"], "worker-2")
        self.assertEqual(self.job.claim(["decode"], "worker-1")["epoch"], 2)

    def test_fourth_claim_without_progress_fails_the_job(self):
        for _ in range(2):
            self.job.claim(["decode"], "worker-1")
        self.refused("job_already_finished", self.job.claim, ["decode"], "worker-1")
        self.assertEqual(self.job.error["code"], "too_many_attempts")

    def test_release_counts_no_attempt_and_can_be_repeated(self):
        for _ in range(2):
            self.assertEqual(self.job.release(1)["status"], "queued")
        self.assertEqual(self.job.attempt, 0)
        self.refused("lease_lost", self.post, 0)

    def test_checkpoint_is_kept_until_its_stage_is_complete(self):
        checkpoint = {"type": "checkpoint", "stage": "decode", "state": {"row": 1}}
        self.assertEqual(self.post(0, checkpoint)["seq"], 0)
        self.assertEqual(self.job.claim(["decode"], "worker-1")["checkpoint"]["state"], {"row": 1})
        self.post(0, self.complete("decode"), epoch=2)
        self.assertNotIn("checkpoint", self.job.claim(["decode"], "worker-1"))

    def test_late_checkpoint_does_not_replace_a_newer_one(self):
        def checkpoint(number):
            return {"type": "checkpoint", "stage": "decode", "number": number, "state": {"row": number}}

        for number in (1, 2, 1):
            self.post(0, checkpoint(number))
        self.assertEqual(self.job.claim(["decode"], "worker-1")["checkpoint"]["state"], {"row": 2})

    def test_dynamic_stages_are_named_as_they_start(self):
        job = Job(2, queue="transcripts")
        key = job.claim(None, "worker-1")["worker_key"]
        progress = {"type": "progress_update", "stage": "load", "progress": 50, "message": ""}
        job.post({"epoch": 1, "after_seq": 0, "events": [progress]})
        self.assertEqual((job.stages, job.overall), (["load"], 25))
        job.release(1)
        self.assertNotEqual(job.claim(None, "worker-1")["worker_key"], key)


if __name__ == "__main__":
    unittest.main()
