//! The store's own clock, by which its files have their ages. The host's decides nothing: a host
//! whose clock is wrong would take what was written just now for old.

use chrono::{DateTime, Utc};
use object_store::{ObjectStoreExt as _, PutPayload, path::Path};

use crate::{
    base::{Clock, Error, Result},
    store::{Root, Staging, store_error},
};

/// How far the host's clock and the store's may differ.
const DIFFERENCE_MAX: chrono::Duration = chrono::Duration::minutes(5);

/// Where files come and go by which a store's clock is read.
const CLOCK_FOLDER: &str = "clock";

/// The present instant by the store's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreClock {
    /// That instant.
    pub now: DateTime<Utc>,
}

impl StoreClock {
    /// Writes a file, looks at its time, and deletes it.
    ///
    /// # Errors
    /// `Unavailable` when the store refuses, or when its clock and the host's differ by more than
    /// five minutes: which of them is wrong can't be known, and days and ages hang on it.
    pub(crate) async fn read(root: &Root, staging: &Staging, host: &dyn Clock) -> Result<Self> {
        let now = if root.local_dir().is_some() { local(staging)? } else { remote(root).await? };
        let of_host = host.now();
        if !host.is_simulated() && (now - of_host).abs() > DIFFERENCE_MAX {
            return Err(Error::unavailable(format!(
                "{}: its clock says {}, and this machine's says {}; nothing was changed. Set the \
                 wrong one right: what is old enough to go, and what day it is, hang on them",
                root.name(),
                now.format("%Y-%m-%d %H:%M:%S UTC"),
                of_host.format("%Y-%m-%d %H:%M:%S UTC")
            )));
        }
        Ok(Self { now })
    }
}

fn local(staging: &Staging) -> Result<DateTime<Utc>> {
    let (path, file) = staging.create("clock")?;
    let read = std::io::Write::write_all(&mut &file, b"-")
        .and_then(|()| file.metadata())
        .and_then(|metadata| metadata.modified());
    drop(std::fs::remove_file(&path));
    read.map(DateTime::from).map_err(|error| Error::io(path.display(), error))
}

async fn remote(root: &Root) -> Result<DateTime<Utc>> {
    let name = format!("{:032x}", rand::random::<u128>());
    let path = Path::from_iter([CLOCK_FOLDER, &name]);
    // Whatever it is, the clock can't be read now.
    let fail = |error: object_store::Error| {
        let error = store_error(&root.full_name(&path), error);
        Error::unavailable(format!("the store's clock can't be read: {error}")).with_source(error)
    };
    root.store().put(&path, PutPayload::from_static(b"-")).await.map_err(fail)?;
    let looked = root.look(&path).await;
    // One that stays is in nobody's way.
    drop(root.store().delete(&path).await);
    let looked = looked?.ok_or_else(|| {
        Error::unavailable(format!("{}: written, and not there", root.full_name(&path)))
    })?;
    Ok(looked.last_modified)
}
