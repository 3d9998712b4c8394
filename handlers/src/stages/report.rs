//! Progress reports of a stage, and its interruption.

/// Receives the percentage of the stage and a message for display. An error stops the stage.
pub type ProgressCallback<'a> = dyn FnMut(u8, &str) -> Result<(), Interrupted> + 'a;

/// The caller of the stage has asked it to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stage was asked to stop")]
pub struct Interrupted;

/// Number of pixels between two reports: a few milliseconds of work in the slowest pass.
const PIXELS_PER_REPORT: usize = 256 * 1024;

/// The passes of a stage, in sequence. The percentage never decreases.
pub(super) struct Passes<'r, 'a> {
    report: &'r mut ProgressCallback<'a>,
    done: u8,
}

impl<'r, 'a> Passes<'r, 'a> {
    pub(super) fn new(report: &'r mut ProgressCallback<'a>) -> Self {
        Self { report, done: 0 }
    }

    /// The percentages at which `passes` passes end that divide the range up to `until` evenly.
    pub(super) fn steps_until(&self, until: u8, passes: usize) -> impl Iterator<Item = u8> + use<> {
        let (from, span) = (self.done, usize::from(until.saturating_sub(self.done)));
        (1..=passes)
            .map(move |pass| from + u8::try_from(span * pass / passes.max(1)).unwrap_or_default())
    }

    /// Starts the next pass, over `rows` rows of `width` pixels. It ends at `until` percent of the
    /// stage.
    pub(super) fn next<'p>(
        &'p mut self,
        message: &'p str,
        until: u8,
        (width, rows): (usize, usize),
    ) -> Pass<'p, 'a> {
        let from = self.done;
        self.done = until.max(from);
        Pass {
            report: &mut *self.report,
            message,
            from,
            until: self.done,
            rows: rows.max(1),
            stride: (PIXELS_PER_REPORT / width.max(1)).max(1),
            next: 0,
        }
    }
}

/// One pass over the rows of an image.
pub(super) struct Pass<'p, 'a> {
    report: &'p mut ProgressCallback<'a>,
    message: &'p str,
    from: u8,
    until: u8,
    rows: usize,
    stride: usize,
    /// The row at which to report next.
    next: usize,
}

impl Pass<'_, '_> {
    /// Call this before each row, in ascending order. It reports once per [`Self::stride`] rows.
    pub(super) fn row(&mut self, row: usize) -> Result<(), Interrupted> {
        if row < self.next {
            return Ok(());
        }
        self.next = row + self.stride;
        let span = usize::from(self.until - self.from);
        let percent = usize::from(self.from) + span * row.min(self.rows) / self.rows;
        (self.report)(u8::try_from(percent).unwrap_or(100), self.message)
    }

    /// Number of rows between two reports.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }
}
