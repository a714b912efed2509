//! The store's own clock. The age of a file is measured by the store's clock. The host's clock
//! decides nothing: a host with a wrong clock could take a new file for an old one.

use chrono::{DateTime, Utc};
use object_store::{ObjectStoreExt as _, PutPayload, path::Path};

use crate::{
    base::{Clock, Error, Result},
    store::{Root, Staging, store_error},
};

/// The largest allowed difference between the host's clock and the store's.
const DIFFERENCE_MAX: chrono::Duration = chrono::Duration::minutes(5);

/// The folder of the short-lived files that show the time of a remote store's clock.
const CLOCK_FOLDER: &str = "clock";

/// The current instant by the store's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreClock {
    /// The current instant, UTC.
    pub now: DateTime<Utc>,
}

impl StoreClock {
    /// Reads the store's clock: writes a file, reads its modification time, and deletes the file.
    ///
    /// # Errors
    /// `Unavailable` when the store refuses, or when the clocks of the store and the host differ
    /// by more than five minutes. Nothing tells which of the two clocks is wrong, and days and
    /// ages depend on them. A simulated host clock is not compared.
    pub(crate) async fn read(root: &Root, staging: &Staging, host: &dyn Clock) -> Result<Self> {
        let now = if root.local_dir().is_some() { local(staging)? } else { remote(root).await? };
        let of_host = host.now();
        if !host.is_simulated() && (now - of_host).abs() > DIFFERENCE_MAX {
            return Err(Error::unavailable(format!(
                "{}: its clock says {}, and this machine's says {}; nothing was changed. Set the \
                 wrong one right: what is old enough to be deleted, and which day it is, depend on \
                 them",
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
    // The file stays empty: on a full disk `gc` must run.
    let read = file.metadata().and_then(|metadata| metadata.modified());
    drop(std::fs::remove_file(&path));
    read.map(DateTime::from).map_err(|error| Error::io(path.display(), error))
}

async fn remote(root: &Root) -> Result<DateTime<Utc>> {
    let name = format!("{:032x}", rand::random::<u128>());
    let path = Path::from_iter([CLOCK_FOLDER, &name]);
    // Every error means that the clock can't be read now.
    let fail = |error: object_store::Error| {
        let error = store_error(&root.full_name(&path), error);
        Error::unavailable(format!("the store's clock can't be read: {error}")).with_source(error)
    };
    root.store().put(&path, PutPayload::from_static(b"-")).await.map_err(fail)?;
    let looked = root.look(&path).await;
    // If the deletion fails, the leftover file does no harm.
    drop(root.store().delete(&path).await);
    let looked = looked?.ok_or_else(|| {
        Error::unavailable(format!("{}: written, and not there", root.full_name(&path)))
    })?;
    Ok(looked.last_modified)
}
