//! Reproducible random numbers: `SplitMix64`.

/// A generator whose numbers depend on its seed alone.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform from `low` to `high`.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub(crate) fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * ((self.next() >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// Uniform on a logarithmic scale from `low` to `high`.
    pub(crate) fn log_uniform(&mut self, low: f64, high: f64) -> f64 {
        self.uniform(low.ln(), high.ln()).exp()
    }

    /// Log-normal with median 1.
    pub(crate) fn log_normal(&mut self, spread: f64) -> f64 {
        // Twelve uniform numbers are normal enough.
        let normal = (0..12).map(|_| self.uniform(0.0, 1.0)).sum::<f64>() - 6.0;
        (spread * normal).exp()
    }

    /// Exponential with mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        -self.uniform(f64::MIN_POSITIVE, 1.0).ln()
    }

    /// A whole number from 0 to `below - 1`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "small numbers"
    )]
    pub(crate) fn below(&mut self, below: usize) -> usize {
        (self.uniform(0.0, below as f64) as usize).min(below - 1)
    }
}
