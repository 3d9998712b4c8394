//! The parts that a stage is split into, whose progress combines by weight.

/// A whole stage, in millionths.
pub(super) const ALL: u32 = 1_000_000;

/// A stage, the parts that it was split into, and their parts.
#[derive(Debug)]
pub(super) struct Parts(Vec<Part>);

/// A part of a stage. [`STAGE`] is the whole of it.
#[derive(Debug, Default)]
struct Part {
    parent: Option<usize>,
    weight: u32,
    /// The progress, in millionths. It never goes back.
    millionths: u32,
    /// The sum of the weights of its parts.
    weights: u64,
    /// The sum of the weights of its parts, each times its millionths.
    weighted: u64,
}

/// The index of the whole stage.
pub(super) const STAGE: usize = 0;

impl Parts {
    /// A stage that was not split.
    pub(super) fn whole() -> Self {
        Self(vec![Part::default()])
    }

    /// The progress of the stage, in millionths.
    pub(super) fn millionths(&self) -> u32 {
        self.0[STAGE].millionths
    }

    /// Adds a part of `parent`, and returns its index.
    pub(super) fn add(&mut self, parent: usize, weight: u32) -> usize {
        self.0[parent].weights += u64::from(weight);
        self.0.push(Part {
            parent: Some(parent),
            weight,
            ..Part::default()
        });
        self.0.len() - 1
    }

    /// Raises a part to `millionths`, and the parts that contain it.
    pub(super) fn raise(&mut self, part: usize, millionths: u32) {
        let raised = &mut self.0[part];
        if millionths <= raised.millionths {
            return;
        }
        let gain = u64::from(millionths - raised.millionths) * u64::from(raised.weight);
        raised.millionths = millionths;
        if let Some(parent) = raised.parent {
            let parts = &mut self.0[parent];
            parts.weighted += gain;
            let combined = parts.weighted / parts.weights.max(1);
            self.raise(parent, u32::try_from(combined).unwrap_or(ALL));
        }
    }
}
