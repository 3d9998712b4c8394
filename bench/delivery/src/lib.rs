//! Empty, because a package needs a target that is always built. The benchmark is the target `delivery`,
//! which `bench/delivery/run.py` builds and runs.
