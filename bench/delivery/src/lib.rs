//! Nothing: a package has to have a target that is always built. What measures is the benchmark
//! `delivery`, which `bench/delivery/run.py` builds and runs.
