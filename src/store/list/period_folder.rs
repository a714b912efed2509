//! The folder of a day or month, as it is listed.

use std::sync::Arc;

use object_store::{ObjectMeta, path::Path};

use crate::{
    model::{Fingerprint, Period, PeriodLength, PeriodSegments, SegmentFile},
    store::layout::{period_and_name, segment_fingerprint},
};

/// The files of a day's or month's folder, as they are listed.
pub(crate) trait PeriodFolder: Send + Sync + Sized + 'static {
    /// What a file's name says.
    type Name: Send;

    /// The folder inside, if any, whose files count too.
    const INNER: Option<&'static str> = None;

    /// Reads a name; `None` for a file that is no data.
    fn parse(name: &str) -> Option<Self::Name>;

    /// Whether files of that name never change.
    fn is_ours(name: &Self::Name) -> bool;

    /// The folder of those files, which come by path.
    fn of(period: Period, files: Vec<(Self::Name, ObjectMeta)>) -> Self;

    /// The period and the name of a file below `prefix`, in the folder of a period of that length.
    fn parse_path(
        length: PeriodLength,
        prefix: &Path,
        path: &Path,
    ) -> Option<(Period, Self::Name)> {
        let (period, name) = period_and_name(length, prefix, path)?;
        Some((period, Self::parse(name)?))
    }
}

impl PeriodFolder for PeriodSegments {
    type Name = Fingerprint;

    fn parse(name: &str) -> Option<Fingerprint> {
        segment_fingerprint(name)
    }

    fn is_ours(_: &Fingerprint) -> bool {
        true
    }

    fn of(period: Period, files: Vec<(Fingerprint, ObjectMeta)>) -> Self {
        let segments = files.into_iter();
        let segments =
            segments.map(|(fingerprint, file)| Arc::new(SegmentFile { period, fingerprint, file }));
        Self { period, segments: segments.collect() }
    }
}
