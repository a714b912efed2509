//! The listed folder of a day or month.

use std::sync::Arc;

use object_store::{ObjectMeta, path::Path};

use crate::{
    model::{Fingerprint, Period, PeriodLength, PeriodSegments, SegmentFile},
    store::layout::{period_and_name, segment_fingerprint},
};

/// The listed files of a period's folder.
pub(crate) trait PeriodFolder: Send + Sync + Sized + 'static {
    /// A parsed file name.
    type Name: Send;

    /// The inner folder whose files count too, if there is one.
    const INNER: Option<&'static str> = None;

    /// Parses a name; `None` when the file is no data.
    fn parse(name: &str) -> Option<Self::Name>;

    /// Whether a file of this name is ours. Our files never change.
    fn is_ours(name: &Self::Name) -> bool;

    /// The folder of these files, which are sorted by path.
    fn of(period: Period, files: Vec<(Self::Name, ObjectMeta)>) -> Self;

    /// The period and the parsed name of a file below `prefix`, in the folder of a period of this
    /// length; `None` for any other file.
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
