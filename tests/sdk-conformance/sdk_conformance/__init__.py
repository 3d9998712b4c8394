"""Conformance suite for workers and watchers of Stagecast jobs, in any language: see ../README.md."""
