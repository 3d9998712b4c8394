//! Measures the cost of `progress.report()` for the calling stage, compared with other ways to pass a value
//! to another thread.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use stage_pipeline::{Progress, Report};
use tokio::sync::watch;

/// The number of calls in a round.
const CALLS: u32 = 100_000;
/// The polling interval of the receiver, equal to that of the pipeline's runner.
const INTERVAL: Duration = Duration::from_millis(250);
const MESSAGE: &str = "Detecting walls...";

/// Nanoseconds per call in each of `rounds` rounds, by kind of call.
pub(crate) fn measure(rounds: usize) -> Value {
    let done = Arc::new(AtomicBool::new(false));
    let (progress, feed) = Progress::new();
    let (watched, watching) = watch::channel(Report::default());
    let (sent, receiving) = mpsc::channel::<Report>();
    let counter = AtomicU64::new(0);
    let readers = [
        reader(&done, move || drop(feed.take())),
        reader(&done, move || drop(watching.borrow().clone())),
        // A channel keeps all values, so its receiver must keep up.
        thread::spawn(move || receiving.into_iter().for_each(drop)),
    ];
    let mut times: [(&str, Vec<f64>); 5] = [
        ("progress.report, a constant message", Vec::new()),
        ("progress.report, a formatted message", Vec::new()),
        ("tokio's watch::Sender::send", Vec::new()),
        ("std's mpsc::Sender::send", Vec::new()),
        ("AtomicU64::fetch_add", Vec::new()),
    ];
    for _ in 0..=rounds {
        let round = [
            time(|call| progress.report(percent(call), MESSAGE)),
            time(|call| progress.report(percent(call), format!("Wall {call} of {CALLS}"))),
            time(|call| drop(watched.send(report(call)))),
            time(|call| drop(sent.send(report(call)))),
            time(|call| {
                counter.fetch_add(u64::from(call), Ordering::Relaxed);
            }),
        ];
        for ((_, times), taken) in times.iter_mut().zip(round) {
            times.push(taken);
        }
    }
    done.store(true, Ordering::Relaxed);
    drop(sent);
    for reader in readers {
        let _ = reader.join();
    }
    let times = times.into_iter().map(|(name, mut times)| {
        // Discard the first round, which fills caches.
        times.remove(0);
        (name.to_owned(), json!(times))
    });
    Value::Object(times.collect())
}

/// Starts a thread that reads the value as often as the runner does.
fn reader(done: &Arc<AtomicBool>, look: impl Fn() + Send + 'static) -> thread::JoinHandle<()> {
    let done = Arc::clone(done);
    thread::spawn(move || {
        while !done.load(Ordering::Relaxed) {
            thread::sleep(INTERVAL);
            look();
        }
    })
}

fn time(mut act: impl FnMut(u32)) -> f64 {
    let start = Instant::now();
    for call in 0..CALLS {
        act(black_box(call));
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn report(call: u32) -> Report {
    let mut report = Report::default();
    report.percent = percent(call);
    report.message = MESSAGE.into();
    report
}

fn percent(call: u32) -> u8 {
    u8::try_from(call % 101).unwrap_or(100)
}
