//! Traces of progress: what the stages of a job report, and when.

use crate::random::Random;

/// Shortest time between two published reports, in seconds, as in the service.
const REPORT_SECONDS: f64 = 0.25;

/// The progress of one job.
pub(crate) struct Trace {
    pub(crate) stages: Vec<StageTrace>,
}

/// The progress of one stage.
pub(crate) struct StageTrace {
    /// The declared weight.
    pub(crate) weight: f64,
    pub(crate) seconds: f64,
    /// Seconds since the start of the stage, and percent; in order.
    pub(crate) reports: Vec<(f64, u8)>,
}

impl Trace {
    pub(crate) fn seconds(&self) -> f64 {
        self.stages.iter().map(|stage| stage.seconds).sum()
    }
}

/// The classes of generated traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Steady,
    Bursty,
    Stalled,
    FrontLoaded,
    BackLoaded,
    DifferentStages,
}

impl Class {
    pub(crate) const ALL: [(Self, &str); 6] = [
        (Self::Steady, "steady"),
        (Self::Bursty, "bursty"),
        (Self::Stalled, "stalled"),
        (Self::FrontLoaded, "front-loaded"),
        (Self::BackLoaded, "back-loaded"),
        (Self::DifferentStages, "stages of different speed"),
    ];
}

/// What the jobs of one pipeline have in common.
pub(crate) struct PipelineModel {
    class: Class,
    /// Seconds of each stage in a job of typical size.
    stage_seconds: Vec<f64>,
    shape: Shape,
}

/// The cost of each percent of a front-loaded stage, relative to the others.
#[derive(Clone, Copy)]
enum Shape {
    /// A power of the remaining share.
    Power(f64),
    /// From this factor to 1, evenly.
    Slope(f64),
    /// This factor up to this share, and 1 after it.
    TwoSpeeds(f64, f64),
}

impl Shape {
    fn any(random: &mut Random) -> Self {
        match random.below(3) {
            0 => Self::Power(random.uniform(0.5, 2.0)),
            1 => Self::Slope(random.uniform(3.0, 8.0)),
            _ => Self::TwoSpeeds(random.uniform(3.0, 6.0), random.uniform(0.2, 0.6)),
        }
    }

    fn cost(self, share: f64) -> f64 {
        match self {
            Self::Power(exponent) => (1.0 - share).powf(exponent) + 0.02,
            Self::Slope(factor) => factor + (1.0 - factor) * share,
            Self::TwoSpeeds(factor, until) => {
                if share < until {
                    factor
                } else {
                    1.0
                }
            }
        }
    }
}

impl PipelineModel {
    pub(crate) fn any(class: Class, random: &mut Random) -> Self {
        let seconds = random.log_uniform(30.0, 1200.0);
        let stage_seconds = if class == Class::DifferentStages {
            let stages = 3 + random.below(3);
            (0..stages)
                .map(|_| seconds / 4.0 * random.log_normal(1.0))
                .collect()
        } else {
            vec![seconds]
        };
        Self {
            class,
            stage_seconds,
            shape: Shape::any(random),
        }
    }

    /// The next job of the pipeline. Sizes of inputs differ.
    pub(crate) fn job(&self, random: &mut Random) -> Trace {
        let size = random.log_normal(0.3);
        let stages = self.stage_seconds.iter();
        let stages = stages.map(|seconds| {
            let costs = self.costs(random);
            let scale = seconds * size / costs.iter().sum::<f64>();
            stage(&costs, scale)
        });
        Trace {
            stages: stages.collect(),
        }
    }

    /// The relative seconds of each percent of a stage.
    fn costs(&self, random: &mut Random) -> Vec<f64> {
        let noise = |random: &mut Random| random.log_normal(0.2);
        match self.class {
            Class::Steady | Class::DifferentStages => (0..100).map(|_| noise(random)).collect(),
            Class::Bursty => {
                let mut costs = Vec::new();
                while costs.len() < 100 {
                    let size = 1 + random.below(8);
                    costs.push(f64::from(u32::try_from(size).unwrap_or(1)) * random.exponential());
                    costs.extend(std::iter::repeat_n(0.0, size - 1));
                }
                costs.truncate(100);
                costs
            }
            Class::Stalled => {
                let mut costs: Vec<f64> = (0..100).map(|_| noise(random)).collect();
                for _ in 0..=random.below(2) {
                    costs[5 + random.below(90)] += 100.0 * random.uniform(0.1, 0.5);
                }
                costs
            }
            Class::FrontLoaded | Class::BackLoaded => (0..100)
                .map(|percent| {
                    let share = f64::from(percent) / 100.0;
                    let share = if self.class == Class::FrontLoaded {
                        share
                    } else {
                        1.0 - share
                    };
                    self.shape.cost(share) * noise(random)
                })
                .collect(),
        }
    }
}

/// A stage that takes `scale` times the cost of each percent, and reports as a run does.
fn stage(costs: &[f64], scale: f64) -> StageTrace {
    let mut reports = vec![(0.0, 0)];
    let mut time = 0.0;
    let mut published = 0.0;
    for (percent, cost) in (1..).zip(costs) {
        time += cost * scale;
        match reports.last_mut() {
            // The latest report replaces one that has not been published yet.
            Some(last) if last.0 > time => last.1 = percent,
            _ => {
                published = f64::max(published + REPORT_SECONDS, time);
                reports.push((published, percent));
            }
        }
    }
    reports.retain(|report| report.0 < time);
    reports.push((time, 100));
    StageTrace {
        weight: 1.0,
        seconds: time,
        reports,
    }
}

/// A recorded trace: a line for each report, with the stage's index, its weight, the seconds since the
/// job's start, and the percentage. A line with the percentage 100 ends the stage.
pub(crate) fn recorded(text: &str) -> Trace {
    let mut stages: Vec<StageTrace> = Vec::new();
    let mut start = 0.0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split(',').map(str::trim);
        let mut next = || fields.next().and_then(|field| field.parse::<f64>().ok());
        let (Some(index), Some(weight), Some(time), Some(percent)) =
            (next(), next(), next(), next())
        else {
            panic!("not a line of a trace: {line}");
        };
        if usize_of(index) == stages.len() {
            start = stages.iter().map(|stage| stage.seconds).sum();
            stages.push(StageTrace {
                weight,
                seconds: 0.0,
                reports: Vec::new(),
            });
        }
        if let Some(stage) = stages.last_mut() {
            stage.seconds = time - start;
            let percent = u8::try_from(usize_of(percent)).unwrap_or(100);
            stage.reports.push((time - start, percent));
        }
    }
    Trace { stages }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]
const fn usize_of(number: f64) -> usize {
    number as usize
}
