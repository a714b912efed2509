//! Reads an object of an object store on a thread that may block.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use futures::stream;
use object_store::{GetOptions, ObjectStore as _};

use crate::{ingest::readers::pump::Pump, store::Object};

/// How many bytes are asked for at once. A long object takes longer to process than a store keeps
/// one request open.
const RANGE_BYTES: u64 = 8 << 20;

/// An object's bytes, in order. The object is asked for when the first byte is read.
pub(crate) struct ObjectReader {
    object: Object,
    ranges: Option<Pump<object_store::Result<Bytes>>>,
    /// Bytes that came and were not read yet.
    rest: Bytes,
}

impl ObjectReader {
    pub(crate) const fn new(object: Object) -> Self {
        Self { object, ranges: None, rest: Bytes::new() }
    }
}

/// The object's ranges, all of one version of it.
fn ranges(object: Object) -> Pump<object_store::Result<Bytes>> {
    Pump::new(stream::unfold(Some(0), move |from| {
        let object = object.clone();
        async move {
            let from = from.filter(|from| *from < object.size)?;
            let to = object.size.min(from + RANGE_BYTES);
            let options = GetOptions {
                range: Some((from..to).into()),
                if_match: object.e_tag.clone(),
                ..GetOptions::default()
            };
            let read = match object.store.get_opts(&object.path, options).await {
                Ok(found) => found.bytes().await,
                Err(error) => Err(error),
            };
            let next = read.is_ok().then_some(to);
            Some((read, next))
        }
    }))
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            let ranges = self.ranges.get_or_insert_with(|| ranges(self.object.clone()));
            match ranges.next() {
                None => return Ok(0),
                Some(bytes) => self.rest = bytes.map_err(io::Error::other)?,
            }
        }
        let count = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(buffer.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}
