//! One block: its records read, typed, checked and sorted out by day.

use std::collections::BTreeMap;

use arrow::{
    array::{RecordBatch, UInt32Array},
    compute::take_record_batch,
};

use crate::{
    base::{Day, Error, Result},
    ingest::{
        pipeline::rejects::BadRow,
        readers::reader::RowReader,
        rows::{
            field_map::FieldMap,
            row_builder::{Draft, Drafted},
        },
    },
    model::Dataset,
};

/// What a block held.
#[derive(Debug)]
pub(crate) struct Judged {
    /// Good rows in the order they came, by day.
    pub(crate) rows: Vec<(Day, RecordBatch)>,
    /// Bad rows in the order they came.
    pub(crate) bad: Vec<BadRow>,
    /// How many rows each odd rule marks, as in [`Drafted`].
    pub(crate) odd: Vec<u64>,
    /// How many records there were.
    pub(crate) read: u64,
    /// Whether the last one has no line end.
    pub(crate) lacks_line_end: bool,
}

/// Says what is good and bad about a dataset's rows.
pub(crate) struct Judge {
    pub(crate) dataset: std::sync::Arc<Dataset>,
    pub(crate) map: FieldMap,
    pub(crate) today: Day,
    /// Whether bad rows are kept as they came.
    pub(crate) keep_bad: bool,
}

impl Judge {
    pub(crate) fn judge(&self, mut block: Box<dyn RowReader>) -> Result<Judged> {
        let mut draft = Draft::new(&self.dataset, &self.map, self.today, block.records_max());
        let (mut bad, mut read) = (Vec::new(), 0);
        while let Some(filled) = block.next(&mut draft) {
            read += 1;
            if let Err(fault) = draft.finish(filled) {
                let raw = if self.keep_bad { Some(block.raw()?) } else { None };
                bad.push(BadRow { line: block.line(), fault, raw });
            }
        }
        let Drafted { rows, days, odd } = draft.take()?;
        let lacks_line_end = block.lacks_line_end();
        Ok(Judged { rows: by_day(rows, &days)?, bad, odd, read, lacks_line_end })
    }
}

/// The rows of each day; `days` says each one's.
fn by_day(rows: RecordBatch, days: &[Day]) -> Result<Vec<(Day, RecordBatch)>> {
    match days.first() {
        None => return Ok(Vec::new()),
        // Logs come in the order of time: most blocks are of one day.
        Some(first) if days.iter().all(|day| day == first) => return Ok(vec![(*first, rows)]),
        Some(_) => {}
    }
    let mut places: BTreeMap<Day, Vec<u32>> = BTreeMap::new();
    for (place, day) in (0..).zip(days) {
        places.entry(*day).or_default().push(place);
    }
    let taken = places.into_iter().map(|(day, places)| {
        let rows = take_record_batch(&rows, &UInt32Array::from(places))
            .map_err(|error| Error::internal("rows of a day").with_source(error))?;
        Ok((day, rows))
    });
    taken.collect()
}
