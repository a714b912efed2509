//! Running the tasks: one after the other, a failing one without the rest.

use std::time::{Duration, Instant};

use super::{Built, Task, segment_builder, tasks};
use crate::{
    base::{Clock, Day, Result, Settings, Span},
    catalog::load,
    exec::new_session,
    model::{Dataset, Rollup},
    store::{Root, Staging},
};

/// Which days and rollups.
#[derive(Clone, Debug, Default)]
pub struct JobOptions {
    /// The first day; the root's first when `None`.
    pub from: Option<Day>,
    /// The last day; yesterday, UTC, when `None`.
    pub to: Option<Day>,
    /// The rollups by name; all when empty.
    pub names: Vec<String>,
    /// Only say what would be built.
    pub dry_run: bool,
}

/// What became of a task.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing: it was a dry run.
    Planned,
    /// The segment is there.
    Built {
        /// What was built.
        built: Built,
        /// How long it took.
        took: Duration,
    },
    /// It failed; the other tasks went on.
    Failed(crate::base::Error),
}

/// Builds what is missing or behind, telling `report` of each task as it ends.
///
/// # Errors
/// For what stops the whole job: an unknown rollup, a root that can't be listed or written to. A
/// task that fails is an [`Outcome`].
pub(crate) async fn run(
    root: &Root,
    dataset: &Dataset,
    settings: &Settings,
    clock: &dyn Clock,
    options: &JobOptions,
    mut report: impl FnMut(&Task<'_>, &Outcome) + Send,
) -> Result<()> {
    let rollups: Vec<&Rollup> = match options.names.as_slice() {
        [] => dataset.rollups().iter().collect(),
        names => names.iter().map(|name| dataset.rollup(name)).collect::<Result<_>>()?,
    };
    let last = options.to.unwrap_or_else(|| clock.today().plus(-1));
    let start = options.from.map_or(i64::MIN, Day::start_micros);
    let span = Span::new(start, last.span().end);
    let snapshot = load(root, dataset, span).await?;
    let tasks = tasks(&snapshot, span, &rollups);
    if options.dry_run || tasks.is_empty() {
        for task in &tasks {
            report(task, &Outcome::Planned);
        }
        return Ok(());
    }
    let staging = Staging::open(root, settings, clock)?;
    let context = new_session(root, settings)?;
    for task in &tasks {
        let start = Instant::now();
        let built = segment_builder::build(root, dataset, &context, &staging, task).await;
        let outcome = match built {
            Ok(built) => Outcome::Built { built, took: start.elapsed() },
            Err(error) => {
                let subject = format!("rollup `{}`, day {}", task.rollup.name(), task.day);
                Outcome::Failed(error.about(subject))
            }
        };
        report(task, &outcome);
    }
    Ok(())
}
